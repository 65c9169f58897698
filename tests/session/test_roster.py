"""Which generations live, which of them carries data, and how each ends."""

import pytest

from tests.ice.link import host, stream
from tests.session.pair import World, both
from tests.session.partner import Partner, connected, generations
from tests.session.side import ALICE, BOB, A, Side
from warren.ice.timing import STREAM_HOLD
from warren.ice.transport import Base, CloseStream, OpenStream
from warren.session.chronicle import Chronicle
from warren.session.generation import Generation
from warren.session.outputs import SourceForgotten, SourceLearned, StateChanged, UfragAdded, UfragRemoved
from warren.session.roster import Roster
from warren.session.state import State

SOURCE = ("198.51.100.2", 4000)


class Desk:
    """A roster, its chronicle, and generations to enter."""

    def __init__(self) -> None:
        self.chronicle = Chronicle()
        self.roster = Roster(self.chronicle)
        self.make = generations(Side())

    def enter(self, session_id: int) -> Generation:
        generation = self.make(session_id)
        self.roster.enter(generation)
        return generation

    def begin(self, session_id: int) -> Generation:
        generation = self.enter(session_id)
        self.roster.promote(generation, "begun", 0.0)
        return generation

    def connect(self, session_id: int, now: float = 0.0) -> Generation:
        """Bound and, as far as states go, connected."""
        self.begin(session_id)
        generation = self.roster.seat("agreed", now)
        for state in (State.NEW, State.CONNECTING, State.CHECKING, State.CONNECTED):
            self.roster.move(generation, state, "", now)
        return generation


def test_nobody_there_is_unknown_and_has_no_path() -> None:
    roster = Desk().roster
    assert (roster.state, roster.route, roster.path, roster.living) == (State.UNKNOWN, None, None, ())


def test_generation_that_lives_is_found_by_its_ufrag_and_the_node_is_told() -> None:
    desk = Desk()
    generation = desk.enter(1)
    ufrag = generation.credentials.ufrag
    assert desk.roster.find(ufrag) is generation
    assert desk.chronicle.take() == [UfragAdded(ufrag)]
    desk.roster.release(generation, 0.0)
    assert desk.roster.find(ufrag) is None
    assert desk.chronicle.take() == [UfragRemoved(ufrag)]


def test_offer_has_no_number_and_is_not_the_newest() -> None:
    desk = Desk()
    generation = desk.enter(1)
    assert (generation.number, desk.roster.newest, desk.roster.state) == (0, None, State.UNKNOWN)


def test_generations_that_are_no_offers_are_counted_from_1() -> None:
    desk = Desk()
    assert [desk.begin(1).number, desk.begin(2).number] == [1, 2]


def test_generation_after_a_closed_one_comes_from_closed() -> None:
    desk = Desk()
    desk.roster.close(desk.begin(1), "over", 1.0)
    desk.begin(2)
    moves = [(change.old, change.new) for change in desk.chronicle.history]
    assert moves[-2:] == [(State.IDLE, State.CLOSED), (State.CLOSED, State.IDLE)]


def test_generation_beside_a_living_one_comes_from_unknown() -> None:
    desk = Desk()
    desk.connect(1)
    desk.begin(2)
    assert desk.chronicle.history[-1].old is State.UNKNOWN


def test_move_that_is_not_in_the_table_is_never_made() -> None:
    desk = Desk()
    generation = desk.begin(1)
    with pytest.raises(AssertionError):
        desk.roster.move(generation, State.CONNECTED, "", 0.0)


def test_each_move_is_told_with_time_reason_and_generation() -> None:
    desk = Desk()
    desk.roster.move(desk.begin(1), State.NEW, "credentials came", 3.5)
    assert desk.chronicle.history[-1] == StateChanged(
        old=State.IDLE, new=State.NEW, reason="credentials came", generation=1, time=3.5
    )


def test_offer_that_is_bound_is_promoted() -> None:
    desk = Desk()
    generation = desk.enter(1)
    desk.roster.seat("a stranger took it", 0.0)
    assert (generation.number, generation.state, desk.roster.bound) == (1, State.IDLE, generation)


