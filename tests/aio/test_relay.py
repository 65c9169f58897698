"""Tests of nodes that reach each other by way of a TURN server, on the simulated network."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from tests.aio.relayed import World
from warren.aio.session import Session
from warren.testing.clock import run
from warren.testing.nat import NatKind

PATIENCE = 30.0
HARD = [(NatKind.SYMMETRIC, NatKind.SYMMETRIC), (NatKind.SYMMETRIC, NatKind.PORT_RESTRICTED)]


def in_virtual_time(test: Callable[[], Awaitable[None]]) -> None:
    async def live() -> None:
        await test()

    run(live())


async def connect(first: Session, second: Session) -> None:
    await asyncio.gather(first.wait_connected(PATIENCE), second.wait_connected(PATIENCE))


async def exchange(first: Session, second: Session, rounds: int = 3) -> None:
    for number in range(rounds):
        for sender, receiver in ((first, second), (second, first)):
            sender.send(b"datagram %d" % number)
            async with asyncio.timeout(PATIENCE):
                assert await receiver.recv() == b"datagram %d" % number


@pytest.mark.parametrize("kinds", HARD)
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_what_nats_allow_nowhere_else_goes_by_the_relay(
    kinds: tuple[NatKind, NatKind], transport: str
) -> None:
    async def test() -> None:
        world = World()
        await world.turn.listen()
        hosts = [world.host(kind) for kind in kinds]
        async with world.sessions(hosts, turn=[world.url(transport)]) as (first, second):
            await connect(first, second)
            assert first.path is not None
            assert first.path.relayed
            await exchange(first, second)

    in_virtual_time(test)


def test_allocations_are_there_before_anybody_calls_and_given_back_at_the_end() -> None:
    async def test() -> None:
        world = World()
        async with world.node(world.host(NatKind.SYMMETRIC), [world.url()]):
            await asyncio.sleep(0.2)
            assert world.turn.live == 1
        assert (world.turn.live, world.turn.given_back) == (0, 1)

    in_virtual_time(test)


def test_a_relayed_session_outlives_permissions_channels_and_nonces() -> None:
    async def test() -> None:
        world = World()
        hosts = [world.host(NatKind.SYMMETRIC) for _ in range(2)]
        async with world.sessions(hosts) as (first, second):
            await connect(first, second)
            for _ in range(24):
                await asyncio.sleep(60.0)
                world.turn.renew_nonce()
                await exchange(first, second, rounds=1)
            assert world.turn.allocated == 2

    in_virtual_time(test)


def test_a_direct_path_is_taken_where_there_is_one() -> None:
    async def test() -> None:
        world = World()
        hosts = [world.host(NatKind.PORT_RESTRICTED) for _ in range(2)]
        async with world.sessions(hosts) as (first, second):
            await connect(first, second)
            assert first.path is not None
            assert not first.path.relayed

    in_virtual_time(test)


def test_ipv4_and_ipv6_only_meet_at_the_relay() -> None:
    async def test() -> None:
        world = World()
        hosts = world.host(NatKind.PORT_RESTRICTED), world.host(NatKind.PUBLIC, ipv6=True)
        async with world.sessions(hosts) as (first, second):
            await connect(first, second)
            assert first.path is not None
            assert first.path.relayed
            await exchange(first, second)

    in_virtual_time(test)


def test_with_udp_blocked_the_relay_is_reached_by_tcp() -> None:
    async def test() -> None:
        world = World()
        await world.turn.listen()
        blocked, free = (world.host(NatKind.PORT_RESTRICTED) for _ in range(2))
        blocked.link = replace(blocked.link, udp=False)
        urls = [world.url("udp"), world.url("tcp")]
        async with world.sessions([blocked, free], turn=urls) as (first, second):
            await connect(first, second)
            await exchange(first, second)

    in_virtual_time(test)


def test_sha256_and_hidden_names_are_spoken_where_the_server_offers_them() -> None:
    async def test() -> None:
        world = World(sha256=True)
        hosts = [world.host(NatKind.SYMMETRIC) for _ in range(2)]
        async with world.sessions(hosts) as (first, second):
            await connect(first, second)
            await exchange(first, second)

    in_virtual_time(test)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("turn:ann:wrong@203.0.113.4", "does not accept the user name or the password"),
        ("turn:203.0.113.4", "asks for a user name and a password"),
        ("turn:ann:p%40ss@203.0.113.99", "no answer"),
        ("turn:ann:p%40ss@203.0.113.4:9?transport=tcp", "refused"),
        ("turn:ann:p%40ss@nowhere.example", "cannot be resolved"),
    ],
)
def test_what_is_wrong_with_a_server_is_named_when_nothing_connects(url: str, says: str) -> None:
    async def test() -> None:
        world = World()
        hosts = [world.host(NatKind.SYMMETRIC) for _ in range(2)]
        async with world.sessions(hosts, turn=[url]) as (first, second):
            with pytest.raises(Exception, match=says) as caught:
                await first.wait_connected(60.0)
            assert "p@ss" not in str(caught.value)
            assert "wrong" not in str(caught.value)
            del second

    in_virtual_time(test)
