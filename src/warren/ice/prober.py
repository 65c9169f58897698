"""Prober: which pair is checked when, within what a silent address may get (RFC 8445, 6.1.4.2)."""

from typing import Final

from warren.ice.checklist import Checklist, Pair, PairState
from warren.ice.checks import Checks
from warren.ice.dialer import Dialer
from warren.ice.schedule import gap
from warren.ice.side import Side

__all__ = ["LINGER", "MAX_TRIGGERED", "Prober"]

LINGER: Final = 3.0  # ours: how long a pair better than the selected one may stay without an answer.
MAX_TRIGGERED: Final = 64  # ours: checks that the peer's checks may cost us on one pair that never answers.
TRIGGER_GAP: Final = 0.020  # ours: a peer that checks densely needs no answer in kind to each of its checks.
MAX_CROWDING: Final = 0.25


class Prober:
    """Sends the checks of an attempt: first ones by the bucket, repeats by schedule, triggered at once."""

    __slots__ = ("_checks", "_crowding", "_dialer", "_pairs", "_side", "paced_at")

    def __init__(self, side: Side, pairs: Checklist, checks: Checks, dialer: Dialer) -> None:
        self._side = side
        self._pairs = pairs
        self._checks = checks
        self._dialer = dialer
        self._crowding = 0.0
        self.paced_at: float | None = None
        """When the bucket of the process may have a token for us."""

    def start(self, now: float) -> None:
        """Send the first checks of waiting pairs, the best first; none below a selected one that answers."""
        waited_for, self.paced_at = self.paced_at, None
        side, selected = self._side, self._pairs.selected
        while (pair := self._pairs.next_waiting()) is not None:
            if selected is not None and selected.fresh and pair.priority <= selected.priority:
                return
            at = self._earliest(pair, now)
            if at == now and not side.pacer.take(now):
                self._wait(waited_for, now)
                return
            waited_for, self._crowding = None, 0.0
            if at == now:
                self._try(pair, now)
            else:
                self._pairs.move(pair, PairState.IN_PROGRESS)
                self._pairs.schedule(pair, at if self._pairs.is_wanted(pair) else now + LINGER)

    def check(self, pair: Pair, now: float, nomination: int | None = None) -> None:
        """Check this pair now, whatever the schedule says; a `nomination` nominates it.

        Over a connection that does not stand nothing is sent.
        """
        if not pair.connected:
            return
        self._checks.send(pair, now, nomination)
        if not pair.fresh:
            if not pair.is_stream:
                self._side.budget.spend(pair.destination, now)
            if pair.state is not PairState.SUCCEEDED:
                self._pairs.move(pair, PairState.IN_PROGRESS)

    def connected(self, pair: Pair, now: float) -> None:
        """The connection that was begun for this pair stands: check it (RFC 6544, 7.1)."""
        self._dialer.opened(pair, now)
        self._try(pair, now)

    def _try(self, pair: Pair, now: float) -> None:
        """Take the next step with a pair: connect it, or check it as its schedule says."""
        if not pair.connected:
            self._dialer.dial(pair, now)
            return
        self.check(pair, now)
        self._schedule(pair, now)

    def redial(self, pair: Pair, now: float) -> bool:
        """It is not connected (any more): connect it again, now or later; False where that is over."""
        if pair.dialed is not None:
            self._pairs.move(pair, PairState.IN_PROGRESS)
            return True
        at = self._dialer.again_at(pair, now)
        if at is None or self._side.addresses.of(pair.home) is None:
            return False
        if at > now:
            self._pairs.move(pair, PairState.IN_PROGRESS)
            self._pairs.schedule(pair, at)
        else:
            self._dialer.dial(pair, now)
        return True

    def revive(self, pair: Pair, now: float) -> None:
        """Check a pair that worked and does not answer; a connection of ours gets another one beside it.

        The kernel repeats what is lost later each time, so a new connection may be quicker; and where a NAT
        or a firewall has forgotten the old one, nothing else will do.
        """
        self.check(pair, now)
        silent = pair.is_stream and pair.is_ours and not pair.fresh
        if silent and self._dialer.earliest(pair, now, selected=False) == now:
            self._dialer.dial(pair, now)

    def repeat(self, pair: Pair, now: float) -> bool:
        """The pair's time has come: check it again, or later; False where enough was tried."""
        if not self._pairs.is_wanted(pair):
            return False
        at = self._earliest(pair, now)
        if self._pairs.selected is not None and (at is None or self._is_over(pair)):
            return False  # From now on it is asked once a minute (`Choice`).
        if at == now:
            self._try(pair, now)
        else:
            self._pairs.schedule(pair, at)
        return True

    def retry(self, pair: Pair, now: float) -> None:
        """Ask a pair that has failed once more, if what a silent address may get allows it."""
        if self._side.addresses.of(pair.base) is None:
            return
        if not pair.connected:
            if self._dialer.earliest(pair, now, selected=True) == now:
                self._dialer.dial(pair, now)
        elif self._side.budget.earliest(pair.destination, now, selected=True) == now:
            self.check(pair, now)
            self._pairs.schedule(pair, now + LINGER)

    def drop(self, pair: Pair) -> None:
        """The peer uses another connection in place of this one."""
        self._dialer.hang_up(pair)
        self._pairs.move(pair, PairState.FAILED)

    def may_trigger(self, pair: Pair, now: float) -> bool:
        """Whether a check of the peer makes us send one over this pair: the first always, then not each."""
        # The base or the connection may have gone while the peer's check waited to be read.
        if self._side.addresses.of(pair.base) is None or not pair.connected:
            return False
        if pair.triggered >= MAX_TRIGGERED:
            self._side.drops["triggered-too-often"] += 1
            return False
        return pair.triggered == 0 or now - pair.sent_at >= TRIGGER_GAP

    def trigger(self, pair: Pair, now: float, nomination: int | None = None) -> None:
        """Check a pair at once because the peer did (RFC 8445, 7.3.1.4), also while a check is in progress.

        Never call it for one that answers: two agents that check on every check would loop for ever.
        """
        pair.triggered += 1
        self.check(pair, now, nomination)
        if pair.state is PairState.SUCCEEDED:
            return
        if pair.triggered == 1:
            pair.step = 0  # The way is open now: what is lost is to be repeated densely.
            self._schedule(pair, now)
        elif pair.due is None:
            self._schedule(pair, now)

    def _wait(self, waited_for: float | None, now: float) -> None:
        if waited_for is not None and now < waited_for:
            self.paced_at = waited_for
            return
        if waited_for is not None:
            # Where many wait for one bucket, those who come in vain stay away for longer.
            self._crowding = min(self._crowding * 2 + 0.005, MAX_CROWDING)
        self.paced_at = self._side.pacer.next_token(now) + self._side.dice.uniform(0.0, self._crowding)

    def _schedule(self, pair: Pair, now: float) -> None:
        if not self._pairs.is_wanted(pair):
            self._pairs.schedule(pair, now + LINGER)
            return
        dense = self._pairs.is_dense(pair)
        stride = self._pairs.sharing(pair) if dense and not pair.heard else 1
        wait = gap(pair.step, dense=dense, stride=stride)
        pair.step += stride
        if wait is None and self._pairs.selected is not None:
            wait = LINGER
        self._pairs.schedule(pair, None if wait is None else now + wait)

    def _is_over(self, pair: Pair) -> bool:
        return gap(pair.step, dense=self._pairs.is_dense(pair)) is None

    def _earliest(self, pair: Pair, now: float) -> float | None:
        selected = not self._pairs.is_wanted(pair)
        if not pair.connected:
            return self._dialer.earliest(pair, now, selected=selected)
        if pair.is_stream:
            return now  # Nobody hears a check who has not accepted a connection.
        return self._side.budget.earliest(pair.destination, now, selected=selected)
