"""What is used when the address or the connection of the path goes, or another path is asked for."""

import pytest

from tests.ice.link import World, public, with_streams
from tests.ice.paths import (
    A1,
    A2,
    B1,
    B2,
    D,
    Rig,
    asks,
    crossing,
    cut,
    kinds,
    one_path,
    over_tcp,
    path,
    two_paths,
)
from warren.ice.outputs import ConsentLost, PairSelected, Recovered, Suspected


@pytest.mark.parametrize("controlling", ["A", "B"])
def test_when_the_address_of_the_path_goes_the_other_path_takes_over(controlling: str) -> None:
    world = two_paths(controlling=controlling)
    world.a.agent.remove_base(world.a.bases.pop(0), 1.0)
    assert world.a.agent.route is None
    world.run(1.1)
    assert path(world.a) == (A2, B2)
    assert kinds(world.a)[1:] == [PairSelected, Suspected, Recovered]
    world.run(15.0)
    assert path(world.b) == (B2, A2)


def test_a_controlled_peer_that_lost_its_address_is_followed_within_a_second() -> None:
    world = two_paths(controlling="B").run(3.0)
    world.a.agent.remove_base(world.a.bases.pop(0), 3.0)
    world.run(3.9)
    assert path(world.b) == (B2, A2)


def test_a_check_over_a_worse_path_makes_the_one_who_controls_ask_the_chosen_one() -> None:
    world = two_paths()
    assert asks(world, world.a, world.b, 1, 3.0) == [A1]


def test_so_soon_after_the_choice_it_means_nothing() -> None:
    world = World(public(A1, A2), public(B1, B2), delay=D)
    world.link.drop = crossing
    world.introduce().run(0.5)
    assert asks(world, world.a, world.b, 1, 0.6) == []


def test_a_check_over_the_chosen_path_means_nothing() -> None:
    world = two_paths()
    assert asks(world, world.a, world.b, 0, 3.0) == []


def test_the_controlled_side_makes_nothing_of_a_check_over_a_worse_path() -> None:
    world = two_paths()
    assert asks(world, world.b, world.a, 1, 3.0) == []


def test_a_check_over_a_path_that_never_worked_means_nothing() -> None:
    world = World(public(A1, A2), public(B1, B2), delay=D)
    world.link.drop = cut(A2, B2)
    world.introduce()
    assert A1 not in asks(world, world.a, world.b, 1, 3.0)


def test_when_the_address_of_the_path_goes_pairs_below_it_are_tried() -> None:
    world = World(public(A1, A2), public(B1), delay=D)
    world.link.drop = lambda packet: packet.base.address == A2 or packet.destination[0] == A2
    world.introduce().run(1.0)
    world.link.drop = lambda packet: False
    world.a.agent.remove_base(world.a.bases.pop(0), 1.0)
    world.run(2.0)
    assert path(world.a) == (A2, B1)


def test_when_the_address_of_the_path_goes_checks_that_had_stopped_go_on() -> None:
    rig = Rig()
    rig.answer(rig.first)
    rig.sent()
    rig.agent.remove_base(rig.bases[0], 0.5)
    rig.agent.tick(0.5)
    assert [check.base.address for check in rig.sent()] == [A2]


def test_before_a_nomination_data_has_no_route_when_its_address_goes() -> None:
    rig = Rig(controlling=False)
    rig.answer(rig.first)
    rig.agent.remove_base(rig.bases[0], 0.5)
    assert rig.route is None


def test_when_the_address_of_the_only_path_goes_consent_is_lost_at_once() -> None:
    world = one_path()
    world.a.agent.remove_base(world.a.bases.pop(0), 1.0)
    world.link.drain()
    assert world.a.when(ConsentLost) == [1.0]


def test_when_no_other_path_works_consent_is_lost_after_its_time() -> None:
    world = two_paths()
    world.link.drop = lambda packet: True
    world.a.agent.remove_base(world.a.bases.pop(0), 1.0)
    world.run(30.0)
    assert world.a.when(ConsentLost) == [6.0]


def test_from_tcp_better_pairs_are_asked_that_never_answered() -> None:
    world = World(with_streams(A1), with_streams(B1), delay=D)
    world.link.drop = lambda packet: packet.base.protocol == "udp"
    world.introduce().run(10.0)
    before = world.a.agent.route
    world.link.drop = lambda packet: False
    world.run(140.0)
    after = world.a.agent.route
    assert before is not None
    assert after is not None
    assert (before.base.protocol, after.base.protocol) == ("tcp", "udp")


def test_from_udp_what_never_answered_is_left_alone() -> None:
    world = two_paths()
    world.link.drop = cut(A1, B1)
    world.run(20.0)
    assert path(world.a) == (A2, B2)
    before = len([p for p in world.link.requests(world.a) if (p.base.address, p.destination[0]) == (A1, B2)])
    world.run(200.0)
    after = len([p for p in world.link.requests(world.a) if (p.base.address, p.destination[0]) == (A1, B2)])
    assert after == before


def test_a_connection_that_ends_gives_way_to_another_one_which_is_doubted() -> None:
    world = over_tcp()
    selected = world.a.agent.route
    assert selected is not None
    before = len(kinds(world.a))
    world.a.agent.stream_closed(selected.base, "reset", 2.0)
    world.link.close(selected.base)
    assert world.a.agent.route is None
    world.run(3.0)
    after = world.a.agent.route
    assert after is not None
    assert after.base is not selected.base
    assert kinds(world.a)[before:] == [PairSelected, Suspected, Recovered]


def test_a_path_whose_last_connection_has_ended_waits_for_another_and_sends_nothing() -> None:
    world = over_tcp()
    for base, wire in list(world.link.wires.items()):
        if wire.peer is world.a:
            world.a.agent.stream_closed(base, "reset", 2.0)
    world.link.drain()
    assert world.a.agent.route is None
    assert world.a.all(ConsentLost) == []
    (suspected,) = world.a.all(Suspected)
    assert suspected.reason == "the connection of the path has ended: reset"
