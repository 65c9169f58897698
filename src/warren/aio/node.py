"""Node: one key, its sockets, its signaling and all its sessions, on the event loop."""

import asyncio
import contextlib
import logging
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Self, assert_never

from warren import signaling
from warren.aio.bases import Bases
from warren.aio.calls import Allow, Calls
from warren.aio.connections import Connections
from warren.aio.dice import SystemDice
from warren.aio.driver import Driver
from warren.aio.given import GivenRelays
from warren.aio.network import InterfaceAddress, Network, SystemNetwork
from warren.aio.relay import RelaySender
from warren.aio.servers import Servers, server_urls
from warren.aio.session import Session
from warren.aio.stats import NodeStats
from warren.errors import ConfigurationError, SignalingError
from warren.ice.gather import MappingChanged
from warren.ice.policy import CandidatePolicy
from warren.ice.stun import is_stun
from warren.ice.transport import Address, Base, CloseStream, OpenStream, Transmit
from warren.ice.turn.allocation import Allocation
from warren.ice.turn.channel import is_channel_data
from warren.ice.turn.relays import RelayClosed, RelayOpened
from warren.keys import KeyPair, PrivateKey, PublicKey, PublicKeyPair
from warren.messages import Message
from warren.sansio import Dice
from warren.session.config import Config
from warren.session.machine import SessionMachine
from warren.session.node import CallReceived, Left, NodeMachine, NodeOutput, PublishTo, SessionEvent
from warren.session.state import State
from warren.signaling.backend import Backend, SubscriptionChanged
from warren.signaling.relays import keep_relays

__all__ = ["Node"]

PUBLISH_TIMEOUT = 10.0
MAX_PUBLISHING = 1024
SETTLE = 0.05
RENEW_GAP = 5.0
LEAVING = 1.0

logger = logging.getLogger("warren")


