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
from warren.messages import Candidate, CandidateType, NetworkType

__all__ = ["MAX_REFLEXIVE", "MAX_REMOTE", "LocalAddresses", "RemoteAddresses", "compatible"]

MAX_REMOTE: Final = 32
MAX_REFLEXIVE: Final = 16

# RFC 1918, RFC 6598, RFC 4193.
_PRIVATE: Final = tuple(
    map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"))
)


class LocalAddresses:
    """Ours: one candidate a base is checked from, the others are names that peers know it by."""

    __slots__ = ("_by_base", "_names", "_reflexive")

    def __init__(self) -> None:
        self._by_base: dict[Base, LocalCandidate] = {}
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
        return True

    def remove(self, base: Base) -> None:
        """Forget a base and all its names."""
        self._by_base.pop(base, None)
        for key in [key for key in self._names if key[0] is base]:
            del self._names[key]

    def of(self, base: Base) -> LocalCandidate | None:
        """What checks from this base are sent as."""
        return self._by_base.get(base)

    def named(self, base: Base, mapped: Address) -> Candidate | None:
        """The candidate that the peer knows the base by: a new peer-reflexive one where nobody told us of it.

        None where there are 16 of those already (RFC 8445, 7.2.5.3.1).
        """
        known = self._names.get((base, mapped))
        if known is not None:
            return known
        local = self._by_base.get(base)
        if local is None or self._reflexive >= MAX_REFLEXIVE:
            return None
        self._reflexive += 1
        candidate = Candidate(
            type=CandidateType.PEER_REFLEXIVE,
            network=_network(mapped),
            address=mapped[0],
            port=mapped[1],
            priority=peer_reflexive_priority(local.candidate.priority),
            foundation=foundation(CandidateType.PEER_REFLEXIVE, base),
            related=(base.address, base.port),
        )
        self._names[base, mapped] = candidate
        return candidate


class RemoteAddresses:
    """The peer's: 32 that it told us of and 16 that its checks revealed."""

    __slots__ = ("_by_address", "_reflexive")

    def __init__(self) -> None:
        self._by_address: dict[Address, Candidate] = {}
        self._reflexive: dict[Address, None] = {}

    def __len__(self) -> int:
        return len(self._by_address)

    def __iter__(self) -> Iterator[Candidate]:
        """In the order in which they came."""
        return iter(list(self._by_address.values()))

    def get(self, address: Address) -> Candidate | None:
        """The candidate with this address."""
        return self._by_address.get(address)

    def add(
        self, candidate: Candidate, *, loopback: bool, excluded: Container[str] = ()
    ) -> tuple[Candidate | None, str | None]:
        """Enter what signaling says: (candidate as entered, None), or (None, why not; None for a repeat)."""
        reason = refuse(candidate, loopback=loopback, excluded=excluded)
        if reason is not None:
            return None, reason
        address = candidate.transport
        if address in self._by_address and address not in self._reflexive:
            return None, None
        if len(self._by_address) - len(self._reflexive) >= MAX_REMOTE:
            return None, "candidates-full"
        # RFC 8445, 7.3.1.3: what is signaled replaces what a check revealed.
        self._reflexive.pop(address, None)
        if not candidate.priority:
            preference = local_preference(0, is_ipv6=candidate.network.is_ipv6)
            candidate = replace(candidate, priority=priority(candidate.type, preference))
        self._by_address[address] = candidate
        return candidate, None

    def learn(self, source: Address, check_priority: int | None) -> Candidate | None:
        """Enter where a check came from as peer reflexive (RFC 8445, 7.3.1.3); None if it is one too many."""
        if len(self._reflexive) >= MAX_REFLEXIVE:
            return None
        if check_priority is None:
            check_priority = priority(CandidateType.PEER_REFLEXIVE, 0)
        candidate = Candidate(
            type=CandidateType.PEER_REFLEXIVE,
            network=_network(source),
            address=source[0],
            port=source[1],
            priority=check_priority,
        )
        self._reflexive[source] = None
        self._by_address[source] = candidate
        return candidate


def compatible(base: Base, remote: Candidate) -> bool:
    """Whether packets from this base can reach that address at all (RFC 8445, 6.1.2.2)."""
    if base.protocol != remote.network.protocol or base.is_ipv6 != remote.network.is_ipv6:
        return False
    # Loopback reaches only loopback; a link-local base only neighbours, and those are not signaled.
    if _is_loopback(base.address) != _is_loopback(remote.address):
        return False
    # Knowingly otherwise than RFC 8445, 6.1.2.2: from a server on the internet nothing gets to a private
    # address, and coturn gives up an allocation when it cannot route a packet of it.
    if base.relayed and _is_private(remote.address) and not _is_private(base.address):
        return False
    return not base.address.startswith("fe80:")


def _is_loopback(address: str) -> bool:
    return address.startswith("127.") or address == "::1"


@lru_cache(maxsize=1024)  # Each address is paired with many.
def _is_private(address: str) -> bool:
    known = ipaddress.ip_address(address)
    return any(known in network for network in _PRIVATE if network.version == known.version)


def _network(address: Address) -> NetworkType:
    return NetworkType.UDP6 if ":" in address[0] else NetworkType.UDP4
