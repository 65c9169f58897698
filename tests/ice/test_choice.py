"""Which pair is used, how the peer learns of it, and what happens when it stops answering."""

from collections.abc import Callable
from itertools import pairwise

import pytest

from tests.ice.link import HOST, Packet, Peer, World, candidate, host, public, with_streams
from warren.ice import stun
from warren.ice.choice import CLIMB
from warren.ice.outputs import AgentOutput, ConsentLost, PairSelected, Recovered, Suspected
from warren.ice.transport import Address, Base, Transmit

A1, A2, B1, B2 = "10.0.0.1", "10.0.1.1", "10.1.0.1", "10.1.1.1"
D = 0.020


def one_path(*, controlling: str = "A", consent_timeout: float = 5.0) -> World:
    world = World(public(A1), public(B1), controlling=controlling, delay=D, consent_timeout=consent_timeout)
    return world.introduce().run(1.0)


def two_paths(*, controlling: str = "A", renomination: bool = True) -> World:
    """Between A1 and B1, or A2 and B2; the first is better."""
    world = World(public(A1, A2), public(B1, B2), controlling=controlling, renomination=renomination, delay=D)
    world.link.drop = crossing
    return world.introduce().run(1.0)


def crossing(packet: Packet) -> bool:
    return (packet.base.address, packet.destination[0]) not in {(A1, B1), (B1, A1), (A2, B2), (B2, A2)}


def cut(*addresses: str) -> Callable[[Packet], bool]:
    """Lose everything from these addresses, and what crosses."""
    return lambda packet: packet.base.address in addresses or crossing(packet)


def path(peer: Peer) -> tuple[str, str] | None:
    route = peer.agent.route
    return None if route is None else (route.base.address, route.destination[0])


def kinds(peer: Peer) -> list[type[AgentOutput]]:
    """What was told of the path, in order."""
    told = (Suspected, Recovered, PairSelected, ConsentLost)
    return [type(output) for _, output in peer.told if isinstance(output, told)]


def nominations(world: World, peer: Peer) -> list[tuple[Address, int | None]]:
    """Where this peer nominated with which value, without repeats."""
    found = [
        (packet.destination, packet.stun.nomination)
        for packet in world.link.requests(peer)
        if packet.stun.use_candidate
    ]
    return list(dict.fromkeys(found))


class Rig:
    """One agent with two bases; the test answers its checks."""

    def __init__(self, *, controlling: bool = True, renomination: bool = True) -> None:
        self.them = Peer("B", controlling=not controlling, bases=[Base(B1, 4000)])
        self.bases = [Base(A1, 4000), Base(A2, 4000)]
        self.peer = Peer("A", controlling=controlling, bases=self.bases, renomination=renomination)
        self.agent = self.peer.agent
        for index, base in enumerate(self.bases):
            self.agent.add_local(host(base, index), 0.0)
        self.agent.set_remote(self.them.credentials, 0.0)
        self.agent.add_remote(candidate(HOST, B1, 4000), 0.0)
        self.first, self.second = self.sent()

    def sent(self) -> list[Transmit]:
        """The checks sent since the last look."""
        outputs = [output for output in self.agent.outputs() if isinstance(output, Transmit)]
        return [each for each in outputs if stun.parse(each.data).cls is stun.Class.REQUEST]

    def answer(self, check: Transmit, now: float = 0.1) -> None:
        request = stun.parse(check.data)
        source = (check.base.address, check.base.port)
        response = stun.success(request, source, stun.prepare_key(self.them.credentials.pwd))
        transaction = self.peer.transactions.get(request.transaction_id)
        assert transaction is not None
        self.agent.response_received(transaction, stun.parse(response), (B1, 4000), check.base, now)

    def check(self, base: Base, nomination: int | None = None, now: float = 0.1) -> None:
        self.peer.check(self.them, base, (B1, 4000), now, nomination=nomination)

    @property
    def selected(self) -> str | None:
        selected = self.agent.selected
        return None if selected is None else selected.local.address

    @property
    def route(self) -> str | None:
        return None if self.agent.route is None else self.agent.route.base.address

    def reasons(self) -> list[str]:
        return [output.reason for output in self.agent.outputs() if isinstance(output, PairSelected)]


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


# Keeping it


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


# When an address goes


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


def asks(world: World, peer: Peer, other: Peer, number: int, now: float) -> list[str]:
    """Let a check of the other arrive over one of two paths; returns from where we ask soon after."""
    world.run(now)
    base, source = peer.bases[number], other.bases[number]
    peer.check(other, base, (source.address, source.port), now)
    world.run(now + 0.01)
    return [packet.base.address for packet in world.link.requests(peer) if packet.now >= now]


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


def over_tcp() -> World:
    world = World(with_streams(A1), with_streams(B1), delay=D)
    world.link.drop = lambda packet: packet.base.protocol == "udp"
    return world.introduce().run(2.0)


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
