"""How soon a path that has died silently is left, by those who miss something, and by those who follow."""

from collections.abc import Callable

import pytest

from tests.ice.link import Packet, Peer, World, host, public
from tests.ice.paths import A1, A2, B1, B2, D, asks, cut, kinds, over_tcp, path, two_paths
from warren.ice.outputs import PairSelected
from warren.ice.transport import Base

NOW = 3.0
"""When the better path dies: a while after it was chosen."""


def dying(lost: Callable[[Packet], bool], *, controlling: str = "A") -> World:
    """Two paths, of which the better one dies as is said."""
    world = two_paths(controlling=controlling).run(NOW)
    crossing = world.link.drop
    world.link.drop = lambda packet: crossing(packet) or lost(packet)
    return world


def hasten(world: World, peer: Peer, now: float) -> None:
    world.run(now)
    peer.agent.hasten(now)
    world.link.drain()


def checks(world: World, peer: Peer, since: float = NOW) -> list[tuple[float, str]]:
    """When and from where this peer has asked since then."""
    requests = world.link.requests(peer)
    return [(round(one.now - NOW, 3), one.base.address) for one in requests if one.now >= since]


def test_in_haste_the_selected_pair_is_asked_at_once_and_nothing_else() -> None:
    world = two_paths()
    hasten(world, world.a, NOW)
    world.run(NOW + 1.0)
    assert checks(world, world.a) == [(0.0, A1)]


def test_haste_that_is_answered_tells_nothing_and_leaves_the_path_alone() -> None:
    world = two_paths()
    before = kinds(world.a)
    hasten(world, world.a, NOW)
    world.run(NOW + 3.0)
    assert (kinds(world.a), path(world.a)) == (before, (A1, B1))


@pytest.mark.parametrize("controlling", ["A", "B"])
def test_both_in_haste_have_left_a_dead_path_half_a_second_later(controlling: str) -> None:
    world = dying(cut(A1, B1), controlling=controlling)
    for peer in (world.a, world.b):
        hasten(world, peer, NOW)
    world.run(NOW + 0.4 + 3 * D)
    assert (path(world.a), path(world.b)) == ((A2, B2), (B2, A2))


@pytest.mark.parametrize("controlling", ["A", "B"])
@pytest.mark.parametrize("lost", [(A1, B1), (A1,), (B1,)])
def test_one_in_haste_takes_the_other_along_within_eight_tenths_of_a_second(
    controlling: str, lost: tuple[str, ...]
) -> None:
    world = dying(cut(*lost), controlling=controlling)
    hasten(world, world.a, NOW)
    world.run(NOW + 0.65 + 6 * D)
    assert (path(world.a), path(world.b)) == ((A2, B2), (B2, A2))


def test_who_moves_goes_to_where_it_was_once() -> None:
    world = dying(cut(A1, B1))
    for peer in (world.a, world.b):
        hasten(world, peer, NOW)
    world.run(NOW + 4.0)
    assert [kinds(peer).count(PairSelected) for peer in (world.a, world.b)] == [2, 2]


def test_pairs_whose_checks_had_stopped_are_asked_on_when_the_better_one_dies() -> None:
    world = World(public(A1, A2), public(B1, B2), delay=D)
    world.link.drop = lambda packet: packet.base.address in (A2, B2)
    world.introduce().run(NOW)
    world.link.drop = cut(A1, B1)
    hasten(world, world.a, NOW)
    world.run(NOW + 0.65 + 6 * D)
    assert path(world.a) == (A2, B2)


def test_a_pair_that_nobody_has_asked_is_asked_when_the_better_one_dies() -> None:
    world = World(public(A1), public(B1), delay=D)
    world.introduce(end=False).run(2.0)
    late = host(Base(B2, 4000), 1)
    world.a.agent.add_remote(late.candidate, 2.0)
    hasten(world, world.a, NOW)
    assert not world.link.requests(world.a, (B2, 4000))
    world.link.drop = lambda packet: packet.destination[0] == B1
    hasten(world, world.a, 4.0)
    world.run(4.4)
    assert world.link.requests(world.a, (B2, 4000))


def test_a_check_of_the_chosen_path_that_comes_again_makes_the_one_who_controls_ask() -> None:
    world = two_paths()
    asks(world, world.a, world.b, 0, NOW)
    assert asks(world, world.a, world.b, 0, NOW + 0.4) == [A1]


def test_one_that_comes_again_as_late_as_consent_says_means_nothing() -> None:
    world = two_paths()
    asks(world, world.a, world.b, 0, NOW)
    assert asks(world, world.a, world.b, 0, NOW + 1.0) == []


def test_the_controlled_side_makes_nothing_of_it() -> None:
    world = two_paths()
    asks(world, world.b, world.a, 0, NOW)
    assert asks(world, world.b, world.a, 0, NOW + 0.1) == []


def test_from_a_peer_that_answers_checks_by_checks_it_means_nothing() -> None:
    world = two_paths(renomination=False)
    asks(world, world.a, world.b, 0, NOW)
    assert asks(world, world.a, world.b, 0, NOW + 0.1) == []


def test_silence_on_a_connection_is_no_reason_for_haste() -> None:
    world = over_tcp()
    hasten(world, world.a, NOW)
    assert checks(world, world.a) == []


def test_without_a_path_there_is_nothing_to_hasten() -> None:
    world = World(public(A1, A2), public(B1, B2), delay=D)
    world.a.agent.hasten(0.0)
    world.link.drop = lambda packet: True
    world.introduce().run(NOW)
    world.a.agent.hasten(NOW)
    assert world.a.agent.route is None
