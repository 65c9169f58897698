"""Which pair is nominated with which value, and what the controlled side makes of it."""

from tests.ice.link import HOST, candidate, host
from warren.ice.checklist import Checklist, Pair
from warren.ice.nomination import Nominator, best_nominated, best_valid
from warren.ice.transport import Base

BASE = Base("192.0.2.1", 4000)


def pairs(*indices: int) -> list[Pair]:
    """Pairs with priorities by interface index: 0 is the best."""
    checklist = Checklist(controlling=True)
    for number, index in enumerate(indices):
        remote = candidate(HOST, "198.51.100.1", 1000 + number, index)
        checklist.form(host(BASE), remote, remote.transport)
    return list(checklist)


def valid(*indices: int) -> list[Pair]:
    formed = pairs(*indices)
    for pair in formed:
        pair.fresh = True
    return formed


def test_the_first_triggered_check_nominates_its_pair() -> None:
    (pair,) = pairs(0)
    assert Nominator().value_for(pair, None) == 1


def test_a_further_triggered_check_over_the_same_pair_has_the_same_value() -> None:
    (pair,) = pairs(0)
    nominator = Nominator()
    nominator.value_for(pair, None)
    assert nominator.value_for(pair, None) == 1


def test_a_triggered_check_over_a_better_pair_has_a_higher_value() -> None:
    good, better = pairs(1, 0)
    nominator = Nominator()
    nominator.value_for(good, None)
    assert nominator.value_for(better, None) == 2


def test_a_triggered_check_over_a_worse_pair_does_not_nominate() -> None:
    good, worse = pairs(1, 2)
    nominator = Nominator()
    nominator.value_for(good, None)
    assert nominator.value_for(worse, None) is None


def test_a_triggered_check_over_an_equal_pair_does_not_nominate() -> None:
    good, equal = pairs(1, 1)
    nominator = Nominator()
    nominator.value_for(good, None)
    assert nominator.value_for(equal, None) is None


def test_a_triggered_check_does_not_nominate_what_is_worse_than_the_selected_pair() -> None:
    selected, worse = pairs(1, 2)
    assert Nominator().value_for(worse, selected) is None


def test_what_is_offered_deliberately_may_be_worse() -> None:
    good, worse = pairs(1, 2)
    nominator = Nominator()
    nominator.offer(good)
    assert nominator.offer(worse) == 2


def test_offering_the_same_pair_again_keeps_its_value() -> None:
    (pair,) = pairs(0)
    nominator = Nominator()
    assert [nominator.offer(pair), nominator.offer(pair)] == [1, 1]


def test_a_nomination_is_repeated_after_one_and_a_half_round_trips_and_then_later_each_time() -> None:
    (pair,) = pairs(0)
    nominator = Nominator()
    nominator.offer(pair)
    nominator.sent(1.0, 0.1)
    assert nominator.due == 1.15
    nominator.sent(2.0, 0.1)
    assert nominator.due == 2.3


def test_a_nomination_is_not_repeated_before_50_ms() -> None:
    (pair,) = pairs(0)
    nominator = Nominator()
    nominator.offer(pair)
    nominator.sent(1.0, 0.001)
    assert nominator.due == 1.05


def test_a_nomination_is_repeated_seven_times_at_the_most() -> None:
    (pair,) = pairs(0)
    nominator = Nominator()
    nominator.offer(pair)
    for _ in range(7):
        nominator.sent(1.0, 0.1)
        assert nominator.due is not None
    nominator.sent(1.0, 0.1)
    assert nominator.due is None


def test_an_answered_nomination_is_not_repeated() -> None:
    (pair,) = pairs(0)
    nominator = Nominator()
    nominator.offer(pair)
    nominator.sent(1.0, 0.1)
    nominator.answered(pair, 1)
    assert nominator.due is None
    nominator.sent(1.0, 0.1)
    assert nominator.due is None


def test_an_answer_to_an_older_nomination_confirms_nothing() -> None:
    good, better = pairs(1, 0)
    nominator = Nominator()
    for pair in (good, better, good):
        nominator.offer(pair)
    nominator.answered(good, 1)
    assert not nominator.confirmed


def test_an_answer_over_another_pair_confirms_nothing() -> None:
    good, better = pairs(1, 0)
    nominator = Nominator()
    nominator.offer(good)
    nominator.offer(better)
    nominator.answered(good, 2)
    assert not nominator.confirmed


def test_a_new_offer_is_not_confirmed_by_the_old_one() -> None:
    good, better = pairs(1, 0)
    nominator = Nominator()
    nominator.offer(good)
    nominator.answered(good, 1)
    nominator.offer(better)
    assert not nominator.confirmed


def test_withdrawing_the_offered_pair_leaves_nothing_on_offer() -> None:
    (pair,) = pairs(0)
    nominator = Nominator()
    nominator.offer(pair)
    nominator.sent(1.0, 0.1)
    assert nominator.withdraw(pair)
    assert (nominator.offered, nominator.due) == (None, None)


def test_withdrawing_another_pair_changes_nothing() -> None:
    good, better = pairs(1, 0)
    nominator = Nominator()
    nominator.offer(good)
    assert not nominator.withdraw(better)
    assert nominator.offered is good


def test_the_value_stays_within_24_bits() -> None:
    good, better = pairs(1, 0)
    nominator = Nominator()
    for _ in range(3):
        nominator.offer(good)
        last = nominator.offer(better)
    assert last == 6
    nominator = Nominator(value=0xFFFFFE)
    assert [nominator.offer(good), nominator.offer(better)] == [0xFFFFFF, 0xFFFFFF]


def test_the_best_valid_pair_is_that_of_the_highest_priority() -> None:
    all = valid(2, 0, 1)
    assert best_valid(all) is all[1]


def test_of_equal_valid_pairs_the_first_formed_is_the_best() -> None:
    all = valid(1, 1)
    assert best_valid(all) is all[0]


def test_a_pair_without_an_answer_is_not_valid() -> None:
    assert best_valid(pairs(0, 1)) is None


def test_the_highest_nomination_wins_over_priority() -> None:
    all = valid(0, 1, 2)
    for pair, value in zip(all, (4, 6, 5), strict=True):
        pair.nomination = value
    assert best_nominated(all) is all[1]


def test_without_values_the_highest_priority_wins() -> None:
    all = valid(2, 0, 1)
    for pair in all:
        pair.nomination = 0
    assert best_nominated(all) is all[1]


def test_a_pair_that_was_not_nominated_is_not_chosen() -> None:
    assert best_nominated(valid(0, 1)) is None


def test_a_nominated_pair_without_an_answer_is_not_chosen() -> None:
    (pair,) = pairs(0)
    pair.nomination = 3
    assert best_nominated([pair]) is None


def test_a_nominated_pair_strays_when_it_answers_and_another_one_is_used() -> None:
    used, other = pairs(0, 1)
    nominator = Nominator()
    assert not nominator.strays(used)
    nominator.offer(used)
    assert not nominator.strays(used)
    nominator.offer(other)
    assert not nominator.strays(used)
    other.fresh = True
    assert nominator.strays(used)
