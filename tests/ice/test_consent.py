"""When consent is checked, doubted and lost."""

import random

import pytest

from warren.ice.consent import STREAM_WAIT, Consent, Verdict

RTT = 0.02


def resting(*, timeout: float = 5.0, seed: int = 1) -> Consent:
    consent = Consent(dice=random.Random(seed), timeout=timeout)
    consent.rest(0.0)
    return consent


def due(consent: Consent) -> float:
    assert consent.due is not None
    return consent.due


def step(consent: Consent, rtt: float = RTT) -> tuple[float, Verdict]:
    """Go to the next moment that matters: when, and what is to be done."""
    now = due(consent)
    return now, consent.tick(now, rtt)


def suspect() -> tuple[Consent, float]:
    consent = resting()
    step(consent)
    step(consent)
    now, verdict = step(consent)
    assert verdict is Verdict.SUSPECT
    return consent, now


def test_nothing_is_due_before_a_path_is_chosen() -> None:
    assert Consent(dice=random.Random(1), timeout=5.0).due is None


def test_ticking_before_a_path_is_chosen_does_nothing() -> None:
    assert Consent(dice=random.Random(1), timeout=5.0).tick(100.0, RTT) is Verdict.NOTHING


@pytest.mark.parametrize("seed", range(20))
def test_the_first_check_comes_four_to_six_seconds_later(seed: int) -> None:
    assert 4.0 <= due(resting(seed=seed)) <= 6.0


def test_the_time_of_the_check_is_drawn() -> None:
    assert len({due(resting(seed=seed)) for seed in range(20)}) > 5


def test_the_checks_of_many_paths_fall_due_together() -> None:
    moments = {due(resting(seed=seed)) for seed in range(1000)}
    assert len(moments) == 8  # Every 1/4 s until 6 s.


def test_a_check_never_comes_later_than_six_seconds_after_the_answer() -> None:
    for seed in range(200):
        consent = Consent(dice=random.Random(seed), timeout=5.0)
        consent.rest(0.03)
        assert 4.03 <= due(consent) <= 6.03


def test_an_early_tick_does_nothing() -> None:
    consent = resting()
    assert consent.tick(due(consent) - 0.001, RTT) is Verdict.NOTHING


def test_when_it_is_due_the_selected_pair_is_checked() -> None:
    assert step(resting())[1] is Verdict.CHECK


def test_an_answer_is_awaited_for_a_second() -> None:
    consent = resting()
    now, _ = step(consent)
    assert due(consent) == now + 1.0


def test_an_answer_is_awaited_for_three_round_trips_where_that_is_longer() -> None:
    consent = resting()
    now, _ = step(consent, rtt=0.5)
    assert due(consent) == now + 1.5


def test_after_an_answer_that_was_read_late_a_dead_path_is_suspect_all_the_same() -> None:
    consent = resting()
    first, _ = step(consent, rtt=20.0)
    step(consent, rtt=20.0)
    assert step(consent, rtt=20.0) == (first + 2 * 5.0, Verdict.SUSPECT)


def test_without_an_answer_the_pair_is_checked_again_at_once() -> None:
    consent = resting()
    step(consent)
    assert step(consent)[1] is Verdict.CHECK


def test_the_first_miss_makes_nothing_suspect() -> None:
    consent = resting()
    step(consent)
    step(consent)
    assert not consent.suspect


def test_the_second_miss_in_a_row_makes_the_path_suspect() -> None:
    assert suspect()[0].suspect


def test_an_answer_between_two_misses_begins_the_count_anew() -> None:
    consent = resting()
    step(consent)
    now, _ = step(consent)
    consent.rest(now)
    step(consent)
    assert step(consent)[1] is Verdict.CHECK


def test_haste_makes_a_check_due_at_once_and_the_fourth_miss_a_tenth_of_a_second_each_count() -> None:
    consent = resting()
    consent.hasten(2.0)
    steps = [step(consent) for _ in range(5)]
    assert [now for now, _ in steps] == pytest.approx([2.0, 2.1, 2.2, 2.3, 2.4])
    assert [verdict for _, verdict in steps] == [Verdict.CHECK] * 4 + [Verdict.SUSPECT]


def test_haste_waits_for_one_and_a_half_round_trips_where_that_is_longer() -> None:
    consent = resting()
    consent.hasten(2.0)
    step(consent, rtt=0.2)
    assert due(consent) == pytest.approx(2.3)


