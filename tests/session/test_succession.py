"""How generations begin, are bound, and give way to the next."""

import pytest

from tests.ice.link import host, srflx
from tests.session.pair import ALICE, BOB, A, B, Partner, Side, World, both, connected
from warren.ice.transport import Base
from warren.session.config import Config
from warren.session.outputs import StateChanged
from warren.session.state import State

SEEN = srflx(A, ("203.0.113.9", 4000))
OTHER = Base("192.0.2.77", 4000)
LIVE = (State.CONNECTED, State.COMPLETED)


def moves(side: Side) -> list[tuple[State, State]]:
    return [(move.old, move.new) for move in side.moves]


def last_move(side: Side, state: State) -> StateChanged:
    return [move for move in side.moves if move.new is state][-1]


def begun(side: Side) -> list[float]:
    """When wanted generations began."""
    return side.when(State.IDLE)


def failing() -> tuple[Side, Partner]:
    """Bound at 0 with one pair that nobody answers."""
    alice, bob = Side().open(), Partner(7)
    alice.hears(bob.says(alice.last.f))
    return alice, bob


# Moves


def test_opening_leads_from_unknown_to_idle() -> None:
    assert moves(Side().open()) == [(State.UNKNOWN, State.IDLE)]


def test_remote_credentials_lead_to_new_and_the_first_candidate_to_connecting() -> None:
    alice, bob = Side(local=[]).open(), Partner(7)
    alice.hears(bob.says(candidates=(), ended=False))
    assert alice.state is State.NEW
    alice.hears(bob.says(revision=2))
    assert alice.state is State.CONNECTING


def test_first_pair_leads_to_checking() -> None:
    alice, bob = Side(local=[], complete=False).open(), Partner(7)
    alice.hears(bob.says())
    assert alice.state is State.CONNECTING
    alice.learns(host(A))
    assert alice.state is State.CHECKING


def test_pair_that_a_check_of_the_peer_forms_is_a_candidate_of_it() -> None:
    alice, bob = Side().open(), Partner(7)
    alice.hears(bob.says(candidates=(), ended=False))
    bob.checks(alice, alice.last.credentials)
    assert moves(alice)[1:] == [
        (State.IDLE, State.NEW),
        (State.NEW, State.CONNECTING),
        (State.CONNECTING, State.CHECKING),
    ]


def test_guess_is_not_connected_before_it_is_bound() -> None:
    alice, bob = Side().open(), Partner(7)
    alice.hears(bob.says())
    assert bob.answers(alice)
    assert alice.state is State.CHECKING
    alice.hears(bob.says(alice.said[0].f))
    assert alice.state is State.COMPLETED


def test_connected_is_completed_when_both_sides_candidates_are_final() -> None:
    alice, bob = Side(), Partner(7)
    alice.open()
    ours = alice.last
    alice.hears(bob.says(ours.f, ended=False))
    bob.answers(alice)
    assert alice.state is State.CONNECTED
    alice.hears(bob.says(ours.f, revision=2))
    assert alice.state is State.COMPLETED


def test_every_move_has_a_reason_in_words() -> None:
    alice, bob = both()
    world = World(alice, bob)
    world.at(0.0, alice.open)
    world.at(0.0, bob.open)
    world.run(1.0)
    world.at(1.0, alice.closes)
    world.run(1.0)
    assert all(len(move.reason.split()) >= 3 for move in alice.moves + bob.moves)


# Guesses


def test_newest_guess_replaces_the_pairs_and_not_the_state() -> None:
    alice, first, second = Side().open(), Partner(7), Partner(8, address=("198.51.100.9", 4000))
    alice.hears(first.says())
    alice.hears(second.says())
    assert alice.state is State.CHECKING
    assert len(alice.when(State.CHECKING)) == 1
    alice.clear()
    alice.run(1.0)
    assert alice.checks(first.credentials.ufrag) == []
    assert alice.checks(second.credentials.ufrag)


def test_replaced_guess_takes_the_sources_of_data_that_it_proved_with_it() -> None:
    alice, first, second = Side().open(), Partner(7), Partner(8, address=("198.51.100.9", 4000))
    alice.hears(first.says())
    first.answers(alice)
    assert alice.sources == {(A, first.address)}
    alice.hears(second.says())
    assert alice.sources == set()


