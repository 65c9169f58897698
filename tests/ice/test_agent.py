"""Two agents find each other; packets, credentials and roles of one agent."""

import random
from collections import Counter

import pytest

from tests.ice.link import (
    HOST,
    Nat,
    Peer,
    World,
    behind,
    candidate,
    host,
    public,
    with_streams,
)
from warren.ice import stun
from warren.ice.outputs import (
    AgentOutput,
    ChecksFailed,
    PairFormed,
    PairSelected,
    Settled,
    SourceProved,
    Suspected,
)
from warren.ice.timing import PATIENCE
from warren.ice.transport import Address, Base, Route, Transmit
from warren.messages import Credentials

S, D = 0.050, 0.020  # One way through signaling, one way between the peers.
A, B = "10.0.0.1", "10.1.0.1"
BASE = Base(A, 4000)
SOURCE = (B, 4000)


def apart(*, controlling: str = "A") -> World:
    """Both behind port-restricted NATs of their own."""
    a = behind(Nat("198.51.100.1"), A)
    b = behind(Nat("203.0.113.1"), B)
    return World(a, b, controlling=controlling, delay=D)


def together(*, controlling: str = "A", renomination: bool = True) -> World:
    return World(public(A), public(B), controlling=controlling, renomination=renomination, delay=D)


def connected_at(world: World) -> tuple[float, float]:
    return world.a.when(PairSelected)[0], world.b.when(PairSelected)[0]


def alone(*, controlling: bool = True, tie_breaker: int = 50, renomination: bool = True) -> Peer:
    """One agent with a host candidate that has heard of nobody."""
    peer = Peer(
        "A", controlling=controlling, bases=[BASE], tie_breaker=tie_breaker, renomination=renomination
    )
    peer.agent.add_local(host(BASE), 0.0)
    return peer


def other() -> Peer:
    return Peer("B", controlling=False, bases=[Base(*SOURCE)])


def packets(peer: Peer) -> list[stun.Stun]:
    """What the agent wants to send now."""
    return [stun.parse(each.data) for each in peer.agent.outputs() if isinstance(each, Transmit)]


def answers(peer: Peer) -> list[stun.Stun]:
    return [packet for packet in packets(peer) if packet.cls is not stun.Class.REQUEST]


def checks(peer: Peer) -> list[stun.Stun]:
    return [packet for packet in packets(peer) if packet.cls is stun.Class.REQUEST]


def respond(peer: Peer, request: stun.Stun, data: bytes, source: Address = SOURCE, now: float = 0.1) -> None:
    """Let something come back for a check of this agent."""
    transaction = peer.transactions.get(request.transaction_id)
    assert transaction is not None
    peer.agent.response_received(transaction, stun.parse(data), source, BASE, now)


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


# Before the peer is known


def test_a_check_is_answered_before_anything_is_known_of_the_peer() -> None:
    peer = alone()
    peer.check(other(), BASE, SOURCE, 0.0)
    assert [answer.cls for answer in answers(peer)] == [stun.Class.SUCCESS]


def test_an_answer_says_where_the_check_came_from() -> None:
    peer = alone()
    peer.check(other(), BASE, SOURCE, 0.0)
    assert answers(peer)[0].mapped_address == SOURCE


def test_an_answer_is_made_with_our_password() -> None:
    peer = alone()
    peer.check(other(), BASE, SOURCE, 0.0)
    assert stun.verify(answers(peer)[0], stun.prepare_key(peer.credentials.pwd))


def test_an_answer_leaves_from_where_it_was_asked_to_who_asked() -> None:
    peer = alone()
    peer.check(other(), BASE, SOURCE, 0.0)
    (answer,) = peer.agent.outputs()
    assert isinstance(answer, Transmit)
    assert (answer.base, answer.destination) == (BASE, SOURCE)


def test_a_stranger_is_not_checked() -> None:
    peer = alone()
    peer.check(other(), BASE, SOURCE, 0.0)
    assert checks(peer) == []


def test_an_early_check_proves_nothing_before_the_credentials_it_named_are_known() -> None:
    peer = alone()
    peer.check(other(), BASE, SOURCE, 0.0)
    assert not peer.agent.authenticated
    assert not any(isinstance(output, SourceProved) for output in peer.agent.outputs())


