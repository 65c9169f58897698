"""A path over TCP whose connection fails, is lost or falls silent, and how it comes back."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from tests.ice.link import Nat, Peer, Place, Wire, World, candidate, host, with_streams
from warren.ice.choice import CLIMB
from warren.ice.dialer import FIRST_WAIT, MAX_TRIES, STEADY
from warren.ice.outputs import ConsentLost, PairSelected, Recovered, SourceLost, SourceProved, Suspected
from warren.ice.timing import STREAM_HOLD
from warren.ice.transport import Base
from warren.messages import CandidateType

A, B = "10.0.0.1", "10.1.0.1"
D = 0.020
PASSIVE = Base(B, 8000, "tcp")
BACK = 6 * D + 1e-6
"""So long takes the way there and back for a connection, a check and the peer's check."""


def one_way(
    *,
    controlling: str = "A",
    nat: Nat | None = None,
    relay: bool = False,
    consent_timeout: float = 5.0,
) -> World:
    """Only the first side can connect, to the second; both may have a relayed path beside it."""
    active = Place([Base(A, 4000), Base(A, 0, "tcp")], nat)
    here = World(
        active,
        Place([Base(B, 4000), PASSIVE]),
        controlling=controlling,
        delay=D,
        consent_timeout=consent_timeout,
        end=False,
    )
    here.link.drop = lambda packet: packet.base.protocol == "udp"
    here.introduce(end=False).run(0.0)
    if relay:
        relayed(here)
    return here


def relayed(here: World) -> None:
    """Let both have a relayed path between them, as far as the agents can tell."""
    for peer, address in ((here.a, A), (here.b, B)):
        base = Base(address, 7000)
        peer.bases.append(base)
        told = candidate(CandidateType.RELAY, address, 7000)
        peer.agent.add_local(replace(host(base), candidate=told), here.link.now)
    here.link.drop = lambda packet: packet.base.port != 7000 or packet.destination[1] != 7000
    for peer, address in ((here.a, B), (here.b, A)):
        peer.agent.add_remote(candidate(CandidateType.RELAY, address, 7000), here.link.now)


def ways(here: World) -> list[str | None]:
    """What data of each side goes over."""
    return [way(peer) for peer in (here.a, here.b)]


def way(peer: Peer) -> str | None:
    route = peer.agent.route
    if route is None:
        return None
    return "relay" if route.base.port == 7000 else route.base.protocol


def ends(here: World, peer: Peer) -> list[Base]:
    """The connections that a side holds."""
    return [base for base, wire in here.link.wires.items() if wire.peer is peer]


def reset(here: World) -> None:
    """Both ends of every connection hear that it is over, as from a firewall that resets."""
    for base, wire in list(here.link.wires.items()):
        del here.link.wires[base]
        wire.peer.agent.stream_closed(base, "connection reset", here.link.now)
    here.link.drain()


def silence(here: World) -> Callable[[Wire], bool]:
    """Every connection that stands is dead from now on, and neither side is told."""
    dead = set(here.link.wires)
    return lambda wire: wire.base in dead


def dialed(here: World) -> list[float]:
    """When the first side began to connect."""
    return [now for now, order in here.link.opened if order.destination == (B, 8000)]


# Reset or closed


@pytest.mark.parametrize("controlling", ["A", "B"])
def test_a_path_that_is_reset_is_connected_again_at_once(controlling: str) -> None:
    here = one_way(controlling=controlling).run(10.0)
    reset(here)
    assert ways(here) == [None, None]
    assert ways(here.run(10.0 + BACK)) == ["tcp", "tcp"]
    assert [peer.all(ConsentLost) for peer in (here.a, here.b)] == [[], []]
    assert [len(peer.all(Recovered)) for peer in (here.a, here.b)] == [1, 1]


def test_nothing_is_sent_over_a_new_connection_before_the_peer_has_answered() -> None:
    here = one_way().run(10.0)
    reset(here)
    here.run(10.0 + 3 * D)
    assert here.link.wires
    assert ways(here) == [None, None]


@pytest.mark.parametrize("controlling", ["A", "B"])
def test_what_cannot_be_connected_again_is_lost_after_the_time_of_consent(controlling: str) -> None:
    here = one_way(controlling=controlling).run(10.0)
    here.b.bases.remove(PASSIVE)
    reset(here)
    here.run(30.0)
    for peer in (here.a, here.b):
        assert peer.when(ConsentLost) == pytest.approx([15.0])
    assert dialed(here)[1:] == pytest.approx([10.0, 11.0 + 2 * D, 13.0 + 4 * D])


def test_all_is_over_at_once_where_nobody_can_connect_again() -> None:
    here = one_way().run(10.0)
    for base in list(here.a.bases):
        here.a.agent.remove_base(base, 10.0)
    here.link.drain()
    assert here.a.when(ConsentLost) == [10.0]


def test_when_every_other_pair_has_failed_the_passive_side_still_waits_for_the_peer() -> None:
    here = one_way().run(3.0)
    for peer in (here.a, here.b):
        peer.agent.end_local(3.0)
        peer.agent.end_remote(3.0)
    here.run(60.0)
    reset(here)
    assert ways(here.run(60.0 + BACK)) == ["tcp", "tcp"]


