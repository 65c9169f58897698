"""The peers of a simulated world: the real node, or one like cunīcu, and what can happen to a program."""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any, Protocol

from tests.scenarios.cunicu_peer import CunicuPeer
from tests.scenarios.pion import PionAgent
from tests.scenarios.plan import PeerPlan
from warren import Config, Node, NotConnected, Session, StateChanged
from warren.ice.transport import Address
from warren.keys import KeyPair, PrivateKey, PublicKey, PublicKeyPair
from warren.messages import Message
from warren.session.outputs import Path, PathChanged
from warren.signaling.backend import CarrierBackend
from warren.signaling.inbox import Admit, Handler
from warren.testing.host import SimHost
from warren.testing.link import Link
from warren.testing.signaling import SimCarrier, SimServer

__all__ = ["Observer", "Peer", "payload"]


class Observer(Protocol):
    """Is told what the peers notice."""

    def came_up(self, peer: "Peer") -> None:
        """A new life of the peer has begun; it remembers nothing."""

    def happened(self, peer: "Peer", session: Session, event: StateChanged | PathChanged) -> None:
        """A session has told of something."""

    def received(self, peer: "Peer", sender: PublicKey, data: bytes) -> None:
        """A session has received a datagram."""

    def said(self, pair: PublicKeyPair, message: Message) -> None:
        """A peer gives a message to signaling."""

    def heard(self, pair: PublicKeyPair, message: Message) -> None:
        """A message that signaling believes in is handed to a peer."""

    def noted(self, peer: "Peer", text: str) -> None:
        """Something that only the log shows."""


def payload(sender: PublicKey, recipient: PublicKey) -> bytes:
    """Make what one peer sends to another, so that it can be told from everything else."""
    return b"data " + sender.raw + recipient.raw