def test_with_the_credentials_an_early_source_is_checked_in_the_same_turn() -> None:
    peer = alone()
    peer.check(other(), BASE, SOURCE, 0.0)
    peer.agent.outputs()
    peer.agent.set_remote(other().credentials, 1.0)
    sent = [each for each in peer.agent.outputs() if isinstance(each, Transmit)]
    assert [each.destination for each in sent] == [SOURCE]


def test_with_the_credentials_an_early_source_is_proved() -> None:
    peer = alone()
    peer.check(other(), BASE, SOURCE, 0.0)
    peer.agent.set_remote(other().credentials, 1.0)
    assert SourceProved(BASE, SOURCE) in peer.agent.outputs()
    assert peer.agent.authenticated


def test_an_early_source_under_another_ufrag_is_left_alone() -> None:
    peer = alone()
    peer.check(other(), BASE, SOURCE, 0.0, ufrag="somebodyelse")
    peer.agent.outputs()
    peer.agent.set_remote(other().credentials, 1.0)
    assert peer.agent.outputs() == []


def test_a_check_under_another_ufrag_than_the_present_one_is_answered_and_kept() -> None:
    peer = alone()
    peer.agent.set_remote(Credentials("firstguess", "x" * 24), 0.0)
    peer.check(other(), BASE, SOURCE, 1.0)
    assert [packet.cls for packet in packets(peer)] == [stun.Class.SUCCESS]
    peer.agent.set_remote(other().credentials, 2.0)
    assert len(checks(peer)) == 1


def test_an_early_nomination_counts_later() -> None:
    peer = alone(controlling=False)
    peer.check(other(), BASE, SOURCE, 0.0, nomination=1)
    peer.agent.outputs()
    peer.agent.set_remote(other().credentials, 1.0)
    (request,) = checks(peer)
    respond(peer, request, stun.success(request, (A, 4000), stun.prepare_key(other().credentials.pwd)))
    assert peer.agent.selected is not None


def test_the_33rd_early_source_is_counted_as_too_much() -> None:
    peer = alone()
    for port in range(1, 34):
        peer.check(other(), BASE, (B, port), 0.0)
    assert peer.agent.drops["early-checks-full"] == 1


@pytest.mark.parametrize("early", [True, False])
def test_a_check_from_port_0_is_counted_and_means_nothing(early: bool) -> None:
    peer = alone()
    if not early:
        peer.agent.set_remote(other().credentials, 0.0)
    peer.check(other(), BASE, (SOURCE[0], 0), 0.1)
    peer.agent.set_remote(other().credentials, 0.2)
    assert (peer.agent.drops["check-from-port-0"], packets(peer)) == (1, [])


def test_a_request_without_a_username_is_answered_and_means_nothing() -> None:
    peer = alone()
    data = stun.build(
        stun.Method.BINDING, stun.Class.REQUEST, bytes(12), [], stun.prepare_key(peer.credentials.pwd)
    )
    peer.agent.request_received(stun.parse(data), BASE, SOURCE, 0.0)
    peer.agent.set_remote(other().credentials, 1.0)
    assert [packet.cls for packet in packets(peer)] == [stun.Class.SUCCESS]


def test_a_check_with_our_password_is_verified() -> None:
    peer = alone()
    assert peer.agent.verify(peer.check(other(), BASE, SOURCE, 0.0))


def test_a_check_with_another_password_is_not_verified() -> None:
    peer = alone()
    request = stun.binding_request(
        bytes(12),
        stun.check_attributes(username="a:b", priority=1, controlling=False, tie_breaker=1),
        stun.prepare_key("wrong"),
    )
    assert not peer.agent.verify(stun.parse(request))


# The peer's description


def describe(peer: Peer, now: float = 0.0) -> None:
    peer.agent.set_remote(other().credentials, now)
    peer.agent.add_remote(candidate(HOST, *SOURCE), now)


def test_the_first_check_goes_in_the_same_turn_as_the_first_pair() -> None:
    peer = alone()
    describe(peer)
    kinds = [type(output) for output in peer.agent.outputs()]
    assert kinds == [PairFormed, Transmit]


def test_the_first_pair_is_told_once() -> None:
    peer = alone()
    describe(peer)
    peer.agent.add_remote(candidate(HOST, B, 4001), 0.0)
    assert Counter(map(type, peer.agent.outputs()))[PairFormed] == 1


