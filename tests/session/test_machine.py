"""What a session hears, and what it makes of it: messages, checks, the user."""

import random

from tests.ice.link import host
from tests.session.pair import World, both
from tests.session.partner import Partner, connected
from tests.session.side import ALICE, BOB, A, B, Side
from warren.ice import stun
from warren.ice.transport import Base
from warren.messages import Credentials, Message
from warren.session.outputs import PathChanged, PathSuspected
from warren.session.state import MOVES, State

# The user


def test_opening_twice_opens_once() -> None:
    alice = Side().open()
    alice.open(5.0)
    assert len(alice.published) == 1


def test_session_closed_by_its_user_stays_closed() -> None:
    alice, bob = Side(), Partner(7)
    ours = connected(alice, bob)
    alice.closes()
    alice.clear()
    alice.open(1.0).restarts()
    alice.machine.subscription_live(1.0)
    alice.network_changes()
    alice.learns(host(A), host(Base("192.0.2.9", 4000)))
    alice.hears(bob.says(), bob.says(ours.f), Partner(8).says(), Partner(9).tells())
    alice.run(1000.0)
    assert alice.state() is State.CLOSED
    assert (alice.published, alice.sent, alice.told) == ([], [], [])
    assert alice.machine.deadline is None
    assert alice.machine.drops["message-to-closed-session"] == 4


def test_closing_leaves_no_ufrag_no_source_no_path_and_no_timer() -> None:
    alice, bob = Side(), Partner(7)
    connected(alice, bob)
    alice.hears(Partner(8).says())
    alice.restarts()
    alice.closes()
    assert (alice.ufrags, alice.sources) == (set(), set())
    assert (alice.machine.path, alice.machine.route, alice.machine.deadline) == (None, None, None)
    assert isinstance(alice.told[-1], PathChanged)


def test_closing_says_so_once() -> None:
    alice = Side().open().closes().closes()
    assert [(move.new, move.reason) for move in alice.moves][1:] == [(State.CLOSED, "closed by the user")]


def test_failed_session_is_closed_too() -> None:
    alice, bob = Side().open(), Partner(7)
    alice.hears(bob.says(alice.last.f)).run(39.5)
    alice.closes()
    assert alice.moves[-1].old is State.FAILED
    assert alice.state() is State.CLOSED
    assert alice.run(1000.0).state() is State.CLOSED


def test_session_that_was_never_opened_is_unknown_and_drops_what_it_hears() -> None:
    alice = Side()
    alice.hears(Partner(7).says())
    alice.closes()
    assert alice.state() is State.UNKNOWN
    assert alice.machine.drops["message-to-closed-session"] == 1


def test_smaller_key_controls() -> None:
    assert Side(ALICE, BOB).machine.controlling
    assert not Side(BOB, ALICE).machine.controlling


# History


def test_history_holds_the_last_64_moves_with_time_reason_and_generation() -> None:
    alice = Side().open()
    for number in range(50):
        alice.now = float(number)
        alice.restarts()
    history = alice.machine.history
    assert len(history) == 64
    assert history == tuple(alice.moves[-64:])
    assert (history[-1].time, history[-1].generation) == (49.0, 51)
    assert all(move.reason for move in history)


# Messages


def test_more_than_200_messages_at_once_or_50_a_second_are_dropped() -> None:
    alice, bob = Side(), Partner(7)
    ours = connected(alice, bob)
    alice.hears(*[bob.says(ours.f)] * 299)
    assert alice.machine.drops["message-rate"] == 100
    alice.now = 1.0
    alice.hears(*[bob.says(ours.f)] * 60)
    assert alice.machine.drops["message-rate"] == 110


def test_description_without_credentials_is_dropped() -> None:
    alice = Side().open()
    alice.hears(Message(session=Partner(7).says().session))
    assert alice.state() is State.IDLE
    assert alice.machine.drops["message-without-credentials"] == 1


