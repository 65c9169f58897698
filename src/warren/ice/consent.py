"""Consent freshness: whether the peer still wants to hear from us over the selected pair (RFC 7675)."""

import math
from enum import Enum
from typing import Final

from warren.ice.timing import CONSENT_GRID, CONSENT_INTERVAL
from warren.sansio import Dice

__all__ = ["STREAM_WAIT", "Consent", "Verdict"]

MIN_WAIT: Final = 1.0
STREAM_WAIT: Final = 1.25
"""As `MIN_WAIT` on a stream: twice this is what three losses of a segment in a row cost (RFC 6298)."""
STREAM_TIMEOUTS: Final = 4.0  # ours: the answer comes behind what the kernel repeats, later each time.
MAX_STREAM_TIMEOUT: Final = 20.0  # With the checks before it no longer than the 30 s of RFC 7675, 5.1.
MISSES: Final = 2
# ours: in haste the path is suspect well within a second, and by as many checks as there is time for, since
# on a path that loses packets two in a row are lost soon.
HASTY_WAIT: Final = 0.1
HASTY_MISSES: Final = 4
PROBE_INTERVAL: Final = 0.5  # ours: every pair that ever worked is asked so often while the path is suspect.


class Verdict(Enum):
    """What is to be done when consent is due."""

    NOTHING = "nothing"
    CHECK = "check the selected pair"
    SUSPECT = "the second answer in a row is missing"
    PROBE = "check every pair that ever worked"
    LOST = "nobody answered for too long"


class Consent:
    """The timer of one selected path: resting, waiting for an answer, or suspect.

    A check every 4-6 s, together with the peer's where it checks at such a time: then both ends are awake,
    and one exchange does for both. Who followed the peer once waits for it from then on, so that the peer's
    draw decides. Without an answer after max(1 s, 3 round trips) another at once; the second miss in
    a row makes the path suspect, and `timeout` seconds later consent is lost. A stream gets more time: what
    was lost on it comes, only late. In haste a check comes at once, another after max(0.1 s, 1.5 round
    trips), and the fourth miss counts: so the path is suspect earlier, but consent is not lost earlier.
    """

    __slots__ = (
        "_dice",
        "_drawn",
        "_follows",
        "_grace",
        "_hasty",
        "_joins_at",
        "_least",
        "_lost_at",
        "_misses",
        "_timeout",
        "_waiting",
        "due",
    )

    def __init__(self, *, dice: Dice, timeout: float) -> None:
        self._dice = dice
        self._timeout = self._grace = timeout
        self._waiting = False
        self._misses = 0
        self._hasty = False
        self._least = MIN_WAIT
        self._drawn = 0.0
        self._joins_at = math.inf
        self._follows = False
        self._lost_at: float | None = None
        self.due: float | None = None
        """When `tick` has something to say; None before `rest`."""

    @property
    def suspect(self) -> bool:
        """Whether answers are missing on the selected pair."""
        return self._lost_at is not None

    @property
    def at_rest(self) -> bool:
        """Whether nothing is missing and the next check is not due yet."""
        return not (self._waiting or self._hasty or self._lost_at is not None or self.due is None)

    def rest(self, now: float, *, stream: bool = False) -> None:
        """All is well, because a path was just chosen or an answer came: the next check is drawn anew.

        `stream` says whether the selected pair is a connection.
        """
        self._waiting = self._hasty = False
        self._misses = 0
        self._least = STREAM_WAIT if stream else MIN_WAIT
        stretched = min(self._timeout * STREAM_TIMEOUTS, MAX_STREAM_TIMEOUT)
        self._grace = max(self._timeout, stretched) if stream else self._timeout
        self._lost_at = None
        least, most = CONSENT_INTERVAL
        drawn = now + (most if self._follows else self._dice.uniform(least, most))
        moment = math.ceil(drawn / CONSENT_GRID) * CONSENT_GRID
        self.due = self._drawn = moment if moment <= now + most else moment - CONSENT_GRID
        self._joins_at = now + least

    def join(self, now: float, rtt: float) -> bool:
        """The peer checks the path just now; True where a check of ours goes with the answer.

        RFC 7675, 5.1 draws the time between checks lest they fall into step; two ends of one path may.
        """
        if now < self._joins_at or not self.at_rest:
            return False
        self._follows = self._waiting = True
        self._drawn = now
        self.due = now + self._patience(rtt)
        return True

    def hasten(self, now: float, *, lost_by_peer: bool = False) -> None:
        """Let a check be due now, and wait less for its answer; half as long where the peer misses some."""
        if self.due is None or self.suspect:
            return
        if not self._hasty:
            self._hasty, self._waiting, self._misses, self.due = True, False, 0, now
        if lost_by_peer:
            self._misses = max(self._misses, HASTY_MISSES // 2)

    def doubt(self, now: float) -> None:
        """Become suspect now; what was suspect before stays so since then."""
        self._doubt(now, since=now)

    def _doubt(self, now: float, since: float) -> None:
        if self._lost_at is None:
            self._lost_at = since + self._grace
        self.due = min(now + PROBE_INTERVAL, self._lost_at)

    def put_off(self, until: float) -> None:
        """The path is suspect, and nothing is to be asked before; consent is not lost later for that."""
        assert self._lost_at is not None
        self.due = min(until, self._lost_at)

    def cut(self, now: float) -> None:
        """The path is known to have ended: what takes its place gets `timeout` seconds, and no more."""
        ends_at = now + self._timeout
        self._lost_at = ends_at if self._lost_at is None else min(ends_at, self._lost_at)
        self.doubt(now)

    def tick(self, now: float, rtt: float) -> Verdict:
        """Say what has become due; `rtt` is that of the selected pair."""
        if self.due is None or now < self.due:
            return Verdict.NOTHING
        if self._lost_at is not None:
            if now >= self._lost_at:
                self.due = None
                return Verdict.LOST
            self.doubt(now)
            return Verdict.PROBE
        patience = self._patience(rtt)
        if self._waiting:
            self._misses += 1
            if self._misses >= (HASTY_MISSES if self._hasty else MISSES):
                # In haste a path is left earlier, but it does not end earlier: an outage may pass.
                self._doubt(now, since=max(now, self._drawn + MISSES * patience))
                return Verdict.SUSPECT
        self._waiting, self._follows = True, False
        self.due = now + (max(HASTY_WAIT, 1.5 * rtt) if self._hasty else patience)
        return Verdict.CHECK

    def _patience(self, rtt: float) -> float:
        # An answer that was read late, because the process was held up, tells of a round trip that was none.
        return max(self._least, min(3 * rtt, self._timeout))
