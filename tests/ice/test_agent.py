"""Two agents find each other; the roles of one agent, and its end."""

import random

import pytest

from tests.ice.link import Nat, Peer, World, behind, public, with_streams
from tests.ice.rig import BASE, SOURCE, A, B, D, alone, answers, checks, describe, other, together
from warren.ice import stun
from warren.ice.outputs import AgentOutput, PairSelected
from warren.ice.transport import Base, Route

S = 0.050  # One way through signaling.


def apart(*, controlling: str = "A") -> World:
    """Both behind port-restricted NATs of their own."""
    a = behind(Nat("198.51.100.1"), A)
    b = behind(Nat("203.0.113.1"), B)
    return World(a, b, controlling=controlling, delay=D)


def connected_at(world: World) -> tuple[float, float]:
    return world.a.when(PairSelected)[0], world.b.when(PairSelected)[0]


# How fast


@pytest.mark.parametrize("controlling", ["A", "B"])
def test_hosts_are_connected_after_two_ways_of_signaling_and_two_between_them(controlling: str) -> None:
    world = together(controlling=controlling).introduce(a=2 * S, b=S).run(1.0)
    assert max(connected_at(world)) == pytest.approx(2 * S + 2 * D)


@pytest.mark.parametrize("controlling", ["A", "B"])
def test_two_port_restricted_nats_cost_no_time(controlling: str) -> None:
    world = apart(controlling=controlling).introduce(a=2 * S, b=S).run(1.0)
    assert max(connected_at(world)) == pytest.approx(2 * S + 2 * D)


@pytest.mark.parametrize("later", [0.001, 0.005, 0.015, 0.019, 0.030, 0.3])
def test_nats_that_drop_the_first_checks_cost_one_dense_gap(later: float) -> None:
    world = apart().introduce(a=0.0, b=later).run(2.0)
    assert max(connected_at(world)) <= later + 2 * D + 0.025


def test_a_restricted_and_a_symmetric_nat_find_the_way_that_there_is() -> None:
    a, b = Nat("198.51.100.1", strict=False), Nat("203.0.113.1", symmetric=True)
    world = World(behind(a, A), behind(b, B)).introduce().run(2.0)
    selected = world.a.agent.selected
    assert selected is not None
    assert selected.remote.type.word == "prflx"


def test_both_sides_end_on_the_same_pair() -> None:
    world = (
        World(behind(Nat("198.51.100.1"), A, "10.0.1.1"), public("10.1.0.1", "10.1.1.1")).introduce().run(5.0)
    )
    ours, theirs = world.a.agent.selected, world.b.agent.selected
    assert ours is not None
    assert theirs is not None
    assert ours.local.transport == theirs.remote.transport
    assert ours.remote.transport == theirs.local.transport


def test_ipv6_works_like_ipv4() -> None:
    world = World(public("2001:db8::1"), public("2001:db8::2")).introduce().run(1.0)
    assert world.a.agent.route == Route(world.a.bases[0], ("2001:db8::2", 4000))


def test_of_both_families_ipv6_is_chosen() -> None:
    world = World(public(A, "2001:db8::1"), public(B, "2001:db8::2")).introduce().run(1.0)
    assert world.b.agent.selected is not None
    assert world.b.agent.selected.remote.address == "2001:db8::1"


@pytest.mark.parametrize("seed", range(12))
def test_loss_of_30_percent_is_survived(seed: int) -> None:
    world = apart().introduce(a=0.1, b=0.05)
    dice = random.Random(seed)
    world.link.drop = lambda packet: dice.random() < 0.3
    world.run(3.0)
    assert world.a.agent.selected is not None
    assert world.b.agent.selected is not None


def test_a_connected_pair_costs_one_exchange_each_way_every_five_seconds() -> None:
    world = together().introduce().run(10.0)
    before = len(world.link.packets)
    world.run(310.0)
    assert len(world.link.packets) - before == pytest.approx(2 * 2 * 60, rel=0.1)


def test_the_same_seed_gives_the_same_bytes() -> None:
    one, two = (apart().introduce(a=0.1, b=0.05).run(20.0).link.packets for _ in range(2))
    assert [packet.data for packet in one] == [packet.data for packet in two]


def test_no_transaction_is_left_when_all_is_answered() -> None:
    world = together().introduce().run(1.0)
    assert len(world.a.transactions) == len(world.b.transactions) == 0


# Roles


def test_of_two_controlling_agents_the_one_with_the_larger_tie_breaker_stays() -> None:
    peer = alone(controlling=True, tie_breaker=50)
    peer.check(other(), BASE, SOURCE, 0.0, controlling=True, tie_breaker=49)
    assert [answer.error for answer in answers(peer)] == [(487, "Role Conflict")]
    assert peer.agent.controlling
    assert peer.agent.drops["request-role-conflict"] == 1


def test_of_two_controlling_agents_the_one_with_the_smaller_tie_breaker_gives_way() -> None:
    peer = alone(controlling=True, tie_breaker=50)
    peer.check(other(), BASE, SOURCE, 0.0, controlling=True, tie_breaker=51)
    assert [answer.cls for answer in answers(peer)] == [stun.Class.SUCCESS]
    assert not peer.agent.controlling


