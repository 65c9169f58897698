"""Checks that come before the peer's credentials."""

from warren.ice.early import EarlyCheck, EarlyChecks
from warren.ice.transport import Base

BASE = Base("192.0.2.1", 4000)


def check(port: int = 1000, nomination: int = -1, priority: int = 1) -> EarlyCheck:
    return EarlyCheck(BASE, ("198.51.100.1", port), priority, nomination)


def test_a_check_is_handed_over_under_the_ufrag_it_named() -> None:
    early = EarlyChecks()
    early.keep("ufrag", check())
    assert early.take("ufrag") == [check()]


def test_a_check_under_another_ufrag_stays() -> None:
    early = EarlyChecks()
    early.keep("other", check())
    assert early.take("ufrag") == []
    assert early.take("other") == [check()]


def test_it_is_known_under_which_ufrags_checks_are_kept() -> None:
    early = EarlyChecks()
    early.keep("ufrag", check())
    assert ("ufrag" in early, "other" in early) == (True, False)
    early.take("ufrag")
    assert "ufrag" not in early


def test_checks_are_handed_over_once() -> None:
    early = EarlyChecks()
    early.keep("ufrag", check())
    early.take("ufrag")
    assert early.take("ufrag") == []


def test_checks_are_handed_over_in_the_order_in_which_they_came() -> None:
    early = EarlyChecks()
    ports = [3, 1, 2]
    for port in ports:
        early.keep("ufrag", check(port))
    assert [each.source[1] for each in early.take("ufrag")] == ports


def test_one_source_is_kept_once() -> None:
    early = EarlyChecks()
    early.keep("ufrag", check(priority=1))
    early.keep("ufrag", check(priority=2))
    assert early.take("ufrag") == [check(priority=2)]


def test_a_nomination_is_not_forgotten_for_a_later_check_without_one() -> None:
    early = EarlyChecks()
    early.keep("ufrag", check(nomination=3))
    early.keep("ufrag", check(nomination=-1))
    assert early.take("ufrag") == [check(nomination=3)]


def test_the_33rd_source_pushes_out_the_oldest() -> None:
    early = EarlyChecks()
    kept = [early.keep("ufrag", check(port)) for port in range(1, 34)]
    assert kept == [True] * 32 + [False]
    assert [each.source[1] for each in early.take("ufrag")] == list(range(2, 34))


def test_no_more_than_32_are_kept() -> None:
    early = EarlyChecks()
    for port in range(1, 100):
        early.keep("ufrag", check(port))
    assert len(early) == 32
