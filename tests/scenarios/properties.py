"""What must hold in every world at every step; each property has a name."""

import asyncio
import logging
from collections import Counter, deque
from dataclasses import dataclass
from typing import Any, Final

from tests.scenarios.peers import Peer, payload
from tests.scenarios.plan import Plan
from tests.scenarios.tables import sizes_over_bounds
from warren import Session, State, StateChanged
from warren.envelope import Envelope
from warren.keys import PublicKey
from warren.session.outputs import PathChanged
from warren.session.state import MOVES
from warren.testing.network import Packet
from warren.testing.signaling import SimCarrier

__all__ = ["Violation", "Watch"]

LIVE: Final = (State.CONNECTED, State.COMPLETED)

PACKETS_PER_SECOND: Final = 400
"""What one host may send to all in any second, whatever happens to it."""

ENVELOPES_PER_TEN_SECONDS: Final = 100
"""What one warren peer may publish to one other in any ten seconds."""

PACKETS_WHILE_WELL: Final = 150
ENVELOPES_WHILE_WELL: Final = 15
"""What one peer may send in the seven seconds in which all is well; twice as much beside a relay."""

CONSENT: Final = 5.5
"""How long a session that has lost the address of its path may look for another way (RFC 7675)."""

LOOK: Final = 2.0
"""How often tables are counted; nothing may fill one faster than some tens of entries a second."""

EXCUSE: Final = 45.0
"""How long after a disturbance of the path or of a peer a session may still be lost through it."""


