"""Order makes no difference: what is lost, doubled, swapped or replayed costs time and nothing else."""

import random
from dataclasses import dataclass, replace
from functools import partial

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.ice.link import HOST, candidate
from tests.session.pair import World, both
from tests.session.partner import Partner
from tests.session.side import ALICE, BOB, A, B, Side
from warren.ice.transport import Address
from warren.messages import Message
from warren.session.state import State

CANDIDATES = tuple(candidate(HOST, B.address, 4000 + index, index) for index in range(3))
REVISIONS = ((1, 1, False), (2, 2, False), (3, 3, False), (4, 3, True))
"""Revision, how many candidates, whether there will be no more."""

HEALED = 60.0
"""When the network loses no more."""


@dataclass(frozen=True)
class End:
    """What a session has come to."""

    bound: tuple[int, int]
    """Our generation and the peer's."""
    generations: int
    remotes: frozenset[Address]
    state: State
    path: tuple[Address, Address]


def meet(*, controls: bool) -> tuple[Side, Partner]:
    """Our side has begun; the peer controls or does not."""
    ours, theirs = (BOB, ALICE) if controls else (ALICE, BOB)
    us = Side(ours, theirs, A).open()
    others = tuple(candidate.transport for candidate in CANDIDATES[1:])
    return us, Partner(7, ours=theirs, theirs=ours, address=CANDIDATES[0].transport, others=others)


def said_with_field_100(peer: Partner, t: int) -> list[Message]:
    """All that the peer says of one generation: with every revision, before and after it has heard of us."""
    alone = [Message(candidate=candidate) for candidate in CANDIDATES]
    said = [
        peer.says(
            named, revision=revision, candidates=CANDIDATES[:count], ended=ended, asks=asks, need=not named
        )
        for revision, count, ended in REVISIONS
        for named, asks in ((0, True), (t, True), (t, False))
    ]
    unsure = [replace(message, candidate=CANDIDATES[0]) for message in said[::3]]
    return said + unsure + alone


def said_plainly(peer: Partner, t: int) -> list[Message]:
    """All that a plain peer says of one generation."""
    alone = [Message(candidate=candidate) for candidate in CANDIDATES]
    return [peer.tells(need=True), peer.tells(), peer.tells(candidate=True), *alone]


def deliver(us: Side, peer: Partner, messages: list[Message], data: st.DataObject, *, lively: bool) -> None:
    """All messages come, in any order with any gaps; a lively peer answers checks meanwhile."""
    order = data.draw(orders(len(messages)))
    for index, gap in zip(order, data.draw(gaps_for(order)), strict=True):
        us.run(us.now + gap)
        us.hears(messages[index])
        if lively:
            peer.answers(us)


def end(us: Side, peer: Partner) -> End:
    """Say what it has come to: whom it names when all has been heard, and what connects the two."""
    us.machine.subscription_live(us.now)
    bound = us.drained().words[-1]
    us.run(us.now + 2.0)
    remotes = frozenset(transmit.destination for _, transmit in us.sent)
    for _ in range(10):
        peer.answers(us)
        if peer.ours < peer.theirs:
            peer.checks(us, us.said[0].credentials)
        us.run(us.now + 0.1)
    path = us.machine.path
    assert path is not None
    return End(
        bound, us.moves[-1].generation, remotes, us.state(), (path.local.transport, path.remote.transport)
    )


def orders(count: int) -> st.SearchStrategy[list[int]]:
    """Every permutation of so many messages, with some of them doubled anywhere."""
    doubles = st.lists(st.integers(0, count - 1), max_size=count)
    return doubles.flatmap(lambda more: st.permutations([*range(count), *more]))


def gaps_for(order: list[int]) -> st.SearchStrategy[list[float]]:
    # Less than 3 s in all: after that a plain peer without credentials is asked to begin anew.
    return st.lists(st.sampled_from((0.0, 0.0, 0.01, 0.05)), min_size=len(order), max_size=len(order))


