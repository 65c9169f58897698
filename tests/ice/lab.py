"""A gatherer and the network around it, by numbers."""

from collections.abc import Iterable
from random import Random

from warren.ice import stun
from warren.ice.gather import CandidatesChanged, Gatherer, GatherOutput, MappingChanged
from warren.ice.streams import Streams
from warren.ice.transaction import Transactions
from warren.ice.transport import Address, Base, Transmit
from warren.messages import Candidate, CandidateType

__all__ = [
    "CAFE", "GIVES_UP_AFTER", "HOME", "HOME_IPV6", "ONE", "ONE_IPV6", "PUBLIC", "PUBLIC_OTHER", "TWO",
    "Lab", "lab",
]  # fmt: skip

HOME = Base("192.168.1.2", 4000)
CAFE = Base("10.0.0.2", 4001)
HOME_IPV6 = Base("2001:db8::2", 4002)
ONE, TWO = ("198.51.100.1", 3478), ("198.51.100.2", 3478)
ONE_IPV6 = ("2001:db8:ffff::1", 3478)
PUBLIC, PUBLIC_OTHER = ("203.0.113.5", 61000), ("203.0.113.5", 61001)
GIVES_UP_AFTER = 5.0


class Lab:
    """A gatherer and the network around it, with a clock that only the test turns."""

    def __init__(self, *bases: Base, servers: Iterable[tuple[str, list[Address]]] = ()) -> None:
        self.transactions = Transactions(Random(1))
        self.gatherer = Gatherer(transactions=self.transactions, streams=Streams(), dice=Random(2))
        self.now = 0.0
        self.packets: list[Transmit] = []
        self.changes = 0
        self.moves = 0
        self.relays: list[GatherOutput] = []
        for base in bases:
            self.gatherer.add_base(base, self.now)
        for name, addresses in servers:
            self.gatherer.add_server(name, addresses, self.now)
        self.drain()

    def drain(self) -> list[Transmit]:
        """Take the outputs; returns the packets among them."""
        sent = []
        for output in self.gatherer.outputs():
            match output:
                case Transmit():
                    sent.append(output)
                case CandidatesChanged():
                    self.changes += 1
                case MappingChanged():
                    self.moves += 1
                case _:
                    self.relays.append(output)
        self.packets += sent
        return sent

    def until(self, end: float) -> list[Transmit]:
        """Let time pass up to and with `end`; returns what was sent."""
        sent = []
        while (due := self.gatherer.deadline) is not None and due <= end:
            self.now = max(self.now, due)
            self.gatherer.tick(self.now)
            sent += self.drain()
        self.now = end
        return sent

    def last_packet(self, base: Base, server: Address) -> Transmit:
        """The newest request from this base to this server."""
        return next(p for p in reversed(self.packets) if (p.base, p.destination) == (base, server))

    def receive(self, data: bytes, base: Base, source: Address) -> bool:
        """Hand in a packet; False where no transaction waits for it."""
        response = stun.parse(data)
        transaction = self.transactions.get(response.transaction_id)
        if transaction is None:
            return False
        transaction.owner.response_received(transaction, response, source, base, self.now)
        self.drain()
        return True

    def answer(self, base: Base, server: Address, mapped: Address, *, source: Address | None = None) -> bool:
        """Let a server say where the newest request seemed to come from."""
        request = stun.parse(self.last_packet(base, server).data)
        return self.receive(stun.success(request, mapped, None), base, source or server)

    @property
    def types(self) -> list[CandidateType]:
        return [local.candidate.type for local in self.gatherer.candidates]

    @property
    def reflexive(self) -> list[Candidate]:
        found = (local.candidate for local in self.gatherer.candidates)
        return [candidate for candidate in found if candidate.type == CandidateType.SERVER_REFLEXIVE]

    @property
    def mapped(self) -> list[Address]:
        return [candidate.transport for candidate in self.reflexive]


def lab(*bases: Base, one: bool = True, two: bool = False) -> Lab:
    servers = [("stun:one", [ONE])] * one + [("stun:two", [TWO])] * two
    return Lab(*(bases or (HOME,)), servers=servers)
