"""When each of many wants to be called."""

from warren.session.timers import AT_ONCE, Timers


def test_nobody_waits_at_first() -> None:
    timers = Timers[str]()
    assert (timers.deadline, timers.pop_due(1e9)) == (None, [])


def test_those_whose_time_has_come_are_taken_out_the_earliest_first() -> None:
    timers = Timers[str]()
    for name, due in (("c", 3.0), ("b", 2.0), ("a", 1.0)):
        timers.set(name, due)
    assert timers.deadline == 1.0
    assert timers.pop_due(2.0) == ["a", "b"]
    assert timers.deadline == 3.0


def test_those_of_one_moment_come_in_the_order_in_which_they_were_set() -> None:
    timers = Timers[str]()
    for name in ("b", "a", "c"):
        timers.set(name, 1.0)
    assert timers.pop_due(1.0) == ["b", "a", "c"]


def test_a_later_time_replaces_an_earlier_one() -> None:
    timers = Timers[str]()
    timers.set("a", 1.0)
    timers.set("a", 2.0)
    assert timers.pop_due(1.0) == []
    assert timers.pop_due(2.0) == ["a"]


def test_an_earlier_time_replaces_a_later_one() -> None:
    timers = Timers[str]()
    timers.set("a", 2.0)
    timers.set("a", 1.0)
    assert timers.deadline == 1.0
    assert (timers.pop_due(1.0), timers.pop_due(2.0)) == (["a"], [])


def test_a_time_that_is_set_back_and_forth_comes_once() -> None:
    timers = Timers[str]()
    for due in (1.0, 2.0, 1.0, 1.0):
        timers.set("a", due)
    assert timers.pop_due(2.0) == ["a"]


def test_no_time_leaves_the_one_that_was_set() -> None:
    timers = Timers[str]()
    timers.set("a", 1.0)
    timers.set("a", None)
    assert timers.pop_due(1.0) == ["a"]


def test_who_is_forgotten_is_not_called() -> None:
    timers = Timers[str]()
    timers.set("a", 1.0)
    timers.forget("a")
    timers.forget("b")
    assert timers.pop_due(1.0) == []


def test_times_that_are_moved_for_ever_take_bounded_room() -> None:
    timers = Timers[int]()
    for step in range(10_000):
        timers.set(step % 10, float(step))
        assert len(timers) <= 2 * 10 + 65
    assert timers.pop_due(1e9) == [9990 % 10 + index for index in range(10)]


def test_of_many_that_are_due_some_stay_for_the_next_time() -> None:
    timers = Timers[int]()
    for number in range(AT_ONCE + 10):
        timers.set(number, float(number % 2))
    first = timers.pop_due(1.0)
    assert len(first) == AT_ONCE
    assert timers.deadline == 1.0
    second = timers.pop_due(1.0)
    assert len(second) == 10
    assert [*first, *second] == [*range(0, AT_ONCE + 10, 2), *range(1, AT_ONCE + 10, 2)]
    assert len(timers) == 0


def test_those_whose_time_was_moved_do_not_take_the_place_of_others() -> None:
    timers = Timers[int]()
    for number in range(AT_ONCE):
        timers.set(number, 1.0)
        timers.set(number, 9.0)
    timers.set(-1, 1.0)
    assert timers.pop_due(1.0) == [-1]
