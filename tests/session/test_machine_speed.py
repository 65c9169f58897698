"""How soon two sessions are connected, with s one way through signaling and d one way between the peers."""

import pytest

from tests.session.pair import World, both
from tests.session.side import Side
from warren.session.config import Config
from warren.session.state import State

WAYS = [(0.050, 0.020), (0.200, 0.010), (0.001, 0.150), (0.030, 0.030)]
APART = 1000.0
"""So much later that the earlier one speaks once a minute, and not in between."""


def started(a: float, b: float, *, s: float, d: float, config: Config | None = None, seed: int = 1) -> World:
    """Alice begins at one time, Bob at another."""
    alice, bob = both(seed=seed, config=config)
    world = World(alice, bob, s=s, d=d)
    world.at(a, lambda: alice.open(a))
    world.at(b, lambda: bob.open(b))
    return world


def took(world: World) -> float:
    """Seconds from the later one's first word until both are connected."""
    began = max(side.said[0].at for side in world.sides)
    return max(side.when(State.CONNECTED)[0] for side in world.sides) - began


@pytest.mark.parametrize(("s", "d"), WAYS)
@pytest.mark.parametrize(("a", "b"), [(0.0, APART), (APART, 0.0)])
def test_both_are_connected_exactly_2s_and_2d_after_the_later_one_begins(
    s: float, d: float, a: float, b: float
) -> None:
    assert took(started(a, b, s=s, d=d).run(APART + 5.0)) == pytest.approx(2 * s + 2 * d, abs=1e-9)


@pytest.mark.parametrize(("s", "d"), WAYS)
@pytest.mark.parametrize("later", [0.0, 0.003, 0.02, 0.3, 1.0, 1.7, 5.0])
def test_words_that_cross_make_it_sooner_and_nothing_later(s: float, d: float, later: float) -> None:
    for seed in range(5):
        world = started(0.0, later, s=s, d=d, seed=seed).run(later + 5.0)
        assert s + 2 * d - later - 1e-9 <= took(world) <= 2 * s + 2 * d + 1e-9


@pytest.mark.parametrize(("s", "d"), WAYS)
def test_both_at_once_are_connected_after_s_and_2d(s: float, d: float) -> None:
    assert took(started(0.0, 0.0, s=s, d=d).run(5.0)) == pytest.approx(s + 2 * d, abs=1e-9)


@pytest.mark.parametrize(("s", "d"), WAYS)
@pytest.mark.parametrize("part", [0.1, 0.3, 0.5, 0.7, 0.9])
@pytest.mark.parametrize("first", ["alice", "bob"])
def test_with_words_under_way_in_both_directions_it_is_s_and_2d_too(
    s: float, d: float, part: float, first: str
) -> None:
    begin = (0.0, part * s) if first == "alice" else (part * s, 0.0)
    assert took(started(*begin, s=s, d=d).run(5.0)) <= s + 2 * d + 1e-9


def test_candidates_that_are_held_back_cost_one_way_between_the_peers() -> None:
    world = started(0.0, APART, s=0.050, d=0.020, config=Config(early_candidates=False))
    assert took(world.run(APART + 5.0)) == pytest.approx(0.160, abs=1e-9)


@pytest.mark.parametrize(("a", "b"), [(0.0, 0.0), (0.0, APART), (APART, 0.0)])
def test_both_are_bound_2s_and_d_after_the_later_one_begins(a: float, b: float) -> None:
    now = max(a, b) + 2 * 0.050 + 0.020
    alice, bob = started(a, b, s=0.050, d=0.020).run(now).sides
    assert (names(alice, now), names(bob, now)) == (bob.said[0].f, alice.said[0].f)


def names(side: Side, now: float) -> int:
    """Whom the side names when it is made to speak: 0 before it is bound."""
    before = len(side.said)
    side.machine.subscription_live(now)
    said = side.drained().said[before:]
    return said[0].t if said else side.said[-1].t


def test_restart_takes_2s_and_3d_since_an_offer_checks_nobody_and_no_time_without_a_path() -> None:
    world = started(0.0, 0.0, s=0.050, d=0.020).run(20.0)
    alice, bob = world.sides
    world.at(20.0, alice.restarts)
    for step in range(201):
        world.run(20.0 + step / 1000)
        assert alice.machine.route is not None
        assert bob.machine.route is not None
    assert max(side.when(State.CONNECTED)[1] for side in world.sides) == pytest.approx(20.160, abs=1e-9)