class Peer:
    """One peer: comes up, goes down, is told to do things; each time it comes up, all that it runs is new."""

    def __init__(
        self,
        plan: PeerPlan,
        key: PrivateKey,
        host: SimHost,
        server: SimServer,
        stun: tuple[Address, ...],
        dice: Random,
        observer: Observer,
    ) -> None:
        self.plan = plan
        self.key = key
        self.host = host
        self.partners: list[Peer] = []
        self.turn: tuple[str, ...] = ()
        """The URLs of TURN servers."""
        self.villain: PublicKey | None = None
        """One more that it speaks to; what becomes of that session is no matter."""
        self.address = ""
        """Its IPv4 address now."""
        self.moving = asyncio.Lock()
        """Held while it is between two addresses."""
        self.signaling = Link()
        """How its carrier hangs on the server."""
        self.carrier: SimCarrier | None = None
        self.node: Node | None = None
        self.cunicu: CunicuPeer | None = None
        self.sessions: dict[PublicKey, Session] = {}
        """Those open now."""
        self._users: dict[Session, list[asyncio.Task[None]]] = {}
        self._server, self._stun, self._dice, self._observer = server, stun, dice, observer
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._changing = asyncio.Lock()  # One trouble may take it down while another brings it up.

    @property
    def name(self) -> str:
        """One letter."""
        return self.plan.name

    @property
    def public(self) -> PublicKey:
        """Its public key."""
        return self.key.public

    @property
    def is_up(self) -> bool:
        """Whether it runs now."""
        return self.carrier is not None

    async def up(self) -> None:
        """Begin a life without any memory."""
        async with self.moving, self._changing:  # Without an address a node does not start.
            if not self.is_up:
                await self._come_up()

    async def _come_up(self) -> None:
        self.carrier = carrier = self._server.client(self.name, self.signaling)
        backend = _WatchedBackend(carrier, self._dice, self._observer)
        self._observer.came_up(self)
        await self._stack.enter_async_context(_Closing(backend))
        if self.plan.cunicu:
            agent = partial(PionAgent, self.host, self._stun[0], dice=self._dice)
            self.cunicu = CunicuPeer(
                self.key, self.partners[0].public, agent, backend, self._dice,
                lambda text: self._observer.noted(self, text),
            )  # fmt: skip
            await self._stack.enter_async_context(self.cunicu)
            return
        urls = [f"stun:{host}:{port}" for host, port in self._stun]
        config = Config(stun=urls, turn=self.turn)
        self.node = Node(self.key, backend, config=config, network=self.host, dice=self._dice)
        await self._stack.enter_async_context(self.node)
        if self.plan.listens:
            self._spawn(self._answer_calls(self.node))
        else:
            for partner in self.partners:
                self.open(partner)
        if self.villain is not None:
            self.node.open(self.villain)

    async def down(self) -> None:
        """End this life."""
        async with self._changing:
            if self.is_up:
                await self._go_down()

    async def _go_down(self) -> None:
        self.sessions, self._users = {}, {}
        node, self.node = self.node, None
        await self._stack.aclose()
        self._stack = AsyncExitStack()
        self.cunicu = self.carrier = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        del node

    def open(self, partner: "Peer") -> None:
        """Open the session with a partner."""
        if self.node is not None and partner.public not in self.sessions:
            session = self.sessions[partner.public] = self.node.open(partner.public)
            self._users[session] = [self._spawn(self._watch(session)), self._spawn(self._receive(session))]

    def close(self, partner: "Peer") -> list[asyncio.Task[None]]:
        """Close the session with a partner; returns the tasks that used it, which are to end by that."""
        if (session := self.sessions.pop(partner.public, None)) is None:
            return []
        session.close()
        return self._users.pop(session)

    def restart(self, partner: "Peer") -> None:
        """Restart the session with a partner, as its user may at any time."""
        if (session := self.sessions.get(partner.public)) is not None:
            session.restart()
        elif self.cunicu is not None:
            self.cunicu.restart("by its user")

    def connected_to(self, partner: "Peer") -> bool:
        """Whether data can go to the partner."""
        if self.cunicu is not None:
            return self.cunicu.connected
        session = self.sessions.get(partner.public)
        return session is not None and session.path is not None

    def path_to(self, partner: "Peer") -> Path | None:
        """Where data goes; None without a path, and where cunīcu keeps it to itself."""
        session = self.sessions.get(partner.public)
        return None if session is None else session.path

    def send(self, partner: "Peer") -> bool:
        """Send a datagram to the partner if there is a path."""
        data = payload(self.public, partner.public)
        if self.cunicu is not None:
            return self.cunicu.send(data)
        session = self.sessions.get(partner.public)
        if session is None:
            return False
        try:
            session.send(data)
        except NotConnected:
            return False
        return True

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.append(task)
        return task

    async def _answer_calls(self, node: Node) -> None:
        allowed = {partner.public: partner for partner in self.partners}
        async with node.calls(allowed) as calls:
            async for caller in calls:
                self.open(allowed[caller])

    async def _watch(self, session: Session) -> None:
        async for event in session.events():
            self._observer.happened(self, session, event)

    async def _receive(self, session: Session) -> None:
        async for data in session:
            self._observer.received(self, session.peer, data)


@dataclass(frozen=True, slots=True)
class _Ear:
    """A handler that is listened in to; equal to another one of the same handler."""

    handler: Handler
    observer: Observer = field(compare=False)

    def __call__(self, pair: PublicKeyPair, message: Message) -> None:
        self.observer.heard(pair, message)
        self.handler(pair, message)


class _WatchedBackend(CarrierBackend):
    """The real backend; what goes in and what comes out is told."""

    def __init__(self, carrier: SimCarrier, dice: Random, observer: Observer) -> None:
        super().__init__(carrier, random_bytes=dice.randbytes, dice=dice)
        self._observer = observer

    async def publish(self, key_pair: KeyPair, message: Message) -> int | None:
        self._observer.said(key_pair.public, message)
        return await super().publish(key_pair, message)

    async def subscribe(self, key_pair: KeyPair, handler: Handler, *, admit: Admit | None = None) -> bool:
        return await super().subscribe(key_pair, _Ear(handler, self._observer), admit=admit)

    async def unsubscribe(self, key_pair: KeyPair, handler: Handler) -> bool:
        return await super().unsubscribe(key_pair, _Ear(handler, self._observer))


class _Closing:
    """Closes a backend on leaving."""

    def __init__(self, backend: CarrierBackend) -> None:
        self._backend = backend

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, *exc_info: object) -> None:
        await self._backend.aclose()
