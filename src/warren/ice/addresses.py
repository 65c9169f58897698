"""The candidates of both sides: ours by base and by address, the peer's by address."""

import ipaddress
from collections.abc import Container, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Final

from warren.ice.candidate import (
    LocalCandidate,
    foundation,
    local_preference,
    peer_reflexive_priority,
    priority,
    refuse,
)
from warren.ice.transport import Address, Base
from warren.messages import Candidate, CandidateType, NetworkType, TCPType

__all__ = ["MAX_REFLEXIVE", "MAX_REMOTE", "LocalAddresses", "RemoteAddresses", "compatible", "stands_on"]

MAX_REMOTE: Final = 32
MAX_REFLEXIVE: Final = 16

# RFC 1918, RFC 6598, RFC 4193.
_PRIVATE: Final = tuple(
    map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"))
)


class LocalAddresses:
    """Ours: one candidate a base is checked from, the others are names that peers know it by.

    A stream has a base of its own, and stands on the candidate that it was opened from or accepted at.
    """

    __slots__ = ("_by_base", "_names", "_reflexive", "_streams")

    def __init__(self) -> None:
        self._by_base: dict[Base, LocalCandidate] = {}
        self._streams: dict[Address, Base] = {}
        self._names: dict[tuple[Base, Address], Candidate] = {}
        self._reflexive = 0

    def __iter__(self) -> Iterator[LocalCandidate]:
        """What checks are sent from: the best candidate of each base (RFC 8445, 6.1.2.4)."""
        return iter(list(self._by_base.values()))

    def add(self, candidate: LocalCandidate) -> bool:
        """Enter a candidate; True if its base is new or this is the best of it."""
        self._names[candidate.base, candidate.candidate.transport] = candidate.candidate
        known = self._by_base.get(candidate.base)
        if known is not None and known.candidate.priority >= candidate.candidate.priority:
            return False
        self._by_base[candidate.base] = candidate
        if candidate.base.protocol == "tcp":
            self._streams[candidate.base.address, candidate.base.port] = candidate.base
        return True

    def remove(self, base: Base) -> None:
        """Forget a base and all its names."""
        self._by_base.pop(base, None)
        if base.protocol == "tcp":
            self._streams.pop((base.address, base.port), None)
        for key in [key for key in self._names if key[0] is base]:
            del self._names[key]

    def of(self, base: Base) -> LocalCandidate | None:
        """What checks from this base are sent as."""
        return self._by_base.get(self._root(base))

    def named(self, base: Base, mapped: Address) -> Candidate | None:
        """The candidate that the peer knows the base by: a new peer-reflexive one where nobody told us of it.

        None where there are 16 of those already (RFC 8445, 7.2.5.3.1).
        """
        root = self._root(base)
        known = self._names.get((root, mapped))
        if known is not None:
            return known
        local = self._by_base.get(root)
        if local is None:
            return None
        ours = local.candidate
        if ours.tcp_type is TCPType.ACTIVE and mapped[0] == base.address:
            # RFC 6544, 4.1: its port 9 was a place holder, the system chooses one for each connection.
            return replace(ours, port=mapped[1])
        if ours.tcp_type is not TCPType.ACTIVE:
            if self._reflexive >= MAX_REFLEXIVE:
                return None
            self._reflexive += 1
        candidate = Candidate(
            type=CandidateType.PEER_REFLEXIVE,
            network=_network(base, mapped),
            address=mapped[0],
            port=mapped[1],
            priority=peer_reflexive_priority(ours.priority, stream=ours.network.is_tcp),
            foundation=foundation(CandidateType.PEER_REFLEXIVE, root),
            tcp_type=ours.tcp_type,
            related=(base.address, base.port),
        )
        if ours.tcp_type is not TCPType.ACTIVE:
            self._names[root, mapped] = candidate
        return candidate

    def _root(self, base: Base) -> Base:
        return base if base.protocol == "udp" else self._streams.get((base.address, base.port), base)


