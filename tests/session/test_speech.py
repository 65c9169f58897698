"""What is said by timer through signaling, and when."""

from itertools import pairwise

import pytest

from tests.ice.link import host, srflx
from tests.session.partner import Partner, connected
from tests.session.side import ALICE, BOB, A, Side
from warren.session.config import Config
from warren.session.state import State

SEEN = srflx(A, ("203.0.113.9", 4000))
THIRD = srflx(A, ("203.0.113.10", 4000))


def gaps(side: Side) -> list[float]:
    times = [said.at for said in side.said]
    return [later - earlier for earlier, later in pairwise(times)]


def talking() -> tuple[Side, Partner]:
    """Opened and bound at 0, not connected."""
    alice, bob = Side().open(), Partner(7)
    alice.hears(bob.says(alice.last.f))
    alice.clear()
    return alice, bob


# By timer


def test_first_message_leaves_at_once_with_credentials_and_all_candidates_known() -> None:
    alice = Side().open(3.0)
    assert [said.at for said in alice.said] == [3.0]
    session = alice.last.session
    assert session.candidates == (host(A).candidate,)
    assert session.end_of_candidates
    assert session.wants_answer
    assert (session.sender, session.recipient) == (ALICE, BOB)


def test_option_turns_early_candidates_off() -> None:
    alice = Side(config=Config(early_candidates=False)).open()
    said = alice.last
    assert (said.session.candidates, said.session.end_of_candidates, said.message.candidate) == (
        (),
        False,
        None,
    )


def test_candidates_held_back_follow_with_the_answer_to_the_peers_credentials() -> None:
    alice, bob = Side(config=Config(early_candidates=False)).open(), Partner(7)
    alice.hears(bob.says())
    assert alice.last.session.candidates == (host(A).candidate,)
    assert alice.last.session.revision == 2


def test_credentials_are_said_again_after_half_a_second_times_one_and_a_half_off_by_half_at_most() -> None:
    spread: list[list[float]] = []
    for seed in range(40):
        spread.append(gaps(Side(seed=seed).open().run(400.0))[:12])
    for number, drawn in enumerate(zip(*spread, strict=True)):
        middle = min(0.5 * 1.5**number, 60.0)
        assert all(0.5 * middle <= gap <= min(1.5 * middle, 60.0) + 1e-6 for gap in drawn)
        assert min(drawn) < 0.7 * middle
        assert max(drawn) > 1.2 * middle


def test_never_more_than_60_s_pass_in_idle_which_waits_for_ever() -> None:
    alice = Side().open().run(10_000.0)
    late = gaps(alice)[-50:]
    assert max(late) <= 60.0
    assert min(late) >= 30.0
    assert alice.state() is State.IDLE


def test_timer_repeats_what_is_wanted_without_naming_anybody_even_after_hearing_of_the_peer() -> None:
    alice, bob = Side().open(), Partner(7)
    alice.hears(bob.says())
    alice.clear()
    alice.run(1.0)
    assert {said.t for said in alice.said} == {0}


def test_back_off_begins_anew_when_the_subscription_comes_back() -> None:
    alice = Side().open().run(100.0)
    alice.clear()
    alice.machine.subscription_live(100.0)
    alice.drained().run(101.0)
    times = [said.at for said in alice.said]
    assert times[0] == 100.0
    assert 0.25 <= times[1] - times[0] <= 0.75


def test_back_off_begins_anew_when_the_network_changes() -> None:
    alice = Side().open().run(100.0)
    alice.clear()
    alice.network_changes().run(101.0)
    times = [said.at for said in alice.said]
    assert times[0] == 100.0
    assert 0.25 <= times[1] - times[0] <= 0.75


def test_session_that_is_not_connected_says_so_when_the_subscription_is_live() -> None:
    alice, bob = talking()
    alice.machine.subscription_live(0.1)
    assert alice.drained().words == [(alice.last.f, bob.f)]


def test_connected_session_has_nothing_to_say_when_the_subscription_is_live() -> None:
    alice, bob = Side(), Partner(7)
    connected(alice, bob)
    alice.clear()
    alice.machine.subscription_live(0.1)
    assert alice.drained().published == []


def test_closed_or_never_opened_session_says_nothing() -> None:
    alice = Side()
    alice.machine.subscription_live(0.0)
    alice.network_changes()
    alice.machine.restart(0.0)
    assert alice.drained().published == []


def test_bound_generation_names_its_partner_by_timer() -> None:
    alice, bob = talking()
    alice.run(5.0)
    assert {said.t for said in alice.said} == {bob.f}
    assert all(said.session.wants_answer for said in alice.said)


def test_bound_generation_that_is_not_connected_goes_on_speaking() -> None:
    alice, bob = Side(config=Config(patience=2000.0)).open(), Partner(7)
    alice.hears(bob.says(alice.last.f))
    alice.run(1000.0)
    alice.clear()
    assert alice.run(1900.0).said != []


