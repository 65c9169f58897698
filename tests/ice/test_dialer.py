"""When connections are opened, again and in place of others, and how they end."""

import pytest

from tests.ice.link import stream
from tests.ice.parts import THEIRS, side
from warren.ice.addresses import RemoteAddresses
from warren.ice.checklist import Checklist, Pair, PairState
from warren.ice.checks import Checks
from warren.ice.dialer import FIRST_WAIT, MAX_TRIES, STEADY, Dialer
from warren.ice.outputs import SourceLost
from warren.ice.side import MAX_DIALS
from warren.ice.transport import Base, CloseStream, OpenStream

HOME, PORT = Base("192.0.2.1", 0, "tcp", "eth0"), Base("192.0.2.1", 9000, "tcp")
REMOTE = stream(Base("198.51.100.1", 8000, "tcp")).candidate
SOURCE = ("198.51.100.1", 40000)


class Rig:
    def __init__(self) -> None:
        self.side = side()
        for base in (HOME, PORT):
            self.side.addresses.add(stream(base))
        self.pairs = Checklist(controlling=True)
        self.checks = Checks(self.side, THEIRS)
        self.remotes = RemoteAddresses()
        self.dialer = Dialer(self.side, self.pairs, self.checks, self.remotes)

    def form(self) -> Pair:
        pair = self.pairs.form(stream(HOME), REMOTE, REMOTE.transport)
        assert pair is not None
        return pair

    def accept(self) -> Pair:
        base = Base(PORT.address, PORT.port, "tcp")
        remote = self.remotes.learn(base, SOURCE, 110 << 24)
        assert remote is not None
        pair = self.pairs.form(stream(base), remote, SOURCE)
        assert pair is not None
        return pair

    def standing(self) -> Pair:
        pair = self.form()
        self.dialer.dial(pair, 1.0)
        self.dialer.opened(pair, 1.0)
        self.told()
        return pair

    def told(self) -> list[object]:
        outputs: list[object] = list(self.side.outputs)
        self.side.outputs.clear()
        return outputs


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_a_connection_leaves_from_a_base_of_its_own_at_the_address_of_its_pair(rig: Rig) -> None:
    pair = rig.form()
    rig.dialer.dial(pair, 1.0)
    assert pair.dialed not in (None, HOME)
    assert pair.dialed is not None
    assert (pair.dialed.address, pair.dialed.port, pair.dialed.interface) == ("192.0.2.1", 0, "eth0")
    assert rig.told() == [OpenStream(pair.dialed, REMOTE.transport)]
    assert (pair.state, pair.connected, rig.dialer.busy) == (PairState.IN_PROGRESS, False, True)


def test_one_that_is_on_its_way_is_not_begun_twice(rig: Rig) -> None:
    pair = rig.form()
    for _ in range(2):
        rig.dialer.dial(pair, 1.0)
    assert len(rig.told()) == 1


def test_packets_of_the_pair_leave_from_the_connection_while_it_stands(rig: Rig) -> None:
    pair = rig.standing()
    assert pair.base is not HOME
    assert rig.pairs.get(pair.base, REMOTE.transport) is pair
    assert rig.pairs.get(HOME, REMOTE.transport) is None


def test_when_it_has_ended_its_base_is_free_and_the_pair_is_where_it_was(rig: Rig) -> None:
    pair = rig.standing()
    base, pair.proved = pair.base, True
    rig.dialer.ended(pair)
    assert (pair.base, pair.connected, pair.proved) == (HOME, False, False)
    assert rig.pairs.get(base, REMOTE.transport) is None
    assert rig.told() == [SourceLost(base, REMOTE.transport)]


def test_checks_under_way_end_with_their_connection(rig: Rig) -> None:
    pair = rig.standing()
    rig.checks.send(pair, 1.0)
    rig.dialer.ended(pair)
    assert len(rig.checks) == 0


def test_an_accepted_connection_ends_with_its_pair_and_what_it_revealed(rig: Rig) -> None:
    pair = rig.accept()
    rig.dialer.ended(pair)
    assert (len(rig.pairs), len(rig.remotes)) == (0, 0)
    assert rig.told() == []


def test_what_stands_goes_on_while_another_is_begun_beside_it(rig: Rig) -> None:
    pair = rig.standing()
    rig.pairs.move(pair, PairState.SUCCEEDED)
    base = pair.base
    rig.dialer.dial(pair, 2.0)
    assert (pair.base, pair.connected, pair.state) == (base, True, PairState.SUCCEEDED)