def test_what_a_guess_found_is_kept_when_it_is_bound() -> None:
    alice, bob = Side().open(), Partner(7)
    alice.hears(bob.says())
    bob.answers(alice)
    alice.hears(bob.says(alice.said[0].f))
    assert alice.when(State.CONNECTED) == [0.0]


def test_settled_guess_says_nothing_about_the_next_one() -> None:
    alice, first, second = Side().open(), Partner(7), Partner(8)
    ours = alice.last
    alice.hears(first.says())
    first.answers(alice)
    alice.hears(second.says(ours.f, ended=False))
    second.answers(alice)
    assert alice.state is State.CONNECTED


def test_restarting_side_with_a_bound_pair_does_not_check_guesses() -> None:
    alice, bob, stranger = Side(), Partner(7), Partner(8)
    connected(alice, bob)
    alice.restarts()
    alice.clear()
    alice.hears(stranger.says())
    assert alice.checks(stranger.credentials.ufrag) == []


# Restart


def test_restart_keeps_the_old_pair_until_the_new_one_is_connected() -> None:
    alice, bob, anew = Side(), Partner(7), Partner(8)
    connected(alice, bob)
    route = alice.machine.route
    alice.restarts()
    alice.hears(anew.says(alice.last.f))
    assert (alice.state, alice.machine.route) == (State.COMPLETED, route)
    anew.answers(alice)
    assert alice.machine.route is not route
    assert last_move(alice, State.CONNECTED).generation == 2


def test_old_pair_takes_data_and_answers_its_partner_for_5_s_more() -> None:
    alice, bob, anew = Side(), Partner(7, address=("198.51.100.9", 4000)), Partner(8)
    old = connected(alice, bob)
    alice.restarts()
    alice.hears(anew.says(alice.last.f))
    anew.answers(alice)
    alice.run(4.999)
    assert (A, bob.address) in alice.sources
    alice.clear()
    bob.checks(alice, old.credentials)
    assert len(alice.answers) == 1
    alice.run(5.0)
    assert (A, bob.address) not in alice.sources
    alice.clear()
    bob.checks(alice, old.credentials)
    assert alice.answers == []
    newest = alice.machine.history[-1]
    assert (newest.new, newest.generation) == (State.CLOSED, 1)
    assert (A, anew.address) in alice.sources


def test_retired_pair_is_silent_to_strangers() -> None:
    alice, bob, anew = Side(), Partner(7), Partner(8)
    old = connected(alice, bob)
    alice.restarts()
    alice.hears(anew.says(alice.last.f))
    anew.answers(alice)
    alice.clear()
    anew.checks(alice, old.credentials)
    assert alice.answers == []


def test_generation_replaced_before_it_was_connected_goes_at_once() -> None:
    alice, bob, anew = Side(), Partner(7), Partner(8)
    alice.open()
    first = alice.last
    alice.hears(bob.says(first.f))
    alice.restarts()
    assert first.credentials.ufrag in alice.ufrags
    alice.hears(anew.says(alice.last.f))
    assert first.credentials.ufrag not in alice.ufrags


def test_restart_forgets_an_unused_offer() -> None:
    alice, bob, stranger = Side(), Partner(7), Partner(8)
    connected(alice, bob)
    alice.hears(stranger.says())
    offer = alice.last
    alice.restarts()
    assert offer.credentials.ufrag not in alice.ufrags
    alice.clear()
    alice.hears(stranger.says(offer.f))
    assert alice.when(State.NEW) == []


def test_second_restart_forgets_the_first() -> None:
    alice = Side().open()
    first = alice.last
    alice.restarts()
    assert first.credentials.ufrag not in alice.ufrags
    assert last_move(alice, State.CLOSED).generation == 1
    assert alice.last.f != first.f


def test_user_may_restart_as_often_as_he_likes() -> None:
    alice = Side().open()
    for _ in range(20):
        alice.restarts()
    assert len(begun(alice)) == 21


# Failure


def test_no_answer_for_39_5_s_is_failed_with_a_reason_that_names_both_sides() -> None:
    alice, _ = failing()
    alice.run(39.4999)
    assert alice.state is State.CHECKING
    alice.run(39.5)
    assert alice.state is State.FAILED
    reason = last_move(alice, State.FAILED).reason
    assert "this side: no NAT of ours; the peer: " in reason
    assert alice.machine.failure == reason


