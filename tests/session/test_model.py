"""The generation rules that ship, exhausted in a small world; see model.py.

WARREN_MODEL_DEPTH is how many restarts, memory losses and failures there are at the most: 2 by default, 3
takes a minute.
"""

import os

import pytest

from tests.session.model import Broken, Convergence, Endless, Exploration, Livelock, Side
from warren.session.rules import Check, Rules, Verdict

DEPTH = int(os.environ.get("WARREN_MODEL_DEPTH", "2"))


def test_network_that_replays_everything_cannot_end_an_agreement_or_bind_a_generation_twice() -> None:
    assert Exploration(DEPTH).worlds > 1000  # It raises Broken.


def test_from_wherever_they_are_both_sides_are_bound_after_nine_fresh_messages() -> None:
    reached = Exploration(DEPTH - 1, silence=True).pairs
    assert len(reached) > 100
    # The rules promise 13; that nine suffice is what the exploration found, at every depth that was tried.
    assert Convergence().worst(reached) == 9


def test_cold_start_takes_four_messages_at_the_most() -> None:
    both_wanted = Side(open=1, wanted=True), Side(open=1, wanted=True)
    assert Convergence().worst([both_wanted]) == 4


class GuessBinds(Rules):
    """Binds to what a wanted generation hears of first, without waiting to be named."""

    __slots__ = ()

    def message(self, f: int, t: int, drawn: int) -> Verdict:
        verdict = super().message(f, t, drawn)
        if verdict is Verdict.HEARD:
            self.bind(f)
            return Verdict.BIND
        return verdict


class OfferBindsPartner(Rules):
    """Lets an offer be bound to the very generation that the bound one is bound to."""

    __slots__ = ()

    def message(self, f: int, t: int, drawn: int) -> Verdict:
        if self.open and t == self.open:
            self.bind(f)
            return Verdict.BIND
        return super().message(f, t, drawn)


class HelloReplaces(Rules):
    """Takes a hello of somebody new for a restart of the peer, and restarts too."""

    __slots__ = ()

    def message(self, f: int, t: int, drawn: int) -> Verdict:
        verdict = super().message(f, t, drawn)
        if verdict is Verdict.OFFER:
            self.wanted = True
            return Verdict.HEARD
        return verdict


class SilentTooEarly(Rules):
    """Falls silent as soon as it is bound."""

    __slots__ = ()

    def says(self) -> tuple[int, int] | None:
        return super().says() if self.wanted else None


class OfferBindsAtOnce(Rules):
    """Binds an offer to the stranger it is made to, without waiting to be named."""

    __slots__ = ()

    def message(self, f: int, t: int, drawn: int) -> Verdict:
        verdict = super().message(f, t, drawn)
        if verdict is Verdict.OFFER:
            self.bind(f)
            return Verdict.BIND
        return verdict


class AnswersAnyCheck(Rules):
    """Answers a stranger's check on a bound generation, so that the stranger takes itself for connected."""

    __slots__ = ()

    def check(self, own: int, f: int) -> Check:
        verdict = super().check(own, f)
        return Check.ANSWER if own == self.bound and own else verdict


@pytest.mark.parametrize("rules", [OfferBindsAtOnce, OfferBindsPartner, HelloReplaces])
def test_model_finds_what_the_network_can_break_or_draw_out_for_ever(rules: type[Rules]) -> None:
    with pytest.raises((Broken, Endless)):
        Exploration(1, rules=rules, most=1000)


@pytest.mark.parametrize("rules", [GuessBinds, SilentTooEarly, AnswersAnyCheck])
def test_model_finds_where_weaker_rules_would_never_come_together(rules: type[Rules]) -> None:
    reached = Exploration(1, silence=True, rules=rules).pairs
    with pytest.raises(Livelock):
        Convergence(rules).worst(reached)
