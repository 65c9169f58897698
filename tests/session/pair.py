"""A session's machine by itself, a peer that speaks word by word, and two machines linked; by numbers."""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.ice.link import candidate, host
from warren.ice import stun
from warren.ice.candidate import LocalCandidate, priority
from warren.ice.timing import Pacer
from warren.ice.transaction import Transactions
from warren.ice.transport import Address, Base, Transmit
from warren.keys import PublicKey
from warren.messages import Candidate, CandidateType, Credentials, Message, SessionDescription
from warren.session.config import Config
from warren.session.generation import Generation
from warren.session.machine import SessionMachine
from warren.session.outputs import (
    PathChanged,
    Publish,
    SourceForgotten,
    SourceLearned,
    StateChanged,
    UfragAdded,
    UfragRemoved,
)
from warren.session.state import State
from warren.session.succession import Means

ALICE, BOB = PublicKey(bytes([1]) * 32), PublicKey(bytes([2]) * 32)
"""Alice controls."""
A, B = Base("192.0.2.1", 4000), Base("198.51.100.2", 4000)
S, D = 0.050, 0.020
"""One way through signaling, one way between the peers."""


@dataclass(frozen=True)
class Said:
    """A message that left."""

    at: float
    message: Message

    @property
    def session(self) -> SessionDescription:
        assert self.message.session is not None
        return self.message.session

    @property
    def credentials(self) -> Credentials:
        assert self.message.credentials is not None
        return self.message.credentials

    @property
    def f(self) -> int:
        return self.session.session_id

    @property
    def t(self) -> int:
        return self.session.peer_session_id


class Side:
    """A session's machine at one address: keeps what it puts out, and its own time."""

    def __init__(
        self,
        ours: PublicKey = ALICE,
        theirs: PublicKey = BOB,
        base: Base = A,
        *,
        seed: int = 1,
        config: Config | None = None,
        local: list[LocalCandidate] | None = None,
        complete: bool = True,
    ) -> None:
        self.now = 0.0
        self.bases = [base]
        self.published: list[Said] = []
        self.sent: list[tuple[float, Transmit]] = []
        self.told: list[StateChanged | PathChanged] = []
        self.ufrags: set[str] = set()
        self.sources: set[tuple[Base, Address]] = set()
        self.dice = random.Random(f"{bytes(ours).hex()}{seed}")
        self.transactions = Transactions(self.dice)
        self.machine = SessionMachine(
            ours=ours,
            theirs=theirs,
            transactions=self.transactions,
            pacer=Pacer(),
            dice=self.dice,
            config=config or Config(),
            describe_nat=lambda: "no NAT of ours",
        )
        self.machine.update_local([host(base)] if local is None else local, complete, 0.0)

    # What happens to it

    def open(self, at: float = 0.0) -> "Side":
        self.now = at
        self.machine.open(at)
        return self.drained()

    def hears(self, *messages: Message) -> "Side":
        for message in messages:
            self.machine.message_received(message, self.now)
        return self.drained()

    def receives(self, data: bytes, source: Address, base: Base | None = None) -> "Side":
        """What a node does with a packet."""
        base = base or self.bases[0]
        packet = stun.parse(data)
        if packet.cls is stun.Class.REQUEST:
            self.machine.request_received(packet, base, source, self.now)
        elif (transaction := self.transactions.get(packet.transaction_id)) is not None:
            transaction.owner.response_received(transaction, packet, source, base, self.now)
        return self.drained()

    def learns(self, *local: LocalCandidate, complete: bool = True) -> "Side":
        self.machine.update_local(local, complete, self.now)
        return self.drained()

    def restarts(self) -> "Side":
        self.machine.restart(self.now)
        return self.drained()

    def closes(self) -> "Side":
        self.machine.close(self.now)
        return self.drained()

    def run(self, until: float) -> "Side":
        """Let time pass; what it sends to anybody is lost."""
        World(self, now=self.now).run(until)
        return self

    def drained(self) -> "Side":
        for output in self.machine.outputs():
            match output:
                case Transmit():
                    self.sent.append((self.now, output))
                case Publish(message):
                    self.published.append(Said(self.now, message))
                case UfragAdded(ufrag):
                    self.ufrags.add(ufrag)
                case UfragRemoved(ufrag):
                    self.ufrags.remove(ufrag)
                case SourceLearned(base, source):
                    assert (base, source) not in self.sources
                    self.sources.add((base, source))
                case SourceForgotten(base, source):
                    self.sources.remove((base, source))
                case StateChanged() | PathChanged():
                    self.told.append(output)
        return self

    # What can be seen of it

    @property
    def state(self) -> State:
        return self.machine.state

    @property
    def said(self) -> list[Said]:
        """The messages with field 100."""
        return [said for said in self.published if said.message.session is not None]

    @property
    def words(self) -> list[tuple[int, int]]:
        """What it said in them: (f, t)."""
        return [(said.f, said.t) for said in self.said]

    @property
    def last(self) -> Said:
        return self.said[-1]

    @property
    def candidates_sent(self) -> list[tuple[float, Address]]:
        """The candidates in field 2, with their times."""
        return [
            (said.at, said.message.candidate.transport)
            for said in self.published
            if said.message.candidate is not None
        ]

    @property
    def paths(self) -> list[PathChanged]:
        return [told for told in self.told if isinstance(told, PathChanged)]

    @property
    def moves(self) -> list[StateChanged]:
        return [told for told in self.told if isinstance(told, StateChanged)]

    def when(self, state: State) -> list[float]:
        return [move.time for move in self.moves if move.new is state]

    def clear(self) -> None:
        """Forget what was seen."""
        self.published.clear()
        self.sent.clear()
        self.told.clear()

    def checks(self, ufrag: str) -> list[stun.Stun]:
        """The checks that it sent to the owner of this ufrag."""
        packets = [stun.parse(transmit.data) for _, transmit in self.sent]
        requests = [packet for packet in packets if packet.cls is stun.Class.REQUEST]
        return [request for request in requests if (request.username_parts or ("", ""))[0] == ufrag]

    @property
    def answers(self) -> list[stun.Stun]:
        """The answers that it gave to checks."""
        packets = [stun.parse(transmit.data) for _, transmit in self.sent]
        return [packet for packet in packets if packet.cls is stun.Class.SUCCESS]


