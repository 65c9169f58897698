"""Backoff: an iterator of delays."""

from collections.abc import Iterator
from dataclasses import dataclass

from warren.sansio import Dice

__all__ = ["Backoff", "Delays"]


@dataclass(frozen=True, slots=True)
class Backoff:
    """How delays grow: `first` seconds, times `factor` each time, to `limit`, each off by ±`jitter` of it."""

    first: float
    factor: float
    limit: float
    jitter: float = 0.0

    def delays(self, dice: Dice) -> "Delays":
        """Begin from the start."""
        return Delays(self, dice)


class Delays(Iterator[float]):
    """The delays of one run of failures, in seconds, without end; the limit holds with jitter too."""

    __slots__ = ("_backoff", "_dice", "_next")

    def __init__(self, backoff: Backoff, dice: Dice) -> None:
        self._backoff = backoff
        self._dice = dice
        self._next = backoff.first

    def __next__(self) -> float:
        plan, delay = self._backoff, self._next
        self._next = min(delay * plan.factor, plan.limit)
        if plan.jitter:
            delay *= self._dice.uniform(1.0 - plan.jitter, 1.0 + plan.jitter)
        return min(delay, plan.limit)
