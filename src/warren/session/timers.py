"""Timers: when each of many wants to be called, kept by moment."""

import heapq
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

__all__ = ["AT_ONCE", "Timers"]

AT_ONCE: Final = 256
"""How many are taken out at once; between them answers can be read, which keep others from being due."""

Waiter = TypeVar("Waiter", bound=Hashable)

SLACK = 64


class Timers(Generic[Waiter]):
    """One time for each who waits.

    Consent falls due at few moments, for many sessions each (`CONSENT_GRID`): so the heap is one of moments,
    and each session only stands in a list.
    """

    __slots__ = ("_due", "_entered", "_moments", "_waiting")

    def __init__(self) -> None:
        self._due: dict[Waiter, float] = {}
        self._moments: list[float] = []
        self._waiting: dict[float, list[Waiter]] = {}
        self._entered = 0
        """How many stand in lists, some of them at a moment that is theirs no more."""

    def __len__(self) -> int:
        """How many entries are kept: at the most two for each who waits, and some."""
        return self._entered

    @property
    def deadline(self) -> float | None:
        """The first moment; may be early, never late."""
        return self._moments[0] if self._moments else None

    def set(self, waiter: Waiter, due: float | None) -> None:
        """Say when one wants to be called, instead of what was said before; None leaves that as it is.

        One that waits for nothing finds so when the last time set for it comes.
        """
        if due is None or self._due.get(waiter) == due:
            return
        self._due[waiter] = due
        self._enter(waiter, due)
        # Times move later as a rule: what they leave behind must not grow without bound.
        if self._entered > 2 * len(self._due) + SLACK:
            self._moments, self._waiting, self._entered = [], {}, 0
            for other, at in self._due.items():
                self._enter(other, at)

    def forget(self, waiter: Waiter) -> None:
        """One will not be called any more."""
        self._due.pop(waiter, None)

    def pop_due(self, now: float) -> list[Waiter]:
        """Take out those whose time has come, the earliest first, each once; 256 at the most."""
        due: list[Waiter] = []
        while self._moments and self._moments[0] <= now and len(due) < AT_ONCE:
            at = self._moments[0]
            waiting = self._waiting[at]
            first = waiting[: AT_ONCE - len(due)]
            self._entered -= len(first)
            if len(first) < len(waiting):
                self._waiting[at] = waiting[len(first) :]
            else:
                heapq.heappop(self._moments)
                del self._waiting[at]
            for waiter in first:
                if self._due.get(waiter) == at:
                    del self._due[waiter]
                    due.append(waiter)
        return due

    def _enter(self, waiter: Waiter, due: float) -> None:
        waiting = self._waiting.get(due)
        if waiting is None:
            waiting = self._waiting[due] = []
            heapq.heappush(self._moments, due)
        waiting.append(waiter)
        self._entered += 1