def test_field_2_of_a_peer_that_knows_field_100_is_ignored() -> None:
    alice, bob = Side().open(), Partner(7)
    said = bob.says(candidates=())
    other = Partner(8, address=("198.51.100.99", 5))
    alice.hears(
        Message(credentials=said.credentials, candidate=other.candidate, session=said.session),
        Message(candidate=other.candidate),
    )
    alice.run(1.0)
    assert alice.sent == []
    assert alice.machine.drops["message-without-session"] == 1


def test_need_creds_of_the_peer_is_not_taken_for_a_part_of_its_credentials() -> None:
    alice, bob = Side().open(), Partner(7)
    alice.hears(bob.says(need=True), bob.says(revision=2))
    bob.answers(alice)
    alice.hears(bob.says(alice.said[0].f, revision=3))
    assert alice.state() is State.COMPLETED


def test_revision_that_is_not_higher_says_nothing_new() -> None:
    alice, bob = Side().open(), Partner(7)
    ours = alice.last
    late = Partner(7, address=("198.51.100.99", 5))
    alice.hears(bob.says(ours.f, revision=2), late.says(ours.f, revision=2), late.says(ours.f, revision=1))
    alice.run(1.0)
    assert {transmit.destination for _, transmit in alice.sent} == {bob.address}


def test_messages_of_our_own_session_that_come_back_do_no_harm() -> None:
    alice, bob = Side(), Partner(7)
    connected(alice, bob)
    for said in list(alice.said):
        alice.hears(said.message)
    assert alice.state() is State.COMPLETED


# Offers


def test_stranger_gets_an_offer_and_the_live_pair_does_not_notice() -> None:
    alice, bob, stranger = Side(), Partner(7), Partner(8)
    ours = connected(alice, bob)
    alice.clear()
    alice.hears(stranger.says())
    assert [(said.t, said.f != ours.f) for said in alice.said] == [(stranger.f, True)]
    assert alice.told == []
    assert alice.checks(stranger.credentials.ufrag) == []


def test_offer_is_used_again_and_is_never_said_by_timer() -> None:
    alice, bob, stranger, other = Side(), Partner(7), Partner(8), Partner(9)
    connected(alice, bob)
    alice.clear()
    alice.hears(stranger.says(), other.says())
    alice.run(4.0)
    first, second = alice.said
    assert first.f == second.f
    assert (first.t, second.t) == (stranger.f, other.f)


def test_stranger_that_takes_the_offer_replaces_the_pair_when_it_is_connected() -> None:
    alice, bob, stranger = Side(), Partner(7), Partner(8)
    connected(alice, bob)
    route = alice.machine.route
    alice.hears(stranger.says())
    offer = alice.last
    alice.hears(stranger.says(offer.f))
    assert (alice.machine.route, alice.moves[-3].old) == (route, State.IDLE)
    stranger.answers(alice)
    assert alice.machine.route is not route
    assert alice.moves[-1].generation == 2


def test_partner_cannot_take_the_offer() -> None:
    alice, bob, stranger = Side(), Partner(7), Partner(8)
    ours = connected(alice, bob)
    alice.hears(stranger.says())
    offer = alice.last
    alice.clear()
    alice.hears(bob.says(offer.f))
    assert alice.told == []
    assert alice.words == [(ours.f, bob.f)]


def test_message_that_names_the_bound_generation_is_a_strangers_too() -> None:
    alice, bob, stranger = Side(), Partner(7), Partner(8)
    ours = connected(alice, bob)
    alice.hears(stranger.says(ours.f))
    assert alice.last.t == stranger.f
    assert alice.last.f != ours.f


# The network


def test_change_of_the_network_makes_us_check_the_path_at_once_and_is_told() -> None:
    alice, bob = Side(), Partner(7)
    connected(alice, bob)
    alice.now = 1.0
    alice.clear()
    alice.network_changes()
    assert alice.checks(bob.credentials.ufrag)
    assert alice.told == [PathSuspected(1.0)]
    assert alice.machine.route is not None


