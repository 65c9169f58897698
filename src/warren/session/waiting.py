"""Candidates that wait for the credentials they belong to."""

from typing import Final

from warren.ice.transport import Address
from warren.messages import Candidate

__all__ = ["Waiting"]

MAX_WAITING: Final = 64
"""32 for each of two generations: the one that is known, and the one that is to come."""
LIFETIME: Final = 10.0


class Waiting:
    """The newest candidates that came without credentials, for 10 s, the oldest first."""

    __slots__ = ("_candidates",)

    def __init__(self) -> None:
        self._candidates: dict[Address, tuple[float, Candidate]] = {}

    def keep(self, candidate: Candidate, now: float) -> bool:
        """Let a candidate wait; False where the oldest one had to go for it."""
        self._candidates.pop(candidate.transport, None)
        full = len(self._candidates) >= MAX_WAITING
        if full:
            del self._candidates[next(iter(self._candidates))]
        self._candidates[candidate.transport] = (now, candidate)
        return not full

    def fresh(self, now: float) -> tuple[Candidate, ...]:
        """Those that have not waited too long."""
        return tuple(candidate for at, candidate in self._candidates.values() if now - at <= LIFETIME)

    def forget(self) -> None:
        """Let none wait."""
        self._candidates.clear()
