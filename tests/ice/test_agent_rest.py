"""When an agent lets its path rest, and what wakes it."""

from collections.abc import Callable

import pytest

from tests.ice.link import HOST, Nat, Peer, World, behind, candidate, host, public, with_streams
from warren.ice import stun
from warren.ice.rest import Rest
from warren.ice.transaction import Transaction
from warren.ice.transport import Base

A, B = "10.0.0.1", "10.1.0.1"
NOW = 20.0
"""Both have selected a pair long ago, and have nothing to do but to keep consent."""


def linked() -> World:
    return World(public(A), public(B)).introduce().run(NOW)


def newest(peer: Peer) -> tuple[Transaction, stun.Stun]:
    return peer.answered[-1]


def rested() -> tuple[World, Rest]:
    world = linked()
    rest = world.a.agent.rest(*newest(world.a))
    assert rest is not None
    return world, rest


def test_an_agent_with_nothing_to_do_but_to_keep_consent_lets_its_path_rest() -> None:
    _, rest = rested()
    assert (rest.pair.base.address, rest.pair.destination) == (A, (B, 4000))
    assert not rest.over


def test_it_has_no_deadline_then() -> None:
    world, rest = rested()
    assert world.a.agent.deadline is None
    assert rest.due > NOW - 6.0


def test_both_speak_on_in_the_words_of_the_agents() -> None:
    world, rest = rested()
    other = world.b.agent.rest(*newest(world.b))
    assert other is not None
    first, second = (rest, other) if rest.due < other.due else (other, rest)
    now = first.due
    check = first.tick(now)
    assert check is not None
    replies = second.datagram_received(check, now) or ()
    assert first.datagram_received(replies[-1], now) == ()


def test_an_agent_rests_for_no_answer_of_a_server() -> None:
    world = linked()
    _, answer = newest(world.a)
    other = world.a.transactions.begin(world.a, Base(A, 1), (B, 1), NOW, "a server")
    assert world.a.agent.rest(other, answer) is None


def test_an_agent_that_knows_no_peer_has_nothing_to_rest() -> None:
    world = linked()
    nobody = Peer("C", controlling=True, bases=[Base("10.2.0.1", 4000)])
    assert nobody.agent.rest(*newest(world.a)) is None


def test_a_path_whose_last_check_was_refused_does_not_rest() -> None:
    world = linked()
    transaction, answer = newest(world.a)
    refused = stun.parse(stun.error(answer, 500, "Server Error", transaction_key(transaction)))
    assert world.a.agent.rest(transaction, refused) is None


def transaction_key(transaction: Transaction) -> stun.Key:
    assert isinstance(transaction.key, stun.Key)
    return transaction.key


def test_a_suspect_path_does_not_rest() -> None:
    world = linked()
    world.a.agent.suspect("the network has changed", NOW)
    assert world.a.agent.rest(*newest(world.a)) is None


def test_a_connection_does_not_rest() -> None:
    world = World(with_streams(A), with_streams(B))
    world.link.drop = lambda packet: packet.base.protocol == "udp"
    world.introduce().run(NOW)
    assert world.a.answered
    assert world.a.agent.rest(*newest(world.a)) is None


def test_a_path_below_one_that_has_worked_does_not_rest_but_climbs() -> None:
    world = World(public(A, "10.0.0.2"), public(B)).introduce().run(5.0)
    crossing = world.link.drop
    world.link.drop = lambda packet: crossing(packet) or A in (packet.base.address, packet.destination[0])
    world.run(NOW + 20.0)
    selected = world.a.agent.selected
    assert selected is not None
    assert selected.local.address == "10.0.0.2"
    assert world.a.agent.rest(*newest(world.a)) is None


def wake_by_candidate(peer: Peer) -> None:
    peer.agent.add_remote(candidate(HOST, "10.9.0.1", 4000), NOW)


def wake_by_address(peer: Peer) -> None:
    peer.agent.add_local(host(Base("10.0.0.9", 4000)), NOW)


def wake_by_lost_address(peer: Peer) -> None:
    peer.agent.remove_base(peer.bases[0], NOW)


def wake_by_doubt(peer: Peer) -> None:
    peer.agent.suspect("the network has changed", NOW)


def wake_by_haste(peer: Peer) -> None:
    peer.agent.hasten(NOW)


def wake_by_tick(peer: Peer) -> None:
    peer.agent.tick(NOW)


def wake_by_close(peer: Peer) -> None:
    peer.agent.close(NOW)


@pytest.mark.parametrize(
    "wake",
    [
        wake_by_candidate,
        wake_by_address,
        wake_by_lost_address,
        wake_by_doubt,
        wake_by_haste,
        wake_by_tick,
        wake_by_close,
    ],
)
def test_any_input_ends_the_rest(wake: Callable[[Peer], None]) -> None:
    world, rest = rested()
    wake(world.a)
    assert rest.over


def test_whoever_holds_the_rest_can_wake_the_agent() -> None:
    world, rest = rested()
    rest.wake()
    assert rest.over
    assert world.a.agent.deadline == rest.due


def test_a_check_under_way_is_the_agents_when_it_wakes() -> None:
    world, rest = rested()
    check = rest.tick(rest.due)
    assert check is not None
    rest.wake()
    assert world.a.transactions.get(check[8:20]) is not None


def test_a_peer_that_asked_again_too_soon_is_in_haste_for_the_agent_too() -> None:
    world, rest = rested()
    asked = world.b.agent.rest(*newest(world.b))
    assert asked is not None
    first = asked.tick(asked.due)
    assert first is not None
    now = NOW + 1.0
    assert rest.datagram_received(first, now) is not None
    assert rest.datagram_received(first, now + 0.2) is None
    world.a.agent.request_received(stun.parse(first), world.a.bases[0], (B, 4000), now + 0.2)
    assert world.a.agent.deadline == now + 0.2


def test_behind_nats_paths_rest_as_well() -> None:
    world = World(behind(Nat("192.0.2.1"), A), behind(Nat("192.0.2.2"), B)).introduce().run(100.0)
    assert world.a.agent.rest(*newest(world.a)) is not None
