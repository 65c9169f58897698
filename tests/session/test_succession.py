"""How generations begin, are bound, and give way to the next."""

import random

from tests.ice.link import host, srflx
from tests.session.pair import World, both
from tests.session.partner import Partner, connected
from tests.session.side import ALICE, BOB, A, B, Side
from warren.ice.transport import Base
from warren.session.config import Config
from warren.session.node import NodeMachine, PublishTo
from warren.session.state import State

SEEN = srflx(A, ("203.0.113.9", 4000))
OTHER = Base("192.0.2.77", 4000)


# Moves


def test_opening_leads_from_unknown_to_idle() -> None:
    assert Side().open().arrows == [(State.UNKNOWN, State.IDLE)]


def test_remote_credentials_lead_to_new_and_the_first_candidate_to_connecting() -> None:
    alice, bob = Side(local=[]).open(), Partner(7)
    alice.hears(bob.says(candidates=(), ended=False))
    assert alice.state() is State.NEW
    alice.hears(bob.says(revision=2))
    assert alice.state() is State.CONNECTING


def test_first_pair_leads_to_checking() -> None:
    alice, bob = Side(local=[], complete=False).open(), Partner(7)
    alice.hears(bob.says())
    assert alice.state() is State.CONNECTING
    alice.learns(host(A))
    assert alice.state() is State.CHECKING


def test_pair_that_a_check_of_the_peer_forms_is_a_candidate_of_it() -> None:
    alice, bob = Side().open(), Partner(7)
    alice.hears(bob.says(candidates=(), ended=False))
    bob.checks(alice, alice.last.credentials)
    assert alice.arrows[1:] == [
        (State.IDLE, State.NEW),
        (State.NEW, State.CONNECTING),
        (State.CONNECTING, State.CHECKING),
    ]


def test_guess_is_not_connected_before_it_is_bound() -> None:
    alice, bob = Side().open(), Partner(7)
    alice.hears(bob.says())
    assert bob.answers(alice)
    assert alice.state() is State.CHECKING
    alice.hears(bob.says(alice.said[0].f))
    assert alice.state() is State.COMPLETED


def test_connected_is_completed_when_both_sides_candidates_are_final() -> None:
    alice, bob = Side(), Partner(7)
    alice.open()
    ours = alice.last
    alice.hears(bob.says(ours.f, ended=False))
    bob.answers(alice)
    assert alice.state() is State.CONNECTED
    alice.hears(bob.says(ours.f, revision=2))
    assert alice.state() is State.COMPLETED


def test_every_move_has_a_reason_in_words() -> None:
    alice, bob = both()
    world = World(alice, bob)
    world.at(0.0, alice.open)
    world.at(0.0, bob.open)
    world.run(1.0)
    world.at(1.0, alice.closes)
    world.run(1.0)
    assert all(len(move.reason.split()) >= 3 for move in alice.moves + bob.moves)


def test_bound_generation_whose_check_was_answered_has_no_more_to_say_although_nothing_is_selected() -> None:
    bob, alice = Side(BOB, ALICE, B), Partner(7, ours=ALICE, theirs=BOB, address=(A.address, A.port))
    bob.open()
    bob.hears(alice.says(bob.last.f, peer_revision=bob.last.session.revision))
    alice.answers(bob)
    assert bob.state() is State.CHECKING
    bob.clear()
    assert bob.run(5.0).published == []


class Zeros(random.Random):
    """Draws 64 zeros where it can."""

    def getrandbits(self, k: int, /) -> int:
        return 0 if k == 64 else super().getrandbits(k)


def test_session_id_is_never_0() -> None:
    node = NodeMachine(ours=ALICE, dice=Zeros(1), config=Config())
    node.open(BOB, 0.0)
    (said,) = [output.message.session for output in node.outputs() if isinstance(output, PublishTo)]
    assert said is not None
    assert said.session_id != 0


# Guesses


