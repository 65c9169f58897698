"""One candidate: its priority, its foundation, and whether a peer's may be checked at all."""

import ipaddress
import zlib
from collections.abc import Container
from dataclasses import dataclass
from typing import Final

from warren.ice.transport import Base
from warren.messages import Candidate, CandidateType, TCPType

__all__ = [
    "TYPE_PREFERENCE",
    "LocalCandidate",
    "foundation",
    "local_preference",
    "pair_priority",
    "peer_reflexive_priority",
    "priority",
    "refuse",
    "stream_preference",
]

# RFC 8445, 5.1.2.2.
TYPE_PREFERENCE: Final = {
    CandidateType.HOST: 126,
    CandidateType.PEER_REFLEXIVE: 110,
    CandidateType.SERVER_REFLEXIVE: 100,
    CandidateType.RELAY: 0,
}

# RFC 6544, 4.2: streams rank below datagrams. So far that every direct pair over UDP comes first, and as far
# as other agents do it; a relay still comes after them.
STREAM_PENALTY: Final = 27

# RFC 6544, 4.2, for host candidates.
DIRECTION_PREFERENCE: Final = {TCPType.ACTIVE: 6, TCPType.PASSIVE: 4}


@dataclass(frozen=True, slots=True)
class LocalCandidate:
    """An address of ours and the base that packets for it leave from (RFC 8445, 5.1.1)."""

    candidate: Candidate
    base: Base
    hidden: bool = False
    """Whether the peer is not told of it."""


def priority(type: CandidateType, local_preference: int, component: int = 1, *, stream: bool = False) -> int:
    """Compute a candidate's priority, 31 bits (RFC 8445, 5.1.2.1); local_preference is 0 … 65535."""
    return _type_preference(type, stream=stream) << 24 | local_preference << 8 | 256 - component


def local_preference(index: int, *, is_ipv6: bool) -> int:
    """Rank the addresses of one node: the lower the interface's index the higher, IPv6 before IPv4.

    Families take turns (RFC 8421, 4), so a host with many IPv6 addresses still tries IPv4 early.
    """
    return max(0, 65535 - 2 * index - (0 if is_ipv6 else 1))


def stream_preference(index: int, tcp_type: TCPType, *, is_ipv6: bool) -> int:
    """Rank as `local_preference` does, the direction before the address (RFC 6544, 4.2)."""
    return DIRECTION_PREFERENCE[tcp_type] << 13 | max(0, 8191 - 2 * index - (0 if is_ipv6 else 1))


def peer_reflexive_priority(candidate_priority: int, *, stream: bool = False) -> int:
    """Say what PRIORITY a check from a local candidate carries: a peer-reflexive one (RFC 8445, 7.1.1)."""
    preference = _type_preference(CandidateType.PEER_REFLEXIVE, stream=stream)
    return preference << 24 | candidate_priority & 0xFFFFFF


def _type_preference(type: CandidateType, *, stream: bool) -> int:
    return max(0, TYPE_PREFERENCE[type] - (STREAM_PENALTY if stream else 0))


def pair_priority(controlling: int, controlled: int) -> int:
    """Compute a pair's priority, 63 bits, the same at both ends (RFC 8445, 6.1.2.3)."""
    low, high = min(controlling, controlled), max(controlling, controlled)
    return low << 32 | high << 1 | (controlling > controlled)


def foundation(type: CandidateType, base: Base, server: str = "") -> str:
    """Name what a candidate stands on: type, base address, protocol and server (RFC 8445, 5.1.1.3)."""
    return str(zlib.crc32(f"{type.name}|{base.address}|{base.protocol}|{server}".encode()))


def refuse(candidate: Candidate, *, loopback: bool, excluded: Container[str] = ()) -> str | None:
    """Say why a peer's candidate must not be checked, as a word for a counter, or None if it may be.

    A candidate is a request to send packets somewhere: what can only be a mistake or harm is left alone.
    """
    if candidate.network.is_tcp and candidate.tcp_type not in DIRECTION_PREFERENCE:
        return "candidate-tcp-type"
    if candidate.component != 1:
        return "candidate-component"
    if candidate.address in excluded:
        return "candidate-excluded"
    address = ipaddress.ip_address(candidate.address)
    if address.is_loopback:
        return None if loopback else "candidate-loopback"
    if address.is_multicast:
        return "candidate-multicast"
    if isinstance(address, ipaddress.IPv6Address):
        return _refuse_ipv6(address)
    # 0.0.0.0/8 is "this host", 240.0.0.0/4 ends in the limited broadcast (RFC 6890).
    if address.packed[0] == 0:
        return "candidate-unspecified"
    return "candidate-reserved" if address.packed[0] >= 240 else None


def _refuse_ipv6(address: ipaddress.IPv6Address) -> str | None:
    if address.is_unspecified:
        return "candidate-unspecified"
    # IPv4 in disguise would pass the rules for IPv4 unseen.
    if address.ipv4_mapped is not None:
        return "candidate-mapped"
    # Means nothing without a scope, and a peer cannot know the names of our interfaces.
    if address.is_link_local or address.scope_id is not None:
        return "candidate-link-local"
    return None
