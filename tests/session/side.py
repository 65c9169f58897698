"""A session's machine by itself: what happens to it, and what it puts out."""

import random
from dataclasses import dataclass

from tests.ice.link import host
from warren.ice import stun
from warren.ice.candidate import LocalCandidate
from warren.ice.timing import Pacer
from warren.ice.transaction import Transactions
from warren.ice.transport import Address, Base, CloseStream, OpenStream, Transmit
from warren.keys import PublicKey
from warren.messages import Credentials, Message, SessionDescription
from warren.session.config import Config
from warren.session.machine import SessionMachine
from warren.session.outputs import (
    PathChanged,
    PathSuspected,
    Publish,
    SourceForgotten,
    SourceLearned,
    StateChanged,
    UfragAdded,
    UfragRemoved,
)
from warren.session.state import State

ALICE, BOB = PublicKey(bytes([1]) * 32), PublicKey(bytes([2]) * 32)
"""Alice controls."""
A, B = Base("192.0.2.1", 4000), Base("198.51.100.2", 4000)


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
        self.orders: list[OpenStream | CloseStream] = []
        self.told: list[StateChanged | PathChanged | PathSuspected] = []
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

    def network_changes(self) -> "Side":
        self.machine.network_changed("the network has changed", self.now)
        return self.drained()

    def restarts(self) -> "Side":
        self.machine.restart(self.now)
        return self.drained()

    def sends(self) -> "Side":
        """Send a datagram, as the data path does."""
        self.machine.traffic.sent += 1
        if self.machine.traffic.resting:
            self.machine.data_flows(self.now)
        return self.drained()

    def closes(self) -> "Side":
        self.machine.close(self.now)
        return self.drained()

    def run(self, until: float) -> "Side":
        """Let time pass; what it sends to anybody is lost."""
        while (due := self.machine.deadline) is not None and due <= until:
            self.now = max(self.now, due)
            self.machine.tick(self.now)
            self.drained()
        self.now = until
        return self

    def drained(self) -> "Side":
        for output in self.machine.outputs():
            match output:
                case Transmit():
                    self.sent.append((self.now, output))
                case OpenStream() | CloseStream():
                    self.orders.append(output)
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
                case StateChanged() | PathChanged() | PathSuspected():
                    self.told.append(output)
        return self

    # What can be seen of it

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

    @property
    def arrows(self) -> list[tuple[State, State]]:
        return [(move.old, move.new) for move in self.moves]

    def last_move(self, state: State) -> StateChanged:
        return [move for move in self.moves if move.new is state][-1]

    def when(self, state: State) -> list[float]:
        return [move.time for move in self.moves if move.new is state]

    @property
    def begun(self) -> list[float]:
        """When its generations began that are no offers."""
        return self.when(State.IDLE)

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
