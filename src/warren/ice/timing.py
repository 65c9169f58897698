"""Every time and bound of the agent, each with its source, and what paces checks and probes."""

import math
from typing import Final

__all__ = [
    "CONSENT_GRID",
    "CONSENT_INTERVAL",
    "CONSENT_TIMEOUT",
    "DENSE",
    "PATIENCE",
    "PROBE_BURST",
    "PROBE_GAP",
    "REFRESH",
    "STREAM_HOLD",
    "Pacer",
]

PATIENCE: Final = 39.5  # RFC 8863, 4: as long as a check of RFC 8445 takes with the default timers.
DENSE: Final = (0.0, 0.010, 0.025, 0.045, 0.070, 0.100, 0.140, 0.200, 0.280, 0.400, 0.500, 0.800, 1.300)
"""When the best unanswered pairs are checked, each time by a new transaction; then gaps of 1 s, doubling."""

STREAM_HOLD: Final = 0.5
"""How long connections are held back once one could be tried: where UDP works it has answered by then."""

CONSENT_INTERVAL: Final = (4.0, 6.0)  # RFC 7675, 5.1: 5 s, ±20 %.
# ours: consent falls due at multiples of this, so that waking up once serves many of thousands of sessions. A
# power of two, whose multiples are exact.
CONSENT_GRID: Final = 1 / 4
CONSENT_TIMEOUT: Final = 5.0  # ours; RFC 7675 allows 30 s.
# A NAT forgets a UDP mapping after 30 s at the earliest, and should after 2 min (RFC 4787, REQ-5).
REFRESH: Final = 20.0

PROBE_GAP: Final = 0.0005
"""Seconds between two probes of suspect paths, for the whole process.

ours: 2,000 a second are as many checks as consent with 10,000 sessions takes, so those who keep that up keep
this up, and each of 10,000 that are suspect together is asked before it is lost. Without it they would be
asked 20,000 times a second, which takes all of a core.
"""
PROBE_BURST: Final = 200  # Of 100 sessions that lose their path together nobody waits.


class Pacer:
    """One bucket of first checks for the process: a token each `interval` seconds, `burst` at most (ice.md).

    Probes of suspect paths have a queue of their own, so that one that waits for long waits no longer than
    others. Ta other than 50 ms is a known deviation from RFC 8445, 14.2.
    """

    __slots__ = ("_booked", "_burst", "_interval", "_tokens", "_updated")

    def __init__(self, interval: float = 0.005, burst: int = 8) -> None:
        self._interval = interval
        self._burst = float(burst)
        self._tokens = float(burst)
        self._updated: float | None = None
        self._booked = -math.inf

    def take(self, now: float) -> bool:
        """Take a token; False where there is none yet."""
        self._refill(now)
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def next_token(self, now: float) -> float:
        """When there will be a token (seconds on the clock of `now`); `now` itself if there is one."""
        self._refill(now)
        # A hair later than exact, so that rounding cannot make the waiter come a moment too early for ever.
        return now if self._tokens >= 1.0 else now + (1.0 - self._tokens) * self._interval + 1e-9

    def book(self, count: int, now: float) -> float:
        """Take a place in the queue for so many probes: when they are to be sent, `now` or later."""
        self._booked = max(self._booked, now - PROBE_BURST * PROBE_GAP) + count * PROBE_GAP
        return max(now, self._booked)

    def _refill(self, now: float) -> None:
        if self._updated is not None and now > self._updated:
            self._tokens = min(self._burst, self._tokens + (now - self._updated) / self._interval)
        self._updated = now if self._updated is None else max(now, self._updated)
