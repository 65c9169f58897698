"""Resting: the paths of a node on which nothing happens but that consent is kept."""

import heapq
import math
from collections.abc import Sequence

from warren.ice.rest import Rest
from warren.ice.timing import CONSENT_GRID
from warren.ice.transaction import Owner
from warren.ice.transport import Address, Base, Transmit
from warren.session.timers import AT_ONCE

__all__ = ["Resting"]


class Resting:
    """Finds the path at rest that a packet belongs to, and keeps their time; the sessions sleep meanwhile."""

    __slots__ = ("_by_base", "_moments", "_waiting")

    def __init__(self) -> None:
        self._by_base: dict[Base, dict[Address, Rest]] = {}
        self._moments: list[int] = []
        self._waiting: dict[int, list[Rest]] = {}

    def __len__(self) -> int:
        """How many are kept, some of them over."""
        return sum(map(len, self._by_base.values()))

    def enter(self, rest: Rest) -> None:
        """A path is at rest from now on; another one between the same two addresses is no more."""
        by_source = self._by_base.setdefault(rest.pair.base, {})
        before = by_source.get(rest.pair.destination)
        if before is not None and not before.over:
            before.wake()
        by_source[rest.pair.destination] = rest
        self._enter(rest)

    def forget(self, base: Base, source: Address) -> None:
        """Nobody expects packets from there any more."""
        by_source = self._by_base.get(base, {})
        by_source.pop(source, None)
        if not by_source:
            self._by_base.pop(base, None)

    def datagram_received(
        self, base: Base, source: Address, data: bytes, now: float
    ) -> Sequence[Transmit] | None:
        """Take a packet that keeps consent on a path at rest; returns what to send, None if it is none."""
        by_source = self._by_base.get(base)
        rest = None if by_source is None else by_source.get(source)
        if rest is None:
            return None
        if rest.over:
            self.forget(base, source)
            return None
        due = rest.due
        answers = rest.datagram_received(data, now)
        if answers is None:
            return None
        if rest.due != due:
            self._enter(rest)
        return [Transmit(base, source, answer) for answer in answers] if answers else ()

    @property
    def deadline(self) -> float | None:
        """When `tick` wants to be called; may be early, never late."""
        return self._moments[0] * CONSENT_GRID if self._moments else None

    def tick(self, now: float) -> tuple[list[Transmit], list[Owner]]:
        """Returns checks that are due, and whose path is at rest no more because one was not answered.

        It is 256 of them at the most: between them the answers can be read.
        """
        checks: list[Transmit] = []
        awake: list[Owner] = []
        while self._moments and self._moments[0] * CONSENT_GRID <= now and len(checks) + len(awake) < AT_ONCE:
            rests = self._waiting[self._moments[0]]
            rest = rests.pop()
            if not rests:
                del self._waiting[heapq.heappop(self._moments)]
            if rest.over or rest.due > now:
                continue  # It was put off, and waits in another moment.
            check = rest.tick(now)
            if check is None:
                awake.append(rest.owner)
            else:
                checks.append(Transmit(rest.pair.base, rest.pair.destination, check))
                self._enter(rest)
        return checks, awake

    def _enter(self, rest: Rest) -> None:
        """Let it be called when it is due, or a moment later, together with others; what was said before is
        found to be out of date when its moment comes."""
        moment = math.ceil(rest.due / CONSENT_GRID)
        waiting = self._waiting.get(moment)
        if waiting is None:
            waiting = self._waiting[moment] = []
            heapq.heappush(self._moments, moment)
        waiting.append(rest)
