"""Limits on what a peer can make a session do."""

from collections import OrderedDict

__all__ = ["AnswerLimit", "Bucket"]

MAX_ASKERS = 64


class Bucket:
    """Tokens that come back at a rate (per second), `burst` at the most."""

    __slots__ = ("_burst", "_rate", "_tokens", "_updated")

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._tokens = float(burst)
        self._updated: float | None = None

    def take(self, now: float) -> bool:
        """Take a token; False where there is none."""
        if self._updated is not None and now > self._updated:
            self._tokens = min(self._burst, self._tokens + (now - self._updated) * self._rate)
        self._updated = now if self._updated is None else max(now, self._updated)
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


class AnswerLimit:
    """Answers to each of the peer's generations: one a second, three at once, one more for what binds."""

    __slots__ = ("_askers", "_owed")

    def __init__(self) -> None:
        self._askers: OrderedDict[int, tuple[Bucket, Bucket]] = OrderedDict()
        self._owed: dict[int, float] = {}

    def allows(self, asker: int, now: float, *, binds: bool) -> bool:
        """Say whether to answer now; what is not answered now is owed for a second later."""
        buckets = self._askers.pop(asker, None) or (Bucket(1.0, 3), Bucket(1.0, 1))
        self._askers[asker] = buckets
        if len(self._askers) > MAX_ASKERS:
            self._owed.pop(self._askers.popitem(last=False)[0], None)
        if buckets[0].take(now) or (binds and buckets[1].take(now)):
            self._owed.pop(asker, None)
            return True
        self._owed.setdefault(asker, now + 1.0)
        return False

    @property
    def deadline(self) -> float | None:
        """When the first answer that is owed may be given."""
        return min(self._owed.values(), default=None)

    def pop_due(self, now: float) -> int | None:
        """Take an asker whose answer is due."""
        for asker, due in self._owed.items():
            if due <= now:
                del self._owed[asker]
                return asker
        return None

    def forget(self) -> None:
        """Owe nobody anything."""
        self._owed.clear()
