"""Sessions whose paths are at rest: consent is kept without them, and anything else wakes them."""

import heapq
import itertools
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from tests.session.nodes import THERE, two
from tests.session.side import ALICE, BOB, A, B
from warren.ice import stun
from warren.ice.timing import CONSENT_GRID
from warren.ice.transport import Address, Base, Transmit
from warren.session.machine import SessionMachine
from warren.session.node import NodeMachine, PublishTo
from warren.session.state import State

DELAY = 0.01
HERE: Address = (A.address, A.port)


class Linked:
    """Two nodes with a session each, and what lies between them; time goes on from call to call."""

    def __init__(self) -> None:
        self.now = 0.0
        self.cut = False
        """Whether no packet arrives any more."""
        self.requests: list[tuple[float, Base]] = []
        """When checks were sent, and from where."""
        self.alice, self.bob = two()
        self._events: list[tuple[float, int, Callable[[float], object]]] = []
        self._numbers = itertools.count()
        self.a, self.b = self.alice.open(BOB, 0.0), self.bob.open(ALICE, 0.0)
        self.run(1.0)
        assert (self.a.state, self.b.state) == (State.COMPLETED, State.COMPLETED)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        until = self.now + seconds
        while True:
            self._carry(self.alice, self.bob, B, HERE)
            self._carry(self.bob, self.alice, A, THERE)
            times = [event[0] for event in self._events[:1]]
            times += [at for node in (self.alice, self.bob) if (at := node.deadline) is not None]
            if min(times, default=until) >= until:
                self.now = until
                return
            self.now = max(self.now, min(times))
            while self._events and self._events[0][0] <= self.now:
                heapq.heappop(self._events)[2](self.now)
            for node in (self.alice, self.bob):
                node.tick(self.now)

    def _carry(self, node: NodeMachine, other: NodeMachine, base: Base, source: Address) -> None:
        for output in node.outputs():
            match output:
                case Transmit(sender, _, data):
                    if stun.parse(data).cls is stun.Class.REQUEST:
                        self.requests.append((self.now, sender))
                    if not self.cut:
                        self._in(DELAY, partial(other.datagram_received, base, source, data))
                case PublishTo(_, message):
                    self._in(DELAY, partial(other.message_received, node.ours, message))
                case _:
                    pass

    def _in(self, seconds: float, act: Callable[[float], object]) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._numbers), act))

    @property
    def checks_of_alice(self) -> list[float]:
        return [at for at, base in self.requests if base is A]


def rested() -> Linked:
    linked = Linked()
    linked.run(20.0)
    linked.requests.clear()
    return linked


def gaps(times: list[float]) -> Iterator[float]:
    return (later - earlier for earlier, later in itertools.pairwise(times))


def test_a_session_whose_path_is_at_rest_waits_for_nothing() -> None:
    linked = rested()
    assert (linked.a.deadline, linked.b.deadline) == (None, None)
    assert linked.alice.deadline is not None


@pytest.mark.parametrize("base", [A, B])
def test_consent_is_kept_every_four_to_six_seconds_in_both_directions(base: Base) -> None:
    linked = rested()
    linked.run(100.0)
    times = [at for at, sender in linked.requests if sender is base]
    assert all(4.0 <= gap <= 6.0 + 2 * DELAY for gap in gaps(times))
    assert len(times) > 15


def test_one_exchange_does_for_both_ends() -> None:
    linked = rested()
    linked.run(100.0)
    nearest = [
        min(abs(at - other) for other, base in linked.requests if base is B) for at in linked.checks_of_alice
    ]
    assert max(nearest) <= 2 * DELAY


def test_the_time_between_checks_is_drawn() -> None:
    linked = rested()
    linked.run(100.0)
    assert len({round(gap, 3) for gap in gaps(linked.checks_of_alice)}) > 5


def test_a_path_that_breaks_at_rest_is_suspect_and_lost_as_soon_as_any() -> None:
    linked = rested()
    linked.cut = True
    began = linked.now
    while linked.a.state is State.COMPLETED:
        linked.run(0.1)
    assert linked.a.history[-1].time - began <= 6.0 + 2 * (1.0 + CONSENT_GRID) + 5.0


def test_a_path_that_is_cut_for_a_moment_goes_on() -> None:
    linked = rested()
    linked.cut = True
    linked.run(6.5)
    linked.cut = False
    linked.run(5.0)
    assert (linked.a.state, linked.b.state) == (State.COMPLETED, State.COMPLETED)
    assert len(linked.a.history) == len(rested().a.history)


def test_after_trouble_the_path_comes_to_rest_again() -> None:
    linked = rested()
    linked.cut = True
    linked.run(7.5)
    linked.cut = False
    linked.run(60.0)
    assert (linked.a.deadline, linked.b.deadline) == (None, None)


def wake_by_network(linked: Linked) -> None:
    linked.alice.network_changed("the network has changed", linked.now)


def wake_by_restart(linked: Linked) -> None:
    linked.a.restart(linked.now)
    linked.alice.drain(linked.a, linked.now)


@pytest.mark.parametrize("wake", [wake_by_network, wake_by_restart])
def test_what_concerns_the_path_wakes_the_session(wake: Callable[[Linked], None]) -> None:
    linked = rested()
    wake(linked)
    assert linked.a.deadline is not None
    linked.run(30.0)
    assert {linked.a.state, linked.b.state} == {State.COMPLETED}
    assert {linked.a.deadline, linked.b.deadline} == {None}


def test_a_check_under_way_when_the_session_wakes_still_counts() -> None:
    linked = rested()
    while not linked.requests:
        linked.run(DELAY / 2)
    session: SessionMachine = linked.a if linked.requests[0][1] is A else linked.b
    node = linked.alice if session is linked.a else linked.bob
    before = path_rtt(session)
    session.update_local((), True, linked.now)
    node.drain(session, linked.now)
    linked.run(3 * DELAY)
    assert path_rtt(session) == pytest.approx(2 * DELAY, abs=1e-6)
    assert before > 0
    assert node.drops == {}


def path_rtt(session: SessionMachine) -> float:
    assert session.path is not None
    return session.path.rtt


def test_a_session_that_is_closed_at_rest_sends_nothing_more() -> None:
    linked = rested()
    linked.alice.close(BOB, linked.now)
    linked.run(30.0)
    assert linked.checks_of_alice == []
    assert linked.alice.deadline is None


def test_a_base_that_is_gone_ends_the_rest() -> None:
    linked = rested()
    linked.alice.remove_base(A, linked.now)
    linked.run(30.0)
    assert linked.a.state is not State.COMPLETED
    assert linked.checks_of_alice == []


def test_nothing_is_dropped_at_rest() -> None:
    linked = rested()
    linked.run(100.0)
    assert (linked.alice.drops, linked.a.drops) == ({}, {})