def test_a_connection_that_does_not_last_is_opened_again_ever_later() -> None:
    here = one_way(relay=True).run(10.0)
    for _ in range(MAX_TRIES):
        while not here.link.wires:
            here.run(here.link.now + 0.1)
        here.run(here.link.now + 0.2)
        reset(here)
    gaps = [later - earlier for earlier, later in pairwise(dialed(here)[1:])]
    assert len(gaps) == MAX_TRIES - 2
    assert all(gap >= FIRST_WAIT * 2**number for number, gap in enumerate(gaps))


def test_one_that_lasted_counts_as_the_first_again() -> None:
    here = one_way().run(10.0)
    for _ in range(2 * MAX_TRIES):
        reset(here)
        here.run(here.link.now + 2 * STEADY + 2.0)
    assert here.a.all(ConsentLost) == []
    assert ways(here) == ["tcp", "tcp"]


def test_200_reconnections_leave_nothing_behind() -> None:
    here = one_way(nat=Nat("198.51.100.1")).run(10.0)
    known = [len(peer.agent.pair_reports()) for peer in (here.a, here.b)]
    for _ in range(200):
        reset(here)
        here.run(here.link.now + 12.0)
        assert ways(here) == ["tcp", "tcp"]
    assert [len(peer.agent.pair_reports()) for peer in (here.a, here.b)] == known
    assert [len(ends(here, peer)) for peer in (here.a, here.b)] == [1, 1]
    assert [len(peer.transactions) < 10 for peer in (here.a, here.b)] == [True, True]
    assert [sum(peer.agent.drops.values()) for peer in (here.a, here.b)] == [0, 0]
    for peer in (here.a, here.b):
        proved = {(told.base, told.source) for told in peer.all(SourceProved)}
        lost = {(told.base, told.source) for told in peer.all(SourceLost)}
        assert len(proved) >= 201
        assert {base for base, _ in proved - lost} == set(ends(here, peer))


def test_a_peer_that_connects_again_behind_a_nat_is_named_anew() -> None:
    here = one_way(nat=Nat("198.51.100.1")).run(10.0)
    ports = []
    for _ in range(40):
        ports.append(here.a.all(PairSelected)[-1].local.port)
        reset(here)
        here.run(here.link.now + 12.0)
    assert len(set(ports)) == 40


def test_an_address_that_is_gone_with_its_connections_leaves_others_the_plain_time() -> None:
    here = one_way(relay=True)
    here.link.drop = lambda packet: True
    here.run(10.0)
    assert ways(here) == ["tcp", "tcp"]
    here.a.agent.remove_base(here.a.bases[1], 10.0)
    here.run(30.0)
    assert here.a.when(ConsentLost) == [15.0]


# Refused or silent while checking, and while relayed


def test_a_first_attempt_that_is_lost_is_repeated_while_patience_lasts() -> None:
    here = one_way()
    here.link.swallows = lambda wire: True
    here.run(11.0)
    here.link.swallows = lambda wire: False
    here.run(12.0)
    assert ways(here) == ["tcp", "tcp"]
    assert dialed(here) == pytest.approx([STREAM_HOLD, STREAM_HOLD + 11.0])


def test_a_peer_that_stays_silent_is_connected_to_four_times_in_all_while_patience_lasts() -> None:
    here = one_way()
    here.link.swallows = lambda wire: True
    here.run(60.0)
    assert dialed(here) == pytest.approx([STREAM_HOLD, 11.5, 23.5, 37.5])
    assert here.link.wires == {}


def test_from_the_relay_it_climbs_to_a_connection_that_becomes_possible() -> None:
    here = one_way(relay=True)
    here.b.bases.remove(PASSIVE)
    assert ways(here.run(100.0)) == ["relay", "relay"]
    here.b.bases.append(PASSIVE)
    here.run(100.0 + CLIMB[1] + 6.0 + BACK)
    assert ways(here) == ["tcp", "tcp"]


def test_a_silent_address_gets_five_attempts_and_one_a_minute_from_then_on() -> None:
    here = one_way(relay=True)
    here.link.swallows = lambda wire: wire.peer is here.a
    here.run(90.0)
    assert len(dialed(here)) <= MAX_TRIES + 1
    before = len(dialed(here))
    here.run(90.0 + 10 * 60.0)
    later = dialed(here)[before - 1 :]
    assert 8 <= len(later) <= 11
    assert all(second - first >= 60.0 for first, second in pairwise(later))


def test_attempts_end_when_a_direct_path_is_there() -> None:
    here = one_way()
    here.b.bases.remove(PASSIVE)
    here.run(3.0)
    here.link.drop = lambda packet: False
    here.run(5.0)
    assert ways(here) == ["udp", "udp"]
    before = len(dialed(here))
    here.run(100.0)
    assert len(dialed(here)) == before
    (tcp,) = (report for report in here.a.agent.pair_reports() if report.local.network.is_tcp)
    assert tcp.last_error == "a better path was there first"