def test_newest_guess_replaces_the_pairs_and_not_the_state() -> None:
    alice, first, second = Side().open(), Partner(7), Partner(8, address=("198.51.100.9", 4000))
    alice.hears(first.says())
    alice.hears(second.says())
    assert alice.state() is State.CHECKING
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
    assert alice.state() is State.CONNECTED


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
    assert (alice.state(), alice.machine.route) == (State.COMPLETED, route)
    anew.answers(alice)
    assert alice.machine.route is not route
    assert alice.last_move(State.CONNECTED).generation == 2


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
    assert alice.last_move(State.CLOSED).generation == 1
    assert alice.last.f != first.f


def test_user_may_restart_as_often_as_he_likes() -> None:
    alice = Side().open()
    for _ in range(20):
        alice.restarts()
    assert len(alice.begun) == 21


# Our addresses


def test_address_that_comes_after_end_of_candidates_begins_a_new_generation() -> None:
    alice, bob = Side(), Partner(7)
    connected(alice, bob)
    alice.now = 1.0
    alice.learns(host(A), host(OTHER))
    assert alice.last_move(State.IDLE).reason == "there is a new local address"
    assert alice.last.session.candidates == (host(A).candidate, host(OTHER).candidate)
    assert alice.state() is State.COMPLETED


def test_late_address_begins_one_generation_however_many_steps_its_gathering_takes() -> None:
    alice, bob = Side(), Partner(7)
    connected(alice, bob)
    alice.clear()
    alice.learns(host(A), host(OTHER), complete=False)
    alice.learns(host(A), host(OTHER), SEEN, complete=False)
    alice.learns(host(A), host(OTHER), SEEN)
    assert len(alice.begun) == 1
    assert {said.f for said in alice.said} == {alice.last.f}
    assert len(alice.last.session.candidates) == 3


def test_offer_that_was_made_meanwhile_does_not_hide_that_an_address_is_late() -> None:
    alice, bob = Side(config=Config(early_candidates=False)), Partner(7)
    alice.open()
    alice.hears(bob.says(alice.last.f))
    bob.answers(alice)
    alice.hears(Partner(8).says())
    alice.learns(host(A), host(OTHER))
    assert len(alice.begun) == 2


def test_address_that_is_lost_begins_no_generation() -> None:
    alice, bob = Side(local=[host(A), SEEN]), Partner(7)
    connected(alice, bob)
    alice.learns(host(A))
    assert len(alice.begun) == 1


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
    assert alice.begun == [0.0, 0.0, 1.0]
    alice.run(20.0)
    assert alice.begun[3] == 6.0


def test_call_beyond_the_limit_is_counted_and_a_generation_begins_when_it_may() -> None:
    alice, bob = Side(config=Config(patience=1.0)).open(), Partner(7)
    for _ in range(3):
        alice.restarts()
    alice.hears(bob.says(alice.last.f))
    alice.run(1.0)
    assert alice.state() is State.FAILED
    alice.hears(Partner(8).says())
    assert alice.state() is State.FAILED
    assert alice.machine.drops["generation-limit"] == 1
    alice.run(60.0)
    assert alice.begun[4:] == [10.0]


def test_offer_that_is_taken_makes_the_generation_that_was_to_begin_needless() -> None:
    alice, bob, stranger = Side().open(), Partner(7), Partner(8)
    for _ in range(3):
        alice.restarts()
    alice.hears(bob.says(alice.last.f))
    bob.answers(alice)
    alice.learns(host(A), host(OTHER))
    assert len(alice.begun) == 4
    alice.hears(stranger.says())
    alice.hears(stranger.says(alice.last.f))
    alice.run(30.0)
    assert alice.begun[4:] == [0.0]


def test_offers_are_not_counted_as_generations() -> None:
    alice, bob = Side(), Partner(7)
    connected(alice, bob)
    for number in range(20):
        alice.hears(Partner(100 + number).says())
    alice.now = 0.5
    alice.learns(host(A), host(OTHER))
    assert alice.begun[-1] == 0.5
