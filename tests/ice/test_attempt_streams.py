"""One attempt at a peer that can be reached over TCP: when connections are tried, and how they end."""

from dataclasses import replace
from functools import partial

import pytest

from tests.ice.link import (
    HOST,
    Nat,
    Packet,
    Peer,
    Place,
    World,
    behind,
    candidate,
    host,
    public,
    stream,
    with_streams,
)
from warren.ice.held import MAX_CONNECTIONS
from warren.ice.outputs import ChecksFailed, ConsentLost, PairFormed, PairSelected, Settled
from warren.ice.timing import STREAM_HOLD
from warren.ice.transport import Base, CloseStream, OpenStream, Transmit
from warren.messages import CandidateType, TCPType

A, B = "10.0.0.1", "10.1.0.1"
D = 0.020


def udp(packet: Packet) -> bool:
    return packet.base.protocol == "udp"


def world(*, drop_udp: bool = True, controlling: str = "A", a: str = A, nat: Nat | None = None) -> World:
    made = World(with_streams(a, nat=nat), with_streams(B), controlling=controlling, delay=D)
    if drop_udp:
        made.link.drop = udp
    return made.introduce()


def protocols(world: World) -> list[str | None]:
    """What each side's path goes over."""
    routes = [peer.agent.route for peer in (world.a, world.b)]
    return [None if route is None else route.base.protocol for route in routes]


def open_bases(world: World, peer: Peer) -> list[Base]:
    return [base for base, wire in world.link.wires.items() if wire.peer is peer]


def test_connections_are_held_back_while_udp_may_work() -> None:
    here = world().run(2.0)
    assert [now for now, _ in here.link.opened] == [STREAM_HOLD, STREAM_HOLD]


def test_where_udp_works_nothing_is_connected() -> None:
    here = world(drop_udp=False).run(30.0)
    assert here.link.opened == []
    assert [report.local.network.is_tcp for report in here.a.agent.pair_reports()] == [False]


@pytest.mark.parametrize("controlling", ["A", "B"])
def test_without_udp_both_are_connected_a_round_trip_for_each_of_connection_and_check_later(
    controlling: str,
) -> None:
    here = world(controlling=controlling).run(2.0)
    assert protocols(here) == ["tcp", "tcp"]
    for peer in (here.a, here.b):
        assert peer.when(PairSelected)[0] <= STREAM_HOLD + 6 * D + 1e-9


def test_connections_are_opened_from_active_to_passive() -> None:
    here = world().run(2.0)
    assert sorted(order.destination for _, order in here.link.opened) == [(A, 8000), (B, 8000)]
    assert all(order.base.port == 0 and order.tls is None for _, order in here.link.opened)


def test_each_connection_has_a_base_of_its_own() -> None:
    here = World(with_streams(A), with_streams(B), delay=D)
    here.b.agent.set_remote(here.a.credentials, 0.0)
    here.b.agent.add_remote(stream(Base(A, 8000, "tcp")).candidate, 0.0)
    here.b.agent.add_remote(stream(Base(A, 8001, "tcp")).candidate, 0.0)
    here.run(1.0)
    one, other = (order.base for _, order in here.link.opened)
    assert one is not other


def test_who_accepts_sees_an_active_peer_reflexive_candidate() -> None:
    here = World(with_streams(A, nat=Nat("198.51.100.1")), Place([Base(B, 8000, "tcp")]), delay=D)
    here.introduce().run(2.0)
    selected = here.b.all(PairSelected)[0]
    assert (selected.local.tcp_type, selected.local.transport) == (TCPType.PASSIVE, (B, 8000))
    assert (selected.remote.type, selected.remote.tcp_type) == (CandidateType.PEER_REFLEXIVE, TCPType.ACTIVE)
    assert selected.remote.address == "198.51.100.1"