class RemoteAddresses:
    """The peer's: 32 that it told us of and 16 that its checks revealed."""

    __slots__ = ("_by_address", "_reflexive")

    def __init__(self) -> None:
        self._by_address: dict[_Place, Candidate] = {}
        self._reflexive: dict[_Place, None] = {}

    def __len__(self) -> int:
        return len(self._by_address)

    def __iter__(self) -> Iterator[Candidate]:
        """In the order in which they came."""
        return iter(list(self._by_address.values()))

    def get(self, base: Base, address: Address) -> Candidate | None:
        """The candidate that packets from this address to this base belong to."""
        return self._by_address.get((base.protocol, address))

    def add(
        self, candidate: Candidate, *, loopback: bool, excluded: Container[str] = ()
    ) -> tuple[Candidate | None, str | None]:
        """Enter what signaling says: (candidate as entered, None), or (None, why not; None for a repeat)."""
        reason = refuse(candidate, loopback=loopback, excluded=excluded)
        if reason is not None:
            return None, reason
        address = candidate.network.protocol, candidate.transport
        if address in self._by_address and address not in self._reflexive:
            return None, None
        if len(self._by_address) - len(self._reflexive) >= MAX_REMOTE:
            return None, "candidates-full"
        # RFC 8445, 7.3.1.3: what is signaled replaces what a check revealed.
        self._reflexive.pop(address, None)
        if not candidate.priority:
            preference = local_preference(0, is_ipv6=candidate.network.is_ipv6)
            stream = candidate.network.is_tcp
            candidate = replace(candidate, priority=priority(candidate.type, preference, stream=stream))
        self._by_address[address] = candidate
        return candidate, None

    def learn(self, base: Base, source: Address, check_priority: int | None) -> Candidate | None:
        """Enter where a check came from as peer reflexive (RFC 8445, 7.3.1.3); None if it is one too many."""
        if len(self._reflexive) >= MAX_REFLEXIVE:
            return None
        stream = base.protocol == "tcp"
        if check_priority is None:
            check_priority = priority(CandidateType.PEER_REFLEXIVE, 0, stream=stream)
        candidate = Candidate(
            type=CandidateType.PEER_REFLEXIVE,
            network=_network(base, source),
            address=source[0],
            port=source[1],
            priority=check_priority,
            tcp_type=TCPType.ACTIVE if stream else TCPType.UNSPECIFIED,
        )
        self._reflexive[base.protocol, source] = None
        self._by_address[base.protocol, source] = candidate
        return candidate

    def forget(self, base: Base, source: Address) -> None:
        """A connection has ended: if only a check had revealed its other end, nobody is there any more."""
        place = base.protocol, source
        if place in self._reflexive:
            del self._reflexive[place], self._by_address[place]


def compatible(base: Base, remote: Candidate) -> bool:
    """Whether packets from this base can reach that address at all (RFC 8445, 6.1.2.2)."""
    if base.protocol != remote.network.protocol or base.is_ipv6 != remote.network.is_ipv6:
        return False
    # RFC 6544, 6.2: connections are opened from active to passive; those to us make their pairs themselves.
    if base.protocol == "tcp" and (base.port or remote.tcp_type is not TCPType.PASSIVE):
        return False
    # Loopback reaches only loopback; a link-local base only neighbours, and those are not signaled.
    if _is_loopback(base.address) != _is_loopback(remote.address):
        return False
    # Knowingly otherwise than RFC 8445, 6.1.2.2: from a server on the internet nothing gets to a private
    # address, and coturn gives up an allocation when it cannot route a packet of it.
    if base.relayed and _is_private(remote.address) and not _is_private(base.address):
        return False
    return not base.address.startswith("fe80:")


def stands_on(base: Base, root: Base) -> bool:
    """Whether it is this base, or a stream opened from it or accepted at it."""
    if base is root:
        return True
    streams = base.protocol == root.protocol == "tcp"
    return streams and (base.address, base.port) == (root.address, root.port)


def _is_loopback(address: str) -> bool:
    return address.startswith("127.") or address == "::1"


@lru_cache(maxsize=1024)  # Each address is paired with many.
def _is_private(address: str) -> bool:
    known = ipaddress.ip_address(address)
    return any(known in network for network in _PRIVATE if network.version == known.version)


_Place = tuple[str, Address]
"""Protocol and address: a port of TCP has nothing to do with the same one of UDP."""


def _network(base: Base, address: Address) -> NetworkType:
    if base.protocol == "tcp":
        return NetworkType.TCP6 if ":" in address[0] else NetworkType.TCP4
    return NetworkType.UDP6 if ":" in address[0] else NetworkType.UDP4
