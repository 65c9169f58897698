"""What must hold in every world at every step; each property has a name."""

import asyncio
import logging
from collections import Counter, deque
from dataclasses import dataclass
from typing import Any, Final

from tests.scenarios.dealings import Dealings
from tests.scenarios.peers import Peer, payload
from tests.scenarios.plan import NETWORK, SIGNALING, Plan
from tests.scenarios.sessions import Sessions
from tests.scenarios.tables import left_over, sizes_over_bounds
from tests.scenarios.traffic import Traffic
from warren import Session, State, StateChanged
from warren.envelope import Envelope
from warren.keys import PublicKey, PublicKeyPair
from warren.messages import Message
from warren.session.outputs import PathChanged
from warren.session.roster import GRACE
from warren.testing.network import Packet
from warren.testing.signaling import SimCarrier

__all__ = ["Violation", "Watch"]

ENVELOPES_PER_TEN_SECONDS: Final = 100
"""What one warren peer may publish to one other in any ten seconds."""

PACKETS_WHILE_WELL: Final = 150
ENVELOPES_WHILE_WELL: Final = 12
ENVELOPES_WHILE_REPLAYED: Final = 15
"""What one peer may send in the seven seconds in which all is well; as many packets more beside a relay, and
where a villain has left addresses to be checked."""

STEPS: Final = 10_000
"""How often all may come to rest at one and the same moment."""

