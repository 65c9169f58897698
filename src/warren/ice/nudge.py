"""Nudges: checks that make a controlling agent which nominates late do it as early as it can."""

from typing import Final

__all__ = ["Nudge"]

# pion nominates server-reflexive pairs 500 ms and peer-reflexive ones 1000 ms after its start, and then only
# when its 200 ms tick or a request comes. Its start lies one way before its first check reaches us, and ours
# need one way to reach it: so the windows begin early.
WINDOWS: Final = tuple(round(middle + step * 0.025, 3) for middle in (0.5, 1.0) for step in range(-3, 4))
MAX_REPLIES: Final = 32


class Nudge:
    """When to send one more check than ICE asks for, while a peer that is not ours controls."""

    __slots__ = ("_first_at", "_replies", "_step")

    def __init__(self) -> None:
        self._first_at: float | None = None
        self._step = 0
        self._replies = 0

    def heard(self, now: float) -> bool:
        """A check of the peer was answered; True if one of ours is to follow at once."""
        if self._first_at is None:
            self._first_at = now
        self._replies += 1
        return self._replies <= MAX_REPLIES

    @property
    def deadline(self) -> float | None:
        """When the next nudge is due."""
        if self._first_at is None or self._step >= len(WINDOWS):
            return None
        return self._first_at + WINDOWS[self._step]

    def pop_due(self, now: float) -> bool:
        """Take what is due; True if a check is to be sent now."""
        deadline = self.deadline
        if deadline is None or deadline > now:
            return False
        # A late tick makes up for nothing: one check is as good as several.
        while deadline is not None and deadline <= now:
            self._step += 1
            deadline = self.deadline
        return True
