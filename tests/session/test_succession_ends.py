"""How generations end: without an answer, without a candidate, without consent."""

import pytest

from tests.session.partner import Partner, connected
from tests.session.side import ALICE, BOB, A, B, Side
from warren.session.config import Config
from warren.session.state import State

LIVE = (State.CONNECTED, State.COMPLETED)


def failing() -> tuple[Side, Partner]:
    """Bound at 0 with one pair that nobody answers."""
    alice, bob = Side().open(), Partner(7)
    alice.hears(bob.says(alice.last.f))
    return alice, bob


# Failure


def test_no_answer_for_39_5_s_is_failed_with_a_reason_that_names_both_sides() -> None:
    alice, _ = failing()
    alice.run(39.4999)
    assert alice.state() is State.CHECKING
    alice.run(39.5)
    assert alice.state() is State.FAILED
    reason = alice.last_move(State.FAILED).reason
    assert "this side: no NAT of ours; the peer: " in reason
    assert alice.machine.failure == reason


def test_guess_that_nobody_answers_fails_too() -> None:
    alice, bob = Side().open(), Partner(7)
    alice.hears(bob.says())
    alice.run(39.5)
    assert alice.state() is State.FAILED


def test_next_generation_waits_1_s_and_twice_as_long_each_time() -> None:
    alice, bob = failing()
    waits: list[float] = []
    for _ in range(8):
        while alice.state() is not State.FAILED:
            alice.run(alice.now + 0.5)
        failed = alice.when(State.FAILED)[-1]
        while alice.state() is State.FAILED:
            alice.run(alice.now + 0.5)
        waits.append(alice.begun[-1] - failed)
        alice.hears(bob.says(alice.last.f))
    assert waits == pytest.approx([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0])


def test_connection_makes_the_wait_after_a_failure_short_again() -> None:
    alice, bob = failing()
    for expected in (1.0, 2.0):
        alice.run(alice.now + 39.5 + expected)
        alice.hears(bob.says(alice.last.f))
    bob.answers(alice)
    assert alice.state() is State.COMPLETED
    assert alice.machine.failure is None
    alice.restarts()
    anew = Partner(8)
    alice.hears(anew.says(alice.last.f))
    alice.run(alice.now + 39.5)
    assert alice.when(State.FAILED)[-1] + 1.0 == pytest.approx(alice.now + 1.0)
    alice.run(alice.now + 1.0)
    assert alice.begun[-1] == pytest.approx(alice.when(State.FAILED)[-1] + 1.0)


def test_failed_generation_is_closed_when_the_next_begins() -> None:
    alice, _ = failing()
    alice.run(40.5)
    assert alice.arrows[-2:] == [(State.FAILED, State.CLOSED), (State.CLOSED, State.IDLE)]


def test_after_failed_nothing_is_said_and_checks_are_met_with_silence() -> None:
    alice, bob = failing()
    ours = alice.last
    alice.run(39.5)
    alice.clear()
    bob.checks(alice, ours.credentials)
    alice.run(40.4)
    assert (alice.published, alice.answers, alice.ufrags) == ([], [], set())


def test_call_after_failed_opens_a_wanted_generation_at_once() -> None:
    alice, _ = failing()
    alice.run(40.0)
    alice.clear()
    stranger = Partner(8)
    alice.hears(stranger.says())
    assert alice.begun == [40.0]
    assert alice.state() is State.CHECKING
    assert [t for _, t in alice.words] == [0, stranger.f]
    assert alice.run(42.0).state() is State.CHECKING
    assert len(alice.begun) == 1


def test_message_after_failed_that_names_what_is_gone_opens_nothing() -> None:
    alice, bob = failing()
    ours = alice.last
    alice.run(40.0)
    alice.hears(bob.says(ours.f))
    assert alice.state() is State.FAILED


def test_failure_of_a_restart_leaves_the_old_pair_alone() -> None:
    alice, bob, anew = Side(), Partner(7), Partner(8)
    old = connected(alice, bob)
    alice.restarts()
    alice.hears(anew.says(alice.last.f))
    for _ in range(80):
        alice.run(alice.now + 0.5)
        bob.answers(alice)
    assert alice.when(State.FAILED) == [39.5]
    assert alice.state() in LIVE
    assert old.credentials.ufrag in alice.ufrags


def test_pair_that_was_never_selected_closes_when_it_fails_beside_a_newer_one() -> None:
    bob, alice = Side(BOB, ALICE, B), Partner(7, ours=ALICE, theirs=BOB, address=(A.address, A.port))
    bob.open()
    bob.hears(alice.says(bob.last.f))
    alice.answers(bob)
    bob.now = 1.0
    bob.restarts()
    bob.hears(Partner(8, ours=ALICE, theirs=BOB, address=(A.address, A.port)).says(bob.last.f))
    bob.run(39.6)
    assert [move.generation for move in bob.moves if move.new is State.CLOSED] == [1]
    assert bob.state() is State.CHECKING