def test_the_same_credentials_again_change_nothing() -> None:
    peer = alone()
    describe(peer)
    peer.agent.outputs()
    describe(peer, 0.001)
    assert peer.agent.outputs() == []
    assert len(peer.agent.pair_reports()) == 1


def test_other_credentials_forget_the_peers_candidates() -> None:
    peer = alone()
    describe(peer)
    peer.agent.set_remote(Credentials("restarted", "y" * 24), 1.0)
    assert peer.agent.pair_reports() == ()


def test_the_same_ufrag_with_another_password_is_another_description() -> None:
    peer = alone()
    describe(peer)
    peer.agent.set_remote(Credentials(other().credentials.ufrag, "y" * 24), 1.0)
    assert peer.agent.pair_reports() == ()


def test_other_credentials_end_the_checks_under_the_old_ones() -> None:
    peer = alone()
    describe(peer)
    peer.agent.set_remote(Credentials("restarted", "y" * 24), 1.0)
    assert len(peer.transactions) == 0


def test_other_credentials_take_the_path_away() -> None:
    world = together().introduce().run(1.0)
    world.a.agent.set_remote(Credentials("restarted", "y" * 24), 1.0)
    agent = world.a.agent
    assert (agent.route, agent.selected, agent.valid, agent.authenticated) == (None, None, False, False)


def test_other_credentials_renew_no_patience() -> None:
    peer = alone()
    describe(peer)
    peer.agent.outputs()
    peer.agent.set_remote(Credentials("restarted", "y" * 24), 30.0)
    peer.agent.add_remote(candidate(HOST, *SOURCE), 30.0)
    assert PairFormed() not in peer.agent.outputs()
    peer.agent.tick(PATIENCE)
    assert any(isinstance(output, ChecksFailed) for output in peer.agent.outputs())


def test_after_a_path_was_found_other_credentials_get_patience_of_their_own() -> None:
    world = together().introduce().run(1.0)
    world.a.agent.set_remote(Credentials("restarted", "y" * 24), 50.0)
    world.a.agent.add_remote(candidate(HOST, *SOURCE), 50.0)
    world.a.agent.tick(50.0 + PATIENCE - 1.0)
    assert not any(isinstance(output, ChecksFailed) for output in world.a.agent.outputs())
    world.a.agent.tick(50.0 + PATIENCE)
    assert any(isinstance(output, ChecksFailed) for output in world.a.agent.outputs())


def test_other_credentials_renew_no_budget() -> None:
    peer = alone()
    for number in range(30):
        peer.agent.set_remote(Credentials(f"guess{number}", "y" * 24), 0.01 * number)
        peer.agent.add_remote(candidate(HOST, *SOURCE), 0.01 * number)
    assert len(checks(peer)) == 13


def test_every_pair_is_reported_the_best_first() -> None:
    peer = alone()
    describe(peer)
    peer.agent.add_remote(candidate(HOST, B, 4001, index=-1), 0.0)
    assert [report.remote.port for report in peer.agent.pair_reports()] == [4001, 4000]


def test_an_address_of_ours_that_comes_late_is_checked_from_at_once() -> None:
    peer = alone()
    describe(peer)
    peer.agent.outputs()
    late = Base("10.0.7.1", 4000)
    peer.agent.add_local(host(late, 1), 0.001)
    sent = [output.base for output in peer.agent.outputs() if isinstance(output, Transmit)]
    assert sent == [late]


def test_an_address_of_ours_that_is_known_is_ignored() -> None:
    peer = alone()
    describe(peer)
    peer.agent.outputs()
    peer.agent.add_local(host(BASE), 0.001)
    assert peer.agent.outputs() == []


def test_saying_late_that_our_addresses_are_final_settles_it() -> None:
    world = World(public(A), public(B), end=False).introduce().run(5.0)
    world.a.agent.end_local(5.0)
    world.link.drain()
    assert world.a.when(Settled) == [5.0]


def test_an_address_of_ours_that_goes_fails_its_pairs() -> None:
    peer = alone()
    describe(peer)
    peer.agent.remove_base(BASE, 0.1)
    assert [report.state for report in peer.agent.pair_reports()] == ["failed"]


def test_a_selected_pair_can_be_doubted() -> None:
    world = together().introduce().run(1.0)
    world.a.agent.suspect("unknown credentials came", 1.0)
    world.link.drain()
    assert world.a.all(Suspected) == [Suspected("unknown credentials came")]


