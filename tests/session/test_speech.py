"""What is said through signaling, and when."""

from itertools import pairwise

import pytest

from tests.ice.link import host, srflx
from tests.session.pair import ALICE, BOB, A, B, Partner, Side, connected
from warren.ice.candidate import LocalCandidate
from warren.messages import CandidateType
from warren.session.config import Config
from warren.session.state import State

SEEN = srflx(A, ("203.0.113.9", 4000))
THIRD = srflx(A, ("203.0.113.10", 4000))
FOREIGN = 99
"""A generation of ours that is none."""


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
    assert alice.state is State.IDLE


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
    alice.machine.network_changed(100.0)
    alice.drained().run(101.0)
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
    alice.machine.network_changed(0.0)
    alice.machine.restart(0.0)
    assert alice.drained().published == []


def test_bound_generation_names_its_partner_by_timer() -> None:
    alice, bob = talking()
    alice.run(5.0)
    assert {said.t for said in alice.said} == {bob.f}
    assert all(said.session.wants_answer for said in alice.said)


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
    assert alice.state is State.COMPLETED
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


def test_nothing_new_is_no_revision() -> None:
    alice = Side().open()
    alice.clear()
    alice.learns(host(A))
    assert alice.published == []


# Answers


def test_answer_leaves_in_the_same_moment_and_asks_for_nothing() -> None:
    alice, bob = Side().open(), Partner(7)
    alice.clear()
    alice.now = 0.123
    alice.hears(bob.says(revision=4))
    assert [(said.at, said.t, said.session.wants_answer) for said in alice.said] == [(0.123, bob.f, False)]
    assert alice.last.session.peer_revision == 4


def test_credentials_are_asked_for_only_while_they_are_lacking() -> None:
    alice, bob = Side().open(), Partner(7)
    assert alice.last.credentials.need_creds
    alice.hears(bob.says())
    assert not alice.last.credentials.need_creds


def test_partner_that_asks_is_answered_and_one_that_does_not_is_not() -> None:
    alice, bob = Side(), Partner(7)
    ours = connected(alice, bob)
    alice.clear()
    alice.hears(bob.says(ours.f, revision=2))
    assert alice.words == []
    alice.hears(bob.says(ours.f, revision=2, asks=True))
    assert alice.words == [(ours.f, bob.f)]


def test_need_creds_is_always_answered() -> None:
    alice, bob = Side(), Partner(7)
    ours = connected(alice, bob)
    alice.clear()
    alice.hears(bob.says(ours.f, need=True))
    assert alice.words == [(ours.f, bob.f)]


def test_repeat_of_the_partner_is_answered_with_what_is_agreed() -> None:
    alice, bob = Side(), Partner(7)
    ours = connected(alice, bob)
    alice.clear()
    alice.hears(bob.says(), bob.says(FOREIGN))
    assert alice.words == [(ours.f, bob.f)] * 2


def test_what_names_a_generation_that_is_gone_is_counted_and_not_answered() -> None:
    alice, bob = Side(), Partner(7)
    connected(alice, bob)
    alice.clear()
    alice.hears(Partner(8).says(FOREIGN, asks=True, need=True))
    assert alice.published == []
    assert alice.machine.drops["message-of-old-generation"] == 1


def test_answers_are_one_a_second_with_a_burst_of_three() -> None:
    alice, bob = Side(), Partner(7)
    ours = connected(alice, bob)
    alice.run(5.0)
    bob.answers(alice)
    alice.clear()
    for step in range(40):
        alice.run(5.0 + step / 10)
        alice.hears(bob.says())
    alice.run(9.9)
    times = [said.at for said in alice.said]
    assert times[:3] == [5.0, 5.1, 5.2]
    assert times[3:] == pytest.approx([6.0, 7.0, 8.0, 9.0], abs=0.001)
    assert set(alice.words) == {(ours.f, bob.f)}
    assert alice.machine.drops["answer-withheld"] >= 30


