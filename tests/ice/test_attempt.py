"""One attempt at a peer: candidates as they come, the peer's checks, and time."""

import pytest

from tests.ice.link import HOST, SRFLX, Peer, World, candidate, host, introduce, public, srflx
from tests.ice.rig import BASE, OTHER, SOURCE, THEM, A, B, Rig, connected
from warren.ice import stun
from warren.ice.outputs import PairFormed, SourceProved
from warren.ice.transport import Base, Transmit
from warren.messages import CandidateType

# Candidates


def test_a_late_candidate_of_ours_is_checked_at_once() -> None:
    rig = Rig(bases=()).describe(4000)
    rig.agent.add_local(host(BASE), 1.0)
    assert [to for to, _ in rig.sent()] == [SOURCE]


def test_a_late_candidate_of_the_peer_is_checked_at_once() -> None:
    rig = Rig().describe(4000)
    rig.sent()
    rig.agent.add_remote(candidate(HOST, B, 4001), 1.0)
    assert [to for to, _ in rig.sent()] == [(B, 4001)]


def test_a_repeated_candidate_is_not_checked_again() -> None:
    rig = Rig().describe(4000)
    rig.sent()
    rig.agent.add_remote(candidate(HOST, *SOURCE), 0.001)
    assert rig.sent() == []


def test_a_server_reflexive_address_of_ours_makes_no_pair_of_its_own() -> None:
    rig = Rig().describe(4000)
    rig.agent.add_local(srflx(BASE, ("198.51.100.1", 4000)), 0.0)
    assert len(rig.agent.pair_reports()) == 1


def test_candidates_of_different_families_make_no_pair() -> None:
    rig = Rig()
    rig.agent.set_remote(THEM.credentials, 0.0)
    rig.agent.add_remote(candidate(HOST, "2001:db8::1", 1), 0.0)
    rig.agent.add_local(host(Base("fd00::1", 1)), 0.0)
    rig.agent.add_local(host(Base("10.0.2.1", 1)), 0.0)
    assert [report.local.address for report in rig.agent.pair_reports()] == ["fd00::1"]


def test_pairs_beyond_100_are_counted() -> None:
    bases = tuple(Base(f"10.0.{number}.1", 4000) for number in range(4))
    rig = Rig(bases=bases).describe(*range(1, 33))
    assert len(rig.agent.pair_reports()) == 100
    assert rig.agent.drops["pairs-full"] > 0


def test_a_refused_candidate_is_counted() -> None:
    rig = Rig().describe()
    rig.agent.add_remote(candidate(HOST, "127.0.0.1", 1), 0.0)
    assert rig.agent.drops["candidate-loopback"] == 1


def test_a_source_that_nobody_told_of_becomes_a_peer_reflexive_candidate() -> None:
    rig = Rig().describe()
    rig.check((B, 777))
    (report,) = rig.agent.pair_reports()
    assert (report.remote.type, report.remote.transport) == (CandidateType.PEER_REFLEXIVE, (B, 777))


def test_signaling_may_tell_later_what_a_check_revealed() -> None:
    rig = Rig().describe()
    rig.check((B, 777))
    rig.agent.add_remote(candidate(SRFLX, B, 777), 0.2)
    (report,) = rig.agent.pair_reports()
    assert report.remote.type is SRFLX


def test_the_17th_unknown_source_is_counted_and_not_checked() -> None:
    rig = Rig().describe()
    for port in range(1, 18):
        rig.check((B, port))
    assert rig.agent.drops["prflx-full"] == 1
    assert len(rig.agent.pair_reports()) == 16


def test_a_check_that_comes_to_an_address_that_is_not_offered_is_counted() -> None:
    rig = Rig(bases=(OTHER,)).describe()
    rig.check()
    assert rig.agent.drops["check-on-unknown-base"] == 1
    assert rig.agent.pair_reports() == ()


def test_a_check_over_the_101st_pair_is_answered_and_counted() -> None:
    bases = (BASE, *(Base(f"10.0.{number}.1", 4000) for number in range(1, 4)))
    rig = Rig(bases=bases).describe(*range(1, 33))
    rig.agent.outputs()
    rig.check((B, 777))
    assert rig.agent.drops["pairs-full"] > 0
    assert rig.sent() == []


# Triggered checks


def test_a_check_of_the_peer_triggers_one_of_ours_in_the_same_turn() -> None:
    rig = Rig().describe()
    rig.check()
    assert [to for to, _ in rig.sent()] == [SOURCE]


def test_a_check_of_the_peer_triggers_one_though_ours_is_in_progress() -> None:
    rig = Rig().describe(4000)
    rig.sent()
    rig.check(now=0.001)
    assert [to for to, _ in rig.sent()] == [SOURCE]


def test_a_check_of_the_peer_over_a_pair_that_answers_triggers_none() -> None:
    rig = connected()
    rig.check(now=0.2)
    assert rig.sent() == []


def test_a_triggered_check_of_the_controlling_side_nominates() -> None:
    rig = Rig(controlling=True).describe()
    rig.check()
    assert [request.nomination for _, request in rig.sent()] == [1]


