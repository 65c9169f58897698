from tests.ice.parts import form
from warren.ice.checklist import Checklist, Pair
from warren.ice.trial import Trials


def lapsed(times: int = 1) -> Pair:
    pair = form(Checklist(controlling=True))
    pair.lapses = times
    return pair


def test_pair_that_never_fell_silent_needs_no_trial() -> None:
    trials = Trials()
    assert trials.answered(lapsed(0), 1.0)
    assert trials.due is None


def test_nothing_is_due_while_no_pair_is_on_trial() -> None:
    assert Trials().pop_due(1.0) == []


def test_pair_that_fell_silent_is_asked_again_half_a_second_later() -> None:
    trials, pair = Trials(), lapsed()
    assert not trials.answered(pair, 1.0)
    assert trials.due == 1.5
    assert trials.pop_due(1.4) == []
    assert trials.pop_due(1.5) == [pair]


def test_pair_that_goes_on_answering_for_a_second_may_be_used() -> None:
    trials, pair = Trials(), lapsed()
    assert not trials.answered(pair, 1.0)
    assert not trials.answered(pair, 1.9)
    assert trials.answered(pair, 2.0)
    assert trials.due is None


def test_one_missing_answer_ends_the_trial() -> None:
    trials, pair = Trials(), lapsed()
    trials.answered(pair, 1.0)
    trials.pop_due(1.5)
    assert trials.due == 2.5
    assert trials.pop_due(2.5) == []
    assert trials.due is None
    assert not trials.answered(pair, 3.0)


def test_slow_pair_has_three_round_trips_for_its_answer() -> None:
    trials, pair = Trials(), lapsed()
    pair.rtt = 0.7
    trials.answered(pair, 1.0)
    trials.pop_due(1.5)
    assert trials.due is not None
    assert round(trials.due, 6) == 3.6


def test_each_further_silence_doubles_the_trial_to_32_seconds() -> None:
    for lapses, seconds in ((2, 2.0), (3, 4.0), (6, 32.0), (20, 32.0)):
        trials, pair = Trials(), lapsed(lapses)
        trials.answered(pair, 0.0)
        assert not trials.answered(pair, seconds - 0.1)
        assert trials.answered(pair, seconds)


def test_trials_end_together() -> None:
    trials, pair = Trials(), lapsed()
    trials.answered(pair, 0.0)
    trials.end_all()
    assert trials.due is None
    assert not trials.answered(pair, 5.0)


def test_when_a_pair_is_used_the_trials_of_better_ones_go_on_and_others_end() -> None:
    trials, pairs = Trials(), Checklist(controlling=True)
    better, used, worse = (form(pairs, 1000 + index, index=index) for index in range(3))
    for pair in (better, worse):
        pair.lapses = 1
        trials.answered(pair, 0.0)
    trials.end_below(used)
    assert trials.pop_due(0.5) == [better]