class Partner:
    """One generation of a peer that a test plays itself."""

    def __init__(
        self,
        number: int,
        *,
        ours: PublicKey = BOB,
        theirs: PublicKey = ALICE,
        address: Address = (B.address, B.port),
    ) -> None:
        self.f = number
        self.ours, self.theirs, self.address = ours, theirs, address
        self.credentials = Credentials(f"ufrag{number}", f"password{number}".ljust(24, "x"))
        self.candidate = candidate(CandidateType.HOST, *address)
        self._answered = 0
        self._dice = random.Random(number)

    def says(
        self,
        t: int = 0,
        *,
        revision: int = 1,
        peer_revision: int = 0,
        asks: bool = False,
        need: bool = False,
        candidates: tuple[Candidate, ...] | None = None,
        ended: bool = True,
    ) -> Message:
        """A message with field 100: (f, t)."""
        description = SessionDescription(
            sender=self.ours,
            recipient=self.theirs,
            session_id=self.f,
            peer_session_id=t,
            candidates=(self.candidate,) if candidates is None else candidates,
            end_of_candidates=ended,
            revision=revision,
            peer_revision=peer_revision,
            wants_answer=asks,
        )
        credentials = Credentials(self.credentials.ufrag, self.credentials.pwd, need)
        return Message(credentials=credentials, session=description)

    def tells(self, *, need: bool = False, candidate: bool = False) -> Message:
        """Credentials as a peer tells them that does not know field 100, alone or with a candidate."""
        credentials = Credentials(self.credentials.ufrag, self.credentials.pwd, need)
        return Message(credentials=credentials, candidate=self.candidate if candidate else None)

    def checks(
        self, side: Side, theirs: Credentials, *, ufrag: str = "", pwd: str = "", nominates: bool = True
    ) -> None:
        """Send a check to a generation of the side's."""
        controlling = self.ours < self.theirs
        data = stun.binding_request(
            self._dice.randbytes(12),
            username=f"{theirs.ufrag}:{ufrag or self.credentials.ufrag}",
            priority=priority(CandidateType.PEER_REFLEXIVE, 100),
            controlling=controlling,
            tie_breaker=7,
            use_candidate=controlling and nominates,
            nomination=1 if controlling and nominates else None,
            key=stun.prepare_key(pwd or theirs.pwd),
        )
        side.receives(data, self.address)

    def answers(self, side: Side) -> int:
        """Answer the checks of the side's that have come since the last time; returns how many."""
        key = stun.prepare_key(self.credentials.pwd)
        count, todo = 0, side.sent[self._answered :]
        self._answered = len(side.sent)
        for _, transmit in todo:
            packet = stun.parse(transmit.data)
            parts = packet.username_parts
            if packet.cls is not stun.Class.REQUEST or transmit.destination != self.address:
                continue
            if parts is not None and parts[0] == self.credentials.ufrag:
                source = (transmit.base.address, transmit.base.port)
                side.receives(stun.success(packet, source, key), self.address, transmit.base)
                count += 1
        return count


