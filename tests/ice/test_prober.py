"""Which pair is checked when."""

import pytest

from tests.ice.link import stream
from tests.ice.parts import BASE, THEIRS, form, ports, sent, side
from warren.ice.addresses import RemoteAddresses
from warren.ice.checklist import Checklist, Pair, PairState
from warren.ice.checks import Checks
from warren.ice.dialer import MAX_TRIES, Dialer
from warren.ice.prober import LINGER, MAX_TRIGGERED, TRIGGER_GAP, Prober
from warren.ice.timing import DENSE
from warren.ice.transport import Base, CloseStream, OpenStream

OTHER = Base("192.0.2.2", 4000)


class Rig:
    def __init__(self, *, burst: int = 8, bases: tuple[Base, ...] = (BASE,)) -> None:
        self.side = side(burst=burst, bases=bases)
        self.pairs = Checklist(controlling=True)
        checks = Checks(self.side, THEIRS)
        dialer = Dialer(self.side, self.pairs, checks, RemoteAddresses())
        self.prober = Prober(self.side, self.pairs, checks, dialer)

    def form(self, port: int = 1000, *, index: int = 0, base: Base = BASE) -> Pair:
        return form(self.pairs, port, index=index, base=base)

    def select(self, pair: Pair) -> None:
        self.pairs.move(pair, PairState.SUCCEEDED)
        pair.fresh = True
        self.pairs.selected = pair

    def times(self, pair: Pair, until: float) -> list[float]:
        """When this pair is checked as time passes."""
        found = []
        while (now := self.pairs.deadline) is not None and now < until:
            due = self.pairs.pop_due(now)
            if due is not None:
                before = pair.sent
                self.prober.repeat(due, now)
                found += [now] * (pair.sent - before)
        return found


def test_the_first_check_goes_in_the_same_turn() -> None:
    rig = Rig()
    rig.form()
    rig.prober.start(1.0)
    assert ports(rig.side) == [1000]


def test_the_best_pair_is_checked_first() -> None:
    rig = Rig()
    for port, index in [(1, 2), (2, 0), (3, 1)]:
        rig.form(port, index=index)
    rig.prober.start(1.0)
    assert ports(rig.side) == [2, 3, 1]


def test_first_checks_go_as_the_bucket_allows() -> None:
    rig = Rig(burst=2)
    for port in range(1, 5):
        rig.form(port)
    rig.prober.start(1.0)
    assert ports(rig.side) == [1, 2]
    assert rig.prober.paced_at == pytest.approx(1.005)


def test_the_next_first_check_goes_when_there_is_a_token() -> None:
    rig = Rig(burst=2)
    for port in range(1, 4):
        rig.form(port)
    rig.prober.start(1.0)
    ports(rig.side)
    assert rig.prober.paced_at is not None
    rig.prober.start(rig.prober.paced_at)
    assert ports(rig.side) == [3]
    assert rig.prober.paced_at is None


def test_those_who_come_in_vain_stay_away_for_longer() -> None:
    rig = Rig(burst=1)
    rig.form()
    rig.side.pacer.take(0.0)
    waits = []
    for now in range(20):
        while rig.side.pacer.take(float(now)):
            pass
        rig.prober.start(float(now))
        assert rig.prober.paced_at is not None
        waits.append(rig.prober.paced_at - now)
    assert waits[0] == pytest.approx(0.005)
    assert 0.05 < max(waits) < 0.26


def test_a_candidate_that_comes_while_waiting_does_not_lengthen_the_wait() -> None:
    rig = Rig(burst=1)
    rig.form(1)
    rig.form(2)
    rig.prober.start(0.0)
    before = rig.prober.paced_at
    rig.form(3)
    rig.prober.start(0.001)
    assert rig.prober.paced_at == before


def test_a_pair_below_the_selected_one_is_not_begun() -> None:
    rig = Rig()
    rig.select(rig.form(1, index=1))
    rig.form(2, index=2)
    rig.prober.start(1.0)
    assert ports(rig.side) == []


def test_a_pair_above_the_selected_one_is_checked_once_and_lingers() -> None:
    rig = Rig()
    rig.select(rig.form(1, index=1))
    better = rig.form(2, index=0)
    rig.prober.start(1.0)
    assert ports(rig.side) == [2]
    assert better.due == 1.0 + LINGER