def test_bound_generation_that_never_connected_goes_at_once_when_it_is_replaced() -> None:
    desk = Desk()
    desk.begin(1)
    first = desk.roster.seat("agreed", 0.0)
    desk.begin(2)
    desk.roster.seat("agreed anew", 1.0)
    assert first.state is State.CLOSED
    assert desk.roster.older is None
    assert [change.reason for change in desk.chronicle.history if change.new is State.CLOSED] == [
        "replaced by another generation: agreed anew"
    ]


def test_last_connected_one_stays_and_carries_data_until_the_next_is_connected() -> None:
    desk = Desk()
    first = desk.connect(1)
    desk.begin(2)
    second = desk.roster.seat("agreed", 1.0)
    assert desk.roster.carrier is first
    assert desk.roster.state is State.CONNECTED
    desk.begin(3)
    third = desk.roster.seat("agreed", 2.0)
    assert (desk.roster.older, second.state) == (first, State.CLOSED)
    assert desk.roster.bound is third


def test_older_one_is_closed_when_a_newer_one_that_was_connected_is_replaced() -> None:
    desk = Desk()
    first, second = desk.connect(1), desk.connect(2)
    assert desk.roster.older is first
    desk.begin(3)
    desk.roster.seat("agreed", 3.0)
    assert (desk.roster.older, first.state) == (second, State.CLOSED)


def test_generation_with_a_proved_path_stays_although_none_was_selected() -> None:
    bob = Side(BOB, ALICE)
    # The controlling peer answers checks of ours, but has not nominated.
    alice = Partner(7, ours=ALICE, theirs=BOB)
    bob.open()
    bob.hears(alice.says(bob.last.f))
    alice.answers(bob)
    assert bob.state() is State.CHECKING
    bob.restarts()
    bob.hears(alice.says(bob.last.f))
    assert bob.when(State.CLOSED) == []


def test_only_two_retired_generations_are_kept() -> None:
    desk = Desk()
    first, second, third = desk.connect(1), desk.connect(2), None
    desk.roster.retire_older(0.0)
    third = desk.connect(3)
    desk.roster.retire_older(1.0)
    desk.connect(4)
    desk.roster.retire_older(2.0)
    assert first.state is State.CLOSED
    assert (second.retire_at, third.retire_at) == (6.0, 7.0)
    assert [generation.session_id for generation in desk.roster.living] == [2, 3, 4]


def test_retiring_without_an_older_one_does_nothing() -> None:
    desk = Desk()
    desk.connect(1)
    desk.roster.retire_older(0.0)
    assert len(desk.roster.living) == 1


def test_offer_goes_without_a_word_and_closed_is_closed_once() -> None:
    desk = Desk()
    desk.roster.close(desk.enter(1), "not needed", 0.0)
    generation = desk.begin(2)
    desk.roster.close(generation, "over", 0.0)
    desk.roster.close(generation, "over again", 0.0)
    assert [change.reason for change in desk.chronicle.history] == ["begun", "over"]


def test_generation_released_leaves_every_seat() -> None:
    desk = Desk()
    first, second, third, fourth = desk.connect(1), desk.connect(2), None, None
    desk.roster.retire_older(0.0)
    third, fourth = desk.connect(3), desk.enter(4)
    for generation in (first, second, third, fourth):
        desk.roster.release(generation, 1.0)
    assert desk.roster.living == ()


def test_ufrag_is_removed_once() -> None:
    desk = Desk()
    generation = desk.enter(1)
    desk.roster.release(generation, 0.0)
    desk.chronicle.take()
    desk.roster.release(generation, 0.0)
    assert desk.chronicle.take() == []


def test_generation_released_ends_the_connections_of_its_agent() -> None:
    desk = Desk()
    generation = desk.enter(1)
    partner = stream(Base("198.51.100.2", 8000, "tcp")).candidate
    generation.agent.add_local(stream(Base(A.address, 0, "tcp")), 0.0)
    generation.agent.set_remote(Partner(7).credentials, 0.0)
    generation.agent.add_remote(partner, 0.0)
    generation.agent.tick(STREAM_HOLD)
    (opened,) = [output for output in generation.agent.outputs() if isinstance(output, OpenStream)]
    desk.chronicle.take()
    desk.roster.release(generation, 1.0)
    assert desk.chronicle.take() == [CloseStream(opened.base), UfragRemoved(generation.credentials.ufrag)]


