"""What a person may ask about an agent: its pairs, and why nothing works."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from warren.ice.checklist import Pair
from warren.messages import Candidate

__all__ = ["PairReport", "SelectedPair", "describe", "why_failed"]

MAX_NAMED: Final = 4


@dataclass(frozen=True, slots=True)
class SelectedPair:
    """The pair that data goes over."""

    local: Candidate
    remote: Candidate
    rtt: float
    """Seconds, of the newest check of it that was answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairReport:
    """One pair as it stands."""

    local: Candidate
    remote: Candidate
    state: str
    sent: int
    answered: int
    last_error: str | None


def describe(pair: Pair) -> PairReport:
    """Say how a pair stands."""
    return PairReport(
        local=pair.named_local,
        remote=pair.remote,
        state=pair.state.value,
        sent=pair.sent,
        answered=pair.answered,
        last_error=pair.error,
    )


def why_failed(reason: str, pairs: Sequence[Pair], seconds: float) -> str:
    """Tell a person what was tried and what is known; `pairs` with the best first."""
    sent = sum(pair.sent for pair in pairs)
    tried = f"{_count(len(pairs), 'pair')} tried with {_count(sent, 'check')} in {seconds:.1f} s"
    named = "; ".join(_tell(pair) for pair in pairs[:MAX_NAMED])
    if len(pairs) > MAX_NAMED:
        named += f"; and {len(pairs) - MAX_NAMED} more"
    return f"{reason}: {tried}, {_learned(pairs)}: {named}"


def _learned(pairs: Sequence[Pair]) -> str:
    if any(pair.worked for pair in pairs):
        return "some were answered but the peer chose none"
    if any(pair.heard for pair in pairs):
        return "none was answered though the peer's checks reached us"
    return "none was answered and no check of the peer was seen"


def _tell(pair: Pair) -> str:
    words = f"{_end(pair.named_local)} to {_end(pair.remote)}: {_count(pair.sent, 'check')}"
    return f"{words}, {pair.error}" if pair.error else words


def _end(candidate: Candidate) -> str:
    host = f"[{candidate.address}]" if candidate.network.is_ipv6 else candidate.address
    transport = " tcp" if candidate.network.is_tcp else ""
    return f"{candidate.type.word} {host}:{candidate.port}{transport}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
