"""Trials: a pair that has fallen silent once must go on answering for a while before it is used again."""

from typing import Final

from warren.ice.checklist import Pair

__all__ = ["Trials"]

GAP: Final = 0.5
MIN_WAIT: Final = 1.0
SHORTEST: Final = 1.0
LONGEST: Final = 32.0


class _Trial:
    __slots__ = ("asked", "began_at", "due")

    def __init__(self, now: float) -> None:
        self.began_at = now
        self.due = now + GAP
        self.asked = False
        """Whether an answer is being waited for."""


class Trials:
    """The pairs on trial, while a worse one works: what comes and goes must not carry the path with it.

    A trial takes 1 s after the first time that the pair fell silent, and twice as long after each further
    one, to 32 s. The pair is asked each 0.5 s, and one answer that is missing ends the trial.
    """

    __slots__ = ("_by_pair",)

    def __init__(self) -> None:
        self._by_pair: dict[Pair, _Trial] = {}

    @property
    def due(self) -> float | None:
        """When `pop_due` has something to do."""
        if not self._by_pair:
            return None
        return min(trial.due for trial in self._by_pair.values())

    def answered(self, pair: Pair, now: float) -> bool:
        """The pair has answered; True where it may be used (again)."""
        if not pair.lapses:
            return True
        trial = self._by_pair.get(pair)
        if trial is None:
            self._by_pair[pair] = _Trial(now)
            return False
        trial.asked, trial.due = False, now + GAP
        # It is asked in steps: one that comes a rounding error early must not cost a whole step.
        if now - trial.began_at < min(SHORTEST * 2 ** (pair.lapses - 1), LONGEST) - 0.001:
            return False
        del self._by_pair[pair]
        return True

    def pop_due(self, now: float) -> list[Pair]:
        """Take the pairs that are to be checked now; what did not answer is on trial no more."""
        if not self._by_pair:
            return []
        due = [pair for pair, trial in self._by_pair.items() if trial.due <= now]
        for pair in due:
            trial = self._by_pair[pair]
            if trial.asked:
                del self._by_pair[pair]
            else:
                trial.asked, trial.due = True, now + max(MIN_WAIT, 3 * pair.rtt)
        return [pair for pair in due if pair in self._by_pair]

    def end_all(self) -> None:
        """Nothing works any more: whatever answers next is welcome."""
        self._by_pair.clear()

    def end_below(self, selected: Pair) -> None:
        """This pair is used from now on: those on trial that are better go on."""
        for pair in [pair for pair in self._by_pair if pair.priority <= selected.priority]:
            del self._by_pair[pair]
