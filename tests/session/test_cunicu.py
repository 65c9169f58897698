"""Peers that do not know field 100: their generation is their ufrag and pwd."""

from dataclasses import replace

import pytest

from tests.ice.link import candidate, host
from tests.session.partner import Partner
from tests.session.plain import THEIR_ADDRESS, bound, cunicu, keep_alive, live, local, only
from tests.session.side import ALICE, BOB, A, B, Side
from warren.messages import CandidateType, Message
from warren.session.config import Config
from warren.session.state import State

# Binding


def test_credentials_bind_the_wanted_generation_at_once() -> None:
    alice, bob = Side().open(), cunicu()
    alice.hears(bob.tells())
    assert alice.state() is State.NEW
    alice.hears(Message(candidate=bob.candidate))
    assert alice.state() is State.CHECKING
    bob.answers(alice)
    assert alice.state() is State.CONNECTED


def test_credentials_are_told_that_name_no_generation_of_theirs() -> None:
    alice, bob = bound()
    alice.clear()
    alice.hears(bob.tells(need=True))
    assert alice.last.t == 0
    assert alice.last.session.peer_revision == 0
    assert not alice.last.credentials.need_creds


def test_timer_goes_on_until_connected_and_stops_then() -> None:
    alice, bob = bound()
    alice.run(3.0)
    assert len(alice.said) >= 3
    bob.answers(alice)
    alice.clear()
    keep_alive(alice, bob, 60.0)
    assert alice.published == []


def test_at_least_one_candidate_travels_with_or_after_the_credentials() -> None:
    alice, bob = Side().open(), cunicu()
    alice.clear()
    alice.hears(bob.tells())
    assert alice.candidates_sent == [(0.0, (A.address, A.port))]


def test_need_creds_gets_credentials_and_all_candidates_again() -> None:
    alice, bob = bound(Side(local=local(6)))
    alice.run(0.5)
    bob.answers(alice)
    for at in (5.0, 10.0):
        keep_alive(alice, bob, at)
        alice.clear()
        alice.hears(bob.tells(need=True))
        assert alice.published[0].message.credentials is not None
        assert len({address for _, address in alice.candidates_sent}) == 6
        assert alice.now == at


def test_of_a_peers_candidates_32_are_kept_and_those_beyond_are_counted() -> None:
    alice, _ = bound()
    for port in range(1, 41):
        alice.hears(only(port))
    assert alice.machine.drops["candidates-full"] == 9  # One came with the credentials.


def test_credentials_that_are_repeated_without_asking_are_not_answered() -> None:
    alice, bob = bound()
    alice.clear()
    alice.hears(bob.tells())
    assert alice.published == []


def test_late_candidate_of_ours_is_sent_by_itself() -> None:
    alice, _ = bound(Side(complete=False))
    alice.clear()
    alice.learns(*local(2))
    assert [said.message.session for said in alice.published] == [None]
    assert alice.candidates_sent == [(0.0, ("203.0.113.9", 1))]


def test_repetition_by_timer_carries_all_candidates_again() -> None:
    alice, _ = bound(Side(local=local(4)))
    alice.clear()
    alice.run(1.0)
    assert len({address for _, address in alice.candidates_sent}) == 4


def test_16_messages_leave_at_once_at_most() -> None:
    alice, _ = bound(Side(local=local(32)))
    assert len(alice.published) <= 17  # One of them before it was known who is there.
    alice.run(0.5)
    window = [
        [other.at for other in alice.published if 0 <= other.at - said.at < 0.01] for said in alice.published
    ]
    assert max(len(times) for times in window) <= 17


def test_peer_that_controls_gets_no_more_than_4_candidates_in_the_first_600_ms() -> None:
    bob = Side(BOB, ALICE, B, local=[host(B), *local(8)[1:]])
    alice = Partner(7, ours=ALICE, theirs=BOB, address=THEIR_ADDRESS)
    bob.open(10.0)
    bob.clear()
    bob.hears(alice.tells(need=True))
    bob.run(10.599)
    assert len({address for _, address in bob.candidates_sent}) <= 4
    bob.run(11.0)
    assert len({address for _, address in bob.candidates_sent}) == 8


def test_nothing_more_is_told_after_failing() -> None:
    alice, _ = bound(Side(config=Config(patience=0.3), local=local(32)))
    assert alice.run(0.3).state() is State.FAILED
    alice.clear()
    assert alice.run(1.2).published == []


# Candidates


def test_candidates_that_come_before_the_credentials_wait_for_10_s() -> None:
    for waits, expected in ((2.9, State.CHECKING), (10.1, State.NEW)):
        alice, bob = Side().open(), cunicu()
        alice.hears(Message(candidate=bob.candidate))
        alice.run(waits)
        alice.hears(bob.tells())
        assert alice.state() is expected


def test_candidates_that_are_told_twice_or_in_any_order_are_the_same() -> None:
    alice, bob = Side().open(), cunicu()
    alice.hears(only(2), only(1), bob.tells(), only(3), only(1), only(2))
    alice.clear()
    alice.run(1.0)
    assert len(alice.checks(bob.credentials.ufrag)) > 0
    assert {transmit.destination[1] for _, transmit in alice.sent} == {1, 2, 3}


def test_candidate_for_which_another_had_to_go_is_counted() -> None:
    alice = Side().open()
    alice.hears(*[only(port) for port in range(1, 66)])
    assert alice.machine.drops["candidate-waiting-full"] == 1