class Violation(AssertionError):
    """A property does not hold."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(name, text)
        self.name = name

    def __str__(self) -> str:
        return ": ".join(self.args)


@dataclass
class _Life:
    """What is known of one life of a peer."""

    messages: Counter[PublicKey]
    """Authentic messages of each other peer that came to it."""


class Watch(logging.Handler):
    """Watches a world and raises `Violation` at the end of the step in which a property was broken."""

    def __init__(
        self, plan: Plan, loop: asyncio.AbstractEventLoop, hostile_addresses: tuple[str, ...]
    ) -> None:
        super().__init__(logging.WARNING)
        self.plan = plan
        self.broken: list[Violation] = []
        self.log: list[str] = []
        self.verbose = False
        self.closing = False
        """Whether the world is being taken down: then paths end."""
        self.note: Any = lambda event: None
        self._loop = loop
        self._hostile = hostile_addresses
        self._lives: dict[PublicKey, _Life] = {}
        self._authentic: dict[tuple[bytes, bytes], tuple[PublicKey, PublicKey]] = {}
        self._keys: dict[str, PublicKey] = {}
        self._sent: dict[str, deque[float]] = {}
        self._published: dict[tuple[PublicKey, PublicKey], deque[float]] = {}
        self._live: dict[Session, bool] = {}
        self._pathless: dict[Session, float] = {}
        self._excused: dict[frozenset[PublicKey], float] = {}
        self._data: Counter[tuple[PublicKey, PublicKey]] = Counter()
        self._packets: Counter[str] = Counter()
        self._envelopes: Counter[tuple[PublicKey, PublicKey]] = Counter()
        self._next_tables = 0.0
        self.first_connected: dict[tuple[PublicKey, PublicKey], float] = {}
        self.failures: dict[tuple[PublicKey, PublicKey], tuple[float, str]] = {}
        """When a session failed last, and the reason told."""

    def break_(self, name: str, text: str) -> None:
        """Enter a violation."""
        self.broken.append(Violation(name, f"at {self._loop.time():.3f} s: {text}"))

    def tell(self, text: str) -> None:
        """Enter a line into the log."""
        self.note(text.encode())
        if self.verbose:
            self.log.append(f"{self._loop.time():10.4f} {text}")

    def excuse(self, *peers: Peer, until: float = 0.0) -> None:
        """The sessions between these peers, or of this one, are disturbed: they may be lost for a while."""
        keys = frozenset(peer.public for peer in peers)
        ends = max(until, self._loop.time()) + EXCUSE
        self._excused[keys] = max(self._excused.get(keys, 0.0), ends)

    # At each step

    def step(self, peers: list[Peer]) -> None:
        """Look at everything that can be looked at; raises what was broken."""
        now = self._loop.time()
        for peer in peers:
            for session in peer.sessions.values():
                live = session.state in LIVE
                if self._live.get(session, False) and not live:
                    self._lost(peer, session)
                self._look_at_path(peer, session, now)
                self._live[session] = live
        if now >= self._next_tables:
            self._next_tables = now + LOOK
            self.look_at_tables(peers)
        if self.broken:
            raise self.broken[0]

    def _look_at_path(self, peer: Peer, session: Session, now: float) -> None:
        """A path belongs to a session that lives, which may look for another while consent lasts."""
        live, has_path = session.state in LIVE, session.path is not None
        if live == has_path:
            self._pathless.pop(session, None)
        elif has_path or now - self._pathless.setdefault(session, now) > CONSENT:
            self.break_("path and state", f"{peer.name}: {session.state.name} with path {session.path}")

    def look_at_tables(self, peers: list[Peer]) -> None:
        """Count everything that a node holds."""
        for peer in peers:
            if peer.node is not None:
                for place, size, bound in sizes_over_bounds(peer.node):
                    self.break_("bounded tables", f"{peer.name}: {size} entries in {place}, at most {bound}")

    def _lost(self, peer: Peer, session: Session) -> None:
        if not self._is_excused(peer.public, session.peer):
            last = session.history[-1]
            self.break_(
                "live session torn down",
                f"{peer.name}: {session.state.name} after {last.old.name} ({last.reason}); nothing was wrong",
            )

    def _is_excused(self, one: PublicKey, other: PublicKey) -> bool:
        now = self._loop.time()
        pairs = (frozenset((one, other)), frozenset((one,)), frozenset((other,)))
        return any(self._excused.get(keys, -1.0) >= now for keys in pairs)

    # What peers notice

    def came_up(self, peer: Peer) -> None:
        """A new life of the peer has begun."""
        self._lives[peer.public] = _Life(Counter())
        self._keys[peer.name] = peer.public
        self.tell(f"{peer.name} comes up")

    def noted(self, peer: Peer, text: str) -> None:
        """Something for the log; cunīcu beginning anew of its own accord disturbs its sessions."""
        if text.startswith("restarts"):
            self.excuse(peer)
        self.tell(f"{peer.name}: {text}")

    def happened(self, peer: Peer, session: Session, event: StateChanged | PathChanged) -> None:
        """A session tells something."""
        if isinstance(event, PathChanged):
            self._path_changed(peer, session, event)
            return
        self.tell(
            f"{peer.name} {event.old.name} -> {event.new.name}, generation {event.generation}: {event.reason}"
        )
        if event.new not in MOVES[event.old]:
            self.break_("table", f"{peer.name}: {event.old.name} -> {event.new.name} is no move")
        if event.new is State.NEW and not self._lives[peer.public].messages[session.peer]:
            self.break_("nothing without a message", f"{peer.name}: NEW, and no word of the peer has come")
        if event.new is State.CONNECTED:
            self.first_connected.setdefault((peer.public, session.peer), event.time)
        if event.new is State.FAILED:
            self.failures[peer.public, session.peer] = (event.time, event.reason)
        if not event.reason:
            self.break_("reasons", f"{peer.name}: {event.new.name} without a reason")

    def _path_changed(self, peer: Peer, session: Session, event: PathChanged) -> None:
        path = event.path
        if path is None:
            self.tell(f"{peer.name} has no path any more: {event.reason}")
            if not self.closing and not self._is_excused(peer.public, session.peer):
                self.break_("path lost", f"{peer.name}: {event.reason}, and nothing was wrong")
            return
        self.tell(f"{peer.name} path {path.local.transport} -> {path.remote.transport}: {event.reason}")
        if path.remote.address in self._hostile:
            self.break_("path to a stranger", f"{peer.name} sends to {path.remote.transport}")

    def data_came(self, sender: Peer, recipient: Peer) -> bool:
        """Whether any datagram of one came to the other since this was asked last."""
        if recipient.cunicu is not None:
            came = bool(recipient.cunicu.received)
            recipient.cunicu.received.clear()
            return came
        return self._data.pop((sender.public, recipient.public), 0) > 0

    def begin_holding(self, peers: list[Peer]) -> None:
        """From now on all is well: count what is sent and received."""
        self._data.clear()
        self._packets.clear()
        self._envelopes.clear()
        for peer in peers:
            if peer.cunicu is not None:
                peer.cunicu.received.clear()

    def end_holding(self, pairs: list[tuple[Peer, Peer]]) -> None:
        """All was well: data has come, and little else was sent."""
        for one, other in pairs:
            got = self._data[one.public, other.public]
            if other.cunicu is not None:
                got = other.cunicu.received.count(payload(one.public, other.public))
            if got < 3:
                self.break_("data", f"{got} of 3 datagrams of {one.name} came to {other.name}")
            said = self._envelopes[one.public, other.public]
            if said > ENVELOPES_WHILE_WELL:
                self.break_(
                    "talkative", f"{one.name} has published {said} envelopes to {other.name}, all being well"
                )
            sent = self._packets[one.name]
            if sent > PACKETS_WHILE_WELL * (2 if self.plan.turn else 1):
                self.break_("talkative", f"{one.name} has sent {sent} packets, all being well")
        if self.broken:
            raise self.broken[0]

    def received(self, peer: Peer, sender: PublicKey, data: bytes) -> None:
        """A datagram was handed to the user."""
        if data != payload(sender, peer.public):
            self.break_("false data", f"{peer.name} got {data[:40]!r} as data of {sender}")
        self._data[sender, peer.public] += 1

    # What passes the network and the signaling server

    def packet(self, packet: Packet) -> None:
        """A datagram has met its fate."""
        if packet.sender not in self._keys:
            return
        self._packets[packet.sender] += 1
        times = self._sent.setdefault(packet.sender, deque())
        times.append(packet.time)
        while times[0] < packet.time - 1.0:
            times.popleft()
        if len(times) > PACKETS_PER_SECOND:
            self.break_("storm of packets", f"{packet.sender} has sent {len(times)} packets within a second")

    def published(self, client: SimCarrier, data: bytes) -> None:
        """An envelope leaves a peer."""
        envelope = Envelope.parse(data)
        self._authentic[envelope.nonce, envelope.body] = (envelope.sender, envelope.recipient)
        self.note(data)
        if envelope.sender == envelope.recipient:
            return
        self._envelopes[envelope.sender, envelope.recipient] += 1
        now = self._loop.time()
        times = self._published.setdefault((envelope.sender, envelope.recipient), deque())
        times.append(now)
        while times[0] < now - 10.0:
            times.popleft()
        if len(times) > ENVELOPES_PER_TEN_SECONDS:
            self.break_("storm of envelopes", f"{client.name} has published {len(times)} within ten seconds")

    def delivered(self, client: SimCarrier, envelope: Envelope) -> None:
        """An envelope comes to a peer."""
        ends = self._authentic.get((envelope.nonce, envelope.body))
        life = self._lives.get(envelope.recipient)
        if life is not None and ends == (envelope.sender, envelope.recipient):
            life.messages[envelope.sender] += 1

    # What is logged

    def emit(self, record: logging.LogRecord) -> None:
        """Nothing that a peer does may make the program log an error or a traceback."""
        if record.exc_info or record.levelno >= logging.ERROR:
            self.break_("traceback", f"{record.getMessage()} {record.exc_info}")

    def loop_trouble(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A callback or a forgotten task has raised."""
        self.break_("traceback", f"{context.get('message')}: {context.get('exception')!r}")