def test_a_triggered_check_of_the_controlled_side_does_not() -> None:
    rig = Rig(controlling=False).describe()
    rig.check()
    assert [request.use_candidate for _, request in rig.sent()] == [False]


def test_a_check_of_the_peer_proves_its_source_once() -> None:
    rig = Rig().describe()
    rig.check()
    rig.check(now=0.2)
    assert rig.outputs(SourceProved) == [SourceProved(BASE, SOURCE)]


def test_an_answer_proves_its_source() -> None:
    rig = Rig().describe(4000)
    (request,) = [packet for _, packet in rig.sent()]
    rig.respond(request)
    assert rig.outputs(SourceProved) == [SourceProved(BASE, SOURCE)]


def test_a_peer_that_checks_for_ever_without_being_reached_is_checked_64_times() -> None:
    rig = Rig().describe()
    for step in range(1000):
        rig.check(now=step * 0.025)
    rig.agent.outputs()
    assert rig.agent.pair_reports()[0].sent == 64
    assert rig.agent.drops["triggered-too-often"] > 0


def test_a_pair_that_answered_may_be_triggered_as_often_again() -> None:
    rig = Rig(controlling=False).describe()
    requests = []
    for step in range(64):
        rig.check(now=step * 0.025)
        requests += [packet for _, packet in rig.sent()]
    rig.respond(requests[-1], now=1.7)
    rig.check(now=2.0, nomination=1)
    rig.agent.suspect("to have it checked", 3.0)
    rig.agent.outputs()
    rig.check(now=4.0)
    assert [to for to, _ in rig.sent()] == [SOURCE]


# Nudges for a peer that is not ours


def test_while_such_a_peer_controls_each_answer_is_followed_by_a_check() -> None:
    rig = Rig(controlling=False, renomination=False).describe(4000)
    (request,) = [packet for _, packet in rig.sent()]
    rig.respond(request, now=0.05)
    rig.agent.outputs()
    rig.check(now=0.1)
    kinds = [stun.parse(output.data).cls for output in rig.outputs(Transmit)]  # type: ignore[attr-defined]
    assert kinds == [stun.Class.SUCCESS, stun.Class.REQUEST]


def test_a_check_over_a_pair_without_an_answer_is_followed_by_no_second_one() -> None:
    rig = Rig(controlling=False, renomination=False).describe()
    rig.check()
    assert len(rig.sent()) == 1


def test_while_such_a_peer_controls_the_valid_pair_is_checked_around_half_a_second() -> None:
    rig = Rig(controlling=False, renomination=False).describe(4000)
    (request,) = [packet for _, packet in rig.sent()]
    rig.check(now=0.0)
    rig.respond(request, now=0.05)
    rig.agent.outputs()
    times = rig.pass_time(0.6)
    assert times == pytest.approx([0.425, 0.45, 0.475, 0.5, 0.525, 0.55, 0.575])


def test_without_a_valid_pair_there_is_nothing_to_nudge_with() -> None:
    rig = Rig(controlling=False, renomination=False).describe(4000)
    rig.check(now=0.0)
    rig.agent.outputs()
    assert 0.425 not in rig.pass_time(0.45)


def test_nudging_ends_with_the_nomination() -> None:
    rig = Rig(controlling=False, renomination=False).describe(4000)
    (request,) = [packet for _, packet in rig.sent()]
    rig.respond(request, now=0.05)
    rig.check(now=0.1, use_candidate=True)
    rig.agent.outputs()
    assert rig.pass_time(2.0) == []


@pytest.mark.parametrize(("controlling", "renomination"), [(True, False), (False, True)])
def test_nobody_else_is_nudged(controlling: bool, renomination: bool) -> None:
    rig = Rig(controlling=controlling, renomination=renomination).describe(4000)
    (request,) = [packet for _, packet in rig.sent()]
    rig.respond(request, now=0.05)
    rig.agent.outputs()
    rig.check(now=0.1)
    assert rig.sent() == []


# Time


def test_first_checks_beyond_the_burst_follow_by_themselves() -> None:
    rig = Rig().describe(*range(1, 13))
    sent = rig.sent()
    assert len(sent) == 8
    assert rig.agent.deadline == pytest.approx(0.005)
    rig.agent.tick(0.006)
    assert (B, 9) in [to for to, _ in rig.sent()]


def test_the_first_timer_is_the_next_dense_check() -> None:
    assert Rig().describe(4000).agent.deadline == 0.010


def test_a_tick_too_early_does_nothing() -> None:
    rig = Rig().describe(4000)
    rig.agent.outputs()
    rig.agent.tick(0.005)
    assert rig.agent.outputs() == []


def test_two_descriptions_in_a_row_tell_of_two_first_pairs() -> None:
    world = World(public(A), public(B)).introduce().run(1.0)
    again = Peer("C", controlling=False, bases=[Base("10.2.0.1", 4000)])
    introduce(world.a, again, [host(again.bases[0])], 1.0)
    world.run(1.5)
    assert len(world.a.all(PairFormed)) == 2