def refusing(*, until: float) -> World:
    """A peer at whose port nobody listens, seen from the first side until then."""
    here = World(with_streams(A), public(B), delay=D)
    here.a.agent.set_remote(here.b.credentials, 0.0)
    here.a.agent.add_remote(stream(Base(B, 8000, "tcp")).candidate, 0.0)
    here.a.agent.end_remote(0.0)
    return here.run(until)


def test_a_connection_that_is_refused_tells_the_reason_and_is_tried_again() -> None:
    (report,) = refusing(until=1.0).a.agent.pair_reports()
    assert (report.state, report.last_error, report.sent) == ("in progress", "connection refused", 0)


def test_what_is_refused_is_tried_five_times_ever_later() -> None:
    here = refusing(until=60.0)
    took, at = 2 * D, STREAM_HOLD
    expected = [at := at + (took + gap if gap else 0.0) for gap in (0, 1, 2, 4, 8)]
    assert [now for now, _ in here.link.opened] == pytest.approx(expected)


def test_when_all_were_refused_so_often_the_attempt_is_over() -> None:
    here = refusing(until=60.0)
    assert here.a.when(ChecksFailed) == pytest.approx([STREAM_HOLD + 15.0 + 10 * D])
    (report,) = here.a.agent.pair_reports()
    assert (report.state, report.last_error) == ("failed", "connection refused")


def test_that_every_other_pair_has_failed_ends_nothing_while_connections_are_held() -> None:
    here = world()
    here.run(0.1)
    here.a.agent.remove_base(here.a.bases[0], 0.1)
    here.run(0.4)
    assert here.a.when(ChecksFailed) == []
    assert here.run(2.0).a.agent.route is not None


def test_a_peer_that_only_takes_connections_is_a_pair_when_they_are_tried() -> None:
    here = World(with_streams(A), public(B), delay=D)
    here.a.agent.set_remote(here.b.credentials, 0.0)
    here.a.agent.add_remote(stream(Base(B, 8000, "tcp")).candidate, 0.0)
    here.run(1.0)
    assert here.a.when(PairFormed) == [STREAM_HOLD]


def test_what_can_be_connected_only_later_is_tried_at_once() -> None:
    here = World(with_streams(A), public(B), delay=D)
    here.a.agent.set_remote(here.b.credentials, 0.0)
    for when, port in ((0.0, 8000), (1.0, 8001)):
        told = stream(Base(B, port, "tcp")).candidate
        here.link.at(when, partial(here.a.agent.add_remote, told, when))
    here.run(1.1)
    assert [now for now, _ in here.link.opened] == [STREAM_HOLD, 1.0]


def test_connections_that_are_on_their_way_are_given_up_when_udp_works() -> None:
    here = world().run(0.49)
    here.link.drop = lambda packet: False
    here.run(0.6)
    assert len(here.link.opened) == 2
    assert protocols(here) == ["udp", "udp"]
    assert [base for base in here.link.wires if base.port == 0] == []
    errors = [report.last_error for report in here.a.agent.pair_reports()]
    assert errors.count("a better path was there first") == 1


def test_udp_that_works_later_takes_over_from_tcp() -> None:
    here = world().run(3.9)
    assert protocols(here) == ["tcp", "tcp"]
    here.link.drop = lambda packet: False
    here.run(140.0)
    assert protocols(here) == ["udp", "udp"]


def test_silent_udp_addresses_are_asked_once_a_minute_from_tcp() -> None:
    here = world().run(60.0)
    before = len(here.link.requests(here.a, (B, 4000)))
    assert before <= 20
    here.run(360.0)
    assert 4 <= len(here.link.requests(here.a, (B, 4000))) - before <= 5


def test_an_address_that_is_gone_is_not_asked_from_tcp() -> None:
    here = world().run(10.0)
    here.a.agent.remove_base(here.a.bases[0], 10.0)
    before = len(here.link.requests(here.a))
    here.run(140.0)
    assert [packet for packet in here.link.requests(here.a)[before:] if packet.base.protocol == "udp"] == []


