"""Candidates one by one, at a pace that plain peers can bear."""

import pytest

from tests.ice.link import HOST, candidate
from warren.messages import Candidate
from warren.session.trickle import Trickle


def some(count: int, first: int = 1) -> list[Candidate]:
    return [candidate(HOST, "192.0.2.1", port) for port in range(first, first + count)]


def trickle(count: int, *, gently: bool = False, not_before: float = 0.0) -> Trickle:
    made = Trickle(gently=gently)
    made.add(some(count), not_before=not_before, again=False)
    return made


def popped(trickle: Trickle, now: float) -> list[Candidate]:
    found = []
    while (candidate := trickle.pop_due(now)) is not None:
        found.append(candidate)
    return found


def test_nothing_to_send_has_no_deadline() -> None:
    assert Trickle(gently=False).deadline is None
    assert Trickle(gently=False).pop_due(99.0) is None


def test_candidates_are_sent_in_order_and_once() -> None:
    sending = trickle(3)
    assert popped(sending, 0.0) == some(3)
    sending.add(some(3), not_before=0.0, again=False)
    assert popped(sending, 0.0) == []


def test_candidate_that_is_queued_is_not_queued_again() -> None:
    sending = trickle(2)
    sending.add(some(3), not_before=0.0, again=True)
    assert popped(sending, 0.0) == some(3)


def test_what_was_sent_is_sent_again_on_demand() -> None:
    sending = trickle(2)
    popped(sending, 0.0)
    sending.add(some(2), not_before=0.0, again=True)
    assert popped(sending, 0.0) == some(2)


def test_nothing_is_sent_before_its_time() -> None:
    sending = trickle(1, not_before=0.25)
    assert sending.deadline == 0.25
    assert popped(sending, 0.24) == []
    assert popped(sending, 0.25) == some(1)


def test_candidate_that_left_otherwise_is_not_sent() -> None:
    sending = Trickle(gently=False)
    sending.told(some(1)[0], 0.0)
    sending.add(some(2), not_before=0.0, again=False)
    assert popped(sending, 0.0) == some(1, first=2)


def test_peer_that_controls_gets_4_candidates_in_the_first_600_ms() -> None:
    sending = trickle(6, gently=True)
    assert popped(sending, 0.1) == some(4)
    assert sending.deadline == 0.6
    assert popped(sending, 0.6) == some(2, first=5)


def test_candidates_that_left_otherwise_count_among_the_4() -> None:
    sending = Trickle(gently=True)
    sending.told(some(1)[0], 0.0)
    sending.told(None, 0.0)
    sending.add(some(6), not_before=0.0, again=False)
    assert popped(sending, 0.1) == some(3, first=2)


def test_16_messages_leave_at_once_at_most_and_then_32_a_second() -> None:
    sending = trickle(60)
    assert len(popped(sending, 0.49)) == 16
    assert sending.deadline == pytest.approx(0.49 + 1 / 32, abs=1e-5)
    assert len(popped(sending, 0.5)) == 0
    assert len(popped(sending, 0.741)) == 8
    assert len(popped(sending, 9.0)) == 16


def test_peer_that_begins_anew_gets_no_more_at_once() -> None:
    sending = trickle(10)
    popped(sending, 0.0)
    sending.begin(0.0)
    sending.add(some(10), not_before=0.0, again=False)
    assert len(popped(sending, 0.0)) == 6


def test_messages_that_left_otherwise_count_among_the_16() -> None:
    sending = trickle(20)
    sending.told(None, 0.0)
    sending.told(None, 0.0)
    assert len(popped(sending, 0.0)) == 14


def test_peer_that_begins_anew_is_told_everything_again_and_gently() -> None:
    sending = trickle(6, gently=True)
    popped(sending, 1.0)
    sending.begin(5.0)
    assert sending.deadline is None
    sending.add(some(6), not_before=5.0, again=False)
    assert popped(sending, 5.0) == some(4)
    assert sending.deadline == 5.6


def test_nothing_more_is_sent_after_stop() -> None:
    sending = trickle(3)
    sending.stop()
    assert sending.deadline is None
    assert popped(sending, 9.0) == []
