"""When a gatherer asks its servers, gives up, and asks them anew."""

import pytest

from tests.ice.lab import GIVES_UP_AFTER, HOME, ONE, PUBLIC, PUBLIC_OTHER, TWO, lab
from warren.ice.timing import REFRESH


def test_silent_server_is_asked_again_at_doubling_intervals_under_the_same_id() -> None:
    world = lab()
    times = []
    while not world.gatherer.complete:
        due = world.gatherer.deadline
        assert due is not None
        if world.until(due):
            times.append(due)
    assert times == pytest.approx([0.2, 0.6, 1.4, 3.0])
    assert world.now == pytest.approx(GIVES_UP_AFTER)
    assert len({packet.data for packet in world.packets}) == 1


def test_dead_server_delays_no_candidate_of_another() -> None:
    world = lab(two=True)
    world.answer(HOME, TWO, PUBLIC)
    assert world.mapped == [PUBLIC]
    assert not world.gatherer.complete
    world.until(GIVES_UP_AFTER)
    assert world.gatherer.complete
    assert world.mapped == [PUBLIC]


def test_answer_after_the_end_finds_no_transaction() -> None:
    world = lab()
    world.until(GIVES_UP_AFTER)
    assert not world.answer(HOME, ONE, PUBLIC)
    assert len(world.transactions) == 0


def test_late_tick_sends_once_for_all_that_was_missed() -> None:
    world = lab()
    world.gatherer.tick(2.0)
    assert len(world.drain()) == 1
    assert world.gatherer.deadline == pytest.approx(3.0)


def test_tick_before_its_time_does_nothing() -> None:
    world = lab()
    world.gatherer.tick(0.1)
    assert world.drain() == []
    assert world.gatherer.deadline == pytest.approx(0.2)


def test_outputs_are_handed_over_once() -> None:
    world = lab()
    assert world.gatherer.outputs() == []


def test_mapping_that_nobody_needs_is_not_refreshed() -> None:
    world = lab()
    world.answer(HOME, ONE, PUBLIC)
    assert world.gatherer.deadline is None
    assert world.until(1000.0) == []


def test_mapping_is_refreshed_in_good_time_while_it_is_needed() -> None:
    world = lab()
    world.gatherer.needed(True, 0.0)
    world.answer(HOME, ONE, PUBLIC)
    changes = world.changes
    for _ in range(5):
        before = world.now
        due = world.gatherer.deadline
        assert due is not None
        assert 0.9 * REFRESH <= due - before <= REFRESH
        assert len(world.until(due)) == 1
        world.answer(HOME, ONE, PUBLIC)
    assert world.changes == changes


def test_refreshing_ends_when_nobody_needs_it_any_more() -> None:
    world = lab()
    world.gatherer.needed(True, 0.0)
    world.answer(HOME, ONE, PUBLIC)
    world.gatherer.needed(False, 1.0)
    assert world.gatherer.deadline is None


def test_mapping_that_has_grown_old_is_asked_for_as_soon_as_it_is_needed() -> None:
    world = lab()
    world.answer(HOME, ONE, PUBLIC)
    world.gatherer.needed(True, 60.0)
    assert len(world.drain()) == 1


def test_mapping_that_is_young_is_not_asked_for_when_it_is_needed() -> None:
    world = lab()
    world.answer(HOME, ONE, PUBLIC)
    world.gatherer.needed(True, 5.0)
    assert world.drain() == []


def test_changed_mapping_replaces_the_candidate_and_says_so() -> None:
    world = lab()
    world.gatherer.needed(True, 0.0)
    world.answer(HOME, ONE, PUBLIC)
    changes = world.changes
    world.until(REFRESH)
    world.answer(HOME, ONE, PUBLIC_OTHER)
    assert world.mapped == [PUBLIC_OTHER]
    assert world.changes == changes + 1


def test_mapping_outlives_a_refresh_without_an_answer() -> None:
    world = lab()
    world.gatherer.needed(True, 0.0)
    world.answer(HOME, ONE, PUBLIC)
    world.until(REFRESH + GIVES_UP_AFTER)
    assert world.mapped == [PUBLIC]
    assert world.gatherer.complete
    assert world.gatherer.report[0].error == "no answer"


def test_silent_server_is_asked_again_and_heard_when_it_is_back() -> None:
    world = lab()
    world.gatherer.needed(True, 0.0)
    world.until(GIVES_UP_AFTER)
    world.until(REFRESH)
    assert world.answer(HOME, ONE, PUBLIC)
    assert world.mapped == [PUBLIC]
    assert world.gatherer.report[0].error is None


def test_servers_are_asked_anew_where_what_they_said_may_be_out_of_date() -> None:
    world = lab(HOME)
    world.answer(HOME, ONE, PUBLIC)
    world.now = 5.0
    world.gatherer.refresh(world.now)
    (asked,) = world.drain()
    assert (asked.base, asked.destination) == (HOME, ONE)
    world.answer(HOME, ONE, PUBLIC_OTHER)
    assert [candidate.transport for candidate in world.reflexive] == [PUBLIC_OTHER]


def test_asking_anew_ends_a_round_that_is_under_way() -> None:
    world = lab(HOME)
    before = world.last_packet(HOME, ONE).data
    world.now = 1.5
    world.gatherer.refresh(world.now)
    (asked,) = world.drain()
    assert asked.data != before
    assert len(world.transactions) == 1


def test_server_that_was_asked_just_now_is_not_asked_anew() -> None:
    world = lab(HOME)
    world.answer(HOME, ONE, PUBLIC)
    world.now = 0.9
    world.gatherer.refresh(world.now)
    assert world.drain() == []


def test_refresh_does_not_take_back_that_gathering_is_complete() -> None:
    world = lab()
    world.gatherer.needed(True, 0.0)
    world.answer(HOME, ONE, PUBLIC)
    world.until(REFRESH)
    assert world.gatherer.complete
