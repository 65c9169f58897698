"""How an attempt at a peer ends: patience, failure, all settled, and addresses that go."""

import pytest

from tests.ice.link import HOST, SRFLX, Nat, World, behind, candidate, host, public
from tests.ice.rig import BASE, OTHER, SOURCE, THEM, A, B, Rig, connected
from warren.ice import stun
from warren.ice.outputs import ChecksFailed, ConsentLost, PairSelected, Settled
from warren.ice.transport import Transmit

# Patience and failure


def test_after_the_time_of_patience_it_fails() -> None:
    rig = Rig(end=True).describe(4000, end=True)
    rig.pass_time(39.4)
    rig.agent.tick(39.5)
    (failed,) = rig.outputs(ChecksFailed)
    assert isinstance(failed, ChecksFailed)
    assert failed.reason.startswith("no pair was agreed upon: 1 pair tried with 18 checks in 39.5 s")


def test_patience_counts_from_the_first_pair() -> None:
    rig = Rig()
    rig.agent.set_remote(THEM.credentials, 0.0)
    rig.agent.add_remote(candidate(HOST, *SOURCE), 10.0)
    rig.pass_time(49.4)
    rig.agent.tick(49.49)
    assert rig.outputs(ChecksFailed) == []
    rig.agent.tick(49.5)
    assert len(rig.outputs(ChecksFailed)) == 1


def test_patience_can_be_set() -> None:
    rig = Rig(patience=2.0).describe(4000)
    rig.agent.tick(2.0)
    assert len(rig.outputs(ChecksFailed)) == 1


def test_without_pairs_it_waits_for_the_peers_checks() -> None:
    rig = Rig(end=True).describe(end=True)
    assert rig.agent.deadline is None
    assert rig.outputs(ChecksFailed) == []


def test_after_failing_nothing_is_sent_or_told() -> None:
    rig = Rig(patience=2.0).describe(4000)
    rig.agent.tick(2.0)
    rig.agent.outputs()
    rig.agent.add_remote(candidate(HOST, B, 4001), 3.0)
    rig.agent.add_local(host(OTHER), 3.0)
    rig.agent.remove_base(OTHER, 3.0)
    rig.agent.end_remote(3.0)
    rig.agent.suspect("no reason", 3.0)
    rig.agent.tick(3.0)
    assert rig.agent.outputs() == []
    assert rig.agent.deadline is None


def test_after_failing_the_peers_checks_are_only_answered() -> None:
    rig = Rig(patience=2.0).describe(4000)
    rig.agent.tick(2.0)
    rig.agent.outputs()
    rig.check(now=3.0)
    (answer,) = rig.outputs(Transmit)
    assert isinstance(answer, Transmit)
    assert stun.parse(answer.data).cls is stun.Class.SUCCESS


def test_when_every_pair_has_failed_and_no_more_can_come_it_fails_early() -> None:
    rig = Rig(end=True).describe(4000, end=True)
    (request,) = [packet for _, packet in rig.sent()]
    rig.respond(request, error=(400, "Bad Request"))
    (failed,) = rig.outputs(ChecksFailed)
    assert isinstance(failed, ChecksFailed)
    assert failed.reason.startswith("every pair failed: 1 pair tried with 1 check in 0.1 s")


@pytest.mark.parametrize(("ours", "theirs"), [(False, True), (True, False)])
def test_while_candidates_may_come_it_does_not_fail_early(ours: bool, theirs: bool) -> None:
    rig = Rig(end=ours).describe(4000, end=theirs)
    (request,) = [packet for _, packet in rig.sent()]
    rig.respond(request, error=(400, "Bad Request"))
    assert rig.outputs(ChecksFailed) == []


def test_the_last_end_of_candidates_fails_it_where_every_pair_has_failed() -> None:
    rig = Rig().describe(4000, end=True)
    (request,) = [packet for _, packet in rig.sent()]
    rig.respond(request, error=(400, "Bad Request"))
    rig.agent.end_local(1.0)
    assert len(rig.outputs(ChecksFailed)) == 1


def test_a_controlled_agent_whose_peer_never_chooses_says_so() -> None:
    rig = Rig(controlling=False).describe(4000)
    (request,) = [packet for _, packet in rig.sent()]
    rig.respond(request)
    rig.pass_time(39.4)
    rig.agent.tick(39.5)
    (failed,) = rig.outputs(ChecksFailed)
    assert "the peer chose none" in repr(failed)