def test_candidate_during_a_restart_waits_for_the_next_credentials() -> None:
    alice, _ = live()
    alice.restarts()
    anew = cunicu(8)
    alice.clear()
    alice.hears(only(77), anew.tells())
    assert 77 in {transmit.destination[1] for _, transmit in alice.sent}


def test_failure_tells_what_all_candidates_together_say_of_the_peers_nat() -> None:
    alice = Side(config=Config(patience=1.0)).open()
    alice.hears(cunicu().tells())
    for port in (5000, 5001):
        seen = candidate(CandidateType.SERVER_REFLEXIVE, "203.0.113.77", port)
        alice.hears(Message(candidate=replace(seen, related=("10.0.0.7", 4000))))
    alice.run(1.0)
    assert alice.machine.failure is not None
    assert "the peer: the NAT's mapping is different" in alice.machine.failure


# No credentials


def test_candidates_without_credentials_make_us_begin_anew_after_3_s() -> None:
    alice = Side().open()
    alice.now = 1.0
    alice.hears(only(1))
    alice.run(3.999)
    assert alice.begun == [0.0]
    alice.hears(only(2))
    alice.run(4.0)
    assert alice.begun == [0.0, 4.0]
    assert alice.moves[-1].reason == "the peer is there, but its credentials did not come"


def test_checks_without_credentials_make_us_begin_anew_after_3_s() -> None:
    alice, bob = Side().open(), cunicu()
    bob.checks(alice, alice.last.credentials)
    alice.run(3.0)
    assert alice.begun == [0.0, 3.0]


def test_credentials_that_come_in_time_are_enough() -> None:
    alice, bob = Side().open(), cunicu()
    bob.checks(alice, alice.last.credentials)
    alice.run(2.9)
    alice.hears(bob.tells())
    alice.run(10.0)
    assert len(alice.begun) == 1


def test_newer_credentials_that_come_in_time_are_enough() -> None:
    alice, _ = bound()
    anew = cunicu(8)
    anew.checks(alice, alice.last.credentials)
    alice.run(2.0)
    alice.hears(anew.tells())
    alice.run(10.0)
    assert len(alice.begun) == 1


def test_check_of_an_unknown_generation_does_not_disturb_what_gets_connected() -> None:
    alice, bob = bound()
    cunicu(6).checks(alice, alice.last.credentials)
    bob.answers(alice)
    keep_alive(alice, bob, 10.0)
    assert len(alice.begun) == 1
    assert alice.state() is State.CONNECTED


def test_check_of_an_unknown_generation_makes_one_that_is_not_connected_begin_anew() -> None:
    alice, _ = bound()
    cunicu(8).checks(alice, alice.last.credentials)
    assert alice.answers == []
    alice.run(3.0)
    assert alice.begun == [0.0, 3.0]


def test_check_of_an_unknown_generation_does_not_disturb_a_live_one() -> None:
    alice, bob = live()
    cunicu(8).checks(alice, alice.last.credentials)
    keep_alive(alice, bob, 10.0)
    assert len(alice.begun) == 1


def test_calling_peer_of_unknown_kind_gets_a_generation_where_there_is_none() -> None:
    alice, _ = bound()
    alice.run(40.0)
    assert alice.state() is State.FAILED
    alice.hears(cunicu(8).tells())
    assert alice.state() is State.NEW
    assert alice.begun == [0.0, 40.0]


def test_call_beyond_the_limit_of_generations_is_counted() -> None:
    alice = Side(config=Config(patience=1.0)).open()
    for _ in range(3):
        alice.restarts()
    alice.hears(cunicu(8).tells(candidate=True))
    alice.run(1.0)
    assert alice.state() is State.FAILED
    alice.hears(cunicu(9).tells())
    assert alice.state() is State.FAILED
    assert alice.machine.drops["generation-limit"] == 1


# Peers that turn out to know field 100


def test_peer_that_shows_field_100_is_plain_no_more() -> None:
    alice, bob = Side().open(), Partner(7)
    alice.hears(Message(candidate=bob.candidate), bob.says(alice.last.f))
    alice.run(10.0)
    assert len(alice.begun) == 1
    alice.hears(bob.tells(need=True), only(3))
    assert alice.machine.drops["message-without-session"] == 2


def test_peer_that_shows_field_100_later_gets_an_offer_beside_its_plain_pair() -> None:
    alice, _ = live()
    warren = Partner(8, address=THEIR_ADDRESS)
    alice.clear()
    alice.hears(warren.says())
    offer = alice.last
    assert (offer.t, alice.state()) == (warren.f, State.CONNECTED)
    alice.hears(warren.says(offer.f))
    warren.answers(alice)
    assert alice.machine.history[-1].generation == 2
    keep_alive(alice, warren, 20.0)
    assert alice.state() is State.COMPLETED


def test_message_of_another_kind_is_counted_and_says_nothing_of_the_peer() -> None:
    alice = Side().open()
    alice.hears(Message())
    assert alice.machine.drops["message-of-other-kind"] == 1
    assert alice.machine.deadline == pytest.approx(0.5, abs=0.25)


def test_closing_forgets_what_was_held_back() -> None:
    alice, _ = live()
    alice.hears(cunicu(8).tells())
    alice.closes()
    assert alice.machine.deadline is None
