"""Which pair is used, and how the peer learns of it."""

import pytest

from tests.ice.link import Peer, World, host, public
from tests.ice.paths import A1, A2, B1, B2, Rig, crossing, path, two_paths
from warren.ice import stun
from warren.ice.outputs import PairSelected
from warren.ice.transport import Address, Base, Transmit


def nominations(world: World, peer: Peer) -> list[tuple[Address, int | None]]:
    """Where this peer nominated with which value, without repeats."""
    found = [
        (packet.destination, packet.stun.nomination)
        for packet in world.link.requests(peer)
        if packet.stun.use_candidate
    ]
    return list(dict.fromkeys(found))


# While controlling


def test_the_controlling_side_selects_the_first_pair_that_answers() -> None:
    rig = Rig()
    rig.answer(rig.second)
    assert (rig.selected, rig.route) == (A2, A2)
    assert rig.reasons() == ["it answered"]


def test_it_nominates_with_the_first_repeat_in_the_same_turn() -> None:
    rig = Rig()
    rig.answer(rig.second)
    (repeat,) = rig.sent()
    packet = stun.parse(repeat.data)
    assert (repeat.base.address, packet.use_candidate, packet.nomination) == (A2, True, 1)


def test_it_moves_to_a_better_pair_and_nominates_it_with_a_higher_value() -> None:
    rig = Rig()
    rig.answer(rig.second)
    rig.sent()
    rig.answer(rig.first, 0.2)
    assert (rig.selected, rig.route) == (A1, A1)
    outputs = rig.agent.outputs()
    assert [o.reason for o in outputs if isinstance(o, PairSelected)] == ["it is better"]
    assert [stun.parse(o.data).nomination for o in outputs if isinstance(o, Transmit)] == [2]


def test_it_does_not_move_to_a_worse_pair() -> None:
    rig = Rig()
    rig.answer(rig.first)
    rig.sent()
    rig.answer(rig.second, 0.2)
    assert rig.selected == A1
    assert rig.sent() == []


def test_another_route_is_another_object_and_the_same_route_the_same() -> None:
    rig = Rig()
    rig.answer(rig.second)
    before = rig.agent.route
    (repeat,) = rig.sent()
    rig.answer(repeat, 0.15)
    assert rig.agent.route is before
    rig.answer(rig.first, 0.2)
    assert rig.agent.route is not before


def test_a_pair_that_its_triggered_check_nominated_is_not_nominated_twice() -> None:
    rig = Rig()
    rig.check(rig.bases[0], now=0.01)
    rig.sent()
    rig.answer(rig.first)
    assert rig.sent() == []
    assert rig.selected == A1


def test_a_nomination_without_an_answer_is_repeated() -> None:
    rig = Rig()
    rig.answer(rig.first)
    (nominating,) = rig.sent()
    rig.agent.tick(0.25)
    packets = [stun.parse(check.data) for check in rig.sent()]
    assert [(packet.use_candidate, packet.nomination) for packet in packets] == [(True, 1)]
    rig.answer(nominating, 0.3)
    rig.agent.tick(1.0)
    assert rig.sent() == []


def test_a_better_pair_that_fails_leaves_the_nomination_to_the_selected_one() -> None:
    rig = Rig()
    rig.answer(rig.second)
    rig.check(rig.bases[0], now=0.2)
    rig.sent()
    rig.agent.tick(3.5)
    nominating = [check for check in rig.sent() if stun.parse(check.data).use_candidate]
    assert [(c.base.address, stun.parse(c.data).nomination) for c in nominating] == [(A2, 3)]


def test_on_taking_over_control_it_nominates_what_is_selected() -> None:
    rig = Rig(controlling=False)
    rig.answer(rig.first)
    rig.check(rig.bases[0], nomination=1)
    rig.sent()
    rig.peer.check(rig.them, rig.bases[0], (B1, 4000), 0.5, controlling=False, tie_breaker=0)
    assert rig.agent.controlling
    assert [stun.parse(check.data).use_candidate for check in rig.sent()] == [True]


def test_on_losing_control_it_nominates_no_more() -> None:
    rig = Rig(controlling=True)
    rig.answer(rig.first)
    rig.sent()
    rig.peer.check(rig.them, rig.bases[0], (B1, 4000), 0.2, controlling=True, tie_breaker=2**64 - 1)
    assert not rig.agent.controlling
    rig.agent.tick(0.5)
    assert rig.sent() == []
    assert rig.selected == A1


# While controlled


def test_the_controlled_side_sends_data_over_the_first_pair_that_answers() -> None:
    rig = Rig(controlling=False)
    rig.answer(rig.second)
    assert (rig.selected, rig.route) == (None, A2)


