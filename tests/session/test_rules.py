"""The rules case by case; that they hold together is what test_model.py shows."""

import pytest

from warren.session.rules import PLAIN, Check, Rules, Verdict

X, Y, OPEN, F, NEW = 1, 2, 3, 4, 9
"""Our bound generation, its partner, our open one, another of the peer's, one that is drawn."""


def wanted() -> Rules:
    rules = Rules()
    rules.begin(OPEN)
    return rules


def bound() -> Rules:
    rules = Rules()
    rules.begin(X)
    rules.bind(Y)
    return rules


def offering(to: int = F) -> Rules:
    rules = bound()
    assert rules.message(to, 0, OPEN) is Verdict.OFFER
    return rules


def restarting() -> Rules:
    rules = bound()
    rules.begin(OPEN)
    return rules


# Rule 1


def test_what_begins_is_open_and_wanted_and_has_heard_of_nobody() -> None:
    rules = wanted()
    assert (rules.open, rules.wanted, rules.heard, rules.bound) == (OPEN, True, 0, 0)


def test_restart_keeps_the_bound_generation() -> None:
    rules = restarting()
    assert (rules.bound, rules.partner, rules.open, rules.wanted) == (X, Y, OPEN, True)


def test_restart_forgets_an_unused_offer_and_whom_it_was_made_to() -> None:
    rules = offering()
    rules.begin(NEW)
    assert (rules.open, rules.wanted, rules.heard) == (NEW, True, 0)


# Rule 2a


@pytest.mark.parametrize("f", [F, Y])
def test_wanted_generation_that_is_named_is_bound_to_anybody(f: int) -> None:
    rules = restarting()
    assert rules.message(f, OPEN, NEW) is Verdict.BIND
    assert (rules.bound, rules.partner, rules.open, rules.wanted) == (OPEN, f, 0, False)


def test_offer_that_a_stranger_names_is_bound() -> None:
    rules = offering()
    assert rules.message(F, OPEN, NEW) is Verdict.BIND
    assert (rules.bound, rules.partner, rules.open) == (OPEN, F, 0)


def test_offer_that_the_partner_names_is_not_bound() -> None:
    rules = offering()
    assert rules.message(Y, OPEN, NEW) is Verdict.REPEAT
    assert (rules.bound, rules.open) == (X, OPEN)


def test_what_is_bound_is_neither_connected_nor_shown_yet() -> None:
    rules = bound()
    rules.connected = rules.shown = True
    rules.begin(OPEN)
    rules.bind(F)
    assert not rules.connected
    assert not rules.shown
    assert rules.heard == 0


def test_message_without_t_names_no_generation_even_where_none_is_open() -> None:
    rules = Rules()
    assert rules.message(F, 0, NEW) is Verdict.CALL
    assert (rules.bound, rules.open) == (0, 0)


# Rule 2b


@pytest.mark.parametrize("t", [0, X, NEW])
def test_wanted_generation_hears_of_whoever_speaks(t: int) -> None:
    rules = restarting()
    assert rules.message(F, t, NEW) is Verdict.HEARD
    assert (rules.heard, rules.bound, rules.partner) == (F, X, Y)


def test_wanted_generation_remembers_the_last_one_only() -> None:
    rules = wanted()
    rules.message(F, 0, NEW)
    rules.message(Y, 0, NEW)
    assert rules.heard == Y


# Rule 2c


def test_partner_that_names_the_bound_generation_brings_news() -> None:
    assert bound().message(Y, X, NEW) is Verdict.NEWS


@pytest.mark.parametrize("t", [0, F])
def test_partner_that_names_no_or_another_generation_repeats_itself_and_opens_nothing(t: int) -> None:
    rules = bound()
    assert rules.message(Y, t, NEW) is Verdict.REPEAT
    assert rules.open == 0


# Rule 2d


@pytest.mark.parametrize("t", [0, X])
def test_stranger_gets_an_offer_and_nothing_that_is_alive_is_touched(t: int) -> None:
    rules = bound()
    rules.connected = rules.shown = True
    assert rules.message(F, t, OPEN) is Verdict.OFFER
    assert (rules.open, rules.wanted, rules.heard) == (OPEN, False, F)
    assert (rules.bound, rules.partner, rules.connected, rules.shown) == (X, Y, True, True)


