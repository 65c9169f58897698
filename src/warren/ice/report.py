"""What a person may ask about an agent: its pairs, and why nothing works."""

from dataclasses import dataclass

from warren.messages import Candidate

__all__ = ["PairReport", "SelectedPair"]


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
