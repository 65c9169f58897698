"""What the STUN servers' answers say about the NAT in front of us: for whoever asks why nothing connects."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from warren.ice.transport import Address, Base
from warren.messages import Candidate, CandidateType

__all__ = ["Mapping", "ServerReport", "mapping_of", "summary_of", "summary_of_peer"]

Mapping = Literal["no-servers", "unknown", "none-answered", "same", "different"]
"""How the NAT maps one base for two servers; behind `different` no peer can use what a server saw."""

_SUMMARIES: Final[dict[Mapping, str]] = {
    "no-servers": "no STUN server was asked",
    "unknown": "the NAT's mapping was not seen by two STUN servers",
    "none-answered": "no STUN server answered",
    "same": "the NAT's mapping is the same at two STUN servers",
    "different": "the NAT's mapping is different at two STUN servers",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerReport:
    """What one server said to one base."""

    server: str
    """Its name as the user gave it."""
    address: Address | None = None
    """Which of its addresses was asked; None where there is none that can be."""
    base: Base | None = None
    """Who asked; None where nobody could."""
    mapped: Address | None = None
    """Where our packets seemed to come from when it last said so."""
    relayed: tuple[Address, ...] = ()
    """Where a TURN server takes packets for us."""
    error: str | None = None
    """Why the last time brought nothing, in words."""

    def __str__(self) -> str:
        asked = f" from {self.base.address}" if self.base is not None else ""
        if self.error is None and (self.mapped is not None or self.relayed):
            seen = "" if self.mapped is None else f" {_tell(self.mapped)}"
            relayed = "".join(f" relayed at {_tell(address)}" for address in self.relayed)
            return f"{self.server}{asked}:{seen}{relayed}"
        return f"{self.server}{asked}: {self.error or 'has not answered yet'}"


def _tell(address: Address) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def mapping_of(reports: Iterable[ServerReport], *, complete: bool) -> Mapping:
    """Compare what different servers saw of the same base, as far as they answered the last time."""
    reports = list(reports)
    if not reports:
        return "no-servers"
    # By address: one server under two names is no second opinion.
    seen: dict[Base, dict[Address | None, Address]] = {}
    for report in reports:
        if report.base is not None and report.mapped is not None and report.error is None:
            seen.setdefault(report.base, {})[report.address] = report.mapped
    if any(len(set(mapped.values())) > 1 for mapped in seen.values()):
        return "different"
    if any(len(mapped) > 1 for mapped in seen.values()):
        return "same"
    return "unknown" if seen or not complete else "none-answered"


def summary_of(mapping: Mapping, reports: Iterable[ServerReport]) -> str:
    """Say it in words, with what every server said."""
    details = "; ".join(str(report) for report in reports)
    return f"{_SUMMARIES[mapping]} ({details})" if details else _SUMMARIES[mapping]


def summary_of_peer(candidates: Iterable[Candidate]) -> str:
    """Say in words what the peer's candidates tell of the NAT in front of it.

    One base that servers saw differently is told by its related address (RFC 8445, 5.1.1).
    """
    seen: dict[Address | None, set[Address]] = {}
    for candidate in candidates:
        if candidate.type is CandidateType.SERVER_REFLEXIVE:
            seen.setdefault(candidate.related, set()).add(candidate.transport)
    if not seen:
        return "no server-reflexive candidate: it asked no STUN server, none answered, or it has no NAT"
    if any(len(mapped) > 1 for related, mapped in seen.items() if related is not None):
        return "the NAT's mapping is different at two STUN servers"
    return "the NAT's mapping is the same wherever it was seen"