def test_withheld_answer_is_sent_once_and_says_what_is_true_then() -> None:
    alice, bob = Side(complete=False), Partner(7)
    ours = connected(alice, bob)
    alice.hears(*[bob.says() for _ in range(5)])
    alice.learns(host(A), SEEN)
    alice.hears(bob.says(ours.f, peer_revision=alice.last.session.revision))
    alice.clear()
    alice.run(3.0)
    assert len(alice.said) == 1
    assert alice.said[0].at == pytest.approx(1.0, abs=0.001)
    assert alice.last.session.candidates == (host(A).candidate, SEEN.candidate)


def test_binding_is_answered_although_the_answers_are_used_up() -> None:
    alice, bob = Side().open(), Partner(7)
    ours = alice.last
    alice.hears(*[bob.says() for _ in range(6)])
    alice.clear()
    alice.hears(bob.says(ours.f))
    assert alice.words == [(ours.f, bob.f)]


def test_answer_owed_to_a_generation_that_was_replaced_is_the_new_truth() -> None:
    alice, bob = Side().open(), Partner(7)
    alice.hears(*[bob.says() for _ in range(5)])
    old = alice.last.f
    alice.now = 0.5
    alice.restarts()
    alice.clear()
    alice.run(1.2)
    answers = [said for said in alice.said if not said.session.wants_answer]
    assert [(said.t, said.f != old) for said in answers] == [(bob.f, True)]


def test_answer_owed_to_somebody_who_was_forgotten_is_not_given() -> None:
    alice, bob, stranger, other = Side(), Partner(7), Partner(8), Partner(9)
    connected(alice, bob)
    alice.hears(*[stranger.says() for _ in range(5)])
    alice.hears(other.says())
    alice.clear()
    alice.run(3.0)
    assert [said for said in alice.said if said.t == stranger.f] == []


def test_nothing_is_owed_after_closing() -> None:
    alice, bob = Side().open(), Partner(7)
    alice.hears(*[bob.says() for _ in range(5)])
    alice.closes()
    alice.clear()
    assert alice.run(100.0).published == []
    assert alice.machine.deadline is None


# Peers of which it is not known yet whether they know field 100


def many() -> list[LocalCandidate]:
    return [host(A)] + [srflx(A, ("203.0.113.9", port)) for port in range(1, 8)]


def test_first_message_carries_the_likeliest_candidate_in_field_2_too() -> None:
    alice = Side(local=many()).open()
    assert alice.candidates_sent == [(0.0, (A.address, A.port))]


def test_other_candidates_follow_after_a_quarter_of_a_second() -> None:
    alice = Side(local=many()).open()
    alice.run(0.2499)
    assert len([at for at, _ in alice.candidates_sent if at > 0.0 and at < 0.25]) <= 1
    alice.run(0.25)
    assert {port for _, (address, port) in alice.candidates_sent if address == "203.0.113.9"} == set(
        range(1, 8)
    )
    alone = [said.message for said in alice.published if said.message.session is None]
    assert all(message.credentials is None and message.candidate is not None for message in alone)


def test_peer_that_controls_gets_4_of_them_in_the_first_600_ms() -> None:
    bob = Side(BOB, ALICE, B, local=[host(B)] + [srflx(B, ("203.0.113.9", port)) for port in range(1, 8)])
    bob.open().run(0.599)
    assert len({address for _, address in bob.candidates_sent}) == 4
    bob.run(1.5)
    assert len({address for _, address in bob.candidates_sent}) == 8


def test_peer_that_knows_field_100_gets_nothing_in_field_2() -> None:
    alice, bob = Side(local=many()).open(), Partner(7)
    alice.hears(bob.says())
    alice.clear()
    alice.run(5.0)
    assert alice.said
    assert alice.candidates_sent == []


def test_likeliest_is_a_host_candidate() -> None:
    alice = Side(local=list(reversed(many()))).open()
    sent = alice.published[0].message.candidate
    assert sent is not None
    assert sent.type is CandidateType.HOST
