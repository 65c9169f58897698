"""Tests of what `warren ping` counts."""

from warren.cli.ping import Tally


def test_a_request_has_the_wanted_length_and_says_what_it_is() -> None:
    request = Tally("beef").request(1, 56, 0.0)
    assert len(request) == 56
    assert request.startswith(b"warren ping 1 beef ")


def test_an_answer_is_matched_and_timed() -> None:
    tally = Tally("beef")
    first, second = tally.request(1, 56, 1.0), tally.request(2, 56, 2.0)
    assert tally.answer(second, 2.25) == 2
    assert tally.answer(first, 2.5) == 1
    assert tally.times == {2: 0.25, 1: 1.5}


def test_an_answer_counts_once() -> None:
    tally = Tally("beef")
    request = tally.request(1, 56, 1.0)
    tally.answer(request, 1.5)
    assert tally.answer(request, 9.0) is None
    assert tally.times == {1: 0.5}


def test_what_is_no_answer_to_us_does_not_count() -> None:
    tally = Tally("beef")
    tally.request(1, 56, 1.0)
    others = (
        b"",
        b"hello",
        b"warren ping 1 dead .",
        b"warren ping 2 beef .",
        b"warren ping x beef .",
        b"\xff" * 99,
    )
    assert [tally.answer(data, 2.0) for data in others] == [None] * len(others)


def test_the_summary_has_loss_and_times() -> None:
    tally = Tally("beef")
    for number in (1, 2, 3, 4):
        tally.answer(tally.request(number, 56, 0.0), 0.01 * number)
    tally.request(5, 56, 0.0)
    assert (
        tally.summary()
        == "5 sent, 4 answered, 20% lost; round trip least 10.0 ms, mean 25.0 ms, most 40.0 ms"
    )


def test_the_summary_without_answers_has_no_times() -> None:
    tally = Tally("beef")
    assert tally.summary() == "0 sent, 0 answered, 0% lost"
    tally.request(1, 56, 0.0)
    assert tally.summary() == "1 sent, 0 answered, 100% lost"