def test_before_a_nomination_data_moves_to_a_better_pair() -> None:
    rig = Rig(controlling=False)
    rig.answer(rig.second)
    rig.answer(rig.first, 0.2)
    assert (rig.selected, rig.route) == (None, A1)


def test_it_selects_what_the_peer_nominates() -> None:
    rig = Rig(controlling=False)
    rig.answer(rig.first)
    rig.answer(rig.second)
    rig.check(rig.bases[1], nomination=1)
    assert (rig.selected, rig.route) == (A2, A2)
    assert rig.reasons() == ["the peer chose it"]


def test_it_selects_a_nominated_pair_only_when_it_answers() -> None:
    rig = Rig(controlling=False)
    rig.check(rig.bases[1], nomination=1)
    assert rig.selected is None
    rig.answer(rig.second)
    assert rig.selected == A2


def test_the_highest_value_wins_whatever_its_priority() -> None:
    rig = Rig(controlling=False)
    rig.answer(rig.first)
    rig.answer(rig.second)
    rig.check(rig.bases[0], nomination=1)
    rig.check(rig.bases[1], nomination=2)
    assert rig.selected == A2


def test_a_nomination_that_comes_late_does_not_win() -> None:
    rig = Rig(controlling=False)
    rig.answer(rig.first)
    rig.answer(rig.second)
    rig.check(rig.bases[1], nomination=2)
    rig.check(rig.bases[0], nomination=1)
    assert (rig.selected, rig.route) == (A2, A2)


def test_an_old_nomination_takes_nothing_from_a_newer_one_of_the_same_pair() -> None:
    rig = Rig(controlling=False)
    rig.answer(rig.first)
    rig.answer(rig.second)
    for number, value in ((1, 3), (1, 1), (0, 2)):
        rig.check(rig.bases[number], nomination=value)
    assert rig.selected == A2


def test_the_nomination_of_the_pair_that_data_takes_already_leaves_the_route_alone() -> None:
    rig = Rig(controlling=False)
    rig.answer(rig.first)
    before = rig.agent.route
    rig.check(rig.bases[0], nomination=1)
    assert rig.selected == A1
    assert rig.agent.route is before


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_without_values_the_highest_priority_wins_in_any_order(order: tuple[int, int]) -> None:
    rig = Rig(controlling=False, renomination=False)
    rig.answer(rig.first)
    rig.answer(rig.second)
    for number in order:
        rig.peer.check(rig.them, rig.bases[number], (B1, 4000), 0.1, use_candidate=True)
    assert rig.selected == A1


# Two agents


def test_both_choose_the_better_path() -> None:
    world = two_paths()
    assert (path(world.a), path(world.b)) == ((A1, B1), (B1, A1))


@pytest.mark.parametrize("controlling", ["A", "B"])
@pytest.mark.parametrize("renomination", [True, False])
def test_both_move_when_a_better_path_comes_up_later(controlling: str, renomination: bool) -> None:
    world = World(public(A2), public(B2), controlling=controlling, renomination=renomination, end=False)
    world.link.drop = crossing
    for peer, index in ((world.a, 1), (world.b, 1)):
        peer.agent.remove_base(peer.bases[0], 0.0)
        peer.agent.add_local(host(peer.bases[0], index), 0.0)
    late = [Base(A1, 4000), Base(B1, 4000)]
    world.introduce(end=False).run(5.0)
    assert (path(world.a), path(world.b)) == ((A2, B2), (B2, A2))
    for peer, other, base in ((world.a, world.b, late[0]), (world.b, world.a, late[1])):
        peer.bases.append(base)
        peer.agent.add_local(host(base), 5.0)
        other.agent.add_remote(host(base).candidate, 5.0)
    world.run(6.0)
    assert (path(world.a), path(world.b)) == ((A1, B1), (B1, A1))


def test_a_peer_that_knows_renomination_gets_rising_values() -> None:
    world = two_paths()
    values = [value for _, value in nominations(world, world.a)]
    assert values == sorted(set(values), key=lambda value: value or 0)
    assert values[0] == 1


def test_a_peer_that_does_not_gets_none() -> None:
    world = two_paths(renomination=False)
    assert {value for _, value in nominations(world, world.a)} == {None}


def test_only_the_controlling_side_nominates() -> None:
    world = two_paths()
    assert nominations(world, world.b) == []


def test_once_it_is_known_that_the_peer_is_ours_nominations_carry_values() -> None:
    rig = Rig(renomination=False)
    rig.agent.peer_is_warren(0.05)
    rig.answer(rig.first)
    assert [stun.parse(check.data).nomination for check in rig.sent()] == [1]
