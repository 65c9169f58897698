"""Choice: which pair is used, that the peer knows, that it goes on working, and what replaces it."""

import math
from collections.abc import Callable, Iterator
from typing import Final

from warren.ice.checklist import Checklist, Pair, PairState
from warren.ice.checks import Checks
from warren.ice.consent import Consent, Verdict
from warren.ice.nomination import Nominator, best_nominated, best_valid
from warren.ice.outputs import PairSelected, Recovered, Suspected
from warren.ice.prober import LINGER, Prober
from warren.ice.rest import Rest
from warren.ice.side import Side
from warren.ice.stun import Class, Stun, Template
from warren.ice.transport import Route
from warren.ice.trial import Trials
from warren.sansio import earliest

__all__ = ["CLIMB", "RELAY_WAIT", "Choice"]

CLIMB: Final = (5.0, 60.0)
"""How long after a move away from a pair that worked it is asked again, and how often from then on."""

MAX_CLIMBERS: Final = 8
"""How many pairs that never worked are asked in a round: the best of them."""
RELAY_WAIT: Final = 0.150
"""How long a relayed pair is not nominated while a direct one may still answer; data uses it at once."""

ASKED_AGAIN: Final = 0.45
"""A peer of our kind that checks the pair again so soon has had no answer, or is in haste like us."""

SETTLING: Final = 1.0
"""How long after a choice the peer may still check other pairs without having lost the chosen one."""


