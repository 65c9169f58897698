"""The paths of a node at rest: whose packet is whose, and when each is called."""

import pytest

from tests.ice.test_rest import US, Path, answer, theirs
from warren.ice.timing import CONSENT_GRID
from warren.ice.transaction import Owner
from warren.ice.transport import Base, Transmit
from warren.session.resting import Resting
from warren.session.timers import AT_ONCE


class Paths:
    """What a node keeps of its paths at rest, and what that wants to be sent."""

    def __init__(self, *paths: Path) -> None:
        self.sent: list[Transmit] = []
        self.resting = Resting()
        for path in paths:
            self.resting.enter(path.rest)

    def hears(self, path: Path, data: bytes, now: float) -> bool:
        answers = self.resting.datagram_received(path.pair.base, path.pair.destination, data, now)
        self.sent += answers or ()
        return answers is not None

    def tick(self, now: float) -> list[Owner]:
        """Let time pass; returns who is awake."""
        checks, awake = self.resting.tick(now)
        self.sent += checks
        return awake

    @property
    def due(self) -> float:
        assert self.resting.deadline is not None
        return self.resting.deadline


def test_nothing_is_due_without_paths() -> None:
    assert Paths().resting.deadline is None


def test_a_packet_of_a_path_at_rest_is_taken_and_answered() -> None:
    path = Path()
    paths = Paths(path)
    assert paths.hears(path, theirs(), 1.0)
    (transmit,) = paths.sent
    assert (transmit.base, transmit.destination) == (path.pair.base, path.pair.destination)


def test_what_the_path_does_not_take_is_for_others() -> None:
    path = Path()
    assert not Paths(path).hears(path, b"data", 1.0)


def test_packets_from_elsewhere_or_to_another_base_are_for_others() -> None:
    path = Path()
    resting = Paths(path).resting
    assert resting.datagram_received(path.pair.base, ("198.51.100.1", 1001), theirs(), 1.0) is None
    assert resting.datagram_received(Base(*US), path.pair.destination, theirs(), 1.0) is None


def test_a_check_is_sent_when_it_is_due_and_not_before() -> None:
    path = Path()
    paths = Paths(path)
    due = paths.due
    assert paths.tick(due - 0.01) == []
    assert paths.sent == []
    assert paths.tick(due) == []
    assert len(paths.sent) == 1


def test_an_answer_puts_the_next_check_off() -> None:
    path = Path()
    paths = Paths(path)
    now = paths.due
    paths.tick(now)
    assert paths.hears(path, answer(paths.sent[0].data), now + 0.02)
    assert paths.tick(now + 3.9) == []
    assert len(paths.sent) == 1


def test_whose_check_was_not_answered_is_told_within_a_moment() -> None:
    path = Path()
    paths = Paths(path)
    now = paths.due
    paths.tick(now)
    assert paths.due <= now + 1.0 + CONSENT_GRID
    assert paths.tick(paths.due) == [path.rest.owner]
    assert path.woken == 1


@pytest.mark.parametrize("forgets", [False, True])
def test_a_path_that_is_at_rest_no_more_takes_nothing_and_is_not_called(forgets: bool) -> None:
    path = Path()
    paths = Paths(path)
    path.rest.over = True
    if forgets:
        paths.resting.forget(path.pair.base, path.pair.destination)
    assert not paths.hears(path, theirs(), 1.0)
    assert paths.tick(paths.due) == []
    assert (paths.sent, len(paths.resting)) == ([], 0)


def test_another_path_between_the_same_two_addresses_wakes_the_one_before() -> None:
    first, second = Path(), Path()
    second.pair.base = first.pair.base
    paths = Paths(first, second)
    assert (first.woken, second.woken) == (1, 0)
    assert paths.hears(second, theirs(), 1.0)


def test_one_that_was_over_is_not_woken_again() -> None:
    first, second = Path(), Path()
    first.rest.over = True
    Paths(first, second)
    assert first.woken == 0


def test_forgetting_what_is_not_known_is_harmless() -> None:
    Paths().resting.forget(Base(*US), US)


def test_no_more_are_called_at_once_than_answers_can_be_read() -> None:
    paths = Paths()
    for number in range(AT_ONCE + 10):
        path = Path()
        path.pair.destination = ("198.51.100.2", 1000 + number)
        paths.resting.enter(path.rest)
    now = paths.due + 10.0
    paths.tick(now)
    assert len(paths.sent) == AT_ONCE
    assert paths.due < now
    paths.tick(now)
    assert len(paths.sent) == AT_ONCE + 10