def test_checks_over_a_connection_are_repeated_for_a_peer_that_was_not_ready() -> None:
    here = World(with_streams(A), with_streams(B), delay=D)
    here.link.drop = udp
    here.a.agent.set_remote(here.b.credentials, 0.0)
    here.a.agent.add_remote(stream(Base(B, 8000, "tcp")).candidate, 0.0)
    here.b.credentials = type(here.b.credentials)("unknown", here.b.credentials.pwd)
    here.run(10.0)
    (report,) = here.a.agent.pair_reports()
    assert (report.state, report.sent) == ("in progress", 5)


def test_a_path_whose_connection_breaks_is_left_for_another_one() -> None:
    here = World(with_streams(A), with_streams(B), delay=D)
    here.link.drop = udp
    here.introduce().run(2.0)
    route = here.a.agent.route
    assert route is not None
    here.link.close(here.link.wires[route.base].other.base)  # type: ignore[union-attr]  # it is connected
    here.run(3.0)
    after = here.a.agent.route
    assert after is not None
    assert after.base is not route.base


def test_events_of_a_connection_that_is_not_ours_change_nothing() -> None:
    here = world().run(2.0)
    before = here.a.agent.route
    here.a.agent.stream_opened(Base(A, 0, "tcp"), 2.0)
    here.a.agent.stream_closed(Base(A, 0, "tcp"), "reset", 2.0)
    assert here.a.agent.outputs() == []
    assert here.a.agent.route is before


def test_events_of_a_connection_before_anything_is_known_of_the_peer_change_nothing() -> None:
    agent = Peer("A", controlling=True, bases=[]).agent
    agent.stream_opened(Base(A, 0, "tcp"), 2.0)
    agent.stream_closed(Base(A, 0, "tcp"), "reset", 2.0)
    assert agent.outputs() == []


def test_an_attempt_that_is_over_hears_nothing_of_its_connections() -> None:
    here = world().run(2.0)
    bases = open_bases(here, here.a)
    here.a.agent.close(2.0)
    here.a.agent.outputs()
    for base in bases:
        here.a.agent.stream_closed(base, "reset", 2.1)
    assert here.a.agent.outputs() == []


def test_closing_ends_every_connection() -> None:
    here = world().run(2.0)
    bases = open_bases(here, here.a)
    here.a.agent.close(2.0)
    closed = [output.base for output in here.a.agent.outputs() if isinstance(output, CloseStream)]
    assert bases
    assert set(closed) == set(bases)


def test_an_address_that_is_gone_takes_its_connections_with_it() -> None:
    here = world().run(2.0)
    active = [base for base in open_bases(here, here.a) if base.port == 0]
    here.a.agent.remove_base(here.a.bases[1], 2.0)
    closed = [output.base for output in here.a.agent.outputs() if isinstance(output, CloseStream)]
    assert closed == active


def test_an_address_that_is_gone_is_connected_from_no_more() -> None:
    here = world().run(0.1)
    here.a.agent.remove_base(here.a.bases[1], 0.1)
    here.run(1.0)
    assert [order.destination for _, order in here.link.opened] == [(A, 8000)]


def test_connections_beyond_16_are_counted() -> None:
    peer = Peer("A", controlling=True, bases=[])
    peer.agent.add_local(stream(Base(A, 0, "tcp")), 0.0)
    peer.agent.set_remote(Peer("B", controlling=False, bases=[]).credentials, 0.0)
    for port in range(1, 19):
        peer.agent.add_remote(stream(Base(B, port, "tcp")).candidate, 0.0)
    peer.agent.tick(STREAM_HOLD)
    peer.agent.tick(STREAM_HOLD + 1.0)
    assert sum(isinstance(output, OpenStream) for output in peer.agent.outputs()) == MAX_CONNECTIONS
    assert peer.agent.drops["connections-full"] == 2