def test_change_of_the_network_ends_the_wait_after_a_failure_and_makes_the_next_short() -> None:
    alice, bob = Side().open(), Partner(7)
    for wait in (1.0, 2.0):
        alice.hears(bob.says(alice.last.f)).run(alice.now + 39.5 + wait)
    alice.hears(bob.says(alice.last.f)).run(alice.now + 39.5)
    assert alice.state() is State.FAILED
    alice.clear()
    alice.network_changes()
    assert alice.when(State.IDLE) == [alice.now]
    assert len(alice.said) == 1
    alice.hears(bob.says(alice.last.f)).run(alice.now + 39.5)
    assert alice.state() is State.FAILED
    assert alice.run(alice.now + 1.0).state() is State.IDLE


# Checks


def test_bound_generation_answers_its_partners_check_only() -> None:
    alice, bob, stranger = Side(), Partner(7), Partner(8)
    ours = connected(alice, bob)
    alice.clear()
    stranger.checks(alice, ours.credentials)
    assert alice.answers == []
    bob.checks(alice, ours.credentials)
    assert len(alice.answers) == 1
    assert alice.machine.drops["check-not-answered"] == 1


def test_check_of_whom_a_wanted_generation_heard_last_binds_it() -> None:
    alice, bob = Side().open(), Partner(7)
    alice.hears(bob.says())
    bob.checks(alice, alice.last.credentials)
    bob.answers(alice)
    assert alice.state() is State.COMPLETED
    alice.clear()
    alice.run(1.0)
    assert {t for _, t in alice.words} == {bob.f}


def test_early_check_is_answered_and_gone_on_with_when_the_credentials_come() -> None:
    bob, alice = Side(BOB, ALICE, B), Partner(7, ours=ALICE, theirs=BOB, address=(A.address, A.port))
    bob.open()
    alice.checks(bob, bob.last.credentials)
    assert len(bob.answers) == 1
    bob.hears(alice.says(bob.last.f, candidates=(), ended=False))
    assert bob.state() is State.CHECKING
    alice.answers(bob)
    assert bob.state() is State.CONNECTED


def test_early_check_binds_a_wanted_generation_when_the_credentials_come() -> None:
    alice, bob = Side().open(), Partner(7)
    bob.checks(alice, alice.last.credentials)
    alice.hears(bob.says())
    bob.answers(alice)
    assert alice.state() is State.COMPLETED
    alice.clear()
    alice.run(1.0)
    assert {t for _, t in alice.words} == {bob.f}


def test_early_check_of_another_than_was_heard_last_is_answered_and_binds_nothing() -> None:
    alice, bob, other = Side().open(), Partner(7), Partner(8)
    alice.hears(bob.says())
    ours = alice.last
    other.checks(alice, ours.credentials)
    assert len(alice.answers) == 1
    alice.clear()
    alice.run(2.0)
    assert {t for _, t in alice.words} == {0}


def test_offer_answers_the_check_of_whom_it_was_made_to_and_is_bound_by_it() -> None:
    alice, bob, stranger, other = Side(), Partner(7), Partner(8), Partner(9)
    connected(alice, bob)
    alice.hears(stranger.says())
    offer = alice.last
    alice.clear()
    other.checks(alice, offer.credentials)
    bob.checks(alice, offer.credentials)
    assert alice.answers == []
    stranger.checks(alice, offer.credentials)
    assert len(alice.answers) == 1
    stranger.answers(alice)
    assert alice.moves[-1].generation == 2


def test_check_of_an_unknown_ufrag_is_met_with_silence() -> None:
    alice, bob = Side().open(), Partner(7)
    bob.checks(alice, Credentials("nobody", "p" * 24))
    assert alice.sent == []
    assert alice.machine.drops["check-of-unknown-generation"] == 1