def test_of_two_controlled_agents_the_one_with_the_larger_tie_breaker_takes_over() -> None:
    peer = alone(controlling=False, tie_breaker=50)
    peer.check(other(), BASE, SOURCE, 0.0, controlling=False, tie_breaker=49)
    assert [answer.cls for answer in answers(peer)] == [stun.Class.SUCCESS]
    assert peer.agent.controlling


def test_of_two_controlled_agents_the_one_with_the_smaller_tie_breaker_stays() -> None:
    peer = alone(controlling=False, tie_breaker=50)
    peer.check(other(), BASE, SOURCE, 0.0, controlling=False, tie_breaker=51)
    assert [answer.error for answer in answers(peer)] == [(487, "Role Conflict")]
    assert not peer.agent.controlling


@pytest.mark.parametrize("controlling", ["AB", ""], ids=["both", "neither"])
@pytest.mark.parametrize("seed", range(6))
def test_two_agents_with_the_same_role_connect_all_the_same(controlling: str, seed: int) -> None:
    world = World(public(A), public(B), controlling=controlling, seed=seed).introduce(a=2 * S, b=S).run(2.0)
    assert world.a.agent.controlling != world.b.agent.controlling
    assert world.a.agent.selected is not None
    assert world.b.agent.selected is not None


def test_a_role_conflict_after_the_credentials_orders_the_pairs_anew() -> None:
    peer = alone(controlling=True, tie_breaker=50)
    describe(peer)
    peer.agent.outputs()
    peer.check(other(), BASE, SOURCE, 0.1, controlling=True, tie_breaker=51)
    assert [check.controlled for check in checks(peer)] == [50]


def test_from_when_the_peer_is_known_to_be_ours_nominations_carry_values() -> None:
    peer = alone(renomination=False)
    peer.agent.peer_is_warren(0.0)
    describe(peer)
    peer.check(other(), BASE, SOURCE, 0.1)
    assert [check.nomination for check in checks(peer)] == [None, 1]


def test_a_role_conflict_costs_one_round_trip() -> None:
    world = World(public(A), public(B), controlling="AB").introduce(a=2 * S, b=S).run(2.0)
    assert max(connected_at(world)) <= 2 * S + 4 * D + 0.001


# The end


def test_a_closed_agent_sends_nothing_and_wants_no_tick() -> None:
    world = together().introduce().run(1.0)
    agent = world.a.agent
    agent.outputs()
    agent.close(1.0)
    agent.tick(100.0)
    world.a.check(world.b, world.a.bases[0], SOURCE, 1.0)
    assert agent.outputs() == []
    assert agent.deadline is None
    assert agent.route is None


def test_a_closed_agent_leaves_no_transaction() -> None:
    peer = alone()
    describe(peer)
    peer.agent.close(0.1)
    assert len(peer.transactions) == 0


def test_a_closed_agent_takes_no_credentials() -> None:
    peer = alone()
    peer.agent.close(0.0)
    describe(peer)
    assert peer.agent.outputs() == []


def test_an_agent_that_knows_nobody_has_nothing_to_tell() -> None:
    agent = alone().agent
    agent.end_remote(0.0)
    agent.end_local(0.0)
    agent.suspect("no reason", 0.0)
    agent.tick(0.0)
    assert (agent.route, agent.selected, agent.pair_reports(), agent.deadline) == (None, None, (), None)
    assert (agent.valid, agent.authenticated, agent.outputs()) == (False, False, [])


def test_a_base_can_go_before_the_peer_is_known() -> None:
    peer = alone()
    peer.check(other(), BASE, SOURCE, 0.0)
    peer.agent.outputs()
    peer.agent.remove_base(BASE, 0.5)
    describe(peer)
    assert peer.agent.outputs() == []
    assert peer.agent.drops["check-on-unknown-base"] == 1


def test_no_secret_is_in_what_an_agent_tells() -> None:
    world = apart().introduce().run(5.0)
    told: list[AgentOutput] = [output for peer in (world.a, world.b) for _, output in peer.told]
    words = repr(told) + repr(world.a.agent.pair_reports()) + repr(world.a.agent.selected)
    for peer in (world.a, world.b):
        assert peer.credentials.ufrag not in words
        assert peer.credentials.pwd not in words


def test_a_packet_shows_that_the_link_of_these_tests_can_lose() -> None:
    world = together().introduce()
    world.link.drop = lambda packet: True
    world.run(1.0)
    assert world.link.packets
    assert world.a.agent.selected is None


def test_connections_are_told_to_the_present_attempt() -> None:
    world = World(with_streams("10.0.0.1"), with_streams("10.1.0.1"))
    world.link.drop = lambda packet: packet.base.protocol == "udp"
    world.introduce().run(2.0)
    assert [len(peer.all(PairSelected)) > 0 for peer in (world.a, world.b)] == [True, True]
    for base, wire in list(world.link.wires.items()):
        wire.peer.agent.stream_closed(base, "reset", 2.0)
    assert [peer.agent.selected for peer in (world.a, world.b)] == [None, None]


def test_connections_without_an_attempt_are_ignored() -> None:
    agent = Peer("A", controlling=True, bases=[]).agent
    agent.stream_opened(Base("10.0.0.1", 0, "tcp"), 0.0)
    agent.stream_closed(Base("10.0.0.1", 0, "tcp"), "reset", 0.0)
    assert agent.outputs() == []
