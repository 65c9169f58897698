"""Limits on what a peer can make a session do: messages, answers, generations."""

from collections import OrderedDict
from typing import Final

__all__ = ["AnswerLimit", "Bucket", "GenerationLimit"]

MAX_ASKERS: Final = 64


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
        self._refill(now)
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def next_at(self, now: float) -> float:
        """When there will be a token; `now` if there is one."""
        self._refill(now)
        # A hair later than exact, so that rounding cannot make the waiter come too early for ever.
        return now if self._tokens >= 1.0 else now + (1.0 - self._tokens) / self._rate + 1e-6

    def _refill(self, now: float) -> None:
        if self._updated is not None and now > self._updated:
            self._tokens = min(self._burst, self._tokens + (now - self._updated) * self._rate)
        self._updated = now if self._updated is None else max(now, self._updated)


class AnswerLimit:
    """Answers to each of the peer's generations: one a second, three at once, one in reserve to bind."""

    __slots__ = ("_askers", "_owed")

    def __init__(self) -> None:
        self._askers: OrderedDict[int, tuple[Bucket, Bucket]] = OrderedDict()
        self._owed: dict[int, float] = {}

    def allows(self, asker: int, now: float, *, binds: bool = False) -> bool:
        """Say whether to answer now; an answer that must wait is owed from then on."""
        buckets = self._askers.pop(asker, None) or (Bucket(1.0, 3), Bucket(1.0, 1))
        self._askers[asker] = buckets
        if len(self._askers) > MAX_ASKERS:
            self._owed.pop(self._askers.popitem(last=False)[0], None)
        if buckets[0].take(now) or (binds and buckets[1].take(now)):
            self._owed.pop(asker, None)
            return True
        self._owed[asker] = buckets[0].next_at(now)
        return False

    @property
    def deadline(self) -> float | None:
        """When the first answer that is owed may be given."""
        return min(self._owed.values()) if self._owed else None

    def pop_due(self, now: float) -> int | None:
        """Take an asker whose answer may be given now; its token is taken too."""
        for asker, due in self._owed.items():
            if due <= now:
                del self._owed[asker]
                self._askers[asker][0].take(now)
                return asker
        return None

    def forget(self) -> None:
        """Owe nobody anything."""
        self._owed.clear()


class GenerationLimit:
    """Generations: one per 5 s, three at once; who wants more waits 5 s, 10 s, … 60 s each time."""

    __slots__ = ("_allowed_at", "_bucket", "_gap", "_late")

    BURST: Final = 3
    FIRST_GAP: Final = 5.0
    LONGEST_GAP: Final = 60.0
    QUIET: Final = 15.0
    """How long after one was allowed none must begin until the waits are short again."""

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._bucket = Bucket(1.0 / self.FIRST_GAP, self.BURST)
        self._gap = self.FIRST_GAP
        self._late = False
        self._allowed_at = 0.0

    def next_at(self, now: float) -> float:
        """When one may begin; `now` if at once."""
        return max(now, self._allowed_at)

    def count(self, now: float) -> None:
        """One begins, allowed or not."""
        if self._late and now >= self._allowed_at + self.QUIET:
            self._forget()
        self._bucket.take(now)
        if self._late or self._bucket.next_at(now) > now:
            self._late = True
            self._allowed_at = now + self._gap
            self._gap = min(self._gap * 2.0, self.LONGEST_GAP)