def test_back_off_begins_anew_when_a_generation_is_bound() -> None:
    alice, bob = Side().open().run(100.0), Partner(7)
    alice.hears(bob.says(alice.last.f))
    alice.clear()
    alice.run(100.75)
    assert alice.words == [(alice.last.f, bob.f)]


def test_bound_generation_falls_silent_once_connected_and_its_newest_revision_shown() -> None:
    alice, bob = Side(), Partner(7)
    connected(alice, bob)
    alice.clear()
    assert alice.run(4.0).published == []


def test_connected_generation_repeats_an_unseen_revision_10_times_at_the_most() -> None:
    alice, bob = Side(complete=False), Partner(7)
    connected(alice, bob)
    alice.clear()
    alice.learns(host(A), SEEN)
    for _ in range(400):
        # The peer goes on answering checks, but never shows the revision.
        alice.run(alice.now + 1.0)
        bob.answers(alice)
    assert alice.state() is State.COMPLETED
    assert len(alice.said) == 10


def test_next_revision_is_repeated_10_times_again() -> None:
    alice, bob = Side(complete=False), Partner(7)
    connected(alice, bob)
    for candidate in (SEEN, THIRD):
        alice.clear()
        alice.learns(host(A), SEEN, candidate, complete=False)
        for _ in range(400):
            alice.run(alice.now + 1.0)
            bob.answers(alice)
    assert len(alice.said) == 10


def test_revision_that_the_peer_shows_is_not_repeated() -> None:
    alice, bob = Side(complete=False), Partner(7)
    ours = connected(alice, bob)
    alice.learns(host(A), SEEN)
    alice.hears(bob.says(ours.f, peer_revision=alice.last.session.revision))
    alice.clear()
    assert alice.run(4.0).published == []


@pytest.mark.parametrize(("shown", "speaks"), [(1, True), (2, False)])
def test_message_that_binds_shows_what_its_sender_has_seen(shown: int, speaks: bool) -> None:
    alice, bob = Side().open(), Partner(7)
    assert alice.last.session.revision == 2
    alice.hears(bob.says(alice.last.f, peer_revision=shown))
    bob.answers(alice)
    alice.clear()
    alice.run(3.0)
    assert bool(alice.said) is speaks


def test_older_revision_shown_is_not_enough() -> None:
    alice, bob = Side(complete=False), Partner(7)
    ours = connected(alice, bob)
    alice.learns(host(A), SEEN)
    alice.hears(bob.says(ours.f, peer_revision=alice.last.session.revision - 1))
    alice.clear()
    assert alice.run(4.0).published != []


# Revisions


def test_new_revision_of_a_wanted_generation_is_said_at_once_and_names_nobody() -> None:
    alice, bob = Side(complete=False).open(), Partner(7)
    alice.hears(bob.says()).run(10.0)
    alice.clear()
    alice.learns(host(A), SEEN)
    assert [(said.at, said.t, said.session.wants_answer) for said in alice.said] == [(10.0, 0, True)]
    alice.run(10.75)
    assert len(alice.said) == 2


def test_new_revision_of_a_bound_generation_is_said_at_once_and_names_the_partner() -> None:
    alice, bob = Side(complete=False), Partner(7)
    connected(alice, bob)
    alice.clear()
    alice.learns(host(A), SEEN)
    assert alice.words == [(alice.last.f, bob.f)]
    assert alice.last.session.candidates == (host(A).candidate, SEEN.candidate)
    assert alice.last.session.end_of_candidates


def test_new_revision_of_an_offer_waits_for_its_next_answer() -> None:
    alice, bob, stranger = Side(complete=False), Partner(7), Partner(8)
    ours = connected(alice, bob)
    alice.hears(stranger.says())
    offer = alice.last
    assert offer.f != ours.f
    alice.clear()
    alice.learns(host(A), SEEN)
    assert [said.f for said in alice.said] == [ours.f]
    alice.hears(stranger.says())
    assert (alice.last.f, alice.last.session.candidates) == (offer.f, (host(A).candidate, SEEN.candidate))


def test_candidates_held_back_are_told_at_once_when_a_check_binds() -> None:
    alice, bob, anew = Side(config=Config(early_candidates=False)), Partner(7), Partner(8)
    connected(alice, bob)
    alice.restarts()
    alice.hears(anew.says())
    ours = alice.last
    assert ours.session.candidates == ()
    alice.clear()
    anew.checks(alice, ours.credentials)
    assert alice.words == [(ours.f, anew.f)]
    assert alice.last.session.candidates == (host(A).candidate,)


def test_new_revision_during_a_restart_is_said_once_and_of_the_wanted_generation() -> None:
    alice, bob = Side(complete=False), Partner(7)
    connected(alice, bob)
    alice.restarts()
    wanted = alice.last.f
    alice.clear()
    alice.learns(host(A), SEEN)
    assert alice.words == [(wanted, 0)]


def test_nothing_new_is_no_revision() -> None:
    alice = Side().open()
    alice.clear()
    alice.learns(host(A))
    assert alice.published == []
