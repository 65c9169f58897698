"""New credentials of a peer that does not know field 100: replaced, held back, applied, stale."""

from tests.session.partner import Partner
from tests.session.plain import THEIR_ADDRESS, bound, cunicu, keep_alive, live
from tests.session.side import ALICE, BOB, B, Side
from warren.messages import Credentials, Message
from warren.session.cunicu import MAX_STALE
from warren.session.state import State

# New credentials


def test_credentials_are_replaced_while_no_authenticated_traffic_came_and_ours_stay() -> None:
    alice, _ = bound()
    ours, anew = alice.last, cunicu(8)
    alice.now = 1.0
    alice.clear()
    alice.hears(anew.tells(need=True, candidate=True))
    assert alice.last.credentials.ufrag == ours.credentials.ufrag
    assert alice.state() is State.CHECKING
    assert alice.checks(anew.credentials.ufrag)
    anew.answers(alice)
    assert alice.state() is State.CONNECTED


def test_credentials_that_were_replaced_are_stale() -> None:
    alice, bob = bound()
    alice.hears(cunicu(8).tells())
    alice.hears(bob.tells())
    assert alice.machine.drops["credentials-stale"] == 1
    alice.clear()
    alice.run(1.0)
    assert alice.checks(bob.credentials.ufrag) == []


def test_new_credentials_after_authenticated_traffic_begin_a_new_generation() -> None:
    bob = Side(BOB, ALICE, B)
    alice = Partner(7, ours=ALICE, theirs=BOB, address=THEIR_ADDRESS)
    bob.open()
    bob.hears(alice.tells(candidate=True))
    ours = bob.last
    alice.answers(bob)
    assert bob.state() is State.CHECKING
    anew = Partner(8, ours=ALICE, theirs=BOB, address=THEIR_ADDRESS)
    bob.hears(anew.tells())
    assert bob.last.f != ours.f
    assert len(bob.begun) == 2
    assert bob.state() is State.NEW or bob.state() is State.CHECKING


def test_generation_that_is_over_leaves_stale_credentials() -> None:
    alice, bob = live()
    alice.restarts()
    alice.clear()
    alice.hears(bob.tells())
    assert alice.machine.drops["credentials-stale"] == 1
    assert alice.published == []
    assert len(alice.when(State.NEW)) == 0


def test_generation_that_carried_nothing_leaves_credentials_that_may_be_told_again() -> None:
    alice, bob = bound()
    alice.restarts()
    alice.clear()
    alice.hears(bob.tells())
    assert alice.state() is State.NEW or alice.state() is State.CHECKING


def test_1024_stale_credentials_are_remembered() -> None:
    alice, bob = bound()
    for number in range(100, 100 + MAX_STALE):
        alice.now += 0.02
        alice.hears(cunicu(number).tells())
    alice.now += 0.1
    alice.hears(cunicu(100).tells())
    assert alice.machine.drops["credentials-stale"] == 1
    alice.hears(bob.tells())
    assert alice.machine.drops["credentials-stale"] == 2
    alice.hears(cunicu(5000).tells(), bob.tells())
    assert alice.machine.drops["credentials-stale"] == 2


def test_same_ufrag_with_another_password_is_another_generation() -> None:
    alice, bob = bound()
    other = Message(credentials=Credentials(bob.credentials.ufrag, "another" * 4))
    alice.clear()
    alice.hears(other)
    assert alice.checks(bob.credentials.ufrag)


# Liveness beats signaling


def test_new_credentials_for_a_live_path_are_held_back_and_make_us_check_it_at_once() -> None:
    alice, bob = live()
    alice.now = 2.0
    alice.clear()
    alice.hears(cunicu(8).tells())
    assert alice.checks(bob.credentials.ufrag)
    assert alice.published == []
    assert alice.state() is State.CONNECTED


def test_credentials_held_back_are_dropped_when_the_path_answers() -> None:
    alice, bob = live()
    alice.now = 2.0
    alice.hears(cunicu(8).tells())
    bob.answers(alice)
    assert alice.machine.drops["credentials-not-needed"] == 1
    keep_alive(alice, bob, 20.0)
    assert len(alice.begun) == 1


def test_credentials_held_back_are_applied_after_two_misses() -> None:
    alice, _ = live()
    alice.now = 2.0
    anew = cunicu(8)
    alice.hears(anew.tells(need=True))
    alice.run(3.999)
    assert len(alice.begun) == 1
    alice.run(4.0)
    assert alice.begun[1:] == [4.0]
    anew.answers(alice)
    assert alice.machine.history[-1].generation == 2
    assert alice.machine.history[-1].new is State.CONNECTED


def test_two_misses_take_three_round_trips_each_where_that_is_longer() -> None:
    alice, bob = bound()
    alice.run(0.8)
    bob.answers(alice)
    path = alice.machine.path
    assert path is not None
    assert path.rtt > 0.35
    alice.hears(cunicu(8).tells())
    alice.run(0.8 + 6 * path.rtt - 0.01)
    assert len(alice.begun) == 1
    alice.run(0.8 + 6 * path.rtt + 0.01)
    assert len(alice.begun) == 2


def test_newest_of_several_held_back_is_applied_at_the_time_of_the_first() -> None:
    alice, _ = live()
    alice.now = 2.0
    alice.hears(cunicu(8).tells())
    alice.run(3.5)
    newest = cunicu(9)
    alice.hears(newest.tells())
    alice.run(4.0)
    assert alice.checks(newest.credentials.ufrag)


def test_restart_takes_the_credentials_that_are_held_back() -> None:
    alice, _ = live()
    alice.now = 2.0
    anew = cunicu(8)
    alice.hears(anew.tells())
    alice.restarts()
    alice.run(2.1)
    assert alice.begun == [0.0, 2.0]
    assert alice.checks(anew.credentials.ufrag)


def test_restart_in_the_moment_in_which_they_are_applied_is_one_restart() -> None:
    alice, _ = live()
    alice.now = 2.0
    alice.hears(cunicu(8).tells())
    alice.run(3.999)
    alice.now = 4.0
    alice.restarts()
    alice.run(5.0)
    assert alice.begun == [0.0, 4.0]
    assert alice.checks(cunicu(8).credentials.ufrag)


def test_credentials_held_back_are_taken_when_the_limit_lets_a_generation_begin() -> None:
    alice, _ = live()
    for number in range(8, 12):
        alice.now += 0.01
        alice.restarts()
        alice.hears(cunicu(number).tells())
        alice.run(alice.now + 0.01)
    last = cunicu(11)
    last.answers(alice)
    assert alice.machine.history[-1].new is State.CONNECTED
    began = len(alice.begun)
    alice.hears(cunicu(20).tells())
    while len(alice.begun) == began:
        alice.run(alice.now + 1.0)
    assert alice.begun[-1] > 5.0
    alice.hears(Message(candidate=last.candidate))
    assert alice.checks(cunicu(20).credentials.ufrag)