def test_a_path_whose_connection_ended_goes_by_the_relay_until_another_stands() -> None:
    here = one_way(relay=True).run(10.0)
    assert ways(here) == ["tcp", "tcp"]
    here.b.bases.remove(PASSIVE)
    reset(here)
    here.run(10.0 + BACK)
    assert ways(here) == ["relay", "relay"]
    here.b.bases.append(PASSIVE)
    assert ways(here.run(20.0)) == ["tcp", "tcp"]


# Silent


@pytest.mark.parametrize("controlling", ["A", "B"])
@pytest.mark.parametrize("relay", [False, True])
def test_a_connection_that_died_in_silence_is_replaced_within_nine_seconds(
    controlling: str, relay: bool
) -> None:
    here = one_way(controlling=controlling, relay=relay).run(10.0)
    before = [way.base for peer in (here.a, here.b) if (way := peer.agent.route) is not None]
    here.link.swallows = silence(here)
    here.run(19.0 + 2.0)
    after = [way.base for peer in (here.a, here.b) if (way := peer.agent.route) is not None]
    assert ways(here) == ["tcp", "tcp"]
    assert not set(before) & set(after)
    assert [peer.all(ConsentLost) for peer in (here.a, here.b)] == [[], []]


def test_the_dead_connection_is_closed_at_both_ends_when_it_has_been_replaced() -> None:
    here = one_way().run(10.0)
    here.link.swallows = silence(here)
    here.run(40.0)
    assert [len(ends(here, peer)) for peer in (here.a, here.b)] == [1, 1]


def test_while_another_is_being_opened_the_old_connection_may_answer_again() -> None:
    here = one_way().run(10.0)
    dead, route = silence(here), here.a.agent.route
    here.link.swallows = lambda wire: True
    while not here.a.all(Suspected):
        here.run(here.link.now + 0.1)
    assert len(ends(here, here.a)) == 2
    here.link.swallows = lambda wire: not dead(wire)
    here.run(here.link.now + 1.0)
    assert here.a.agent.route is route
    assert len(ends(here, here.a)) == 1
    assert len(here.a.all(Recovered)) == 1


def test_another_connection_that_fails_too_leaves_the_old_one_its_time() -> None:
    here = one_way().run(10.0)
    here.b.bases.remove(PASSIVE)
    here.link.swallows = silence(here)
    while not here.a.all(Suspected):
        here.run(here.link.now + 0.1)
    here.run(here.link.now + 4.0)
    here.link.swallows = lambda wire: False
    here.run(here.link.now + 2.0)
    assert ways(here) == ["tcp", "tcp"]
    assert here.a.all(ConsentLost) == []


def test_the_old_connection_that_ends_while_another_is_being_opened_takes_nothing_with_it() -> None:
    here = one_way().run(10.0)
    (old,) = ends(here, here.a)
    here.link.swallows = lambda wire: wire.base is old
    while not here.a.all(Suspected):
        here.run(here.link.now + 0.01)
    here.link.close(old)
    here.a.agent.stream_closed(old, "timed out", here.link.now)
    here.run(here.link.now + 2.0)
    assert ways(here)[0] == "tcp"
    assert here.a.all(ConsentLost) == []


def test_another_connection_that_takes_its_place_and_dies_too_is_given_the_plain_time() -> None:
    here = one_way().run(10.0)
    here.link.swallows = silence(here)
    while here.a.agent.route is not None:
        here.run(here.link.now + 0.01)
    here.link.swallows = lambda wire: True
    replaced = here.link.now
    here.run(replaced + 10.0)
    assert here.a.when(ConsentLost) == [pytest.approx(replaced + 5.0, abs=0.02)]


def test_a_dead_connection_without_another_is_lost_after_four_times_the_time_of_consent() -> None:
    here = one_way().run(10.0)
    here.link.swallows = lambda wire: True
    here.run(60.0)
    (suspected,), (lost,) = here.a.when(Suspected), here.a.when(ConsentLost)
    assert suspected <= 10.0 + 6.0 + 2.5
    assert lost == pytest.approx(suspected + 20.0)


def test_two_connections_from_two_addresses_of_the_peer_do_not_replace_each_other() -> None:
    here = World(with_streams(A), with_streams(B), delay=D).introduce()
    here.link.drop = lambda packet: packet.base.protocol == "udp"
    here.run(30.0)
    assert [len(ends(here, peer)) for peer in (here.a, here.b)] == [2, 2]


def test_a_path_that_may_not_be_connected_again_any_more_is_lost_at_once() -> None:
    here = one_way(consent_timeout=30.0).run(0.7)
    while not here.a.all(ConsentLost):
        while not here.link.wires:
            here.run(here.link.now + 0.1)
        here.run(here.link.now + 0.2)
        reset(here)
    assert len(dialed(here)) == MAX_TRIES
    (lost,) = here.a.all(ConsentLost)
    assert lost.reason == "the connection of the path has ended: connection reset, and there is no other"