def test_check_with_the_wrong_password_is_met_with_silence_and_binds_nothing() -> None:
    alice, bob = Side().open(), Partner(7)
    alice.hears(bob.says())
    ours = alice.last
    alice.clear()
    bob.checks(alice, ours.credentials, pwd="wrong" * 5)
    assert alice.answers == []
    assert alice.machine.drops["check-integrity"] == 1
    assert {t for _, t in alice.run(1.0).words} == {0}


def test_check_without_a_username_is_met_with_silence() -> None:
    alice = Side().open()
    request = stun.build(stun.Method.BINDING, stun.Class.REQUEST, bytes(12), [])
    alice.receives(request, (B.address, B.port))
    assert alice.sent == []
    assert alice.machine.drops["check-of-unknown-generation"] == 1


def test_check_of_a_replaced_generation_is_met_with_silence() -> None:
    alice, bob = Side().open(), Partner(7)
    first = alice.last
    alice.restarts()
    bob.checks(alice, first.credentials)
    assert alice.answers == []


def test_checks_of_the_peer_never_ask_a_warren_for_a_new_generation() -> None:
    alice, bob = Side().open(), Partner(7)
    alice.hears(bob.says())
    Partner(8).checks(alice, alice.last.credentials)
    alice.run(20.0)
    assert len(alice.when(State.IDLE)) == 1


def test_nominations_carry_values_to_a_peer_that_knows_field_100_and_to_no_other() -> None:
    for plain in (False, True):
        alice, bob = Side().open(), Partner(7)
        alice.hears(bob.tells(candidate=True) if plain else bob.says(alice.last.f))
        bob.answers(alice)
        nominating = [check for check in alice.checks(bob.credentials.ufrag) if check.use_candidate]
        assert nominating
        assert all((check.nomination is None) is plain for check in nominating)


# The path


def test_suspicion_is_no_state() -> None:
    alice, bob = Side(), Partner(7)
    connected(alice, bob)
    alice.clear()
    alice.run(9.0)
    bob.answers(alice)
    alice.run(12.0)
    assert [type(told) for told in alice.told] == [PathSuspected]
    assert alice.state() is State.COMPLETED


def test_data_that_is_sent_into_silence_makes_us_check_the_path_before_consent_is_due() -> None:
    alice, bob = Side(), Partner(7)
    connected(alice, bob)
    bob.answers(alice)
    alice.run(1.0).clear()
    alice.sends()
    assert alice.run(1.1).checks(bob.credentials.ufrag) == []
    assert len(alice.run(1.25).checks(bob.credentials.ufrag)) == 1


def test_without_data_nothing_is_checked_before_consent_is_due() -> None:
    alice, bob = Side(), Partner(7)
    connected(alice, bob)
    bob.answers(alice)
    alice.clear()
    assert alice.run(3.9).checks(bob.credentials.ufrag) == []


def test_data_without_a_path_that_is_agreed_upon_makes_us_check_nothing() -> None:
    alice = Side().open()
    alice.sends()
    assert alice.run(0.3).sent == []


def test_closed_session_does_not_look_at_its_data() -> None:
    alice = Side().open().closes()
    alice.sends()
    assert alice.machine.deadline is None


def test_ticking_early_or_late_is_harmless() -> None:
    alice = Side().open()
    for step in range(100):
        alice.machine.tick(step * 1e-4)
    assert len(alice.drained().published) == 1
    alice.machine.tick(1000.0)
    assert len(alice.drained().published) == 2


def test_every_move_that_is_ever_made_is_in_the_table() -> None:
    alice, bob = both()
    world = World(alice, bob)
    dice = random.Random(5)
    world.lose = lambda sender, what: dice.random() < 0.4
    world.at(0.0, alice.open)
    world.at(0.0, bob.open)
    for number in range(1, 20):
        world.at(number * 7.0, alice.restarts if number % 2 else bob.restarts)
    world.run(300.0)
    assert len(alice.moves + bob.moves) > 50
    assert all(move.new in MOVES[move.old] for move in alice.moves + bob.moves)
