"""What a check of the peer tells that says the same as the one before."""

import random

import pytest

from tests.ice.parts import BASE, form
from warren.ice import stun
from warren.ice.checklist import Checklist, Pair
from warren.ice.repeats import LastCheck
from warren.ice.transport import Address, Base

OTHER = Base("192.0.2.2", 4000)
KEY = stun.prepare_key("password")
DICE = random.Random(1)


def check(priority: int = 1) -> stun.Stun:
    said = stun.check_attributes(username="a:b", priority=priority, controlling=True, tie_breaker=1)
    return stun.parse(stun.binding_request(DICE.randbytes(12), said, KEY))


def working() -> Pair:
    pair = form(Checklist(controlling=True))
    pair.fresh = True
    return pair


def test_nothing_repeats_a_check_that_never_came() -> None:
    pair = working()
    assert not LastCheck().is_repeated(check(), BASE, pair.destination, pair)


def test_a_check_that_says_the_same_over_the_selected_pair_repeats_the_last_one() -> None:
    last, pair = LastCheck(), working()
    last.keep(pair, check())
    assert last.is_repeated(check(), BASE, pair.destination, pair)


def test_a_check_that_says_something_else_does_not() -> None:
    last, pair = LastCheck(), working()
    last.keep(pair, check())
    assert not last.is_repeated(check(priority=2), BASE, pair.destination, pair)


@pytest.mark.parametrize(
    ("base", "source"), [(OTHER, ("198.51.100.1", 1000)), (BASE, ("198.51.100.1", 1001))]
)
def test_a_check_that_came_another_way_does_not(base: Base, source: Address) -> None:
    last, pair = LastCheck(), working()
    last.keep(pair, check())
    assert not last.is_repeated(check(), base, source, pair)


def test_nothing_repeats_a_check_over_a_pair_that_is_not_selected() -> None:
    last, pair = LastCheck(), working()
    last.keep(pair, check())
    assert not last.is_repeated(check(), BASE, pair.destination, working())


def test_nothing_repeats_a_check_over_a_pair_that_has_fallen_silent() -> None:
    last, pair = LastCheck(), working()
    last.keep(pair, check())
    pair.fresh = False
    assert not last.is_repeated(check(), BASE, pair.destination, pair)


def test_nothing_repeats_what_was_forgotten() -> None:
    last, pair = LastCheck(), working()
    last.keep(pair, check())
    last.forget()
    assert not last.is_repeated(check(), BASE, pair.destination, pair)
