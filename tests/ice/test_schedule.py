"""The gaps between checks of an unanswered pair."""

from itertools import accumulate, count, takewhile

import pytest

from warren.ice.schedule import gap
from warren.ice.timing import DENSE, PATIENCE


def times(*, dense: bool) -> list[float]:
    gaps = takewhile(lambda wait: wait is not None, (gap(step, dense=dense) for step in count()))
    return list(accumulate((wait for wait in gaps if wait is not None), initial=0.0))


def test_dense_checks_go_by_the_table_and_then_double() -> None:
    assert times(dense=True) == pytest.approx([*DENSE, 2.3, 4.3, 8.3, 16.3, 32.3])


def test_other_checks_are_those_of_rfc_8489() -> None:
    assert times(dense=False) == pytest.approx([0.0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5])


@pytest.mark.parametrize("dense", [True, False])
def test_no_check_is_sent_after_patience_is_over(dense: bool) -> None:
    assert times(dense=dense)[-1] < PATIENCE


def test_a_stride_of_two_leaves_out_every_other_check() -> None:
    assert gap(0, dense=True, stride=2) == pytest.approx(DENSE[2])


def test_a_stride_beyond_the_end_takes_what_is_left() -> None:
    assert gap(16, dense=True, stride=4) == 16.0
