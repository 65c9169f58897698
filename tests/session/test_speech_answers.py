"""What is answered through signaling, and how often; what peers get of which nothing is known."""

import pytest

from tests.ice.link import host, srflx
from tests.session.partner import Partner, connected
from tests.session.side import ALICE, BOB, A, B, Side
from warren.ice.candidate import LocalCandidate
from warren.messages import CandidateType

SEEN = srflx(A, ("203.0.113.9", 4000))
FOREIGN = 99
"""A generation of ours that is none."""


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
    assert alice.machine.deadline is None
    assert alice.run(100.0).published == []


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


def test_other_candidates_follow_every_new_generation() -> None:
    alice = Side(local=many()).open().run(5.0)
    alice.restarts()
    alice.clear()
    alice.run(5.25)
    assert {port for _, (address, port) in alice.candidates_sent if address == "203.0.113.9"} == set(
        range(1, 8)
    )


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