def test_peer_that_said_it_has_no_more_candidates_fails_as_soon_as_every_pair_has() -> None:
    alice, _ = failing()
    alice.machine.remove_base(A, 1.0)
    alice.drained()
    assert alice.state() is State.FAILED


def test_guess_that_falls_silent_before_it_is_bound_has_failed() -> None:
    alice, bob = Side().open(), Partner(7)
    alice.hears(bob.says())
    bob.answers(alice)
    alice.run(39.0)
    assert alice.when(State.DISCONNECTED) == []
    assert alice.when(State.FAILED)[0] < 20.0
    assert alice.last_move(State.FAILED).reason.startswith("no path answered for 5 s")


def test_after_failed_nothing_is_open_either_and_the_restart_waits_too() -> None:
    alice, _ = failing()
    alice.now = 1.0
    alice.restarts()
    alice.run(39.5)
    assert alice.ufrags == set()
    assert [(move.generation, move.new) for move in alice.moves[-3:]] == [
        (1, State.FAILED),
        (2, State.CLOSED),
        (1, State.CLOSED),
    ]
    alice.clear()
    alice.run(41.0)
    assert alice.begun == [40.5]


def test_offer_goes_with_the_failed_generation() -> None:
    alice, _ = failing()
    alice.hears(Partner(8).says())
    assert len(alice.ufrags) == 2
    alice.run(39.5)
    assert alice.ufrags == set()


def test_peer_that_may_still_tell_candidates_is_given_its_time() -> None:
    alice, bob = Side().open(), Partner(7)
    alice.hears(bob.says(alice.last.f, ended=False))
    alice.machine.remove_base(A, 1.0)
    alice.drained()
    assert alice.run(39.4).state() is State.CHECKING
    assert alice.run(39.5).state() is State.FAILED


# Starvation


def test_credentials_without_a_candidate_are_given_39_5_s() -> None:
    alice, bob = Side().open(), Partner(7)
    alice.hears(bob.says(alice.last.f, candidates=(), ended=False))
    alice.run(39.4999)
    assert alice.state() is State.NEW
    alice.run(39.5)
    assert alice.state() is State.IDLE
    assert alice.arrows[-2:] == [(State.NEW, State.CLOSED), (State.CLOSED, State.IDLE)]
    assert alice.machine.failure == "the peer's credentials came, but no candidate of it in 39.5 s"


def test_candidates_that_fit_none_of_ours_are_given_39_5_s() -> None:
    alice, bob = Side(local=[]).open(), Partner(7)
    alice.hears(bob.says(alice.last.f))
    alice.run(39.5)
    assert alice.arrows[-2:] == [(State.CONNECTING, State.CLOSED), (State.CLOSED, State.IDLE)]
    assert (
        alice.machine.failure == "the peer's credentials came, but no pair of candidates that fit in 39.5 s"
    )


def test_patience_is_a_setting() -> None:
    alice, bob = Side(config=Config(patience=10.0)).open(), Partner(7)
    alice.hears(bob.says(alice.last.f, candidates=(), ended=False))
    assert alice.run(10.0).state() is State.IDLE


# Consent


def test_silence_of_the_peer_is_disconnected_and_a_new_generation_begins_at_once() -> None:
    alice, bob = Side(), Partner(7)
    connected(alice, bob)
    alice.run(60.0)
    (lost,) = alice.when(State.DISCONNECTED)
    assert alice.last_move(State.DISCONNECTED).reason == "no path answered for 5 s"
    assert alice.begun[-1] == lost
    assert alice.machine.path is None
    assert alice.state() is State.IDLE


def test_lost_generation_is_closed_when_the_next_is_connected() -> None:
    alice, bob, anew = Side(), Partner(7), Partner(8)
    connected(alice, bob)
    alice.run(60.0)
    alice.hears(anew.says(alice.last.f))
    anew.answers(alice)
    alice.run(65.0)
    assert alice.arrows[-1] == (State.DISCONNECTED, State.CLOSED)


def test_restart_that_is_under_way_is_enough_when_consent_is_lost() -> None:
    alice, bob = Side(), Partner(7)
    connected(alice, bob)
    alice.restarts()
    alice.run(60.0)
    assert len(alice.when(State.DISCONNECTED)) == 1
    assert len(alice.begun) == 2


def test_older_pair_that_falls_silent_is_closed() -> None:
    alice, bob, anew = Side(), Partner(7), Partner(8)
    connected(alice, bob)
    alice.restarts()
    alice.hears(anew.says(alice.last.f))
    alice.run(20.0)
    assert [move.generation for move in alice.moves if move.new is State.CLOSED] == [1]
    assert alice.state() is State.CHECKING