def test_offer_is_used_again_for_the_next_stranger() -> None:
    rules = offering()
    assert rules.message(NEW, 0, 77) is Verdict.OFFER
    assert (rules.open, rules.heard) == (OPEN, NEW)


def test_call_where_nothing_is_bound_or_open_asks_for_a_wanted_generation() -> None:
    rules = Rules()
    assert rules.message(F, 0, NEW) is Verdict.CALL
    assert rules.open == 0


# Rule 2e


@pytest.mark.parametrize("rules", [bound(), offering(), Rules()])
def test_stranger_that_names_what_is_not_there_is_old(rules: Rules) -> None:
    before = rules.open, rules.heard
    assert rules.message(77, 55, NEW) is Verdict.OLD
    assert (rules.open, rules.heard) == before


# Rule 4


def test_wanted_generation_names_nobody_even_when_it_has_heard_of_the_peer() -> None:
    rules = wanted()
    rules.message(F, 0, NEW)
    assert rules.says() == (OPEN, 0)


def test_restarting_side_speaks_of_its_wanted_generation() -> None:
    assert restarting().says() == (OPEN, 0)


@pytest.mark.parametrize(("connected", "shown"), [(False, False), (True, False), (False, True)])
def test_bound_generation_speaks_until_it_is_connected_and_its_revision_shown(
    connected: bool, shown: bool
) -> None:
    rules = bound()
    rules.connected, rules.shown = connected, shown
    assert rules.says() == (X, Y)


def test_bound_generation_that_is_connected_and_shown_is_silent() -> None:
    rules = bound()
    rules.connected = rules.shown = True
    assert rules.says() is None


def test_offer_is_never_said_by_timer() -> None:
    rules = offering()
    rules.connected = rules.shown = True
    assert rules.says() is None


def test_nothing_is_said_where_nothing_is_bound_or_open() -> None:
    assert Rules().says() is None


def test_bound_to_a_plain_peer_speaks_until_connected() -> None:
    rules = wanted()
    rules.bind_plain()
    assert rules.says() == (OPEN, PLAIN)
    rules.connected = True
    assert rules.says() is None


# Rule 5


def test_bound_generation_answers_its_partners_checks_only() -> None:
    rules = bound()
    assert rules.check(X, Y) is Check.ANSWER
    assert rules.check(X, F) is Check.SILENCE
    assert rules.check(X, 0) is Check.SILENCE


def test_wanted_generation_is_bound_by_the_check_of_whom_it_heard_last() -> None:
    rules = wanted()
    rules.message(F, 0, NEW)
    assert rules.check(OPEN, F) is Check.BIND
    assert (rules.bound, rules.partner, rules.open) == (OPEN, F, 0)


@pytest.mark.parametrize("f", [0, Y])
def test_wanted_generation_keeps_checks_of_others_until_their_credentials_come(f: int) -> None:
    rules = wanted()
    rules.message(F, 0, NEW)
    assert rules.check(OPEN, f) is Check.KEEP
    assert rules.bound == 0


def test_wanted_generation_that_heard_of_nobody_is_bound_by_no_check() -> None:
    rules = wanted()
    assert rules.check(OPEN, 0) is Check.KEEP
    assert rules.bound == 0


def test_offer_is_bound_by_the_check_of_whom_it_was_made_to() -> None:
    rules = offering()
    assert rules.check(OPEN, F) is Check.BIND
    assert (rules.bound, rules.partner) == (OPEN, F)


@pytest.mark.parametrize("f", [0, Y, 77])
def test_offer_is_silent_to_all_others(f: int) -> None:
    rules = offering()
    assert rules.check(OPEN, f) is Check.SILENCE
    assert rules.bound == X


def test_unknown_generation_is_silent() -> None:
    assert restarting().check(77, Y) is Check.SILENCE


# Failure


def test_after_a_failure_nothing_is_bound_or_open() -> None:
    rules = restarting()
    rules.connected = rules.shown = True
    rules.clear()
    assert [getattr(rules, name) for name in Rules.__slots__] == [0] * len(Rules.__slots__)
    assert rules.says() is None