def test_a_silent_address_is_not_checked_again_from_another_base_once_a_path_is_selected() -> None:
    rig = Rig(bases=(BASE, OTHER))
    rig.prober.check(rig.form(2), 0.0)
    rig.select(rig.form(1, index=1))
    other = rig.form(2, base=OTHER)
    ports(rig.side)
    rig.prober.start(1.0)
    assert ports(rig.side) == []
    assert (other.state, other.due) == (PairState.IN_PROGRESS, 1.0 + LINGER)


def test_a_first_check_waits_where_its_address_has_had_its_share() -> None:
    rig = Rig(bases=(BASE, OTHER))
    silent = rig.form(2)
    for _ in range(13):
        rig.prober.check(silent, 0.5)
    other = rig.form(2, base=OTHER)
    ports(rig.side)
    rig.prober.start(1.0)
    assert ports(rig.side) == []
    assert other.due == 2.5


def test_the_best_pair_is_checked_densely() -> None:
    rig = Rig()
    pair = rig.form()
    rig.prober.start(0.0)
    assert rig.times(pair, 2.0) == pytest.approx(list(DENSE[1:]))


def test_a_silent_pair_is_checked_18_times_in_all() -> None:
    rig = Rig()
    pair = rig.form()
    rig.prober.start(0.0)
    rig.times(pair, 39.5)
    assert pair.sent == 18


def test_a_pair_beyond_the_best_is_checked_as_rfc_8489_says() -> None:
    rig = Rig()
    pairs = [rig.form(port) for port in range(1, 6)]
    rig.prober.start(0.0)
    assert rig.times(pairs[4], 2.0) == pytest.approx([0.5, 1.5])


def test_two_pairs_to_one_address_share_what_it_gets() -> None:
    rig = Rig(bases=(BASE, OTHER))
    one, two = rig.form(), rig.form(base=OTHER)
    rig.prober.start(0.0)
    times = rig.times(one, 2.0)
    assert one.sent + two.sent == 13
    assert times == pytest.approx([0.025, 0.07, 0.14, 0.28, 0.5, 1.3])


def test_pairs_over_which_the_peer_was_heard_share_nothing() -> None:
    rig = Rig(bases=(BASE, OTHER))
    pairs = [rig.form(), rig.form(base=OTHER)]
    for pair in pairs:
        rig.pairs.hear(pair)
        rig.prober.trigger(pair, 0.0)
    assert rig.times(pairs[0], 0.08) == pytest.approx([0.01, 0.025, 0.045, 0.07])


def test_a_silent_address_gets_20_checks_from_all_bases() -> None:
    rig = Rig(bases=(BASE, OTHER))
    one, two = rig.form(), rig.form(base=OTHER)
    rig.prober.start(0.0)
    rig.times(one, 39.5)
    assert one.sent + two.sent == 20


def test_a_check_takes_the_pair_into_progress() -> None:
    rig = Rig()
    pair = rig.form()
    rig.prober.check(pair, 0.0)
    assert pair.state is PairState.IN_PROGRESS


def test_a_check_of_a_pair_that_answers_costs_no_budget() -> None:
    rig = Rig()
    pair = rig.form()
    rig.select(pair)
    for _ in range(20):
        rig.prober.check(pair, 0.0)
    assert rig.side.budget.earliest(pair.destination, 0.0, selected=False) == 0.0


def test_a_probe_of_a_pair_that_worked_keeps_its_state() -> None:
    rig = Rig()
    pair = rig.form()
    rig.pairs.move(pair, PairState.SUCCEEDED)
    rig.prober.check(pair, 0.0)
    assert pair.state is PairState.SUCCEEDED


def test_a_triggered_check_nominates_where_it_is_told_to() -> None:
    rig = Rig()
    rig.prober.trigger(rig.form(), 0.0, 4)
    assert [packet.nomination for packet in sent(rig.side)] == [4]


def test_the_first_triggered_check_begins_the_dense_schedule_anew() -> None:
    rig = Rig()
    pair = rig.form()
    rig.prober.start(0.0)
    rig.times(pair, 10.0)
    rig.pairs.hear(pair)
    rig.prober.trigger(pair, 10.0)
    assert rig.times(pair, 10.05) == pytest.approx([10.01, 10.025, 10.045])