def test_generation_released_sends_nothing_more() -> None:
    desk = Desk()
    generation = desk.enter(1)
    generation.agent.add_local(host(A), 0.0)
    generation.agent.set_remote(Partner(7).credentials, 0.0)
    generation.agent.add_remote(Partner(7).candidate, 0.0)
    desk.chronicle.take()
    desk.roster.release(generation, 0.0)
    assert desk.chronicle.take() == [UfragRemoved(generation.credentials.ufrag)]


# Sources of data


def test_source_is_told_once_and_forgotten_when_nobody_knows_it_any_more() -> None:
    desk = Desk()
    first, second = desk.connect(1), desk.connect(2)
    desk.chronicle.take()
    for generation in (first, first, second):
        desk.roster.learn_source(generation, A, SOURCE)
    assert desk.chronicle.take() == [SourceLearned(A, SOURCE)]
    desk.roster.forget_sources(first)
    assert desk.chronicle.take() == []
    desk.roster.forget_sources(second)
    assert desk.chronicle.take() == [SourceForgotten(A, SOURCE)]


def test_sources_of_others_stay() -> None:
    desk = Desk()
    first, second = desk.connect(1), desk.connect(2)
    desk.roster.learn_source(first, A, SOURCE)
    desk.chronicle.take()
    desk.roster.forget_sources(second)
    assert desk.chronicle.take() == []


def test_source_goes_with_its_connection() -> None:
    desk = Desk()
    first, second = desk.connect(1), desk.connect(2)
    desk.roster.learn_source(first, A, SOURCE)
    desk.chronicle.take()
    desk.roster.lose_source(second, A, SOURCE)
    assert desk.chronicle.take() == []
    desk.roster.lose_source(first, A, SOURCE)
    desk.roster.lose_source(first, A, SOURCE)
    assert desk.chronicle.take() == [SourceForgotten(A, SOURCE)]


# The path


def test_path_is_told_when_there_is_one_when_it_moves_to_a_new_generation_and_when_it_is_gone() -> None:
    alice, bob = both()
    world = World(alice, bob)
    world.at(0.0, alice.open)
    world.at(0.0, bob.open)
    world.run(1.0)
    world.at(1.0, alice.restarts)
    world.run(2.0)
    world.at(2.0, alice.closes)
    world.run(3.0)
    told = [(change.path is not None, change.generation) for change in alice.paths]
    assert told == [(True, 1), (True, 2), (False, 2)]
    assert alice.paths[-1].reason == "closed by the user"


def test_path_names_both_ends_and_its_round_trip_time() -> None:
    alice, bob = both()
    world = World(alice, bob)
    world.at(0.0, alice.open)
    world.at(0.0, bob.open)
    world.run(1.0)
    path = alice.machine.path
    assert path is not None
    assert (path.local, path.remote) == (host(A).candidate, host(bob.bases[0]).candidate)
    assert path.rtt == pytest.approx(0.040)
    assert not path.relayed


def test_path_that_was_never_selected_carries_data_until_the_next_generation_has_one() -> None:
    bob, alice = Side(BOB, ALICE), Partner(7, ours=ALICE, theirs=BOB)
    bob.open()
    bob.hears(alice.says(bob.last.f))
    alice.answers(bob)
    route = bob.machine.route
    bob.restarts()
    assert bob.machine.route is route
    bob.hears(alice.says(bob.last.f))
    assert bob.machine.route is route
    alice.answers(bob)
    assert bob.machine.route is not route


def test_data_goes_over_the_first_pair_that_answers_before_one_is_agreed_upon() -> None:
    bob, alice = Side(BOB, ALICE), Partner(7, ours=ALICE, theirs=BOB)
    bob.open()
    bob.hears(alice.says(bob.last.f))
    alice.answers(bob)
    route = bob.machine.route
    assert bob.machine.path is None
    assert route is not None
    assert route.destination == alice.address


def test_state_is_that_of_the_generation_that_carries_data() -> None:
    alice, bob = Side(), Partner(7)
    connected(alice, bob)
    alice.restarts()
    assert alice.moves[-1].new is State.IDLE
    assert alice.state() is State.COMPLETED


def test_base_is_equal_only_to_itself() -> None:
    desk = Desk()
    generation = desk.connect(1)
    desk.roster.learn_source(generation, A, SOURCE)
    desk.roster.learn_source(generation, Base(A.address, A.port), SOURCE)
    learned = [output for output in desk.chronicle.take() if isinstance(output, SourceLearned)]
    assert len(learned) == 2
