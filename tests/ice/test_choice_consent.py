"""How the selected pair is kept: consent, suspicion, and the other path when it stops answering."""

from itertools import pairwise

import pytest

from tests.ice.link import Packet
from tests.ice.paths import A1, A2, B1, B2, D, crossing, cut, kinds, one_path, path, two_paths
from warren.ice.choice import CLIMB
from warren.ice.outputs import ConsentLost, PairSelected, Recovered, Suspected


def test_the_selected_pair_is_checked_every_four_to_six_seconds() -> None:
    world = one_path().run(61.0)
    times = [packet.now for packet in world.link.requests(world.a) if packet.now > 1.0]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert all(4.0 <= gap <= 6.0 + 2 * D for gap in gaps)
    assert len(times) >= 9


def test_an_answered_consent_check_tells_nothing() -> None:
    world = one_path().run(61.0)
    assert kinds(world.a) == [PairSelected]


def test_checks_that_nobody_answered_are_forgotten_after_a_while() -> None:
    world = two_paths()
    assert len(world.a.transactions) > 2
    world.run(60.0)
    assert len(world.a.transactions) <= 1


def test_the_round_trip_is_kept_up_to_date() -> None:
    world = one_path()
    world.link.delay = 0.3
    world.run(20.0)
    assert world.a.agent.selected is not None
    assert world.a.agent.selected.rtt == pytest.approx(0.6)


def test_a_path_that_is_cut_is_suspect_after_two_misses_and_lost_five_seconds_later() -> None:
    world = one_path()
    world.link.drop = lambda packet: True
    world.run(30.0)
    (suspected,), (lost,) = world.a.when(Suspected), world.a.when(ConsentLost)
    checks = [packet.now for packet in world.link.requests(world.a) if packet.now > 1.0]
    assert suspected == pytest.approx(checks[0] + 2.0)
    assert lost == pytest.approx(suspected + 5.0)
    assert lost <= 1.0 + 6.0 + 2.0 + 5.0


def test_a_lost_path_is_explained_and_its_route_taken_away() -> None:
    world = one_path()
    world.link.drop = lambda packet: True
    world.run(30.0)
    assert world.a.all(Suspected) == [Suspected("several checks in a row were not answered")]
    assert world.a.all(ConsentLost) == [ConsentLost("no path answered for 5 s")]
    assert (world.a.agent.route, world.a.agent.selected) == (None, None)


def test_nothing_is_sent_after_consent_is_lost() -> None:
    world = one_path()
    world.link.drop = lambda packet: True
    world.run(30.0)
    assert max(packet.now for packet in world.link.packets) <= max(world.b.when(ConsentLost))
    assert world.a.agent.deadline is None
    assert len(world.a.transactions) == 0


def test_how_long_a_suspect_path_may_stay_silent_can_be_set() -> None:
    world = one_path(consent_timeout=20.0)
    world.link.drop = lambda packet: True
    world.run(40.0)
    assert world.a.when(ConsentLost)[0] == pytest.approx(world.a.when(Suspected)[0] + 20.0)


def test_while_it_is_suspect_data_still_goes_over_it() -> None:
    world = one_path()
    world.link.drop = lambda packet: True
    while not world.a.when(Suspected):
        world.run(world.link.now + 0.1)
    assert path(world.a) == (A1, B1)


def test_a_suspect_path_recovers_when_it_answers_again() -> None:
    world = one_path()
    world.link.drop = lambda packet: True
    while not world.a.when(Suspected):
        world.run(world.link.now + 0.1)
    world.link.drop = lambda packet: False
    world.run(60.0)
    assert kinds(world.a) == [PairSelected, Suspected, Recovered]
    assert world.a.when(Recovered)[0] <= world.a.when(Suspected)[0] + 0.5 + 2 * D + 0.001


def test_one_lost_answer_makes_nothing_suspect() -> None:
    world = one_path()
    lost: list[float] = []

    def drop(packet: Packet) -> bool:
        if packet.sender is world.a and packet.is_request and not lost:
            lost.append(packet.now)
            return True
        return False

    world.link.drop = drop
    world.run(30.0)
    assert lost
    assert kinds(world.a) == [PairSelected]


@pytest.mark.parametrize("controlling", ["A", "B"])
@pytest.mark.parametrize("renomination", [True, False])
def test_both_move_to_the_other_path_when_theirs_is_cut(controlling: str, renomination: bool) -> None:
    world = two_paths(controlling=controlling, renomination=renomination)
    world.link.drop = cut(A1, B1)
    world.run(12.0)
    assert (path(world.a), path(world.b)) == ((A2, B2), (B2, A2))
    assert kinds(world.a) == [PairSelected, Suspected, Recovered, PairSelected]


def test_a_move_is_explained() -> None:
    world = two_paths()
    world.link.drop = cut(A1, B1)
    world.run(12.0)
    assert world.a.all(PairSelected)[-1].reason == "the path before does not answer"


@pytest.mark.parametrize("controlling", ["A", "B"])
def test_both_climb_back_when_the_better_path_works_again(controlling: str) -> None:
    world = two_paths(controlling=controlling)
    world.link.drop = cut(A1, B1)
    world.run(12.0)
    world.link.drop = crossing
    world.run(12.0 + CLIMB[1] + 12.0)
    assert (path(world.a), path(world.b)) == ((A1, B1), (B1, A1))
    assert not world.a.all(ConsentLost)


def test_a_better_path_that_stays_cut_is_asked_once_a_minute() -> None:
    world = two_paths()
    world.link.drop = cut(A1, B1)
    world.run(15.0)
    before = len([p for p in world.link.requests(world.a) if p.base.address == A1])
    world.run(15.0 + 600.0)
    after = len([p for p in world.link.requests(world.a) if p.base.address == A1])
    assert 8 <= after - before <= 11


def test_on_suspicion_every_pair_that_ever_worked_is_probed_at_once() -> None:
    world = two_paths()
    world.a.agent.suspect("the peer seems to have restarted", 1.0)
    world.link.drain()
    probed = [packet.base.address for packet in world.link.requests(world.a) if packet.now == 1.0]
    assert probed == [A1, A2]
    assert world.a.all(Suspected) == [Suspected("the peer seems to have restarted")]


def test_an_answered_suspicion_is_over_after_one_round_trip() -> None:
    world = two_paths()
    world.a.agent.suspect("the peer seems to have restarted", 1.0)
    world.run(2.0)
    assert world.a.when(Recovered) == [pytest.approx(1.0 + 2 * D)]
    assert path(world.a) == (A1, B1)


def test_a_second_suspicion_probes_again_but_is_not_told_again() -> None:
    world = one_path()
    world.link.drop = lambda packet: True
    world.a.agent.suspect("first", 1.0)
    world.run(1.2)
    world.a.agent.suspect("second", 1.2)
    world.link.drain()
    assert world.a.all(Suspected) == [Suspected("first")]
    assert [packet.now for packet in world.link.requests(world.a)][-1] == 1.2


def test_two_suspicious_agents_do_not_check_each_other_for_ever() -> None:
    world = two_paths()
    before = len(world.link.packets)
    for peer in (world.a, world.b):
        peer.agent.suspect("no reason", 1.0)
    world.run(1.2)
    assert len(world.link.packets) - before < 30
    before = len(world.link.packets)
    world.run(3.0)
    assert len(world.link.packets) == before