class Choice:
    """Selects among the pairs that answer, nominates while controlling, keeps consent, moves without it."""

    __slots__ = (
        "_booked",
        "_checks",
        "_climb_at",
        "_consent",
        "_cut",
        "_heard_at",
        "_held",
        "_nominator",
        "_pairs",
        "_prober",
        "_relays_at",
        "_returning",
        "_selected_at",
        "_side",
        "_trials",
        "begun",
        "lost",
        "route",
    )

    def __init__(self, side: Side, pairs: Checklist, checks: Checks, prober: Prober) -> None:
        self._side = side
        self._pairs = pairs
        self._checks = checks
        self._prober = prober
        self._consent = Consent(dice=side.dice, timeout=side.consent_timeout)
        self._nominator = Nominator()
        self._trials = Trials()
        self._climb_at = 0.0
        self._booked: float | None = None
        self._relays_at: float | None = None
        self._selected_at = 0.0
        self._heard_at = -math.inf
        self._held = False
        self._returning = False
        self._cut = "the path is gone"
        self.route: Route | None = None
        """Where data goes: over the selected pair, before there is one over the best that answered."""
        self.begun = False
        """Whether a pair was ever selected."""
        self.lost: str | None = None
        """Why consent is lost, in words, once it is."""

    # Choosing

    def pair_formed(self, now: float) -> None:
        """A pair was formed: with the first one, direct pairs get their chance."""
        if self._relays_at is None:
            self._relays_at = now + RELAY_WAIT

    def value_for(self, pair: Pair, now: float) -> int | None:
        """The value that a triggered check over this pair is to nominate it with, if any."""
        if not self._side.controlling or self._is_early(pair, now):
            return None
        selected = self._pairs.selected
        if pair.lapses and selected is not None and selected.fresh:
            return None  # It is on trial, or will be.
        return self._nominator.value_for(pair, selected)

    def answered(self, pair: Pair, nomination: int | None, now: float) -> None:
        """A check over this pair was answered."""
        if nomination is not None:
            self._nominator.answered(pair, nomination)
        if self._consent.suspect:
            self._rest(now)
            self._side.outputs.append(Recovered())
        elif pair is self._pairs.selected:
            self._rest(now)
        if pair is self._pairs.selected and self.route is None:
            self._direct(pair)
        if not pair.fresh and self._is_steady(pair, now):
            pair.fresh = True
            self.reconsider(now, self._why())

    def _is_steady(self, pair: Pair, now: float) -> bool:
        """Whether a pair that answers may be used: at once where there is need, else after a trial."""
        selected = self._pairs.selected
        # The controlled side follows, and where nothing works there is nothing to lose.
        if not self._side.controlling or selected is None or not selected.fresh:
            return True
        return pair.priority < selected.priority or self._trials.answered(pair, now)

    def _is_early(self, pair: Pair, now: float) -> bool:
        """Whether it is relayed, and a direct one may still answer in time."""
        if self.begun or not pair.relayed or self._relays_at is None or now >= self._relays_at:
            return False
        return any(other.unanswered and not other.relayed for other in self._pairs)

    def reconsider(self, now: float, reason: str) -> None:
        """Choose anew among what works: the best while controlling, else what the peer chose."""
        valid = best_valid(self._pairs)
        best = valid if self._side.controlling else best_nominated(self._pairs)
        selected = self._pairs.selected
        if best is None and self.begun and (selected is None or not selected.fresh):
            best = valid  # The peer chose it long ago, or is about to: it has lost the path as well.
        self._held = best is not None and self._side.controlling and self._is_early(best, now)
        if best is not None and best is not selected and not self._held:
            self._select(best, now, reason)
        elif selected is None:
            self._direct(valid)
        elif self._side.controlling and self._nominator.strays(selected):
            self._nominate(selected, now)

    def failed(self, pair: Pair, now: float) -> None:
        """The pair does not work: what was to replace the selected one with it is taken back."""
        selected = self._pairs.selected
        if self._nominator.withdraw(pair) and selected is not None:
            self._nominate(selected, now)
        if not self.begun:
            self.reconsider(now, "it answered")  # A relayed one may have waited for this.

    def role_switched(self, now: float) -> None:
        """We have the other role: what was nominated under the old one counts no more."""
        self._nominator = Nominator()
        if self._side.controlling and self._pairs.selected is not None:
            self._nominate(self._pairs.selected, now)

    def _why(self) -> str:
        selected = self._pairs.selected
        if selected is None:
            return "it answered"
        return "it is better" if selected.fresh else "the path before does not answer"

    def _select(self, pair: Pair, now: float, reason: str) -> None:
        before = self._pairs.selected
        if before is None or not before.fresh:
            self._climb_at = now + CLIMB[0]
        if before is not None and not before.fresh:
            before.lapses += 1
        self._trials.end_below(pair)
        self.begun, self._selected_at = True, now
        self._pairs.selected = pair
        self._direct(pair)
        self._rest(now)
        self._side.outputs.append(
            PairSelected(local=pair.named_local, remote=pair.remote, rtt=pair.rtt, reason=reason)
        )
        if self._side.controlling:
            self._nominate(pair, now)
        if before is not None and before.is_stream and before.tier < pair.tier:
            # Who chose the relay, we or the peer, has missed answers; only one side can connect again.
            before.fresh = False
            self._prober.revive(before, now)
        for other in self._pairs:
            if pair.replaces(other):
                self._prober.drop(other)
            if other.state is not PairState.IN_PROGRESS:
                continue
            if other.due is None or not self._pairs.is_wanted(other):
                better = other.priority > pair.priority
                self._pairs.schedule(other, now + LINGER if better else None)

    def _rest(self, now: float) -> None:
        selected = self._pairs.selected
        self._consent.rest(now, stream=selected is not None and selected.is_stream)

    def _direct(self, pair: Pair | None) -> None:
        if pair is None:
            self.route = None
            return
        route = Route(pair.base, pair.destination)
        if route != self.route:
            self.route = route

    def _nominate(self, pair: Pair, now: float) -> None:
        under_way = pair is self._nominator.offered
        value = self._nominator.offer(pair)
        if not under_way:
            self._prober.check(pair, now, value)
        self._nominator.sent(now, pair.rtt)

    # Keeping

    def heard(self, pair: Pair, now: float) -> None:
        """A check of the peer came over this pair: a controlled one shows by it that our path leads nowhere.

        It cannot say so in another way, and follows us everywhere. If it asks a worse pair than the chosen
        one, it has lost that, and only we are left.
        """
        selected = self._pairs.selected
        if selected is None:
            return
        if pair.replaces(selected):
            self._consent.hasten(now)
        if pair is selected:
            self._asked_again(pair, now)
        elif not self._side.controlling or now < self._selected_at + SETTLING:
            return
        elif pair.state is PairState.SUCCEEDED and pair.priority < selected.priority:
            self._consent.hasten(now, lost_by_peer=True)

    def _asked_again(self, selected: Pair, now: float) -> None:
        """A check of the peer came over the selected pair: ours may go with the answer."""
        before, self._heard_at = self._heard_at, now
        if now < before + self._hasty_within and now >= self._selected_at + SETTLING:
            self._consent.hasten(now)  # Our last answer did not reach it, or it misses something.
        elif self._consent.join(now, selected.rtt):
            self._keep(selected, now)

    @property
    def _hasty_within(self) -> float:
        # Peers of other kinds answer each of our checks by one of theirs.
        return ASKED_AGAIN if self._side.controlling and self._side.renomination else 0.0

    def rest(self, pair: Pair, answer: Stun, wake: Callable[[], object]) -> Rest | None:
        """Let this pair rest, if it is the selected one and nothing else is to be done.

        `answer` is the newest one to a check over it, `wake` is called when more is to be done again.
        """
        asked = pair.asked
        if asked is None or pair is not self._pairs.selected or not self._is_quiet(pair):
            return None
        if answer.cls is not Class.SUCCESS or not (Template.fits(asked) and Template.fits(answer)):
            return None
        return Rest(
            owner=self._side.owner,
            pair=pair,
            consent=self._consent,
            transactions=self._side.transactions,
            local=self._side.key,
            remote=self._checks.key,
            check=self._checks.plain(pair),
            answered=answer,
            asked=asked,
            heard_at=self._heard_at,
            hasty_within=self._hasty_within,
            wake=wake,
        )

    def _is_quiet(self, selected: Pair) -> bool:
        return (
            selected.tier == 0
            and self._consent.at_rest
            and len(self._checks) == 0
            and earliest(*self._timers) is None
            and not any(self._climbers(selected))
        )

    def wake(self, rest: Rest) -> None:
        """Something else happens than consent: what is under way goes on here."""
        self._heard_at = rest.heard_at
        if rest.id:
            self._checks.resume(rest.pair, rest.id)

    def hasten(self, now: float) -> None:
        """Nothing comes any more, and something should: check the selected pair at once."""
        selected = self._pairs.selected
        # What is lost on a connection comes later by itself: there silence tells little.
        if selected is not None and not selected.is_stream:
            self._consent.hasten(now)

    def doubt(self, reason: str, now: float) -> None:
        """Believe in no pair until it answers again, and ask every one that ever did."""
        if not self._consent.suspect:
            self._consent.doubt(now)
            self._distrust(reason, now)
        if self._may_probe(now):
            for pair in self._worked:
                self._prober.check(pair, now)

    def _distrust(self, reason: str, now: float) -> None:
        for pair in self._pairs:
            pair.fresh = False
        self._trials.end_all()
        self._side.outputs.append(Suspected(reason))
        # Nobody has asked those below the selected one while it worked.
        self._go_on(now)
        self._prober.start(now)

    def abandon(self, reason: str, now: float) -> None:
        """The local address of the selected pair is gone: another pair must answer, or consent is lost."""
        self.route = None
        if self._fall_back(reason, now):
            return
        self._go_on(now)
        if any(pair.state is not PairState.FAILED for pair in self._pairs):
            self.expect(reason, now, returning=False)
        else:
            self.lost = f"{reason}, and there is no other"

    def _go_on(self, now: float) -> None:
        for pair in self._pairs:
            if pair.state is PairState.IN_PROGRESS and pair.due is None:
                self._pairs.schedule(pair, now)

    def replace(self, reason: str, now: float) -> bool:
        """The connection of the selected pair is over: another pair that has worked must answer, if any."""
        self.route = None
        return self._fall_back(reason, now)

    def expect(self, reason: str, now: float, *, returning: bool) -> None:
        """No pair works that ever did, but one may (again): consent goes on for a while.

        `returning` says whether it is for the peer to connect again.
        """
        self._returning, self._cut = returning, reason
        if not self._consent.suspect:
            self._distrust(reason, now)
        self._consent.cut(now)

    @property
    def awaits_peer(self) -> bool:
        """Whether nothing works before the peer has connected again."""
        return self._returning and self._pairs.selected is None

    def _fall_back(self, reason: str, now: float) -> bool:
        """Select a pair that has worked, and doubt it; says whether there is one."""
        other = next(self._worked, None)
        if other is not None:
            self._select(other, now, reason)
            self.doubt(reason, now)
            self.route = None  # RFC 7675, 5.1: nothing is sent before the peer has agreed to it of late.
        return other is not None

    @property
    def _worked(self) -> Iterator[Pair]:
        """What has worked and may work again, the best first."""
        return (pair for pair in self._pairs.ranked() if pair.state is PairState.SUCCEEDED)

    def _keep(self, selected: Pair, now: float) -> None:
        self._checks.forget_old(now)
        self._prober.check(selected, now)
        self._climb(selected, now)

    def _probe(self, now: float) -> None:
        if self._may_probe(now):
            for pair in self._worked:
                self._prober.revive(pair, now)

    def _may_probe(self, now: float) -> bool:
        """Whether it is our turn among all suspect paths of the process; if not, it comes later by itself."""
        if self._booked is None:
            self._booked = self._side.pacer.book(sum(1 for _ in self._worked), now)
        if self._booked > now:
            self._consent.put_off(self._booked)
            return False
        self._booked = None
        return True

    def _climb(self, selected: Pair, now: float) -> None:
        """Ask the pairs that were better until the path left them: a fault that passes must cost nothing.

        The controlled side asks too, whatever it thinks of them: its checks open its NAT for the peer's.
        While the path is relayed or a connection, also those that never worked and would be direct: NATs and
        firewalls change.
        """
        if now < self._climb_at:
            return
        self._climb_at = now + CLIMB[1]
        for pair in self._climbers(selected):
            self._prober.revive(pair, now)
        failed = (pair for pair in self._pairs.ranked() if pair.state is PairState.FAILED)
        for pair in [pair for pair in failed if self._pairs.is_wanted(pair)][:MAX_CLIMBERS]:
            self._prober.retry(pair, now)

    def _climbers(self, selected: Pair) -> Iterator[Pair]:
        return (
            pair
            for pair in self._pairs
            if pair.state is PairState.SUCCEEDED and pair.priority > selected.priority
        )

    # Time

    @property
    def _timers(self) -> tuple[float | None, ...]:
        """All but that of consent."""
        return self._nominator.due, self._trials.due, self._relays_at if self._held else None

    @property
    def deadline(self) -> float | None:
        """When `tick` wants to be called."""
        return earliest(self._consent.due, *self._timers)

    def tick(self, now: float) -> None:
        """Repeat what nominates, keep consent fresh."""
        if self._held:
            self.reconsider(now, "it answered, and no direct one did in time")
        for pair in self._trials.pop_due(now):
            self._prober.check(pair, now)
        selected = self._pairs.selected
        nominator = self._nominator
        if selected is not None and nominator.due is not None and nominator.due <= now:
            self._prober.check(selected, now, nominator.offer(selected))
            nominator.sent(now, selected.rtt)
        match self._consent.tick(now, selected.rtt if selected is not None else 0.0):
            case Verdict.CHECK if selected is not None:
                self._keep(selected, now)
            case Verdict.SUSPECT:
                self._distrust("several checks in a row were not answered", now)
                self._probe(now)
            case Verdict.PROBE:
                self._probe(now)
            case Verdict.LOST:
                why = f"no path answered for {self._side.consent_timeout:g} s"
                self.lost = why if selected is not None else f"{self._cut}, and {why}"
            case _:
                pass