def test_what_the_peer_misses_counts_as_half_of_what_we_are_to_miss() -> None:
    consent = resting()
    consent.hasten(2.0, lost_by_peer=True)
    steps = [step(consent) for _ in range(3)]
    assert [verdict for _, verdict in steps] == [Verdict.CHECK, Verdict.CHECK, Verdict.SUSPECT]
    assert steps[-1][0] == pytest.approx(2.2)


def test_what_the_peer_misses_shortens_a_haste_that_has_begun() -> None:
    consent = resting()
    consent.hasten(2.0)
    step(consent)
    consent.hasten(2.05, lost_by_peer=True)
    assert [step(consent)[1] for _ in range(2)] == [Verdict.CHECK, Verdict.SUSPECT]


def test_haste_upon_haste_asks_no_more_often() -> None:
    consent = resting()
    consent.hasten(2.0)
    step(consent)
    consent.hasten(2.05)
    assert due(consent) == pytest.approx(2.1)


def test_after_an_answer_nothing_is_hasty_any_more() -> None:
    consent = resting()
    consent.hasten(2.0)
    step(consent)
    consent.rest(2.1)
    now, _ = step(consent)
    assert now >= 6.1
    assert due(consent) == now + 1.0


def test_haste_puts_an_end_to_the_patience_with_a_check_under_way() -> None:
    consent = resting()
    now, _ = step(consent)
    consent.hasten(now + 0.5)
    assert step(consent) == (now + 0.5, Verdict.CHECK)
    assert due(consent) == pytest.approx(now + 0.6)


def test_haste_changes_nothing_while_the_path_is_suspect() -> None:
    consent, now = suspect()
    consent.hasten(now + 0.1)
    assert due(consent) == now + 0.5


def test_a_path_that_is_suspect_early_is_lost_no_earlier_than_by_patience() -> None:
    patient, hasty = resting(), resting()
    hasty.hasten(0.5)
    ends = []
    for consent in (patient, hasty):
        while (now := due(consent)) < 60.0 and consent.tick(now, RTT) is not Verdict.LOST:
            pass
        ends.append(now)
    assert ends[1] == pytest.approx(ends[0])


def test_a_path_that_is_in_haste_for_long_is_lost_after_the_timeout_as_ever() -> None:
    consent = resting()
    consent.hasten(20.0)
    while consent.tick(due(consent), RTT) is not Verdict.SUSPECT:
        pass
    assert consent.tick(25.3, RTT) is Verdict.PROBE
    assert consent.tick(25.5, RTT) is Verdict.LOST


def test_without_a_path_there_is_nothing_to_hasten() -> None:
    consent = Consent(dice=random.Random(1), timeout=5.0)
    consent.hasten(1.0)
    assert consent.due is None


def test_a_suspect_path_is_probed_every_half_second() -> None:
    consent, now = suspect()
    assert step(consent) == (now + 0.5, Verdict.PROBE)


def test_consent_is_lost_five_seconds_after_the_path_became_suspect() -> None:
    consent, now = suspect()
    steps = [step(consent) for _ in range(10)]
    assert [verdict for _, verdict in steps] == [Verdict.PROBE] * 9 + [Verdict.LOST]
    assert steps[-1][0] == pytest.approx(now + 5.0)


def test_nothing_is_due_after_consent_is_lost() -> None:
    consent, now = suspect()
    consent.tick(now + 5.0, RTT)
    assert consent.due is None


def test_the_timeout_can_be_set() -> None:
    consent = resting(timeout=30.0)
    consent.doubt(0.0)
    assert consent.tick(29.0, RTT) is Verdict.PROBE


def test_an_answer_clears_the_suspicion() -> None:
    consent, now = suspect()
    consent.rest(now)
    assert not consent.suspect


def test_doubting_again_does_not_put_off_the_end() -> None:
    consent = resting()
    consent.doubt(1.0)
    consent.doubt(4.0)
    assert consent.tick(6.0, RTT) is Verdict.LOST


def test_the_last_probe_does_not_put_off_the_end() -> None:
    consent = resting()
    consent.doubt(0.0)
    consent.tick(4.8, RTT)
    assert consent.due == 5.0


def test_a_probe_can_be_put_off() -> None:
    consent, now = suspect()
    consent.put_off(now + 2.0)
    assert step(consent) == (now + 2.0, Verdict.PROBE)


def test_a_probe_that_is_put_off_does_not_put_off_the_end() -> None:
    consent, now = suspect()
    consent.put_off(now + 9.0)
    assert step(consent) == (now + 5.0, Verdict.LOST)


# Streams: what is lost on them comes, only late.


