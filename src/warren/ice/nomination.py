"""Nomination: how the controlling side says which pair is to be used, and the controlled side understands."""

from collections.abc import Iterable
from typing import Final

from warren.ice.checklist import Pair

__all__ = ["Nominator", "best_nominated", "best_valid"]

MAX_VALUE: Final = 0xFFFFFF  # 24 bits.
MIN_GAP: Final = 0.05
MAX_REPEATS: Final = 7


class Nominator:
    """The controlling side: the pair on offer, the value that goes with it, repeats until it is confirmed.

    RFC 8445, 8.1.1 allows one nomination for good, after its pair has succeeded. Knowingly otherwise: a pair
    is nominated with the first triggered check over it, and another one whenever a better one has proved
    itself. Peers that know renomination take the highest value; others take the pair of the highest priority,
    and it is only towards higher priorities that we move while paths work.
    """

    __slots__ = ("_repeats", "_value", "confirmed", "due", "offered")

    def __init__(self, value: int = 0) -> None:
        self.offered: Pair | None = None
        """The pair that was nominated last."""
        self.due: float | None = None
        """When to repeat the nominating check."""
        self._value = value
        self.confirmed = False
        """Whether a nominating check of that pair was answered."""
        self._repeats = 0

    def value_for(self, pair: Pair, selected: Pair | None) -> int | None:
        """The value that a triggered check over this pair carries, or None where it must not nominate it."""
        if pair is self.offered:
            return self._value
        if any(other is not None and other.priority >= pair.priority for other in (selected, self.offered)):
            return None
        return self.offer(pair)

    def offer(self, pair: Pair) -> int:
        """Nominate this pair from now on; a pair that is on offer keeps its value."""
        if pair is not self.offered:
            self.offered = pair
            self._value = min(self._value + 1, MAX_VALUE)
            self.confirmed = False
            self._repeats = 0
            self.due = None
        return self._value

    def strays(self, selected: Pair) -> bool:
        """Whether a pair was nominated that answers and still is not the one to be used: take that back."""
        offered = self.offered
        return offered is not None and offered is not selected and offered.fresh

    def sent(self, now: float, rtt: float) -> None:
        """A nominating check is under way over the selected pair: wait for its answer, longer each time."""
        self.due = None
        if not self.confirmed and self._repeats < MAX_REPEATS:
            self.due = now + max(MIN_GAP, 1.5 * rtt) * 2**self._repeats
            self._repeats += 1

    def answered(self, pair: Pair, value: int) -> None:
        """A nominating check was answered: the peer knows."""
        if pair is self.offered and value == self._value:
            self.confirmed = True
            self.due = None

    def withdraw(self, pair: Pair) -> bool:
        """The pair has failed; True where it was on offer and something else must be."""
        if pair is not self.offered:
            return False
        self.offered = None
        self.due = None
        return True


def best_valid(pairs: Iterable[Pair]) -> Pair | None:
    """The pair that the controlling side wants, and that data may take before there is a nomination."""
    return min((pair for pair in pairs if pair.fresh), key=_priority, default=None)


def best_nominated(pairs: Iterable[Pair]) -> Pair | None:
    """The pair that the controlled side uses: the highest value wins, among equal ones the highest priority.

    Without renomination all values are 0 and the highest priority decides (RFC 5245, 8.1.1.2), so the order
    in which aggressive nominations arrive makes no difference.
    """
    return min((pair for pair in pairs if pair.fresh and pair.nomination >= 0), key=_nomination, default=None)


def _priority(pair: Pair) -> tuple[int, int]:
    return pair.key


def _nomination(pair: Pair) -> tuple[int, int, int]:
    return -pair.nomination, *pair.key
