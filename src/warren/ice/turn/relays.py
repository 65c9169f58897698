"""Relays: all allocations of a node, one for each base at each TURN server; found once, kept for all."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from warren.ice.candidate import LocalCandidate, foundation, local_preference, priority
from warren.ice.nat_report import ServerReport
from warren.ice.server_url import TurnUrl
from warren.ice.streams import Streams
from warren.ice.transaction import Transactions
from warren.ice.transport import Address, Base, CloseStream, OpenStream, Transmit
from warren.ice.turn.allocation import Allocation, Phase
from warren.ice.turn.relay import Relay
from warren.messages import Candidate, CandidateType, NetworkType, RelayProtocol
from warren.sansio import Dice, earliest

__all__ = ["RelayClosed", "RelayOpened", "RelayOutput", "Relays"]

PROTOCOLS: Final = {
    ("udp", False): RelayProtocol.UDP,
    ("tcp", False): RelayProtocol.TCP,
    ("tcp", True): RelayProtocol.TLS,
}


@dataclass(frozen=True, slots=True)
class RelayOpened:
    """There is a relayed base: data for it goes to this allocation."""

    base: Base
    allocation: Allocation


@dataclass(frozen=True, slots=True)
class RelayClosed:
    """The relayed base is gone."""

    base: Base


RelayOutput = Transmit | OpenStream | CloseStream | RelayOpened | RelayClosed


@dataclass(slots=True)
class _Server:
    """A TURN server as the user named it; `rank` orders those that cost the same."""

    url: TurnUrl
    rank: int
    addresses: tuple[Address, ...] = ()
    expected: bool = True
    error: str | None = None
    allocations: dict[Base, Allocation] = field(default_factory=dict)


class Relays:
    """Asks every server from every base at the same time, so that a dead one delays no other."""

    def __init__(
        self, *, transactions: Transactions, streams: Streams, dice: Dice, drops: Counter[str]
    ) -> None:
        self._transactions = transactions
        self._streams = streams
        self._dice = dice
        self._drops = drops
        self._hosts: dict[Base, None] = {}
        self._servers: dict[str, _Server] = {}  # By name: who we are there may change.
        self._ranks = count()
        self._needed = True
        self._by_server: dict[tuple[Base, Address], Allocation] = {}
        self._candidates: dict[Base, LocalCandidate] = {}
        self._opened: dict[Base, Allocation] = {}
        self._outputs: list[RelayOutput] = []

    # Who asks, and who is asked

    def add_base(self, base: Base, now: float) -> None:
        """A local transport is there: it asks every server."""
        self._hosts[base] = None
        for server in self._servers.values():
            self._ask(base, server, now)

    def remove_base(self, base: Base) -> None:
        """A local transport is gone, and what it had at the servers; an unknown one is ignored."""
        self._hosts.pop(base, None)
        for server in self._servers.values():
            allocation = server.allocations.pop(base, None)
            if allocation is not None:
                allocation.stop()
                self._outputs += allocation.outputs()

    def expect(self, url: TurnUrl) -> None:
        """A server is being resolved: gathering is not complete before it is added or has failed."""
        if str(url) not in self._servers:
            self._servers[str(url)] = _Server(url, next(self._ranks))

    def add(self, url: TurnUrl, addresses: Sequence[Address], now: float) -> None:
        """A server is at these addresses, one as good as another."""
        self.expect(url)
        server = self._servers[str(url)]
        server.expected, server.error, server.addresses = False, None, tuple(addresses)
        for base in self._hosts:
            self._ask(base, server, now)

    def fail(self, url: TurnUrl, reason: str) -> None:
        """A server cannot be asked, for this reason in words: its name does not resolve."""
        self.expect(url)
        server = self._servers[str(url)]
        server.expected, server.error = False, reason

    def renew(self, url: TurnUrl, now: float) -> None:
        """There are other credentials for a server that is known."""
        server = self._servers[str(url)]
        server.url = url
        for allocation in server.allocations.values():
            allocation.renew(url, now)

    def needed(self, needed: bool) -> None:
        """Say whether anyone needs relays; as long as somebody does they are kept."""
        self._needed = needed
        for allocation in self._allocations():
            allocation.needed(needed)

    def refresh(self, now: float) -> None:
        """A path is in doubt: see whether the servers still have what is ours."""
        for allocation in self._allocations():
            allocation.doubt(now)

    def give_back(self, now: float) -> None:
        """We leave: every allocation is given back; `left` says when that is done."""
        for allocation in self._allocations():
            allocation.give_back(now)

    def _ask(self, base: Base, server: _Server, now: float) -> None:
        addresses = [address for address in server.addresses if (":" in address[0]) == base.is_ipv6]
        if addresses and base not in server.allocations:
            allocation = server.allocations[base] = Allocation(
                base,
                server.url,
                addresses,
                transactions=self._transactions,
                streams=self._streams,
                dice=self._dice,
                drops=self._drops,
            )
            allocation.needed(self._needed)
            allocation.begin(now)

    # What is known

    @property
    def candidates(self) -> tuple[LocalCandidate, ...]:
        """A candidate for each relayed base."""
        return tuple(self._candidates.values())

    @property
    def complete(self) -> bool:
        """Whether it is clear of every server what there is to be had of it."""
        expected = any(server.expected for server in self._servers.values())
        return not expected and all(allocation.done_once for allocation in self._allocations())

    @property
    def left(self) -> bool:
        """Whether nothing is being given back any more."""
        return all(allocation.phase is not Phase.LEAVING for allocation in self._allocations())

    @property
    def report(self) -> tuple[ServerReport, ...]:
        """What every server said to every base; one that nobody could ask has a single entry."""
        return tuple(entry for server in self._servers.values() for entry in _report_of(server))

    def mapped(self, base: Base) -> Iterable[tuple[Address, Address]]:
        """Where packets of a base came from as servers saw it, each with the server."""
        for server in self._servers.values():
            allocation = server.allocations.get(base)
            if allocation is not None and allocation.mapped is not None:
                yield allocation.mapped, allocation.server

    def relay_at(self, carrier: Base, server: Address) -> Relay | None:
        """What passes on the packets that come from this server to this base."""
        allocation = self._by_server.get((carrier, server))
        return None if allocation is None else allocation.relay

    def of(self, base: Base) -> Allocation | None:
        """The allocation that a relayed base belongs to."""
        return self._opened.get(base)

    # The machine

    @property
    def deadline(self) -> float | None:
        """When an allocation has something to do."""
        return earliest(*(allocation.deadline for allocation in self._allocations()))

    def tick(self, now: float) -> None:
        """Let every allocation do what is due."""
        for allocation in self._allocations():
            allocation.tick(now)

    def outputs(self) -> list[RelayOutput]:
        """Hand over what is to be sent, done or told, in order."""
        outputs, self._outputs = self._outputs, []
        opened: dict[Base, Allocation] = {}
        self._by_server.clear()
        for allocation in self._allocations():
            outputs += allocation.outputs()
            if allocation.relay is not None:
                self._by_server[allocation.carrier, allocation.server] = allocation
                opened |= dict.fromkeys(allocation.bases, allocation)
        if opened != self._opened:
            outputs += [RelayClosed(base) for base in self._opened if base not in opened]
            outputs += [RelayOpened(base, one) for base, one in opened.items() if base not in self._opened]
            self._opened = opened
            self._candidates = {base: self._candidate(base, one) for base, one in opened.items()}
        return outputs

    def _allocations(self) -> Iterator[Allocation]:
        for server in self._servers.values():
            yield from server.allocations.values()

    def _candidate(self, base: Base, allocation: Allocation) -> LocalCandidate:
        known = self._candidates.get(base)
        if known is not None:
            return known
        url, ipv6 = allocation.url, base.is_ipv6
        protocol = PROTOCOLS[url.transport, url.tls]
        # RFC 8445, 5.1.2.2: UDP to the server before TCP before TLS, then as the user named them.
        rank = 1000 * (protocol - RelayProtocol.UDP) + 10 * self._servers[str(url)].rank
        rank += min(list(self._hosts).index(allocation.base), 9)
        candidate = Candidate(
            type=CandidateType.RELAY,
            network=NetworkType.UDP6 if ipv6 else NetworkType.UDP4,
            address=base.address,
            port=base.port,
            priority=priority(CandidateType.RELAY, local_preference(rank, is_ipv6=ipv6)),
            foundation=foundation(CandidateType.RELAY, base, allocation.server[0]),
            related=allocation.mapped or (base.address, base.port),
            relay_protocol=protocol,
        )
        return LocalCandidate(candidate, base)


def _report_of(server: _Server) -> list[ServerReport]:
    name = str(server.url)
    reports = [allocation.report for allocation in server.allocations.values()]
    if server.error is not None:
        reports.append(ServerReport(server=name, error=server.error))
    elif not reports and not server.expected:
        reports.append(ServerReport(server=name, error="has no address that can be asked from here"))
    return reports or [ServerReport(server=name)]