def test_later_triggered_checks_leave_the_schedule_alone() -> None:
    rig = Rig()
    pair = rig.form()
    rig.prober.trigger(pair, 0.0)
    rig.prober.trigger(pair, 0.005)
    assert pair.due == 0.01


def test_a_triggered_check_puts_a_pair_back_on_the_schedule() -> None:
    rig = Rig()
    pair = rig.form()
    rig.prober.trigger(pair, 0.0)
    rig.pairs.move(pair, PairState.FAILED)
    rig.prober.trigger(pair, 5.0)
    assert pair.due is not None


def test_a_triggered_probe_of_a_pair_that_worked_is_not_repeated() -> None:
    rig = Rig()
    pair = rig.form()
    rig.pairs.move(pair, PairState.SUCCEEDED)
    rig.prober.trigger(pair, 0.0)
    assert pair.due is None


def test_the_first_check_of_the_peer_always_triggers_one() -> None:
    rig = Rig()
    pair = rig.form()
    rig.prober.check(pair, 1.0)
    assert rig.prober.may_trigger(pair, 1.0)


def test_further_checks_of_the_peer_trigger_none_right_after_one() -> None:
    rig = Rig()
    pair = rig.form()
    rig.prober.trigger(pair, 1.0)
    assert not rig.prober.may_trigger(pair, 1.0 + TRIGGER_GAP / 2)
    assert rig.prober.may_trigger(pair, 1.0 + TRIGGER_GAP)


def test_a_pair_that_never_answers_is_triggered_64_times() -> None:
    rig = Rig()
    pair = rig.form()
    pair.triggered = MAX_TRIGGERED
    assert not rig.prober.may_trigger(pair, 100.0)
    assert rig.side.drops["triggered-too-often"] == 1


def test_nothing_is_triggered_on_a_base_that_is_gone() -> None:
    rig = Rig()
    pair = rig.form()
    rig.side.addresses.remove(BASE)
    assert not rig.prober.may_trigger(pair, 0.0)


# Beside a relayed path

RELAY = Base("203.0.113.4", 50000, relayed=True)


def beside_a_relay() -> tuple[Rig, Pair]:
    """A direct pair whose schedule is over, and a relayed path."""
    rig = Rig()
    relayed = rig.form(2, index=5, base=RELAY)
    rig.select(relayed)
    direct = rig.form(1)
    rig.prober.start(0.0)
    rig.times(direct, 100.0)
    sent(rig.side)
    return rig, direct


def test_a_pair_that_has_failed_is_asked_again_a_minute_after_its_last_check() -> None:
    rig, direct = beside_a_relay()
    rig.prober.retry(direct, direct.sent_at + 59.0)
    assert ports(rig.side) == []
    rig.prober.retry(direct, direct.sent_at + 60.0)
    assert ports(rig.side) == [1]
    assert direct.due == direct.sent_at + LINGER


def test_a_pair_that_the_peer_checks_again_and_again_is_waited_for_each_time() -> None:
    rig, direct = beside_a_relay()
    direct.triggered = 1
    rig.pairs.move(direct, PairState.FAILED)
    rig.prober.trigger(direct, 200.0)
    assert direct.due == 200.0 + LINGER


def test_beside_a_direct_path_nothing_is_repeated() -> None:
    rig = Rig()
    rig.select(rig.form(2, index=5))
    better = rig.form(1)
    rig.prober.start(0.0)
    sent(rig.side)
    assert not rig.prober.repeat(better, LINGER)
    assert ports(rig.side) == []


# Connections

ACTIVE, PASSIVE = Base("192.0.2.1", 0, "tcp"), Base("198.51.100.1", 8000, "tcp")


def connecting() -> tuple[Rig, Pair]:
    """A connection that has just been ordered."""
    rig = Rig()
    rig.side.addresses.add(stream(ACTIVE))
    remote = stream(PASSIVE).candidate
    pair = rig.pairs.form(stream(ACTIVE), remote, remote.transport)
    assert pair is not None
    rig.prober.start(1.0)
    return rig, pair


def test_a_connection_is_opened_before_it_is_checked() -> None:
    rig, pair = connecting()
    assert pair.dialed is not None
    assert rig.side.outputs == [OpenStream(pair.dialed, ("198.51.100.1", 8000))]
    assert (pair.state, pair.due) == (PairState.IN_PROGRESS, None)