def test_the_new_one_takes_the_place_of_the_old_when_it_stands(rig: Rig) -> None:
    pair = rig.standing()
    old = pair.base
    rig.dialer.dial(pair, 2.0)
    new = pair.dialed
    rig.told()
    rig.dialer.opened(pair, 2.1)
    assert (pair.base, pair.dialed, pair.connected) == (new, None, True)
    assert rig.told() == [CloseStream(old)]


def test_an_answer_over_the_old_one_gives_the_new_one_up(rig: Rig) -> None:
    pair = rig.standing()
    rig.dialer.dial(pair, 2.0)
    new = pair.dialed
    assert new is not None
    rig.told()
    rig.dialer.answered(pair, 2.1)
    assert rig.told() == [CloseStream(new)]
    assert pair.dialed is None


def test_hanging_up_closes_what_stands_and_what_is_on_its_way(rig: Rig) -> None:
    pair = rig.standing()
    old = pair.base
    rig.dialer.dial(pair, 2.0)
    new = pair.dialed
    assert new is not None
    rig.told()
    rig.dialer.hang_up(pair)
    assert rig.told() == [CloseStream(new), CloseStream(old)]
    rig.dialer.hang_up(pair)
    assert rig.told() == []


def test_what_never_stood_may_be_connected_at_once(rig: Rig) -> None:
    assert rig.dialer.earliest(rig.form(), 1.0, selected=False) == 1.0


def test_after_each_failure_the_next_one_waits_twice_as_long_until_it_is_enough(rig: Rig) -> None:
    pair, waits = rig.form(), []
    for _ in range(MAX_TRIES):
        rig.dialer.dial(pair, 100.0)
        pair.dialed = None
        rig.dialer.broken(pair, 100.0)
        waits.append(rig.dialer.again_at(pair, 100.0))
    assert waits == [100.0 + FIRST_WAIT * 2**number for number in range(MAX_TRIES - 1)] + [None]


def test_however_often_it_failed_no_wait_is_longer_than_between_the_last_tries(rig: Rig) -> None:
    pair = rig.form()
    pair.tries = 50
    rig.dialer.broken(pair, 1.0)
    assert pair.dial_at == 1.0 + FIRST_WAIT * 2 ** (MAX_TRIES - 1)


def test_one_that_has_worked_for_a_while_is_connected_again_at_once(rig: Rig) -> None:
    pair = rig.standing()
    rig.dialer.answered(pair, 1.0 + STEADY)
    rig.dialer.broken(pair, 100.0)
    assert rig.dialer.again_at(pair, 100.0) == 100.0


def test_one_that_answered_until_it_ended_is_connected_again_at_once(rig: Rig) -> None:
    pair = rig.standing()
    pair.fresh = True
    rig.dialer.broken(pair, 1.0 + STEADY)
    assert rig.dialer.again_at(pair, 1.0 + STEADY) == 1.0 + STEADY


def test_one_that_has_worked_for_a_moment_only_waits(rig: Rig) -> None:
    pair = rig.standing()
    rig.dialer.answered(pair, 1.0 + STEADY - 0.1)
    rig.dialer.broken(pair, 100.0)
    assert rig.dialer.again_at(pair, 100.0) == 100.0 + FIRST_WAIT


def test_what_is_no_better_than_the_path_is_not_connected_again(rig: Rig) -> None:
    pair, other = rig.standing(), rig.accept()
    rig.pairs.selected, other.fresh = other, True
    rig.dialer.broken(pair, 100.0)
    assert rig.dialer.again_at(pair, 100.0) is None


def test_a_silent_address_gets_five_whatever_pairs_lead_to_it(rig: Rig) -> None:
    pair = rig.form()
    for _ in range(MAX_DIALS):
        rig.dialer.dial(pair, 1.0)
        pair.dialed = None
    pair.tries = 0
    assert rig.dialer.again_at(pair, 100.0) is None
    assert rig.dialer.earliest(pair, 50.0, selected=True) == 61.0


def test_an_address_where_the_peer_has_been_heard_costs_no_more(rig: Rig) -> None:
    pair = rig.form()
    for _ in range(MAX_DIALS):
        rig.dialer.dial(pair, 1.0)
        pair.dialed = None
    rig.side.dials.heard(pair.destination)
    pair.tries = 1
    assert rig.dialer.again_at(pair, 100.0) == 100.0