@pytest.mark.parametrize("controls", [False, True])
@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_any_order_of_a_generations_messages_ends_in_the_same_state(
    controls: bool, data: st.DataObject
) -> None:
    us, peer = meet(controls=controls)
    ours = us.said[0].f
    messages = said_with_field_100(peer, ours)
    deliver(us, peer, messages, data, lively=False)
    assert end(us, peer) == End(
        bound=(ours, peer.f),
        generations=1,
        remotes=frozenset(candidate.transport for candidate in CANDIDATES),
        state=State.COMPLETED,
        path=((A.address, A.port), CANDIDATES[0].transport),
    )


@pytest.mark.parametrize("controls", [False, True])
@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_any_order_of_a_plain_peers_messages_ends_in_the_same_state(
    controls: bool, data: st.DataObject
) -> None:
    us, peer = meet(controls=controls)
    ours = us.said[0].f
    messages = said_plainly(peer, ours)
    deliver(us, peer, messages, data, lively=False)
    assert end(us, peer) == End(
        bound=(ours, 0),
        generations=1,
        remotes=frozenset(candidate.transport for candidate in CANDIDATES),
        state=State.CONNECTED,
        path=((A.address, A.port), CANDIDATES[0].transport),
    )


@pytest.mark.parametrize("controls", [False, True])
@pytest.mark.parametrize("plain", [False, True])
@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_any_order_ends_in_the_same_state_when_checks_are_answered_meanwhile(
    plain: bool, controls: bool, data: st.DataObject
) -> None:
    us, peer = meet(controls=controls)
    ours = us.said[0].f
    messages = (said_plainly if plain else said_with_field_100)(peer, ours)
    deliver(us, peer, messages, data, lively=True)
    found = end(us, peer)
    assert (found.bound, found.generations) == ((ours, 0 if plain else peer.f), 1)
    assert found.state is (State.CONNECTED if plain else State.COMPLETED)
    assert found.path == ((A.address, A.port), CANDIDATES[0].transport)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10**6), span=st.sampled_from((0.2, 1.0, 5.0)), restarts=st.integers(0, 3))
@example(seed=3849, span=0.2, restarts=1)  # Here every answer to a restart is lost for a minute and a half.
def test_two_sides_find_each_other_whatever_the_network_does_with_their_messages(
    seed: int, span: float, restarts: int
) -> None:
    alice, bob = both(seed=seed)
    world = World(alice, bob)
    dice = random.Random(seed)

    def shuffle(sender: Side, what: Message | bytes) -> bool:
        """Deliver a message never, once or twice, each time after any time; after a minute all come."""
        if isinstance(what, bytes):
            return False
        for _ in range(dice.randrange(3) if world.now < HEALED else 1):
            world.at(
                world.now + dice.uniform(0.0, span), partial((bob if sender is alice else alice).hears, what)
            )
        return True

    world.lose = shuffle
    world.at(dice.uniform(0.0, 1.0), alice.open)
    world.at(dice.uniform(0.0, 1.0), bob.open)
    for _ in range(restarts):
        world.at(dice.uniform(1.0, 20.0), dice.choice((alice, bob)).restarts)
    world.run(HEALED + 120.0)
    assert (alice.state(), bob.state()) == (State.COMPLETED, State.COMPLETED)
    assert alice.machine.route is not None
    before = len(alice.moves), len(bob.moves)
    world.run(HEALED + 230.0)
    assert (len(alice.moves), len(bob.moves)) == before


def test_every_message_ever_sent_may_be_replayed_to_a_connected_pair() -> None:
    alice, bob = both()
    world = World(alice, bob)
    world.at(0.0, alice.open)
    world.at(0.3, partial(bob.open, 0.3))
    for at in (5.0, 6.0, 12.0):
        world.at(at, (alice if at < 12.0 else bob).restarts)
    world.run(30.0)
    sent = [(bob, said.message) for said in alice.published] + [
        (alice, said.message) for said in bob.published
    ]
    routes = alice.machine.route, bob.machine.route
    before = len(alice.moves), len(bob.moves)
    for number, (side, message) in enumerate(sent * 3):
        world.at(30.0 + number / 10, partial(side.hears, message))
    world.run(80.0)
    assert (len(alice.moves), len(bob.moves)) == before
    assert (alice.machine.route, bob.machine.route) == routes
