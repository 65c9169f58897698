"""Tests of what the machines share."""

from warren.sansio import earliest


def test_the_first_of_several_deadlines_is_the_earliest() -> None:
    assert earliest(3.0, 1.0, 2.0) == 1.0


def test_deadlines_that_are_not_set_do_not_count() -> None:
    assert earliest(None, 2.0, None) == 2.0


def test_where_none_is_set_there_is_none() -> None:
    assert earliest(None, None) is None