def test_a_candidate_without_credentials_is_counted_and_dropped() -> None:
    peer = alone()
    peer.agent.add_remote(candidate(HOST, *SOURCE), 0.0)
    assert peer.agent.drops["candidate-without-credentials"] == 1


def test_a_hostile_candidate_is_counted_and_dropped() -> None:
    peer = alone()
    peer.agent.set_remote(other().credentials, 0.0)
    peer.agent.add_remote(candidate(HOST, "224.0.0.1", 1), 0.0)
    assert peer.agent.drops["candidate-multicast"] == 1
    assert peer.agent.pair_reports() == ()


def test_a_silent_victim_gets_13_checks_in_two_seconds_and_20_in_all() -> None:
    victim = (B, 53)
    world = World(public(A, "10.0.1.1", "10.0.2.1"), public("10.9.0.1"), end=False)
    world.a.agent.set_remote(world.b.credentials, 0.0)
    world.a.agent.add_remote(candidate(HOST, *victim), 0.0)
    world.run(1.999)
    assert len(world.link.requests(world.a, victim)) == 13
    world.run(60.0)
    assert len(world.link.requests(world.a, victim)) == 20


def test_once_connected_a_silent_victim_gets_one_check_a_minute() -> None:
    world = together().introduce().run(1.0)
    victim = candidate(HOST, "10.1.0.2", 53, index=0)
    for port in (53, 54):
        world.a.agent.add_remote(candidate(HOST, "10.1.0.2", port), 1.0)
    world.run(59.0)
    assert len(world.link.requests(world.a, victim.transport)) <= 1


# Answers that are none


def test_an_answer_with_a_wrong_password_is_counted_and_the_check_goes_on() -> None:
    peer = alone()
    describe(peer)
    (request,) = checks(peer)
    respond(peer, request, stun.success(request, (A, 4000), stun.prepare_key("wrong")))
    assert peer.agent.drops["response-bad-integrity"] == 1
    assert not peer.agent.valid
    assert peer.transactions.get(request.transaction_id) is not None


def test_an_answer_without_integrity_is_counted_and_the_check_goes_on() -> None:
    peer = alone()
    describe(peer)
    (request,) = checks(peer)
    respond(peer, request, stun.success(request, (A, 4000), None))
    assert not peer.agent.authenticated


def test_an_answer_after_the_peer_was_forgotten_is_nothing() -> None:
    peer = alone()
    transaction = peer.transactions.begin(peer, BASE, SOURCE, 0.0, "nothing of the agent's")
    response = stun.parse(stun.success(stun.parse(stun.server_request(transaction.id)), SOURCE, None))
    peer.agent.response_received(transaction, response, SOURCE, BASE, 0.1)
    describe(peer)
    peer.agent.response_received(transaction, response, SOURCE, BASE, 0.1)
    assert not peer.agent.authenticated


# Attributes that nobody knows


def strange(peer: Peer, kind: int) -> stun.Stun:
    key = stun.prepare_key(peer.credentials.pwd)
    username = f"{peer.credentials.ufrag}:{other().credentials.ufrag}".encode()
    attributes = [(int(stun.Attribute.USERNAME), username), (kind, b"1234")]
    data = stun.build(stun.Method.BINDING, stun.Class.REQUEST, bytes(12), attributes, key)
    return stun.parse(data)


def test_an_unknown_required_attribute_gets_420_which_names_it() -> None:
    peer = alone()
    peer.agent.request_received(strange(peer, 0x7777), BASE, SOURCE, 0.0)
    (answer,) = answers(peer)
    assert answer.error == (420, "Unknown Attribute")
    assert answer.attributes[stun.Attribute.UNKNOWN_ATTRIBUTES] == b"\x77\x77"
    assert stun.verify(answer, stun.prepare_key(peer.credentials.pwd))
    assert peer.agent.drops["request-unknown-attribute"] == 1


@pytest.mark.parametrize("kind", [0x0030, 0xC057, 0x8FFF])
def test_an_old_renomination_and_optional_attributes_are_ignored(kind: int) -> None:
    peer = alone()
    peer.agent.request_received(strange(peer, kind), BASE, SOURCE, 0.0)
    assert [answer.cls for answer in answers(peer)] == [stun.Class.SUCCESS]


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
