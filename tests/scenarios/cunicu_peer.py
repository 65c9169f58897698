"""A peer that behaves as cunīcu does, written from the rules of its protocol; it knows no field 100."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from warren.backoff import Backoff
from warren.errors import SignalingError
from warren.keys import KeyPair, PrivateKey, PublicKey, PublicKeyPair
from warren.messages import Candidate, Credentials, Message
from warren.sansio import Dice
from warren.signaling.backend import Backend

__all__ = ["Agent", "AgentMaker", "CunicuPeer"]

LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
RESEND: Final = Backoff(first=0.5, factor=1.5, limit=60.0, jitter=0.5)


class Agent(Protocol):
    """An agent of pion, or one that behaves like it."""

    @property
    def selected(self) -> object | None:
        """The pair that data takes, None without one."""

    def gather(self) -> None:
        """Look for candidates."""

    def start(self, remote: Credentials) -> None:
        """Begin the checks."""

    def add_remote(self, candidate: Candidate) -> None:
        """Take a candidate of the peer."""

    def send(self, data: bytes) -> bool:
        """Send over the selected pair; false where there is none."""

    def close(self) -> None:
        """Be silent from now on."""


class AgentMaker(Protocol):
    """Makes agents, which tell `found` of their candidates, `data` of datagrams, and `lost` of their end."""

    def __call__(
        self,
        *,
        controlling: bool,
        local: Credentials,
        found: Callable[[Candidate], None],
        lost: Callable[[str], None],
        data: Callable[[bytes], None],
    ) -> Agent:
        """Make it; it does nothing yet."""


class CunicuPeer:
    """One cunīcu with one peer; an async context manager.

    Args:
        key: who it is.
        peer: whom it wants to reach.
        make_agent: makes an agent each time that it begins anew.
        backend: signaling; stays its owner's.
        dice: chance.
        event: told in words of each change of state.
    """

    def __init__(
        self,
        key: PrivateKey,
        peer: PublicKey,
        make_agent: AgentMaker,
        backend: Backend,
        dice: Dice,
        event: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.state = "closed"
        self.received: list[bytes] = []
        self.restarts = 0
        self._pair = KeyPair(key, peer)
        self._controlling = key.public < peer
        self._make_agent, self._backend, self._dice = make_agent, backend, dice
        self._event = event
        self._agent: Agent | None = None
        self._local: Credentials | None = None
        self._remote: Credentials | None = None
        self._delays = RESEND.delays(dice)
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: dict[asyncio.Task[None], None] = {}

    @property
    def agent(self) -> Agent | None:
        """The agent as it is now."""
        return self._agent

    @property
    def connected(self) -> bool:
        """Whether data can be sent."""
        return self._agent is not None and self._agent.selected is not None

    async def __aenter__(self) -> "CunicuPeer":
        await self._backend.subscribe(self._pair, self._message)
        self._create_agent()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._backend.unsubscribe(self._pair, self._message)
        self._close_agent()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def send(self, data: bytes) -> bool:
        """Send a datagram to the peer; false while there is no path."""
        return self._agent is not None and self._agent.send(data)

    def restart(self, reason: str) -> None:
        """Throw the agent away and start anew."""
        self.restarts += 1
        self._event(f"restarts: {reason}")
        self._close_agent()
        self._create_agent()

    # The session

    def _create_agent(self) -> None:
        self._local = Credentials(self._letters(16), self._letters(32), need_creds=True)
        self._remote = None

        def lost(reason: str) -> None:
            if self._agent is agent:
                self.restart(reason)

        agent = self._agent = self._make_agent(
            controlling=self._controlling,
            local=self._local,
            found=self._found,
            lost=lost,
            data=self.received.append,
        )
        self._delays = RESEND.delays(self._dice)
        self._set("idle")
        self._send_while_idle()

    def _close_agent(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._agent is not None:
            self._agent.close()
        self._agent = None
        self._set("closed")

    def _set(self, state: str) -> None:
        self.state = state
        self._event(state)

    def _send_while_idle(self) -> None:
        if self.state != "idle":
            return
        self._send_credentials(need=True)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(next(self._delays), self._send_while_idle)

    def _send_credentials(self, *, need: bool) -> None:
        assert self._local is not None
        self._publish(Message(credentials=Credentials(self._local.ufrag, self._local.pwd, need)))

    def _found(self, candidate: Candidate) -> None:
        self._publish(Message(candidate=candidate))

    def _message(self, pair: PublicKeyPair, message: Message) -> None:
        if message.credentials is not None and not self._credentials(message.credentials):
            return
        if message.candidate is not None and self._agent is not None:
            self._agent.add_remote(message.candidate)
            if self.state == "new" and self._remote is not None:
                self._set("connecting")
                self._agent.start(self._remote)

    def _credentials(self, credentials: Credentials) -> bool:
        """Take credentials; false where the whole message is thrown away."""
        known = self._remote
        if known is not None and (known.ufrag, known.pwd) != (credentials.ufrag, credentials.pwd):
            self.restart("the peer's credentials changed")
            return False
        if self.state != "idle" or self._agent is None:
            return True  # Known already: need_creds is not answered again.
        if not credentials.ufrag:
            if credentials.need_creds:
                self._send_credentials(need=True)
            return False
        self._remote = credentials
        self._set("new")
        if credentials.need_creds:
            self._send_credentials(need=False)
        self._agent.gather()
        return True

    def _publish(self, message: Message) -> None:
        task = asyncio.get_running_loop().create_task(self._publish_one(message))
        self._tasks[task] = None
        task.add_done_callback(lambda task: self._tasks.pop(task, None))

    async def _publish_one(self, message: Message) -> None:
        try:
            async with asyncio.timeout(10.0):
                await self._backend.publish(self._pair, message)
        except (SignalingError, TimeoutError):
            self._event("publishing failed")

    def _letters(self, count: int) -> str:
        return "".join(LETTERS[int(self._dice.random() * len(LETTERS))] for _ in range(count))