def test_an_agent_whose_peer_was_heard_says_so() -> None:
    world = World(public(A), public(B), controlling="B").introduce()
    world.link.drop = lambda packet: packet.sender is world.a
    world.run(45.0)
    (failed,) = world.a.all(ChecksFailed)
    assert "though the peer's checks reached us" in failed.reason
    (failed,) = world.b.all(ChecksFailed)
    assert "no check of the peer was seen" in failed.reason


# Settling


def test_with_one_pair_that_works_all_is_settled() -> None:
    world = World(public(A), public(B)).introduce().run(1.0)
    assert len(world.a.all(Settled)) == len(world.b.all(Settled)) == 1


def test_nothing_is_settled_while_candidates_may_come() -> None:
    world = World(public(A), public(B)).introduce(end=False).run(20.0)
    assert world.a.all(Settled) == []


def test_the_last_end_of_candidates_settles_it() -> None:
    world = World(public(A), public(B)).introduce(end=False).run(5.0)
    world.a.agent.end_remote(5.0)
    world.run(6.0)
    assert world.a.when(Settled) == [5.0]


def test_a_better_pair_without_an_answer_keeps_it_open_for_three_seconds() -> None:
    nats = behind(Nat("198.51.100.1"), A), behind(Nat("203.0.113.1"), B)
    world = World(*nats).introduce().run(10.0)
    assert world.a.when(Settled)[0] == pytest.approx(world.a.when(PairSelected)[0] + 3.0)


def test_a_worse_pair_without_an_answer_is_not_waited_for() -> None:
    world = World(public(A), public(B)).introduce(end=False)
    world.run(0.0)
    for peer in (world.a, world.b):
        peer.agent.add_remote(candidate(SRFLX, "192.0.2.9", 9), 0.0)
        peer.agent.end_remote(0.0)
    world.run(1.0)
    assert world.a.when(Settled) == world.a.when(PairSelected)


def test_a_nomination_settles_the_controlled_side() -> None:
    rig = Rig(controlling=False, end=True).describe(4000, end=True)
    (request,) = [packet for _, packet in rig.sent()]
    rig.respond(request)
    rig.check(now=0.2, nomination=1)
    assert len(rig.outputs(Settled)) == 1


# Addresses that go


def test_the_pairs_of_a_base_that_is_gone_fail() -> None:
    rig = Rig(bases=(BASE, OTHER)).describe(4000)
    rig.agent.remove_base(BASE, 0.1)
    assert rig.states() == ["failed", "in progress"]
    assert rig.agent.pair_reports()[0].last_error == "the local address is gone"


def test_nothing_is_sent_from_a_base_that_is_gone() -> None:
    rig = Rig().describe(4000)
    rig.agent.remove_base(BASE, 0.1)
    rig.agent.outputs()
    assert rig.pass_time(39.0) == []


def test_no_answer_is_awaited_at_a_base_that_is_gone() -> None:
    rig = Rig().describe(4000)
    rig.agent.remove_base(BASE, 0.1)
    assert len(rig.peer.transactions) == 0


def test_when_the_last_base_goes_it_fails_early() -> None:
    rig = Rig(end=True).describe(4000, end=True)
    rig.agent.remove_base(BASE, 0.1)
    assert len(rig.outputs(ChecksFailed)) == 1


def test_when_the_base_of_the_only_path_goes_consent_is_lost_at_once() -> None:
    rig = connected()
    rig.agent.remove_base(BASE, 1.0)
    (lost,) = rig.outputs(ConsentLost)
    assert lost == ConsentLost("the local address of the path is gone, and there is no other")
    assert rig.agent.route is None


def test_when_the_bases_go_one_after_the_other_consent_is_lost_with_the_last() -> None:
    rig = Rig(bases=(BASE, OTHER), end=True).describe(4000, end=True)
    rig.respond(rig.sent()[0][1])
    rig.agent.remove_base(BASE, 1.0)
    rig.agent.remove_base(OTHER, 1.0)
    assert rig.outputs(ConsentLost) == [ConsentLost("the path is gone, and every other pair has failed")]


def test_a_base_that_carries_nothing_can_go() -> None:
    rig = connected(bases=(BASE, OTHER))
    rig.agent.remove_base(OTHER, 1.0)
    assert rig.agent.selected is not None


def test_data_does_not_go_over_a_valid_pair_whose_base_is_gone() -> None:
    rig = Rig(controlling=False).describe(4000)
    (request,) = [packet for _, packet in rig.sent()]
    rig.respond(request)
    rig.agent.remove_base(BASE, 1.0)
    assert rig.agent.route is None