def over_stream(*, timeout: float = 5.0) -> Consent:
    consent = Consent(dice=random.Random(1), timeout=timeout)
    consent.rest(0.0, stream=True)
    return consent


def until(consent: Consent, wanted: Verdict) -> float:
    """When it comes to this verdict, with no answer at all."""
    while True:
        now, verdict = step(consent)
        if verdict is wanted:
            return now


def test_an_answer_over_a_stream_is_waited_for_as_long_as_three_losses_in_a_row_cost() -> None:
    consent = over_stream()
    began, _ = step(consent)
    assert until(consent, Verdict.SUSPECT) - began == pytest.approx(2 * STREAM_WAIT)
    assert 2 * STREAM_WAIT > 0.22 * (2**3 - 1)  # RFC 6298 with the kernel's minimum of 200 ms.


@pytest.mark.parametrize(("timeout", "expected"), [(1.0, 4.0), (5.0, 20.0), (15.0, 20.0), (30.0, 30.0)])
def test_consent_over_a_stream_lasts_four_times_as_long_within_rfc_7675(
    timeout: float, expected: float
) -> None:
    consent = over_stream(timeout=timeout)
    suspect_at = until(consent, Verdict.SUSPECT)
    assert until(consent, Verdict.LOST) - suspect_at == pytest.approx(expected)


def test_after_a_stream_a_datagram_path_has_its_own_times() -> None:
    consent = over_stream()
    consent.rest(0.0)
    began, _ = step(consent)
    assert until(consent, Verdict.SUSPECT) - began == pytest.approx(2.0)


def test_a_path_that_is_known_to_have_ended_has_the_plain_time() -> None:
    consent = over_stream()
    consent.cut(3.0)
    assert consent.suspect
    assert until(consent, Verdict.LOST) == 8.0


def test_one_that_was_suspect_before_gets_no_more_time_by_its_end() -> None:
    consent = over_stream()
    suspect_at = until(consent, Verdict.SUSPECT)
    consent.cut(suspect_at + 9.0)
    assert until(consent, Verdict.LOST) == pytest.approx(suspect_at + 14.0)


# Together with the peer's


def test_a_check_goes_with_the_peers_from_four_seconds_on() -> None:
    consent = resting()
    assert not consent.join(3.9, RTT)
    assert consent.join(4.0, RTT)
    assert due(consent) == 5.0


def test_none_goes_with_it_before_a_path_is_chosen() -> None:
    assert not Consent(dice=random.Random(1), timeout=5.0).join(100.0, RTT)


def test_none_goes_with_it_while_an_answer_is_waited_for() -> None:
    consent = resting()
    now, _ = step(consent)
    assert not consent.join(now + 0.5, RTT)


def test_none_goes_with_it_in_haste() -> None:
    consent = resting()
    consent.hasten(4.0)
    assert not consent.join(4.0, RTT)


def test_none_goes_with_it_while_the_path_is_suspect() -> None:
    consent, now = suspect()
    assert not consent.join(now + 0.1, RTT)


def test_one_that_went_with_the_peers_and_is_not_answered_counts_as_any_other() -> None:
    consent = resting()
    consent.join(4.0, RTT)
    assert step(consent) == (5.0, Verdict.CHECK)
    assert step(consent) == (6.0, Verdict.SUSPECT)


@pytest.mark.parametrize("seed", range(20))
def test_who_followed_the_peer_leaves_it_to_the_peer_to_draw_the_next_time(seed: int) -> None:
    consent = resting(seed=seed)
    consent.join(4.0, RTT)
    consent.rest(4.0 + RTT)
    assert due(consent) == pytest.approx(10.0)


def test_who_followed_draws_again_when_the_peer_did_not_come() -> None:
    consent = resting()
    consent.join(4.0, RTT)
    consent.rest(4.02)
    now, _ = step(consent)
    consent.rest(now)
    assert due(consent) < now + 6.0


def test_a_path_that_fails_after_a_check_that_went_with_the_peers_is_lost_no_later() -> None:
    consent = resting()
    consent.join(4.0, RTT)
    consent.hasten(4.1)
    now, verdict = step(consent)
    while verdict is not Verdict.LOST:
        now, verdict = step(consent)
    assert now == pytest.approx(4.0 + 2.0 + 5.0)


def test_who_joins_after_an_answer_that_was_read_late_waits_no_longer_than_consent_may_be_missing() -> None:
    consent = resting()
    consent.join(4.0, 20.0)
    assert consent.due == 4.0 + 5.0
