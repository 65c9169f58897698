"""Choice: which pair is used, that the peer knows, that it goes on working, and what replaces it."""

from typing import Final

from warren.ice.checklist import Checklist, Pair, PairState
from warren.ice.checks import Checks
from warren.ice.consent import Consent, Verdict
from warren.ice.nomination import Nominator, best_nominated, best_valid
from warren.ice.outputs import PairSelected, Recovered, Suspected
from warren.ice.prober import LINGER, Prober
from warren.ice.side import Side
from warren.ice.transport import Route

__all__ = ["CLIMB", "Choice"]

CLIMB: Final = (5.0, 60.0)
"""How long after a move away from a pair that worked it is asked again, and how often from then on."""


class Choice:
    """Selects among the pairs that answer, nominates while controlling, keeps consent, moves without it."""

    __slots__ = (
        "_checks",
        "_climb_at",
        "_consent",
        "_nominator",
        "_pairs",
        "_prober",
        "_side",
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
        self._climb_at = 0.0
        self.route: Route | None = None
        """Where data goes: over the selected pair, before there is one over the best that answered."""
        self.begun = False
        """Whether a pair was ever selected."""
        self.lost: str | None = None
        """Why consent is lost, in words, once it is."""

    # Choosing

    def value_for(self, pair: Pair) -> int | None:
        """The value that a triggered check over this pair is to nominate it with, if any."""
        return self._nominator.value_for(pair, self._pairs.selected) if self._side.controlling else None

    def answered(self, pair: Pair, nomination: int | None, now: float) -> None:
        """A check over this pair was answered."""
        if nomination is not None:
            self._nominator.answered(pair, nomination)
        if self._consent.suspect:
            self._consent.rest(now)
            self._side.outputs.append(Recovered())
        elif pair is self._pairs.selected:
            self._consent.rest(now)
        if not pair.fresh:
            pair.fresh = True
            self.reconsider(now, self._why())

    def reconsider(self, now: float, reason: str) -> None:
        """Choose anew among what works: the best while controlling, else what the peer chose."""
        valid = best_valid(self._pairs)
        best = valid if self._side.controlling else best_nominated(self._pairs)
        selected = self._pairs.selected
        if best is None and self.begun and (selected is None or not selected.fresh):
            best = valid  # The peer chose it long ago, or is about to: it has lost the path as well.
        if best is not None and best is not selected:
            self._select(best, now, reason)
        elif selected is None:
            self._direct(valid)

    def failed(self, pair: Pair, now: float) -> None:
        """The pair does not work: what was to replace the selected one with it is taken back."""
        selected = self._pairs.selected
        if self._nominator.withdraw(pair) and selected is not None:
            self._nominate(selected, now)

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
        self.begun = True
        self._pairs.selected = pair
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

    def doubt(self, reason: str, now: float) -> None:
        """Believe in no pair until it answers again, and ask every one that ever did."""
        if not self._consent.suspect:
            self._consent.doubt(now)
            self._distrust(reason)
        self._probe(now)

    def _distrust(self, reason: str) -> None:
        for pair in self._pairs:
            pair.fresh = False
        self._side.outputs.append(Suspected(reason))

    def abandon(self, reason: str, now: float) -> None:
        """The selected pair is gone for good: another one must answer, or consent is lost."""
        self.route = None
        for pair in self._pairs:
            if pair.state is PairState.IN_PROGRESS and pair.due is None:
                self._pairs.schedule(pair, now)
        if any(pair.state is not PairState.FAILED for pair in self._pairs):
            self.doubt(reason, now)
        else:
            self.lost = f"{reason}, and there is no other"

    def _probe(self, now: float) -> None:
        for pair in self._pairs.ranked():
            if pair.state is PairState.SUCCEEDED:
                self._prober.check(pair, now)

    def _climb(self, selected: Pair, now: float) -> None:
        """Ask the pairs that were better until they fell silent: a fault that passes must cost nothing."""
        if now < self._climb_at:
            return
        self._climb_at = now + CLIMB[1]
        for pair in self._pairs:
            if pair.state is PairState.SUCCEEDED and not pair.fresh and pair.priority > selected.priority:
                self._prober.check(pair, now)

    # Time

    @property
    def deadline(self) -> float | None:
        """When `tick` wants to be called."""
        consent, repeat = self._consent.due, self._nominator.due
        return consent if repeat is None or (consent is not None and consent < repeat) else repeat

    def tick(self, now: float) -> None:
        """Repeat what nominates, keep consent fresh."""
        selected = self._pairs.selected
        nominator = self._nominator
        if selected is not None and nominator.due is not None and nominator.due <= now:
            self._prober.check(selected, now, nominator.offer(selected))
            nominator.sent(now, selected.rtt)
        match self._consent.tick(now, selected.rtt if selected is not None else 0.0):
            case Verdict.CHECK if selected is not None:
                self._checks.forget_old(now)
                self._prober.check(selected, now)
                self._climb(selected, now)
            case Verdict.SUSPECT:
                self._distrust("two checks in a row were not answered")
                self._probe(now)
            case Verdict.PROBE:
                self._probe(now)
            case Verdict.LOST:
                self.lost = f"no path answered for {self._side.consent_timeout:g} s"
            case _:
                pass
