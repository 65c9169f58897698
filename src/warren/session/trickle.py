"""Trickle: candidates one by one for peers that do not know field 100, at a pace that they can bear."""

from collections import deque
from collections.abc import Iterable
from typing import Final

from warren.messages import Candidate
from warren.session.limits import Bucket

__all__ = ["Trickle"]

# cunīcu's agent gives up a pair after 8 checks, and each candidate that comes makes it check all pairs again.
GENTLE_TIME: Final = 0.6
GENTLE_COUNT: Final = 4
# Its queue of messages holds 32, and blocks the whole backend when it is full.
AT_ONCE: Final = 16
PER_SECOND: Final = 32.0


class Trickle:
    """What is still to be sent of one generation's candidates, and when.

    Args:
        gently: whether the peer controls.
    """

    __slots__ = ("_begun_at", "_count", "_gently", "_not_before", "_queue", "_room", "_room_at", "_told")

    def __init__(self, *, gently: bool) -> None:
        self._gently = gently
        self._told: set[Candidate] = set()
        self._room = Bucket(PER_SECOND, AT_ONCE)
        self._room_at = 0.0
        self.begin(0.0)

    def begin(self, now: float) -> None:
        """The peer begins anew: it knows nothing."""
        self._told.clear()
        self._queue: deque[Candidate] = deque()
        self._begun_at = now
        self._not_before = now
        self._count = 0

    def told(self, candidate: Candidate | None, now: float) -> None:
        """A message that carried this candidate, or none, has left otherwise."""
        self._send(now)
        if candidate is not None:
            self._count += 1
            self._told.add(candidate)

    def add(self, candidates: Iterable[Candidate], *, not_before: float, again: bool) -> None:
        """Queue candidates; `again` those too that were sent before (messages get lost)."""
        if again:
            self._told.clear()
        queued = set(self._queue)
        for candidate in candidates:
            if candidate not in self._told and candidate not in queued:
                self._queue.append(candidate)
        self._not_before = not_before

    def stop(self) -> None:
        """Send nothing more."""
        self._queue.clear()

    @property
    def deadline(self) -> float | None:
        """When the next one may be sent."""
        if not self._queue:
            return None
        at = max(self._not_before, self._room_at)
        if self._gently and self._count >= GENTLE_COUNT:
            at = max(at, self._begun_at + GENTLE_TIME)
        return at

    def pop_due(self, now: float) -> Candidate | None:
        """Take the next one that is to be sent now."""
        deadline = self.deadline
        if deadline is None or deadline > now:
            return None
        self._send(now)
        self._count += 1
        candidate = self._queue.popleft()
        self._told.add(candidate)
        return candidate

    def _send(self, now: float) -> None:
        self._room.take(now)
        self._room_at = self._room.next_at(now)
