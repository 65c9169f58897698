"""Policy: which of our addresses a peer learns, and which networks are never spoken to."""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Final

from warren.ice.candidate import LocalCandidate
from warren.ice.transport import Base

__all__ = ["CandidatePolicy", "Networks", "offered"]

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


class CandidatePolicy(StrEnum):
    """What a peer learns of where we are (RFC 8828 weighs the same for browsers)."""

    ALL = "all"
    """Every address."""
    NO_PRIVATE = "no-private"
    """No private address: what is behind our NAT stays there, also as a related address."""
    RELAY_ONLY = "relay-only"
    """Relayed addresses only: nothing is sent from any other, so the peer sees the TURN server alone."""

    def uses(self, base: Base) -> bool:
        """Whether checks and data may leave from this base."""
        return self is not CandidatePolicy.RELAY_ONLY or base.relayed


class Networks:
    """A set of networks by prefix.

    Raises:
        ValueError: a prefix is none; the text says which.
    """

    __slots__ = ("_networks",)

    def __init__(self, prefixes: Iterable[str]) -> None:
        self._networks: tuple[IPNetwork, ...] = tuple(ipaddress.ip_network(prefix) for prefix in prefixes)

    def __contains__(self, address: object) -> bool:
        if not self._networks:
            return False
        parsed = ipaddress.ip_address(str(address).partition("%")[0])
        return any(parsed in network for network in self._networks)


# RFC 1918, RFC 6598, RFC 3927, RFC 4193, RFC 4291 2.5.6; `ipaddress.is_private` means much else besides.
PRIVATE: Final = Networks(
    (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "169.254.0.0/16",
        "127.0.0.0/8",
        "fc00::/7",
        "fe80::/10",
        "::1/128",
    )
)


def offered(candidates: Sequence[LocalCandidate], policy: CandidatePolicy) -> tuple[LocalCandidate, ...]:
    """Make of our candidates those that are used, with what the peer must not learn hidden or blanked."""
    if policy is CandidatePolicy.ALL:
        return tuple(candidates)
    if policy is CandidatePolicy.RELAY_ONLY:
        return tuple(_blanked(item) for item in candidates if item.base.relayed)
    return tuple(_without_private(item) for item in candidates)


def _without_private(item: LocalCandidate) -> LocalCandidate:
    candidate = item.candidate
    if candidate.address in PRIVATE:
        # Checks leave from it all the same: the peer sees them come from where the NAT puts them.
        return replace(item, hidden=True)
    return _blanked(item) if candidate.related is not None and candidate.related[0] in PRIVATE else item


def _blanked(item: LocalCandidate) -> LocalCandidate:
    """Let the related address say nothing (RFC 8839, 5.1)."""
    nowhere = "::" if item.candidate.network.is_ipv6 else "0.0.0.0"
    return replace(item, candidate=replace(item.candidate, related=(nowhere, 0)))