def test_a_connection_is_opened_once() -> None:
    rig, pair = connecting()
    rig.prober.check(pair, 1.1)
    assert rig.prober.repeat(pair, 1.2)
    assert len(rig.side.outputs) == 1


def test_a_connection_that_stands_is_checked_at_once_and_then_sparsely() -> None:
    rig, pair = connecting()
    rig.prober.connected(pair, 2.0)
    assert pair.sent == 1
    assert rig.times(pair, 10.0) == pytest.approx([2.5, 3.5, 5.5, 9.5])


def test_checks_over_a_connection_cost_its_address_nothing() -> None:
    rig, pair = connecting()
    rig.prober.connected(pair, 2.0)
    for _ in range(30):
        rig.prober.check(pair, 2.0)
    assert rig.side.budget.earliest(pair.destination, 2.0, selected=False) == 2.0


def test_a_silent_address_is_asked_again_once_a_minute() -> None:
    rig = Rig()
    pair = rig.form()
    rig.prober.check(pair, 1.0)
    for now in (2.0, 60.0, 61.0):
        rig.prober.retry(pair, now)
    assert (pair.sent, pair.sent_at) == (2, 61.0)


def test_nothing_is_asked_again_from_an_address_that_is_gone_or_over_a_connection_that_has_ended() -> None:
    rig, over_tcp = connecting()
    pair = rig.form()
    rig.side.addresses.remove(BASE)
    for gone in (pair, over_tcp):
        rig.prober.retry(gone, 1.0)
    assert (pair.sent, over_tcp.sent) == (0, 0)


def test_a_check_that_came_before_its_connection_ended_opens_no_other() -> None:
    rig, pair = connecting()
    assert not rig.prober.may_trigger(pair, 2.0)


def test_what_is_not_connected_any_more_is_connected_again_when_its_time_has_come() -> None:
    rig, pair = connecting()
    rig.prober.connected(pair, 2.0)
    pair.dialed, pair.connected, pair.dial_at = None, False, 5.0
    assert rig.prober.redial(pair, 3.0)
    assert (pair.state, pair.due, pair.dialed) == (PairState.IN_PROGRESS, 5.0, None)
    assert rig.prober.redial(pair, 5.0)
    assert pair.dialed is not None


def test_what_is_being_connected_is_not_connected_twice() -> None:
    rig, pair = connecting()
    rig.side.outputs.clear()
    rig.pairs.move(pair, PairState.FAILED)
    assert rig.prober.redial(pair, 3.0)
    assert (pair.state, rig.side.outputs) == (PairState.IN_PROGRESS, [])


def test_nothing_is_connected_again_from_an_address_that_is_gone_or_too_often() -> None:
    rig, pair = connecting()
    pair.dialed, pair.tries = None, MAX_TRIES
    assert not rig.prober.redial(pair, 100.0)
    pair.tries = 0
    rig.side.addresses.remove(ACTIVE)
    assert not rig.prober.redial(pair, 100.0)


def test_a_connection_that_has_fallen_silent_is_asked_and_gets_another_beside_it() -> None:
    rig, pair = connecting()
    rig.prober.connected(pair, 2.0)
    pair.fresh = True
    rig.prober.revive(pair, 100.0)
    assert (pair.sent, pair.dialed) == (2, None)
    pair.fresh = False
    rig.prober.revive(pair, 200.0)
    assert pair.sent == 3
    assert pair.dialed is not None


def test_what_ended_and_failed_is_connected_again_once_a_minute_where_the_peer_was_never_heard() -> None:
    rig, pair = connecting()
    for now in (1.0, 2.0, 60.9, 61.0, 62.0):
        pair.dialed = None
        rig.prober.retry(pair, now)
    assert rig.side.dials.earliest(pair.destination, 62.0, selected=True) == 121.0


def test_a_connection_that_the_peer_has_replaced_is_closed() -> None:
    rig, pair = connecting()
    rig.prober.connected(pair, 2.0)
    base = pair.base
    rig.side.outputs.clear()
    rig.prober.drop(pair)
    assert rig.side.outputs == [CloseStream(base)]
    assert pair.state is PairState.FAILED