def test_guess_that_nobody_answers_fails_too() -> None:
    alice, bob = Side().open(), Partner(7)
    alice.hears(bob.says())
    alice.run(39.5)
    assert alice.state is State.FAILED


def test_next_generation_waits_1_s_and_twice_as_long_each_time() -> None:
    alice, bob = failing()
    waits = []
    for _ in range(8):
        while alice.state is not State.FAILED:
            alice.run(alice.now + 0.5)
        failed = alice.when(State.FAILED)[-1]
        while alice.state is State.FAILED:
            alice.run(alice.now + 0.5)
        waits.append(begun(alice)[-1] - failed)
        alice.hears(bob.says(alice.last.f))
    assert waits == pytest.approx([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0])


def test_connection_makes_the_wait_after_a_failure_short_again() -> None:
    alice, bob = failing()
    for expected in (1.0, 2.0):
        alice.run(alice.now + 39.5 + expected)
        alice.hears(bob.says(alice.last.f))
    bob.answers(alice)
    assert alice.state is State.COMPLETED
    assert alice.machine.failure is None
    alice.restarts()
    anew = Partner(8)
    alice.hears(anew.says(alice.last.f))
    alice.run(alice.now + 39.5)
    assert alice.when(State.FAILED)[-1] + 1.0 == pytest.approx(alice.now + 1.0)
    alice.run(alice.now + 1.0)
    assert begun(alice)[-1] == pytest.approx(alice.when(State.FAILED)[-1] + 1.0)


def test_failed_generation_is_closed_when_the_next_begins() -> None:
    alice, _ = failing()
    alice.run(40.5)
    assert moves(alice)[-2:] == [(State.FAILED, State.CLOSED), (State.CLOSED, State.IDLE)]


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
    assert begun(alice) == [40.0]
    assert alice.state is State.CHECKING
    assert [t for _, t in alice.words] == [0, stranger.f]
    assert alice.run(42.0).state is State.CHECKING
    assert len(begun(alice)) == 1


def test_message_after_failed_that_names_what_is_gone_opens_nothing() -> None:
    alice, bob = failing()
    ours = alice.last
    alice.run(40.0)
    alice.hears(bob.says(ours.f))
    assert alice.state is State.FAILED


def test_failure_of_a_restart_leaves_the_old_pair_alone() -> None:
    alice, bob, anew = Side(), Partner(7), Partner(8)
    old = connected(alice, bob)
    alice.restarts()
    alice.hears(anew.says(alice.last.f))
    for _ in range(80):
        alice.run(alice.now + 0.5)
        bob.answers(alice)
    assert alice.when(State.FAILED) == [39.5]
    assert alice.state in LIVE
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
    assert bob.state is State.CHECKING


def test_peer_that_said_it_has_no_more_candidates_fails_as_soon_as_every_pair_has() -> None:
    alice, _ = failing()
    alice.machine.remove_base(A, 1.0)
    alice.drained()
    assert alice.state is State.FAILED


# Starvation


def test_credentials_without_a_candidate_are_given_39_5_s() -> None:
    alice, bob = Side().open(), Partner(7)
    alice.hears(bob.says(alice.last.f, candidates=(), ended=False))
    alice.run(39.4999)
    assert alice.state is State.NEW
    alice.run(39.5)
    assert alice.state is State.IDLE
    assert moves(alice)[-2:] == [(State.NEW, State.CLOSED), (State.CLOSED, State.IDLE)]
    assert alice.machine.failure == "the peer's credentials came, but no candidate of it in 39.5 s"


def test_candidates_that_fit_none_of_ours_are_given_39_5_s() -> None:
    alice, bob = Side(local=[]).open(), Partner(7)
    alice.hears(bob.says(alice.last.f))
    alice.run(39.5)
    assert moves(alice)[-2:] == [(State.CONNECTING, State.CLOSED), (State.CLOSED, State.IDLE)]
    assert (
        alice.machine.failure == "the peer's credentials came, but no pair of candidates that fit in 39.5 s"
    )


def test_patience_is_a_setting() -> None:
    alice, bob = Side(config=Config(patience=10.0)).open(), Partner(7)
    alice.hears(bob.says(alice.last.f, candidates=(), ended=False))
    assert alice.run(10.0).state is State.IDLE


# Consent


