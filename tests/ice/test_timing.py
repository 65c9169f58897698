import pytest

from warren.ice import timing
from warren.ice.timing import Pacer


def test_a_burst_is_there_at_once() -> None:
    pacer = Pacer(interval=0.005, burst=8)
    assert [pacer.take(1.0) for _ in range(9)] == [True] * 8 + [False]


def test_one_token_comes_each_interval() -> None:
    pacer = Pacer(interval=0.005, burst=1)
    assert pacer.take(1.0)
    assert not pacer.take(1.004)
    assert pacer.take(1.0051)
    assert not pacer.take(1.0052)


def test_no_more_than_a_burst_is_saved_up() -> None:
    pacer = Pacer(interval=0.005, burst=2)
    pacer.take(0.0)
    assert [pacer.take(100.0) for _ in range(3)] == [True, True, False]


def test_next_token_is_now_while_there_is_one() -> None:
    assert Pacer().next_token(7.0) == 7.0


def test_next_token_comes_an_interval_after_the_last_was_taken() -> None:
    pacer = Pacer(interval=0.005, burst=1)
    pacer.take(1.0)
    assert pacer.next_token(1.0) == pytest.approx(1.005)
    assert pacer.next_token(1.003) == pytest.approx(1.005)


@pytest.mark.parametrize("start", [0.0, 0.1, 1e3, 1e6, 123456.789])
def test_whoever_waits_for_the_next_token_gets_it(start: float) -> None:
    pacer = Pacer(interval=0.005, burst=1)
    now = start
    for _ in range(100):
        assert pacer.take(now)
        now = pacer.next_token(now)


def test_a_clock_that_goes_back_gives_no_tokens() -> None:
    pacer = Pacer(interval=0.005, burst=1)
    assert pacer.take(10.0)
    assert not pacer.take(5.0)
    assert not pacer.take(9.0)
    assert pacer.take(10.006)


def test_dense_checks_are_13_in_the_first_two_seconds() -> None:
    assert len([at for at in timing.DENSE if at < 2.0]) == 13
    assert list(timing.DENSE) == sorted(timing.DENSE)


# Probes of suspect paths


def test_a_burst_of_probes_is_sent_at_once() -> None:
    pacer = Pacer()
    assert [pacer.book(50, 1.0) for _ in range(4)] == [1.0] * 4


def test_what_is_more_than_a_burst_waits_in_a_queue() -> None:
    pacer = Pacer()
    pacer.book(timing.PROBE_BURST, 1.0)
    gap = timing.PROBE_GAP
    assert [pacer.book(2, 1.0), pacer.book(1, 1.0)] == pytest.approx([1.0 + 2 * gap, 1.0 + 3 * gap])


def test_no_more_probes_than_a_burst_are_saved_up() -> None:
    pacer = Pacer()
    pacer.book(1, 0.0)
    assert pacer.book(timing.PROBE_BURST + 1, 100.0) == pytest.approx(100.0 + timing.PROBE_GAP)


def test_first_checks_do_not_wait_for_probes() -> None:
    pacer = Pacer()
    pacer.book(10_000, 1.0)
    assert pacer.take(1.0)
