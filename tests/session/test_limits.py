"""Buckets, and what a peer can make a session do at the most."""

import pytest

from warren.session.limits import MAX_ASKERS, AnswerLimit, Bucket, GenerationLimit

F, G = 4, 5


def answered(limit: AnswerLimit, times: int, *, asker: int = F, now: float = 0.0) -> list[bool]:
    return [limit.allows(asker, now) for _ in range(times)]


# Buckets


def test_bucket_gives_its_burst_and_then_nothing() -> None:
    bucket = Bucket(1.0, 3)
    assert [bucket.take(5.0) for _ in range(4)] == [True, True, True, False]


def test_bucket_gets_tokens_back_at_its_rate() -> None:
    bucket = Bucket(2.0, 1)
    assert bucket.take(0.0)
    assert not bucket.take(0.4)
    assert bucket.take(0.5)


def test_bucket_never_holds_more_than_its_burst() -> None:
    bucket = Bucket(1.0, 2)
    bucket.take(0.0)
    assert [bucket.take(1000.0) for _ in range(3)] == [True, True, False]


def test_bucket_with_a_token_has_one_now() -> None:
    assert Bucket(1.0, 1).next_at(7.0) == 7.0


def test_empty_bucket_says_when_there_will_be_a_token_and_then_there_is() -> None:
    bucket = Bucket(0.3, 1)
    bucket.take(1.0)
    at = bucket.next_at(2.0)
    assert at == pytest.approx(1.0 + 1 / 0.3, abs=1e-5)
    assert bucket.take(at)


def test_clock_that_goes_back_gives_no_tokens() -> None:
    bucket = Bucket(1.0, 1)
    bucket.take(10.0)
    assert not bucket.take(5.0)
    assert not bucket.take(10.5)
    assert bucket.take(11.0)


# Answers


def test_three_answers_are_given_at_once_and_the_fourth_waits() -> None:
    assert answered(AnswerLimit(), 4) == [True, True, True, False]


def test_one_answer_more_is_in_reserve_for_binding() -> None:
    limit = AnswerLimit()
    answered(limit, 4)
    assert limit.allows(F, 0.0, binds=True)
    assert not limit.allows(F, 0.0, binds=True)


def test_reserve_is_not_touched_while_there_are_other_answers() -> None:
    limit = AnswerLimit()
    assert limit.allows(F, 0.0, binds=True)
    assert answered(limit, 2) == [True, True]
    assert limit.allows(F, 0.0, binds=True)


def test_one_answer_a_second_is_given_after_the_burst() -> None:
    limit = AnswerLimit()
    answered(limit, 4)
    assert not limit.allows(F, 0.9)
    assert limit.allows(F, 1.0)
    assert not limit.allows(F, 1.5)


def test_each_generation_of_the_peer_has_a_limit_of_its_own() -> None:
    limit = AnswerLimit()
    answered(limit, 4)
    assert answered(limit, 4, asker=G) == [True, True, True, False]


def test_withheld_answer_is_owed_from_when_it_is_allowed() -> None:
    limit = AnswerLimit()
    assert limit.deadline is None
    answered(limit, 4)
    assert limit.deadline == pytest.approx(1.0, abs=1e-5)


def test_answer_owed_is_owed_once_however_often_it_was_asked_for() -> None:
    limit = AnswerLimit()
    answered(limit, 9)
    assert limit.pop_due(0.9) is None
    assert limit.pop_due(1.1) == F
    assert limit.pop_due(1.1) is None
    assert limit.deadline is None


def test_answer_that_was_owed_costs_a_token() -> None:
    limit = AnswerLimit()
    answered(limit, 4)
    limit.pop_due(1.001)
    assert not limit.allows(F, 1.5)
    assert limit.allows(F, 2.0)


def test_answer_that_is_given_is_not_owed_any_more() -> None:
    limit = AnswerLimit()
    answered(limit, 4)
    assert limit.allows(F, 0.0, binds=True)
    assert limit.deadline is None


def test_first_of_several_owed_answers_is_the_deadline() -> None:
    limit = AnswerLimit()
    answered(limit, 4, asker=G, now=0.5)
    answered(limit, 4, asker=F, now=0.0)
    assert limit.deadline == pytest.approx(1.0, abs=1e-5)
    assert limit.pop_due(1.1) == F


def test_what_is_owed_can_be_forgotten() -> None:
    limit = AnswerLimit()
    answered(limit, 4)
    limit.forget()
    assert limit.deadline is None
    assert limit.pop_due(9.0) is None


def test_only_so_many_generations_are_remembered_the_oldest_goes_with_what_it_is_owed() -> None:
    limit = AnswerLimit()
    answered(limit, 4, asker=1)
    for asker in range(2, MAX_ASKERS + 1):
        assert limit.allows(asker, 0.0)
    assert limit.deadline is not None
    assert limit.allows(99, 0.0)
    assert limit.deadline is None
    assert limit.allows(1, 0.0)


def test_generation_that_asks_again_is_not_the_oldest() -> None:
    limit = AnswerLimit()
    answered(limit, 2, asker=1)
    for asker in range(2, MAX_ASKERS + 1):
        limit.allows(asker, 0.0)
    answered(limit, 1, asker=1)
    limit.allows(99, 0.0)
    assert not limit.allows(1, 0.0)


# Generations


def counted(limit: GenerationLimit, *times: float) -> GenerationLimit:
    for now in times:
        limit.count(now)
    return limit


def test_three_generations_begin_at_once_and_the_next_after_5_s() -> None:
    limit = GenerationLimit()
    assert limit.next_at(0.0) == 0.0
    assert counted(limit, 0.0, 0.0).next_at(0.0) == 0.0
    assert counted(limit, 0.0).next_at(0.0) == 5.0


def test_who_goes_on_waits_twice_as_long_each_time_up_to_60_s() -> None:
    limit, now, waits = counted(GenerationLimit(), 0.0, 0.0), 0.0, []
    for _ in range(7):
        limit.count(now)
        waits.append(limit.next_at(now) - now)
        now = limit.next_at(now)
    assert waits == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0, 60.0]


def test_one_generation_each_5_s_never_waits() -> None:
    limit = GenerationLimit()
    for step in range(50):
        assert limit.next_at(5.0 * step) == 5.0 * step
        limit.count(5.0 * step)


def test_15_quiet_seconds_after_one_was_allowed_make_the_waits_short_again() -> None:
    limit = counted(GenerationLimit(), 0.0, 0.0, 0.0, 5.0)
    assert limit.next_at(5.0) == 15.0
    assert counted(limit, 30.0, 30.0).next_at(30.0) == 30.0
    assert counted(limit, 30.0).next_at(30.0) == 35.0


def test_less_quiet_does_not() -> None:
    limit = counted(GenerationLimit(), 0.0, 0.0, 0.0, 5.0)
    assert counted(limit, 29.9).next_at(29.9) == pytest.approx(49.9)


def test_one_that_was_forced_counts_too() -> None:
    limit = counted(GenerationLimit(), 0.0, 0.0, 0.0)
    assert counted(limit, 1.0).next_at(1.0) == 11.0