class Node:
    """One private key on the network; an async context manager.

    Args:
        key: who we are.
        signaling: URLs of signaling backends (several make a multi backend), or one `Backend`, which stays
            its owner's.
        config: settings.
        network: addresses and sockets; the system's by default.
        dice: chance; the system's by default.

    Raises (on entering):
        ConfigurationError: a URL is wrong, a library is missing, a port is in use, or no address is usable.
    """

    def __init__(
        self,
        key: PrivateKey,
        *signaling: str | Backend,
        config: Config | None = None,
        network: Network | None = None,
        dice: Dice | None = None,
    ) -> None:
        self._key = key
        self._signaling = signaling
        self._config = config or Config()
        self._network = network or SystemNetwork()
        self._dice: Dice = dice or SystemDice()
        self._urls = server_urls(self._config)
        self._machine = NodeMachine(ours=key.public, dice=self._dice, config=self._config)
        self._relays = self._machine.gatherer.relays
        self._sockets = Bases(
            self._network,
            self._config,
            dice=self._dice,
            received=self._datagrams_received,
            opened=lambda base: self._machine.add_base(base, self._loop.time()),
            closed=lambda base: self._machine.remove_base(base, self._loop.time()),
        )
        self._sessions: dict[SessionMachine, Session] = {}
        self._calls: Calls | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._publishing = 0
        self._signaling_trouble: dict[str, str] = {}
        self._unwatch: list[Callable[[], None]] = []
        self._network_event = asyncio.Event()
        self._left = asyncio.Event()
        self._slept = 0.0
        self._renewed_at = -math.inf
        self._taken_by: dict[PublicKey, int | None] = {}
        """How many took our newest message to a peer, where signaling says it: only for words."""
        self._backend: Backend | None = None
        self._entered = False

    @property
    def public(self) -> PublicKey:
        """Our public key: what others need to find us."""
        return self._key.public

    @property
    def sessions(self) -> dict[PublicKey, Session]:
        """The open sessions by peer, as a copy."""
        return {session.peer: session for session in self._sessions.values()}

    @property
    def bases(self) -> list[Base]:
        """The local transport addresses that all sessions share."""
        return list(self._sockets)

    @property
    def left_out(self) -> list[tuple[InterfaceAddress, str]]:
        """Addresses of this machine that are not offered, each with the reason."""
        return self._sockets.left_out

    @property
    def drops(self) -> Counter[str]:
        """What came from the network and was dropped before any session saw it, by reason."""
        return self._machine.drops + (self._backend.drops if self._backend else Counter())

    @property
    def stats(self) -> NodeStats:
        """How the node does: its sessions, its signaling backends, what it dropped."""
        return NodeStats(
            sessions=len(self._sessions),
            backends=self._backend.stats if self._backend else (),
            drops=dict(self.drops),
        )

    @property
    def nat_summary(self) -> str:
        """What the STUN servers said about our own addresses, in words."""
        return self._machine.gatherer.summary

    # Life

    async def __aenter__(self) -> Self:
        if self._entered:
            raise ConfigurationError("a node can be entered once: make a new one")
        self._entered = True
        self._loop = asyncio.get_running_loop()
        self._driver: Driver[NodeOutput] = Driver(self._machine, self._perform, self._loop)
        self._connections = Connections(
            network=self._network,
            machine=self._machine,
            lend=self._sockets.lend,
            take_back=self._sockets.take_back,
            settle=self._driver.settle,
            deliver=self._deliver,
            spawn=self._spawn,
            loop=self._loop,
        )
        servers = Servers(
            machine=self._machine,
            network=self._network,
            dice=self._dice,
            settle=self._driver.settle,
            clock=self._loop.time,
        )
        try:
            self._backend = self._connect_backend()
            for url in self._urls:
                servers.expect(url)
            await self._sockets.open()
            await self._follow_streams()
            for url in self._urls:
                self._spawn(servers.resolve(url))
            self._unwatch.append(self._network.watch(self._network_event.set, self._machine_slept))
            self._spawn(self._follow_network())
            self._unwatch.append(self._backend.watch(self._subscription_changed))
            await self._backend.subscribe(KeyPair(self._key, None), self._message_received, admit=self._admit)
            if self._backend.gives_relays:
                self._follow_relays(self._backend, servers)
            self._driver.settle()
        except BaseException:
            await _to_the_end(self._close())
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await _to_the_end(self._close())

    def _connect_backend(self) -> Backend:
        urls = [item for item in self._signaling if isinstance(item, str)]
        given = [item for item in self._signaling if not isinstance(item, str)]
        if given and (urls or len(given) > 1):
            raise ConfigurationError("give a node signaling URLs or one Backend, not both")
        return given[0] if given else signaling.connect(*urls)

    def _follow_relays(self, backend: Backend, servers: Servers) -> None:
        """Use the servers that signaling gives beside those that the user has named."""
        given = GivenRelays(
            self._machine,
            named=self._urls,
            resolve=lambda url: self._spawn(servers.resolve(url)),
            settle=self._driver.settle,
            clock=self._loop.time,
        )
        self._spawn(keep_relays(backend, self.public, given.use))

    async def _follow_network(self) -> None:
        """Keep up with the machine's addresses, and with what it slept through."""
        while True:
            await self._network_event.wait()
            # A change comes in pieces: link, address, route.
            await asyncio.sleep(SETTLE)
            self._network_event.clear()
            slept, self._slept = self._slept, 0.0
            self._machine.expect_bases(True, self._loop.time())
            changed = await self._sockets.update()
            await self._follow_streams()
            self._machine.expect_bases(False, self._loop.time())
            if changed or slept:
                why = f"the machine slept for {slept:.0f} s" if slept else "the network has changed"
                logger.info("%s", why)
                self._machine.network_changed(why, self._loop.time())
                if self._backend is not None:
                    self._backend.nudge()
            self._driver.settle()

    async def _follow_streams(self) -> None:
        if self._config.tcp and self._config.candidates is not CandidatePolicy.RELAY_ONLY:
            await self._connections.follow(self._sockets, own_port=self._config.port == 0)

    def _machine_slept(self, seconds: float) -> None:
        self._slept += seconds
        self._network_event.set()

    async def _give_back(self) -> None:
        """Give back what is ours at TURN servers; one that does not answer keeps it for some minutes."""
        self._machine.leave(self._loop.time())
        self._driver.settle()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVING):
                await self._left.wait()

    async def _close(self) -> None:
        for session in list(self._sessions.values()):
            session.close()
        if self._calls is not None:
            self._calls.end()
        await self._give_back()
        self._driver.close()
        self._sockets.close()
        self._connections.close_all()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for unwatch in self._unwatch:
            unwatch()
        if self._backend is not None:
            await self._backend.unsubscribe(KeyPair(self._key, None), self._message_received)
            if all(item is not self._backend for item in self._signaling):
                await self._backend.aclose()

    # What the user asks for

    def open(self, peer: PublicKey) -> Session:
        """Open the session with this peer: it begins at once and tries until it is closed.

        Raises:
            ConfigurationError: the key is our own, or a session with the peer is open.
        """
        now = self._loop.time()
        try:
            machine = self._machine.open(peer, now)
        except ValueError as error:
            raise ConfigurationError(str(error)) from error
        session = self._sessions[machine] = Session(machine, self._sockets, self, now)
        self._driver.settle()
        return session

    def calls(self, allow: Allow) -> Calls:
        """Learn of peers that call: `async with node.calls(allow) as calls: async for peer in calls: ...`."""
        return Calls(self, allow)

    def calls_begin(self, calls: Calls) -> None:
        """Let callers wait (`Calls` does this on entering)."""
        if self._calls is not None:
            raise ConfigurationError("this node listens for calls already")
        self._calls = calls
        self._machine.listening = True

    def calls_end(self, calls: Calls) -> None:
        """Let nobody wait any more (`Calls` does this on leaving)."""
        if self._calls is calls:
            self._calls = None
            self._machine.listening = False

    def session_closed(self, session: Session) -> None:
        """Close a session for good (`Session.close` does this)."""
        self._machine.close(session.peer, self._loop.time())
        self._taken_by.pop(session.peer, None)
        self._driver.settle()
        self._sessions = {machine: other for machine, other in self._sessions.items() if other is not session}

    def session_restarted(self, machine: SessionMachine, reason: str) -> None:
        """Begin a new generation (`Session.restart` does this)."""
        machine.restart(self._loop.time(), reason)
        self._machine.drain(machine, self._loop.time())
        self._driver.settle()

    def data_flows(self, machine: SessionMachine) -> None:
        """Look at a session's traffic from now on (`Session` does this for a datagram after a rest)."""
        machine.data_flows(self._loop.time())
        self._machine.drain(machine, self._loop.time())
        self._driver.settle()

    def why_not_connected(self, session: Session) -> str:
        """Say in words what stands between the two peers as far as it is known."""
        peer, last = session.peer, session.history[-1] if session.history else None
        if session.state in (State.UNKNOWN, State.IDLE):
            if self._signaling_trouble:
                return f"signaling unreachable: {'; '.join(self._signaling_trouble.values())}"
            return self._who_is_there(peer)
        why = f" ({last.reason})" if last else ""
        return f"no path to {peer} yet: {session.state.name}{why}; this side: {self.nat_summary}"

    def _who_is_there(self, peer: PublicKey) -> str:
        allows = f"does it allow {self.public}?"
        match self._taken_by.get(peer):
            case None:
                return f"nobody there: no word from {peer} through signaling; is it running, and {allows}"
            case 0:
                return (
                    f"nobody there: {peer} is not subscribed where we publish; "
                    "is it running, and does it use the same signaling?"
                )
            case _:
                return f"nobody there that answers: {peer} is subscribed, and says nothing; {allows}"

    # What comes from outside

    def _datagrams_received(self, base: Base, datagrams: Sequence[bytes], source: Address) -> None:
        self._driver.heard += len(datagrams)
        data_alone = [data for data in datagrams if not is_stun(data)]
        if not data_alone:
            self._others_received(base, datagrams, source)
            return
        machine = self._machine.expecting(base, source)
        session = None if machine is None else self._sessions.get(machine)
        if session is None:
            self._others_received(base, datagrams, source)
            return
        session.datagrams_received(data_alone, self._loop.time())
        if len(data_alone) < len(datagrams):
            self._others_received(base, list(filter(is_stun, datagrams)), source)

    def _others_received(self, base: Base, datagrams: Sequence[bytes], source: Address) -> None:
        """Take what no session expects; data by way of a TURN server is unwrapped, and then one may."""
        relay = self._relays.relay_at(base, source)
        # Others before data: a check may say whose the data is that was sent right after it.
        others = datagrams if relay is None else [data for data in datagrams if not is_channel_data(data)]
        now = self._loop.time()
        for data in others:
            if (came := self._machine.datagram_received(base, source, data, now)) is not None:
                self._deliver(*came)
        self._driver.settle()
        if relay is not None and len(others) < len(datagrams):
            for inner, peer, data_alone in relay.unwrap_channels(filter(is_channel_data, datagrams)):
                self._datagrams_received(inner, data_alone, peer)

    def _deliver(self, machine: SessionMachine, data: bytes) -> None:
        if (session := self._sessions.get(machine)) is not None:
            session.datagrams_received((data,), self._loop.time())

    def _message_received(self, pair: PublicKeyPair, message: Message) -> None:
        if pair.theirs is not None:
            self._machine.message_received(pair.theirs, message, self._loop.time())
            self._driver.settle()

    def _admit(self, sender: PublicKey) -> bool:
        return self._machine.knows(sender) or (self._calls is not None and self._calls.may_call(sender))

    def _subscription_changed(self, change: SubscriptionChanged) -> None:
        if change.key != self.public:
            return
        if change.live:
            self._signaling_trouble.pop(change.backend, None)
            self._machine.subscription_live(self._loop.time())
            self._driver.settle()
        else:
            self._signaling_trouble[change.backend] = change.reason

    # What the machine asks for

    def _perform(self, output: NodeOutput) -> None:
        match output:
            case Transmit(base, destination, data):
                self._transmit(base, destination, data)
            case OpenStream():
                self._connections.open(output)
            case CloseStream(base):
                self._connections.close(base)
            case RelayOpened(base, allocation):
                self._sockets.lend(base, self._relay_sender(allocation))
            case RelayClosed(base):
                self._sockets.take_back(base)
            case Left():
                self._left.set()
            case PublishTo(peer, message):
                self._publish(peer, message)
            case SessionEvent(machine, event):
                if (session := self._sessions.get(machine)) is not None:
                    session.event_happened(event)
            case CallReceived(peer):
                if self._calls is not None:
                    self._calls.call_received(peer)
            case MappingChanged():
                self._renew_signaling()
            case _:
                assert_never(output)

    def _renew_signaling(self) -> None:
        # A server that told lies could otherwise keep us busy with it.
        if self._backend is not None and self._loop.time() >= self._renewed_at + RENEW_GAP:
            self._renewed_at = self._loop.time()
            self._backend.nudge()

    def _transmit(self, base: Base, destination: Address, data: bytes) -> None:
        if base.protocol == "tcp":
            self._connections.write(base, data)
        elif (sender := self._sockets.senders.get(base)) is not None:
            sender.send(data, destination)

    def _relay_sender(self, allocation: Allocation) -> RelaySender:
        return RelaySender(
            allocation,
            send=lambda allocation, packet: self._transmit(allocation.carrier, allocation.server, packet),
            flush=lambda allocation: self._sockets.flush(allocation.carrier),
            settle=self._relay_used,
            loop=self._loop,
        )

    def _relay_used(self, allocation: Allocation) -> None:
        self._machine.drain_relay(allocation)
        self._driver.settle()

    def _publish(self, peer: PublicKey, message: Message) -> None:
        if self._publishing >= MAX_PUBLISHING:
            # A message is the whole truth about its generation: a later one makes up for this one.
            self._machine.drops["publish-backlog"] += 1
            return
        self._publishing += 1
        self._spawn(self._publish_one(peer, message))

    async def _publish_one(self, peer: PublicKey, message: Message) -> None:
        assert self._backend is not None
        try:
            async with asyncio.timeout(PUBLISH_TIMEOUT):
                taken = await self._backend.publish(KeyPair(self._key, peer), message)
            if self._machine.knows(peer):
                self._taken_by[peer] = taken
        except (SignalingError, TimeoutError) as error:
            # The session's back-off says it again; the subscription tells when the backend is back.
            self._machine.drops["publish-failed"] += 1
            logger.debug(
                "publishing to %s failed: %s", peer, error or f"no answer in {PUBLISH_TIMEOUT:.0f} s"
            )
        finally:
            self._publishing -= 1

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(partial(_finished, self._tasks))
        return task


def _finished(tasks: set[asyncio.Task[None]], task: asyncio.Task[None]) -> None:
    tasks.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("a task of the node failed", exc_info=error)


async def _to_the_end(work: Awaitable[None]) -> None:
    """Await to the end also when cancelled half-way, and only then let the cancellation go on."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    task.result()
