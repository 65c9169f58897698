"""Attempt: all that is tried with one set of the peer's credentials; other ones replace it as a whole."""

from typing import Final

from warren.ice import stun
from warren.ice.addresses import RemoteAddresses, compatible
from warren.ice.candidate import LocalCandidate
from warren.ice.checklist import Checklist, Pair, PairState
from warren.ice.checks import Check, Checks
from warren.ice.consent import Consent, Verdict
from warren.ice.nomination import Nominator, best_nominated, best_valid
from warren.ice.nudge import Nudge
from warren.ice.outputs import (
    ChecksFailed,
    ConsentLost,
    PairFormed,
    PairSelected,
    Recovered,
    Settled,
    SourceProved,
    Suspected,
)
from warren.ice.report import PairReport, SelectedPair, describe, why_failed
from warren.ice.schedule import gap
from warren.ice.side import Side
from warren.ice.transaction import Transaction
from warren.ice.transport import Address, Base, Route
from warren.messages import Candidate, Credentials

__all__ = ["Attempt"]

LINGER: Final = 3.0  # ours: how long a pair better than the selected one may stay without an answer.
MAX_TRIGGERED: Final = 64
MAX_CROWDING: Final = 0.08


class Attempt:
    """The pairs with one remote description: forms, checks, nominates, selects and keeps them."""

    __slots__ = (
        "_checks",
        "_consent",
        "_crowding",
        "_nominator",
        "_nudge",
        "_pace_at",
        "_pairs",
        "_patience_at",
        "_remotes",
        "_selected",
        "_settled",
        "_side",
        "_started_at",
        "authenticated",
        "over",
        "remote",
        "remote_ended",
        "route",
        "valid",
    )

    def __init__(self, side: Side, remote: Credentials) -> None:
        self.remote = remote
        self.remote_ended = False
        self.valid = False
        self.authenticated = False
        self.route: Route | None = None
        self.over = False
        """Whether it has failed for good."""
        self._side = side
        self._remotes = RemoteAddresses()
        self._pairs = Checklist(controlling=side.controlling)
        self._checks = Checks(side, remote)
        self._consent = Consent(dice=side.dice, timeout=side.consent_timeout)
        self._nominator = Nominator()
        self._nudge = Nudge()
        self._selected: Pair | None = None
        self._settled = False
        self._started_at: float | None = None
        self._patience_at: float | None = None
        self._pace_at: float | None = None
        self._crowding = 0.0

    # What can be read

    @property
    def selected(self) -> SelectedPair | None:
        """The chosen pair."""
        pair = self._selected
        return None if pair is None else SelectedPair(pair.named_local, pair.remote, pair.rtt)

    def reports(self) -> tuple[PairReport, ...]:
        """Every pair as it stands, best first."""
        return tuple(describe(pair) for pair in self._pairs.ranked())

    # Candidates

    def local_added(self, local: LocalCandidate, now: float) -> None:
        """A base of ours is new, or has a better candidate than before."""
        for remote in self._remotes:
            if compatible(local.base, remote):
                self._form(local, remote, now)
        self.start_checks(now)

    def remote_added(self, candidate: Candidate, now: float) -> None:
        """The peer has told of a candidate."""
        added, reason = self._remotes.add(candidate, loopback=self._side.loopback)
        if reason is not None:
            self._side.drops[reason] += 1
        if added is None:
            return
        self._pairs.replace_remote(added.transport, added)
        for local in self._side.addresses:
            if compatible(local.base, added):
                self._form(local, added, now)
        self.start_checks(now)

    def ended(self, now: float) -> None:
        """One side has said that no more candidates will come."""
        self._conclude(now)

    def base_removed(self, base: Base, now: float) -> None:
        """A base of ours is gone: its pairs fail."""
        self._checks.forget_base(base)
        for pair in self._pairs:
            if pair.base is base:
                pair.fresh = False
                pair.error = "the local address is gone"
                self._pairs.move(pair, PairState.FAILED)
                self._nominator.withdraw(pair)
        selected = self._selected
        if selected is None or selected.base is not base:
            self._reconsider(now, "the local address of the path before is gone")
            self._conclude(now)
            return
        self._selected = None
        self.route = None
        if any(pair.state is not PairState.FAILED for pair in self._pairs):
            self._doubt("the local address of the path is gone", now)
            self.start_checks(now)
        else:
            self._lose("the local address of the only path is gone")

    def _form(self, local: LocalCandidate, remote: Candidate, now: float) -> Pair | None:
        pair = self._pairs.form(local, remote, remote.transport)
        if pair is None:
            self._side.drops["pairs-full"] += 1
        elif self._started_at is None:
            self._started_at = now
            self._patience_at = now + self._side.patience
            self._side.outputs.append(PairFormed())
        return pair

    # Checks of ours

    def start_checks(self, now: float) -> None:
        """Send the first checks of waiting pairs, the best first, as fast as the process may."""
        self._pace_at = None
        side, selected = self._side, self._selected
        while (pair := self._pairs.next_waiting()) is not None and not self.over:
            if selected is not None and pair.priority <= selected.priority:
                return
            at = self._earliest(pair, now)
            if at == now and not side.pacer.take(now):
                # Where many wait for one bucket, those who come in vain stay away for longer.
                self._pace_at = side.pacer.next_token(now) + side.dice.uniform(0.0, self._crowding)
                self._crowding = min(self._crowding * 2 + 0.005, MAX_CROWDING)
                return
            self._crowding = 0.0
            self._pairs.move(pair, PairState.IN_PROGRESS)
            if at == now:
                self._check(pair, now)
                self._schedule(pair, now)
            else:
                self._pairs.schedule(pair, now + LINGER if selected is not None else at)

    def _check(self, pair: Pair, now: float, nomination: int | None = None) -> None:
        self._checks.send(pair, now, nomination)
        if not pair.fresh:
            self._side.budget.spend(pair.destination, now)
            if pair.state is not PairState.SUCCEEDED:
                self._pairs.move(pair, PairState.IN_PROGRESS)

    def _schedule(self, pair: Pair, now: float) -> None:
        if self._selected is not None:
            self._pairs.schedule(pair, now + LINGER)
            return
        dense = self._pairs.is_dense(pair)
        stride = self._pairs.sharing(pair) if dense else 1
        wait = gap(pair.step, dense=dense, stride=stride)
        pair.step += stride
        self._pairs.schedule(pair, None if wait is None else now + wait)

    def _earliest(self, pair: Pair, now: float) -> float | None:
        return self._side.budget.earliest(pair.destination, now, selected=self._selected is not None)

    def _pair_due(self, pair: Pair, now: float) -> None:
        if self._selected is not None:
            self._fail(pair, "no answer", now)
            return
        at = self._earliest(pair, now)
        if at == now:
            self._check(pair, now)
            self._schedule(pair, now)
        else:
            self._pairs.schedule(pair, at)

    # Checks of the peer

    def request_received(
        self, base: Base, source: Address, priority: int | None, nomination: int, now: float
    ) -> None:
        """A check of the peer that named these credentials came, and was answered.

        `nomination` is the value it nominates the pair with, 0 without a value, -1 if it does not.
        """
        if self.over:
            return
        pair = self._pairs.get(base, source) or self._learn(base, source, priority, now)
        if pair is None:
            return
        self.authenticated = True
        pair.heard = True
        self._prove(pair)
        # An answer to a check of ours says that the path works; the peer's checks alone do not.
        if not pair.fresh:
            self._trigger(pair, now)
        side = self._side
        if side.controlling:
            return
        if not side.renomination and self._selected is None and self._nudge.heard(now) and pair.fresh:
            self._check(pair, now)
        if nomination > pair.nomination:
            pair.nomination = nomination
            if pair.fresh:
                self._reconsider(now, "the peer chose it")

    def _learn(self, base: Base, source: Address, priority: int | None, now: float) -> Pair | None:
        local = self._side.addresses.of(base)
        if local is None:
            self._side.drops["check-on-unknown-base"] += 1
            return None
        remote = self._remotes.get(source) or self._remotes.learn(source, priority)
        if remote is None:
            self._side.drops["prflx-full"] += 1
            return None
        return self._form(local, remote, now)

    def _prove(self, pair: Pair) -> None:
        if not pair.proved:
            pair.proved = True
            self._side.budget.heard(pair.destination)
            self._side.outputs.append(SourceProved(pair.base, pair.destination))

    def _trigger(self, pair: Pair, now: float) -> None:
        """Check a pair at once because the peer did (RFC 8445, 7.3.1.4), also while a check is in progress.

        Never one that answers: two agents that check on every check would loop for ever.
        """
        if self._side.addresses.of(pair.base) is None:
            return
        if pair.triggered >= MAX_TRIGGERED:
            self._side.drops["triggered-too-often"] += 1
            return
        pair.triggered += 1
        value = None
        if self._side.controlling and not self._consent.suspect:
            value = self._nominator.value_for(pair, self._selected)
        self._check(pair, now, value)
        if pair.state is PairState.IN_PROGRESS and (pair.triggered == 1 or pair.due is None):
            if pair.triggered == 1:
                pair.step = 0  # The way is open now: what is lost is to be repeated densely.
            self._schedule(pair, now)

    # Answers to checks of ours

    def response_received(
        self, transaction: Transaction, response: stun.Stun, source: Address, base: Base, now: float
    ) -> None:
        """An authenticated response to a check of this attempt came."""
        check = self._checks.finish(transaction)
        pair = check.pair
        if self.over:
            return
        # RFC 8445, 7.2.5.2.1: a reply from elsewhere means a symmetric NAT.
        if source != transaction.destination or base is not transaction.base:
            self._side.drops["response-from-elsewhere"] += 1
            if pair.state is not PairState.SUCCEEDED:
                self._fail(pair, "answered from another address", now)
            return
        self._prove(pair)
        self.authenticated = True
        if response.cls is stun.Class.ERROR:
            self._refused(check, response, now)
            return
        mapped = response.mapped_address
        if mapped is None:
            self._side.drops["response-without-address"] += 1
            return
        self._answered(check, mapped, now - transaction.sent_at, now)

    def _answered(self, check: Check, mapped: Address, rtt: float, now: float) -> None:
        pair = check.pair
        pair.answered += 1
        pair.rtt = rtt
        pair.valid_local = self._side.addresses.named(pair.base, mapped)
        self.valid = True
        if check.nomination is not None:
            self._nominator.answered(pair, check.nomination)
        if self._consent.suspect:
            self._consent.rest(now)
            self._side.outputs.append(Recovered())
        elif pair is self._selected:
            self._consent.rest(now)
        if not pair.fresh:
            pair.fresh = True
            pair.triggered = 0
            pair.error = None
            self._pairs.move(pair, PairState.SUCCEEDED)
            self._checks.settle(pair)
            self._reconsider(now, self._why(pair))

    def _why(self, pair: Pair) -> str:
        if self._selected is None:
            return "it answered"
        return "it is better" if self._selected.fresh else "the path before does not answer"

    def _refused(self, check: Check, response: stun.Stun, now: float) -> None:
        code, words = response.error or (0, "malformed error")
        pair = check.pair
        pair.error = f"{code} {words}".strip()
        self._side.drops[f"error-{code}"] += 1
        if code == 487:
            # RFC 8445, 7.2.5.1. The other side may have told us by a check in the meantime.
            if check.controlling == self._side.controlling:
                self.switch_role(controlling=not check.controlling, now=now)
            self._trigger(pair, now)
        elif code // 100 != 5 and pair.state is not PairState.SUCCEEDED:
            self._fail(pair, pair.error, now)

    def switch_role(self, *, controlling: bool, now: float) -> None:
        """Take the other role (RFC 8445, 7.3.1.1)."""
        self._side.controlling = controlling
        self._pairs.switch_role(controlling=controlling)
        self._nominator = Nominator()
        if controlling and self._selected is not None:
            self._nominate(self._selected, now)

    def _fail(self, pair: Pair, error: str, now: float) -> None:
        pair.error = error
        self._pairs.move(pair, PairState.FAILED)
        if self._nominator.withdraw(pair) and self._selected is not None:
            self._nominate(self._selected, now)
        self._conclude(now)

    # The choice

    def _reconsider(self, now: float, reason: str) -> None:
        """Choose anew: what works, what is better, what the peer wants."""
        valid = best_valid(self._pairs)
        best = valid if self._side.controlling else best_nominated(self._pairs)
        selected = self._selected
        if best is None and selected is not None and not selected.fresh:
            best = valid
        if best is not None and best is not selected:
            self._select(best, now, reason)
        elif selected is None:
            self._direct(valid)

    def _select(self, pair: Pair, now: float, reason: str) -> None:
        self._selected = pair
        self._patience_at = None
        self._direct(pair)
        self._consent.rest(now)
        self._side.outputs.append(
            PairSelected(local=pair.named_local, remote=pair.remote, rtt=pair.rtt, reason=reason)
        )
        if self._side.controlling:
            self._nominate(pair, now)
        for other in self._pairs:
            if other.state is PairState.IN_PROGRESS:
                better = other.priority > pair.priority
                self._pairs.schedule(other, now + LINGER if better else None)
        self._conclude(now)

    def _direct(self, pair: Pair | None) -> None:
        if pair is None:
            self.route = None
        elif (
            self.route is None
            or self.route.base is not pair.base
            or self.route.destination != pair.destination
        ):
            self.route = Route(pair.base, pair.destination)

    def _nominate(self, pair: Pair, now: float) -> None:
        under_way = pair is self._nominator.offered
        value = self._nominator.offer(pair)
        if not under_way:
            self._check(pair, now, value)
        self._nominator.sent(now, pair.rtt)

    def _conclude(self, now: float) -> None:
        """See whether this is the end, good or bad."""
        if not (self._side.ended and self.remote_ended) or self._settled or self.over:
            return
        selected = self._selected
        if selected is None:
            if len(self._pairs) and all(pair.state is PairState.FAILED for pair in self._pairs):
                self._give_up("every pair failed", now)
        elif not any(pair.unanswered and pair.priority > selected.priority for pair in self._pairs):
            self._settled = True
            self._side.outputs.append(Settled())

    # Keeping it

    def suspect(self, reason: str, now: float) -> None:
        """Doubt the selected path."""
        if self._selected is not None and not self.over:
            self._doubt(reason, now)

    def _doubt(self, reason: str, now: float) -> None:
        known = self._consent.suspect
        self._consent.doubt(now)
        if not known:
            for pair in self._pairs:
                pair.fresh = False
            self._side.outputs.append(Suspected(reason))
        self._probe(now)

    def _probe(self, now: float) -> None:
        for pair in self._pairs.ranked():
            if pair.state is PairState.SUCCEEDED:
                self._check(pair, now)

    def _consent_due(self, now: float) -> None:
        selected = self._selected
        match self._consent.tick(now, selected.rtt if selected is not None else 0.0):
            case Verdict.CHECK if selected is not None:
                self._checks.forget_old(now)
                self._check(selected, now)
            case Verdict.SUSPECT:
                self._doubt("two checks in a row were not answered", now)
            case Verdict.PROBE:
                self._probe(now)
            case Verdict.LOST:
                self._lose(f"no path answered for {self._side.consent_timeout:g} s")
            case _:
                pass

    def _lose(self, reason: str) -> None:
        self._end()
        self._side.outputs.append(ConsentLost(reason))

    def _give_up(self, reason: str, now: float) -> None:
        words = why_failed(reason, self._pairs.ranked(), now - (self._started_at or now))
        self._end()
        self._side.outputs.append(ChecksFailed(words))

    def _end(self) -> None:
        self.over = True
        self.route = None
        self._selected = None
        self._checks.forget_all()

    def close(self) -> None:
        """Nothing more is sent or told."""
        self._end()

    # Time

    @property
    def deadline(self) -> float | None:
        """When `tick` wants to be called."""
        if self.over:
            return None
        times = [
            self._consent.due,
            self._nominator.due,
            self._pairs.deadline,
            self._patience_at,
            self._pace_at,
        ]
        if self._nudging:
            times.append(self._nudge.deadline)
        return min((time for time in times if time is not None), default=None)

    @property
    def _nudging(self) -> bool:
        return self._selected is None and not self._side.controlling and not self._side.renomination

    def tick(self, now: float) -> None:
        """Do what has become due."""
        if self._patience_at is not None and self._patience_at <= now:
            self._give_up("no pair was agreed upon", now)
        if self.over:
            return
        if self._pace_at is not None and self._pace_at <= now:
            self.start_checks(now)
        while not self.over and (pair := self._pairs.pop_due(now)) is not None:
            self._pair_due(pair, now)
        if self._nominator.due is not None and self._nominator.due <= now and self._selected is not None:
            self._check(self._selected, now, self._nominator.offer(self._selected))
            self._nominator.sent(now, self._selected.rtt)
        if self._nudging and self._nudge.pop_due(now):
            pair = best_valid(self._pairs)
            if pair is not None:
                self._check(pair, now)
        self._consent_due(now)