def connected(side: Side, partner: Partner) -> Said:
    """Open the session and connect it with the partner; returns what our generation said first."""
    if not side.published:
        side.open(side.now)
    ours = side.said[0]
    side.hears(partner.says(ours.f, peer_revision=ours.session.revision))
    partner.answers(side)
    if partner.ours < partner.theirs:
        partner.checks(side, ours.credentials)
    return ours


class World:
    """Carries messages and datagrams between sides with delays; what `lose` names is lost."""

    def __init__(self, *sides: Side, now: float = 0.0, s: float = S, d: float = D) -> None:
        self.sides = sides
        self.now = now
        self.s, self.d = s, d
        self.lose: Callable[[Side, Message | bytes], bool] = lambda sender, what: False
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        self._sequence = 0
        self._published = [len(side.published) for side in sides]
        self._sent = [len(side.sent) for side in sides]

    def at(self, when: float, action: Callable[[], object]) -> None:
        """Do something at a time."""
        self._sequence += 1
        heapq.heappush(self._events, (when, self._sequence, action))

    def run(self, until: float) -> "World":
        """Let time pass."""
        self._carry()
        while True:
            deadlines = [side.machine.deadline for side in self.sides]
            timer = min((at for at in deadlines if at is not None), default=float("inf"))
            event = self._events[0][0] if self._events else float("inf")
            when = max(min(timer, event), self.now)
            if when > until:
                self._set(until)
                return self
            self._set(when)
            if event <= when:
                heapq.heappop(self._events)[2]()
            for side in self.sides:
                due = side.machine.deadline
                if due is not None and due <= when:
                    side.machine.tick(when)
                side.drained()
            self._carry()

    def _set(self, now: float) -> None:
        self.now = now
        for side in self.sides:
            side.now = now

    def _carry(self) -> None:
        for index, side in enumerate(self.sides):
            others = [other for other in self.sides if other is not side]
            for said in side.published[self._published[index] :]:
                if not self.lose(side, said.message):
                    for other in others:
                        self.at(self.now + self.s, _hearing(other, said.message))
            for _, transmit in side.sent[self._sent[index] :]:
                if not self.lose(side, transmit.data):
                    for other in others:
                        self.at(self.now + self.d, _receiving(other, transmit))
            self._published[index], self._sent[index] = len(side.published), len(side.sent)


def _hearing(side: Side, message: Message) -> Callable[[], object]:
    return lambda: side.hears(message)


def _receiving(side: Side, transmit: Transmit) -> Callable[[], object]:
    def receive() -> None:
        for base in side.bases:
            if (base.address, base.port) == transmit.destination:
                side.receives(transmit.data, (transmit.base.address, transmit.base.port), base)

    return receive


def both(*, seed: int = 1, config: Config | None = None) -> tuple[Side, Side]:
    """Alice and Bob, each with one address that the other can reach."""
    return Side(ALICE, BOB, A, seed=seed, config=config), Side(BOB, ALICE, B, seed=seed, config=config)


def generations(side: Side, *, early: bool = True) -> Callable[[int], Generation]:
    """Make generations as the side's session makes them, but by themselves: each with this session id."""
    means = Means(
        session=side.machine,
        controlling=True,
        transactions=side.transactions,
        pacer=Pacer(),
        dice=side.dice,
        config=Config(early_candidates=early),
    )
    return lambda session_id: means.generation(session_id, 0.0, warren=True)