def relayed(world: World) -> None:
    """Let both have a relayed path between them, as far as the agents can tell."""
    for peer, address in ((world.a, A), (world.b, B)):
        base = Base(address, 7000)
        peer.bases.append(base)
        relay = candidate(CandidateType.RELAY, address, 7000)
        peer.agent.add_local(replace(host(base), candidate=relay), 0.0)
    world.link.drop = lambda packet: packet.base.port != 7000 or packet.destination[1] != 7000
    for peer, address in ((world.a, B), (world.b, A)):
        peer.agent.add_remote(candidate(CandidateType.RELAY, address, 7000), 0.0)


def test_from_a_relayed_path_connections_are_tried_and_taken() -> None:
    here = World(with_streams(A), with_streams(B), delay=D, end=False)
    here.introduce(end=False).run(0.0)
    relayed(here)
    here.run(0.4)
    assert [peer.all(PairSelected)[0].local.type for peer in (here.a, here.b)] == [CandidateType.RELAY] * 2
    here.run(3.0)
    assert protocols(here) == ["tcp", "tcp"]


def test_a_path_over_tcp_settles_when_udp_has_failed() -> None:
    here = world().run(45.0)
    assert [len(peer.all(Settled)) for peer in (here.a, here.b)] == [1, 1]


def test_a_passive_candidate_alone_connects_nothing() -> None:
    here = World(public(A), with_streams(B), delay=D)
    here.link.drop = udp
    here.introduce().run(1.0)
    assert here.link.opened == []


def test_behind_a_nat_the_active_side_learns_the_address_it_is_seen_at() -> None:
    here = World(with_streams(A, nat=Nat("198.51.100.1")), with_streams(B), delay=D)
    here.link.drop = udp
    here.introduce().run(2.0)
    local = here.a.all(PairSelected)[0].local
    assert (local.type, local.address, local.tcp_type) == (
        CandidateType.PEER_REFLEXIVE,
        "198.51.100.1",
        TCPType.ACTIVE,
    )


def test_without_a_nat_the_active_side_is_a_host_with_the_port_of_its_connection() -> None:
    here = World(with_streams(A), with_streams(B), delay=D)
    here.link.drop = udp
    here.introduce().run(2.0)
    local = here.a.all(PairSelected)[0].local
    assert (local.type, local.address) == (HOST, A)
    assert local.port >= 50000


def test_consent_is_asked_over_the_connection() -> None:
    here = world().run(2.0)
    here.a.agent.outputs()
    asked: list[Base] = []
    while (now := here.a.agent.deadline) is not None and now < 8.0:
        here.a.agent.tick(now)
        asked += [output.base for output in here.a.agent.outputs() if isinstance(output, Transmit)]
    assert "tcp" in {base.protocol for base in asked}


def test_a_nat_without_tcp_changes_nothing_for_udp() -> None:
    here = World(behind(Nat("198.51.100.1"), A), with_streams(B), delay=D).introduce().run(2.0)
    assert protocols(here) == ["udp", "udp"]


def test_that_the_path_is_lost_is_told_once() -> None:
    here = World(with_streams(A), with_streams(B), delay=D, end=False)
    here.link.drop = udp
    here.introduce(end=False).run(2.0)
    for base in list(here.a.bases):
        here.a.agent.remove_base(base, 2.0)
    here.link.drain()
    here.a.agent.end_local(2.1)
    here.a.agent.end_remote(2.1)
    here.link.drain()
    assert len(here.a.all(ConsentLost)) == 1


def test_an_address_that_goes_piece_by_piece_takes_the_path_with_it() -> None:
    here = world().run(2.0)
    for base in list(here.a.bases):
        here.a.agent.remove_base(base, 2.0)
    here.link.drain()
    assert here.a.agent.selected is None
    assert len(here.a.all(ConsentLost)) == 1