LOOK: Final = 4.0
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

    came: dict[PublicKey, set[bytes]]
    """Authentic envelopes of each other peer that came to it, by their nonces."""
    said: set[Message]
    """What it has said."""
    subscribed: int
    heard: Counter[PublicKey]
    """Messages of each other peer that it took for authentic and new."""


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
        self.villain: PublicKey | None = None
        self.dealings = Dealings(self.break_)
        self._loop = loop
        self._hostile = hostile_addresses
        self._lives: dict[PublicKey, _Life] = {}
        self._said: dict[tuple[PublicKey, PublicKey], set[Message]] = {}
        self._authentic: dict[tuple[bytes, bytes], tuple[PublicKey, PublicKey]] = {}
        self._keys: dict[str, PublicKey] = {}
        self.sessions = Sessions(plan, self.break_, self._is_excused)
        limited = [peer.name for peer in plan.peers if not peer.cunicu]
        self.traffic = Traffic(self.break_, limited, harmed=bool(plan.wiles))
        self._published: dict[tuple[PublicKey, PublicKey], deque[float]] = {}
        self._excused: dict[frozenset[PublicKey], float] = {}
        self._data: Counter[tuple[PublicKey, PublicKey]] = Counter()
        self._envelopes: Counter[tuple[PublicKey, PublicKey]] = Counter()
        self._next_tables = 0.0
        self._changed_at = self._listening_since = 0.0
        self._steps, self._stepped_at = 0, -1.0

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
        self.sessions.step(peers, now)
        self._steps = self._steps + 1 if now == self._stepped_at else 0
        self._stepped_at = now
        if self._steps > STEPS:
            self.break_("standstill", f"{self._steps} steps, and time does not go on")
        if now >= self._next_tables:
            self._next_tables = now + LOOK
            self.look_at_tables(peers)
        if self.broken:
            raise self.broken[0]

    def subscribed(self, peer: Peer) -> None:
        """A peer's subscription has become live, or had a gap: it keeps it unless something ends it."""
        self.sessions.may_hear(peer, self._loop.time())
        life = self._lives[peer.public]
        life.subscribed += 1
        disturbed = any(one.kind in (*SIGNALING, *NETWORK, "leap") for one in self.plan.troubles)
        if life.subscribed > 1 and not disturbed:
            self.break_("subscription", f"{peer.name} subscribes once more, and nothing has ended it")

    def look_at_tables(self, peers: list[Peer]) -> None:
        """Count everything that a node holds."""
        for peer in peers:
            if peer.node is not None:
                for place, size, bound in sizes_over_bounds(peer.node):
                    self.break_("bounded tables", f"{peer.name}: {size} entries in {place}, at most {bound}")

    def look_back(self, peers: list[Peer]) -> None:
        """When all is well nothing of what was before is kept: generations that are over, old ufrags."""
        if self._loop.time() - self._changed_at < 2 * GRACE:
            return  # What was replaced just now is still there.
        for peer in peers:
            if peer.node is None:
                continue
            for what, size, bound in left_over(peer.node, len(peer.node.sessions)):
                self.break_("looks back", f"{peer.name} keeps {size} {what}, at most {bound}")
        if self.broken:
            raise self.broken[0]

    def _is_excused(self, one: PublicKey, other: PublicKey) -> bool:
        now = self._loop.time()
        pairs = (frozenset((one, other)), frozenset((one,)), frozenset((other,)))
        return any(self._excused.get(keys, -1.0) >= now for keys in pairs)

    # What peers notice

    def came_up(self, peer: Peer) -> None:
        """A new life of the peer has begun."""
        self._lives[peer.public] = _Life({}, set(), 0, Counter())
        self._keys[peer.name] = peer.public
        self.dealings.came_up(peer.public)
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
        self._changed_at = self._loop.time()
        self.tell(
            f"{peer.name} {event.old.name} -> {event.new.name}, generation {event.generation}: {event.reason}"
        )
        if event.new is State.NEW and not self._lives[peer.public].came.get(session.peer):
            self.break_("nothing without a message", f"{peer.name}: NEW, and no word of the peer has come")
        self.sessions.changed(peer, session, event)

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
        self.traffic.sent.clear()
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
            # A server that repeats what was said goes on with it, and some of that is answered.
            repeated = "replay" in self.plan.tricks
            if said > (ENVELOPES_WHILE_REPLAYED if repeated else ENVELOPES_WHILE_WELL):
                self.break_(
                    "talkative", f"{one.name} has published {said} envelopes to {other.name}, all being well"
                )
            sent = self.traffic.sent[one.name]
            if sent > PACKETS_WHILE_WELL * (1 + bool(self.plan.turn) + bool(self.plan.wiles)):
                self.break_("talkative", f"{one.name} has sent {sent} packets, all being well")
        if self.broken:
            raise self.broken[0]

    def begin_listening(self) -> None:
        """From now on collect who asks whom, for longer than two checks of consent are apart."""
        self.traffic.usernames = set()
        self._listening_since = self._loop.time()

    def end_listening(self, peers: list[Peer]) -> None:
        """Both sides were in the same generation: each asked the one that asked it."""
        usernames = self.traffic.usernames or set()
        if self._changed_at > self._listening_since - GRACE:
            return  # One that was replaced still asks for a while.
        paths = [session.path for peer in peers for session in peer.sessions.values()]
        streams = any(path is not None and path.local.network.is_tcp for path in paths)
        if streams or not all(peer.udp for peer in self.plan.peers):
            return  # What passes in streams is not seen here.
        for asked, asking in usernames:
            if (asking, asked) not in usernames:
                self.break_("one generation", f"{asking} asks {asked}, which asks somebody else or nobody")
        if self.broken:
            raise self.broken[0]

    def received(self, peer: Peer, sender: PublicKey, data: bytes) -> None:
        """A datagram was handed to the user."""
        if data != payload(sender, peer.public):
            self.break_("false data", f"{peer.name} got {data[:40]!r} as data of {sender}")
        self._data[sender, peer.public] += 1

    # What the peers say to each other

    def said(self, pair: PublicKeyPair, message: Message) -> None:
        """A peer speaks to another one."""
        assert pair.theirs is not None
        if pair.theirs == self.villain:
            self.dealings.said(pair.ours, message, self._loop.time())
        self._said.setdefault((pair.ours, pair.theirs), set()).add(message)
        self._lives[pair.ours].said.add(message)

    def heard(self, pair: PublicKeyPair, message: Message) -> None:
        """A peer takes a message for authentic, directed to it and new: it must be all of that."""
        sender = pair.theirs
        assert sender is not None
        if sender == self.villain:
            return  # It says anything, and more than once.
        own = message in self._said.get((pair.ours, sender), ())
        if own and message.session is None and message not in self._lives[pair.ours].said:
            return  # cunīcu's messages name no ends, and who has lost its memory does not know its own words.
        if message not in self._said.get((sender, pair.ours), ()):
            self.break_("authentic", f"{pair.ours} has heard of {sender} what that never said to it")
        life = self._lives[pair.ours]
        life.heard[sender] += 1
        if life.heard[sender] > len(life.came.get(sender, ())):
            self.break_("fresh", f"{pair.ours} has heard more of {sender} than came: something twice")

    # What passes the network and the signaling server

    def packet(self, packet: Packet) -> None:
        """A datagram has met its fate."""
        if packet.sender not in self._keys:
            return
        self.traffic.packet(packet)
        self.dealings.packet(packet)

    def published(self, client: SimCarrier, data: bytes) -> None:
        """An envelope leaves a peer."""
        envelope = Envelope.parse(data)
        self._authentic[envelope.nonce, envelope.body] = (envelope.sender, envelope.recipient)
        self.note(data)
        if envelope.sender == envelope.recipient or self.villain in (envelope.sender, envelope.recipient):
            return
        self._envelopes[envelope.sender, envelope.recipient] += 1
        self.sessions.spoke(envelope.sender, envelope.recipient, self._loop.time())
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
            life.came.setdefault(envelope.sender, set()).add(envelope.nonce)

    # What is logged

    def emit(self, record: logging.LogRecord) -> None:
        """Nothing that a peer does may make the program log an error or a traceback."""
        if record.exc_info or record.levelno >= logging.ERROR:
            self.break_("traceback", f"{record.getMessage()} {record.exc_info}")

    def loop_trouble(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A callback or a forgotten task has raised."""
        self.break_("traceback", f"{context.get('message')}: {context.get('exception')!r}")
