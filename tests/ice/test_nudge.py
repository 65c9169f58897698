"""Checks beyond ICE that make a late nominator nominate."""

import pytest

from warren.ice.nudge import Nudge

EXPECTED = [0.425, 0.45, 0.475, 0.5, 0.525, 0.55, 0.575, 0.925, 0.95, 0.975, 1.0, 1.025, 1.05, 1.075]


def windows(nudge: Nudge) -> list[float]:
    times = []
    while (now := nudge.deadline) is not None:
        assert nudge.pop_due(now)
        times.append(now)
    return times


def test_nothing_is_due_before_the_peer_was_heard() -> None:
    assert Nudge().deadline is None


def test_nothing_is_to_be_sent_before_the_peer_was_heard() -> None:
    assert not Nudge().pop_due(100.0)


def test_nudges_come_every_25_ms_around_500_and_1000_ms_after_the_first_check() -> None:
    nudge = Nudge()
    nudge.heard(10.0)
    assert windows(nudge) == pytest.approx([10.0 + offset for offset in EXPECTED])


def test_later_checks_of_the_peer_do_not_move_the_windows() -> None:
    nudge = Nudge()
    nudge.heard(0.0)
    nudge.heard(0.2)
    assert nudge.deadline == EXPECTED[0]


def test_an_early_tick_sends_nothing() -> None:
    nudge = Nudge()
    nudge.heard(0.0)
    assert not nudge.pop_due(0.4)


def test_a_late_tick_sends_one_for_all_that_it_missed() -> None:
    nudge = Nudge()
    nudge.heard(0.0)
    nudge.pop_due(0.8)
    assert nudge.deadline == 0.925


def test_a_very_late_tick_ends_them() -> None:
    nudge = Nudge()
    nudge.heard(0.0)
    assert nudge.pop_due(60.0)
    assert nudge.deadline is None


def test_the_first_32_checks_of_the_peer_are_followed_by_one_of_ours() -> None:
    nudge = Nudge()
    assert [nudge.heard(0.0) for _ in range(33)] == [True] * 32 + [False]