def test_silence_of_the_peer_is_disconnected_and_a_new_generation_begins_at_once() -> None:
    alice, bob = Side(), Partner(7)
    connected(alice, bob)
    alice.run(60.0)
    (lost,) = alice.when(State.DISCONNECTED)
    assert last_move(alice, State.DISCONNECTED).reason == "no path answered for 5 s"
    assert begun(alice)[-1] == lost
    assert alice.machine.path is None
    assert alice.state is State.IDLE


def test_lost_generation_is_closed_when_the_next_is_connected() -> None:
    alice, bob, anew = Side(), Partner(7), Partner(8)
    connected(alice, bob)
    alice.run(60.0)
    alice.hears(anew.says(alice.last.f))
    anew.answers(alice)
    alice.run(65.0)
    assert moves(alice)[-1] == (State.DISCONNECTED, State.CLOSED)


def test_restart_that_is_under_way_is_enough_when_consent_is_lost() -> None:
    alice, bob = Side(), Partner(7)
    connected(alice, bob)
    alice.restarts()
    alice.run(60.0)
    assert len(alice.when(State.DISCONNECTED)) == 1
    assert len(begun(alice)) == 2


def test_older_pair_that_falls_silent_is_closed() -> None:
    alice, bob, anew = Side(), Partner(7), Partner(8)
    connected(alice, bob)
    alice.restarts()
    alice.hears(anew.says(alice.last.f))
    alice.run(20.0)
    assert [move.generation for move in alice.moves if move.new is State.CLOSED] == [1]
    assert alice.state is State.CHECKING


# Our addresses


def test_address_that_comes_after_end_of_candidates_begins_a_new_generation() -> None:
    alice, bob = Side(), Partner(7)
    connected(alice, bob)
    alice.now = 1.0
    alice.learns(host(A), host(OTHER))
    assert last_move(alice, State.IDLE).reason == "there is a new local address"
    assert alice.last.session.candidates == (host(A).candidate, host(OTHER).candidate)
    assert alice.state is State.COMPLETED


def test_late_address_begins_one_generation_however_many_steps_its_gathering_takes() -> None:
    alice, bob = Side(), Partner(7)
    connected(alice, bob)
    alice.clear()
    alice.learns(host(A), host(OTHER), complete=False)
    alice.learns(host(A), host(OTHER), SEEN, complete=False)
    alice.learns(host(A), host(OTHER), SEEN)
    assert len(begun(alice)) == 1
    assert {said.f for said in alice.said} == {alice.last.f}
    assert len(alice.last.session.candidates) == 3


def test_address_that_is_lost_begins_no_generation() -> None:
    alice, bob = Side(local=[host(A), SEEN]), Partner(7)
    connected(alice, bob)
    alice.learns(host(A))
    assert len(begun(alice)) == 1


def test_addresses_known_before_opening_are_not_late() -> None:
    alice = Side()
    alice.learns(host(A), host(OTHER))
    assert alice.published == []
    assert len(alice.open().last.session.candidates) == 2


# Limits


def test_generations_begun_by_the_peer_are_three_at_once_and_then_5_s_apart() -> None:
    alice, bob = Side(), Partner(7)
    connected(alice, bob)
    for number in range(3):
        alice.now = float(number)
        alice.learns(host(A), *(host(Base("192.0.2.9", port)) for port in range(1, 2 + number)))
        alice.hears(Partner(20 + number).says(alice.last.f))
    assert begun(alice) == [0.0, 0.0, 1.0]
    alice.run(20.0)
    assert begun(alice)[3] == 6.0


def test_call_beyond_the_limit_is_counted_and_a_generation_begins_when_it_may() -> None:
    alice, bob = Side(config=Config(patience=1.0)).open(), Partner(7)
    for _ in range(3):
        alice.restarts()
    alice.hears(bob.says(alice.last.f))
    alice.run(1.0)
    assert alice.state is State.FAILED
    alice.hears(Partner(8).says())
    assert alice.state is State.FAILED
    assert alice.machine.drops["generation-limit"] == 1
    alice.run(60.0)
    assert begun(alice)[4:] == [10.0]


def test_offers_are_not_counted_as_generations() -> None:
    alice, bob = Side(), Partner(7)
    connected(alice, bob)
    for number in range(20):
        alice.hears(Partner(100 + number).says())
    alice.now = 0.5
    alice.learns(host(A), host(OTHER))
    assert begun(alice)[-1] == 0.5
