"""Gathering: a node's addresses as it and its servers see them, found once and kept fresh for all.

Every base asks every server of its family at the same time, so a dead server delays no candidate of another.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from warren.ice.candidate import LocalCandidate, foundation, local_preference, priority, stream_preference
from warren.ice.inquiry import Inquiry
from warren.ice.nat_report import Mapping, ServerReport, mapping_of, summary_of
from warren.ice.streams import Streams
from warren.ice.stun import Stun
from warren.ice.transaction import Transaction, Transactions
from warren.ice.transport import Address, Base, Transmit
from warren.ice.turn.relays import RelayOutput, Relays
from warren.messages import Candidate, CandidateType, NetworkType, TCPType
from warren.sansio import Dice

__all__ = ["CandidatesChanged", "GatherOutput", "Gatherer", "MappingChanged", "ServerReport"]


REFRESH_GAP: Final = 1.0
"""Thousands of sessions may doubt their paths at the same moment."""

DISCARD_PORT: Final = 9
"""What stands for the port of an active candidate, which has none (RFC 6544, 4.1)."""


@dataclass(frozen=True, slots=True)
class CandidatesChanged:
    """`candidates` or `complete` are not what they were."""


@dataclass(frozen=True, slots=True)
class MappingChanged:
    """A server sees us elsewhere than before: the NAT has forgotten us, and our other connections with it."""


GatherOutput = Transmit | CandidatesChanged | MappingChanged | RelayOutput


class Gatherer:
    """Owns the host, server-reflexive and relayed candidates of a node; a sans-I/O machine."""

    session = None  # Its transactions are the node's, not a session's.

    def __init__(self, *, transactions: Transactions, streams: Streams, dice: Dice) -> None:
        self.drops: Counter[str] = Counter()
        """What came in the name of a server and was not believed, by reason."""
        self.relays = Relays(transactions=transactions, streams=streams, dice=dice, drops=self.drops)
        """What there is at TURN servers; whoever gives it an input drains the gatherer."""
        self._transactions = transactions
        self._dice = dice
        self._hosts: dict[Base, _Host] = {}
        self._servers: dict[str, _Server] = {}
        self._needed = False
        self._outputs: list[GatherOutput] = []
        self._candidates: tuple[LocalCandidate, ...] = ()
        self._complete = False
        self._expecting = False
        self._deadline: float | None = None

    # Who asks, and who is asked

    def add_base(self, base: Base, now: float) -> None:
        """A local transport is there: it is a host candidate, and it asks every server.

        For TCP a base with port 0 stands for connections that we open, one with a port is listened at.
        """
        ranks = [host.rank for host in self._hosts.values() if _kind(host.base) == _kind(base)]
        # The lowest that is free, so that the candidates that are known already keep their priorities.
        rank = next(rank for rank in range(len(ranks) + 1) if rank not in ranks)
        host = self._hosts[base] = _Host(base, rank)
        for server in self._servers.values():
            self._ask(host, server, now)
        if base.protocol == "udp":
            self.relays.add_base(base, now)
        self._settle()

    def remove_base(self, base: Base, now: float) -> None:
        """A local transport is gone, and its candidates with it; an unknown one is ignored."""
        host = self._hosts.pop(base, None)
        if host is not None:
            for inquiry in host.inquiries.values():
                inquiry.stop()
            self.relays.remove_base(base)
            self._settle()

    def expect_bases(self, expected: bool) -> None:
        """Say whether bases are coming and going just now: gathering is not complete before that is over."""
        self._expecting = expected
        self._settle()

    def expect_server(self, name: str) -> None:
        """A STUN server is being resolved: gathering is not complete before it is added or has failed."""
        self._servers.setdefault(name, _Server()).expected = True
        self._settle()

    def add_server(self, name: str, addresses: Sequence[Address], now: float) -> None:
        """A STUN server is at these addresses: every base asks those of its family that it has not yet."""
        server = self._servers.setdefault(name, _Server())
        server.expected, server.error = False, None
        server.addresses = tuple(dict.fromkeys((*server.addresses, *addresses)))
        for host in self._hosts.values():
            self._ask(host, server, now)
        self._settle()

    def server_failed(self, name: str, reason: str) -> None:
        """A STUN server cannot be asked, for this reason in words: its name does not resolve."""
        server = self._servers.setdefault(name, _Server())
        server.expected, server.error = False, reason
        self._settle()

    def needed(self, needed: bool, now: float) -> None:
        """Say whether anyone needs mappings and relays; as long as somebody does they are refreshed."""
        self._needed = needed
        self.relays.needed(needed)
        self.tick(now)

    def refresh(self, now: float) -> None:
        """Ask every server again, but for those asked just now: a NAT may have another address for us."""
        self.relays.refresh(now)
        for inquiry in self._inquiries():
            if now - inquiry.begun_at >= REFRESH_GAP:
                self._outputs.append(Transmit(inquiry.base, inquiry.address, inquiry.begin(now)))
        self._settle()

    # What is known

    @property
    def candidates(self) -> tuple[LocalCandidate, ...]:
        """Host candidates by base, then server-reflexive, then relayed ones, TCP last; none twice."""
        return self._candidates

    @property
    def complete(self) -> bool:
        """Whether every base has asked every server, and each has answered or its time is over."""
        return self._complete

    @property
    def report(self) -> tuple[ServerReport, ...]:
        """What every server said to every base; one that nobody could ask has a single entry."""
        asked = tuple(entry for name in self._servers for entry in self._report_of(name))
        return asked + self.relays.report

    @property
    def mapping(self) -> Mapping:
        """Whether all servers see a base at the same address."""
        return mapping_of(self.report, complete=self._complete)

    @property
    def summary(self) -> str:
        """`mapping` in words, with what every server said."""
        return summary_of(self.mapping, self.report)

    # The machine

    @property
    def deadline(self) -> float | None:
        """When a request is due, or the time of a server is over."""
        mine, theirs = self._deadline, self.relays.deadline
        return theirs if mine is None or (theirs is not None and theirs < mine) else mine

    def tick(self, now: float) -> None:
        """Ask again where it is time, and give up where it is too late."""
        for inquiry in self._inquiries():
            due = inquiry.due(refresh=self._needed)
            if due is not None and due <= now:
                packet = inquiry.advance(now)
                if packet is not None:
                    self._outputs.append(Transmit(inquiry.base, inquiry.address, packet))
        self.relays.tick(now)
        self._settle()

    def outputs(self) -> list[GatherOutput]:
        """Hand over what is to be sent or told, in order."""
        relayed = self.relays.outputs()
        self._settle()  # What a TURN server has answered may change what there is to offer.
        outputs, self._outputs = self._outputs, []
        return [*relayed, *outputs]

    def response_received(
        self, transaction: Transaction, response: Stun, source: Address, base: Base, now: float
    ) -> None:
        """Take a server's answer; one from elsewhere than was asked is dropped, and the waiting goes on."""
        if source != transaction.destination or base is not transaction.base:
            self.drops["stun-server-source"] += 1
            return
        inquiry = transaction.purpose
        assert isinstance(inquiry, Inquiry)
        before = inquiry.mapped
        inquiry.answered(response)
        self._settle()
        if before is not None and inquiry.mapped != before:
            self._outputs.append(MappingChanged())

    # Inside

    def _inquiries(self) -> Iterator[Inquiry]:
        for host in self._hosts.values():
            yield from host.inquiries.values()

    def _ask(self, host: "_Host", server: "_Server", now: float) -> None:
        if host.base.protocol == "tcp":
            return
        for address in server.addresses:
            if address not in host.inquiries and (":" in address[0]) == host.base.is_ipv6:
                inquiry = host.inquiries[address] = Inquiry(
                    host.base, address, owner=self, transactions=self._transactions, dice=self._dice
                )
                self._outputs.append(Transmit(host.base, address, inquiry.begin(now)))

    def _settle(self) -> None:
        """Bring what can be read up to date, and tell if it is new."""
        times = [inquiry.due(refresh=self._needed) for inquiry in self._inquiries()]
        self._deadline = min((at for at in times if at is not None), default=None)
        complete = (
            # Without any address nothing is final: the network is away and will be back.
            bool(self._hosts)
            and not self._expecting
            and not any(server.expected for server in self._servers.values())
            and all(inquiry.done_once for inquiry in self._inquiries())
            and self.relays.complete
        )
        hosts = [host.candidate for host in self._hosts.values() if host.base.protocol == "udp"]
        streams = [host.candidate for host in self._hosts.values() if host.base.protocol == "tcp"]
        reflexive = [
            candidate
            for base, host in self._hosts.items()
            for candidate in host.reflexive(self.relays.mapped(base))
        ]
        candidates = (*hosts, *reflexive, *self.relays.candidates, *streams)
        if (candidates, complete) != (self._candidates, self._complete):
            self._candidates, self._complete = candidates, complete
            self._outputs.append(CandidatesChanged())

    def _report_of(self, name: str) -> list[ServerReport]:
        server = self._servers[name]
        reports = [ask.report(name) for ask in self._inquiries() if ask.address in server.addresses]
        if server.error is not None:
            reports.append(ServerReport(server=name, error=server.error))
        elif not reports and not server.expected:
            reports.append(ServerReport(server=name, error="has no address that can be asked from here"))
        return reports or [ServerReport(server=name)]


class _Server:
    """A STUN server as the user named it."""

    __slots__ = ("addresses", "error", "expected")

    def __init__(self) -> None:
        self.addresses: tuple[Address, ...] = ()
        self.expected = False
        self.error: str | None = None


class _Host:
    """A base, its host candidate, and what it asks the servers."""

    __slots__ = ("_preference", "_reflexive", "base", "candidate", "inquiries", "rank")

    def __init__(self, base: Base, rank: int) -> None:
        self.base = base
        self.rank = rank
        self.inquiries: dict[Address, Inquiry] = {}
        self._preference = local_preference(rank, is_ipv6=base.is_ipv6)
        self._reflexive: dict[Address, LocalCandidate] = {}
        if base.protocol == "tcp":
            self.candidate = _stream_candidate(base, rank)
        else:
            self.candidate = self._make(CandidateType.HOST, (base.address, base.port))

    def reflexive(self, relays: Iterable[tuple[Address, Address]]) -> list[LocalCandidate]:
        """Its server-reflexive candidates: one for each address, however many servers see it.

        `relays` are the addresses that TURN servers saw, each with the server.
        """
        seen: dict[Address, Address] = {}
        asked = ((inquiry.mapped, inquiry.address) for inquiry in self.inquiries.values())
        for mapped, server in (*asked, *relays):
            # RFC 8445, 5.1.3: the base's own address would be the host candidate a second time.
            if mapped is not None and mapped != (self.base.address, self.base.port):
                seen.setdefault(mapped, server)
        # What peers have been told stays as it was, also when a server that comes before sees the same.
        kept = {mapped: known for mapped, known in self._reflexive.items() if mapped in seen}
        for mapped, server in seen.items():
            if mapped not in kept:
                kept[mapped] = self._make(CandidateType.SERVER_REFLEXIVE, mapped, server[0])
        self._reflexive = kept
        return list(kept.values())

    def _make(self, type: CandidateType, address: Address, server: str = "") -> LocalCandidate:
        base = self.base
        candidate = Candidate(
            type=type,
            network=NetworkType.UDP6 if base.is_ipv6 else NetworkType.UDP4,
            address=address[0],
            port=address[1],
            priority=priority(type, self._preference),
            foundation=foundation(type, base, server),
            related=None if type == CandidateType.HOST else (base.address, base.port),
        )
        return LocalCandidate(candidate, base)


def _kind(base: Base) -> tuple[str, bool, bool]:
    """What shares one ranking."""
    return base.protocol, base.is_ipv6, base.port == 0


def _stream_candidate(base: Base, rank: int) -> LocalCandidate:
    """Make the host candidate for connections from this address, or to it."""
    tcp_type = TCPType.PASSIVE if base.port else TCPType.ACTIVE
    preference = stream_preference(rank, tcp_type, is_ipv6=base.is_ipv6)
    candidate = Candidate(
        type=CandidateType.HOST,
        network=NetworkType.TCP6 if base.is_ipv6 else NetworkType.TCP4,
        address=base.address,
        port=base.port or DISCARD_PORT,
        priority=priority(CandidateType.HOST, preference, stream=True),
        foundation=foundation(CandidateType.HOST, base),
        tcp_type=tcp_type,
    )
    return LocalCandidate(candidate, base)
