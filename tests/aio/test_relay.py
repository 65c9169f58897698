"""Tests of nodes that reach each other by way of a TURN server, on the simulated network."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from tests.aio.relayed import World
from tests.ice.turn.rig import PEER, Rig
from warren.aio.relay import RelaySender
from warren.aio.session import Session
from warren.ice.stun import Method
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


async def test_of_what_is_sent_by_a_relay_no_more_than_four_wait_for_one_another() -> None:
    loop, done = asyncio.get_running_loop(), list[str]()
    rig = Rig()
    rig.now = loop.time()
    rig.live()
    rig.allocation.expect(PEER, rig.now)
    rig.answer(rig.server.success(rig.request(Method.CREATE_PERMISSION)))
    sender = RelaySender(
        rig.allocation,
        send=lambda allocation, packet: done.append("send"),
        flush=lambda allocation: done.append("flush"),
        settle=lambda allocation: None,
        loop=loop,
    )
    for _ in range(9):
        sender.send(b"data", PEER)
    assert done == [*["send"] * 4, "flush", *["send"] * 4, "flush", "send"]


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


class Flow:
    """Numbered datagrams from one session to another, one each 100 ms."""

    def __init__(self, sender: Session, receiver: Session) -> None:
        self.sender, self.receiver = sender, receiver
        self.sent = 0
        self.came: list[int] = []

    async def send(self) -> None:
        while True:
            self.sender.send(self.sent.to_bytes(4, "big"))
            self.sent += 1
            await asyncio.sleep(0.1)

    async def receive(self) -> None:
        async for data in self.receiver:
            self.came.append(int.from_bytes(data, "big"))


async def until(session: Session, *, relayed: bool) -> None:
    """Wait until the session's path is of this kind."""
    if is_relayed(session) is not relayed:
        async for _ in session.events():
            if session.path is not None and is_relayed(session) is relayed:
                return


def is_relayed(session: Session) -> bool:
    return session.path is not None and session.path.relayed


def test_a_direct_path_that_opens_later_is_taken_without_losing_a_datagram() -> None:
    async def test() -> None:
        world = World()
        one, other = (world.host(NatKind.PORT_RESTRICTED) for _ in range(2))
        world.network.cut(one, other)
        async with world.sessions([one, other]) as (first, second):
            await connect(first, second)
            assert is_relayed(first)
            there, back = Flow(first, second), Flow(second, first)
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(work()) for flow in (there, back) for work in (flow.send, flow.receive)
                ]
                await asyncio.sleep(300.0)
                world.network.mend(one, other)
                async with asyncio.timeout(180.0):
                    await asyncio.gather(until(first, relayed=False), until(second, relayed=False))
                await asyncio.sleep(60.0)
                assert not is_relayed(first)
                for task in tasks[::2]:
                    task.cancel()
                await asyncio.sleep(1.0)
                for task in tasks:
                    task.cancel()
            for flow in (there, back):
                assert flow.sent > 3600
                assert flow.came == list(range(flow.sent))

    in_virtual_time(test)


def test_a_direct_path_that_is_lost_gives_way_to_the_relay() -> None:
    async def test() -> None:
        world = World()
        one, other = (world.host(NatKind.PORT_RESTRICTED) for _ in range(2))
        async with world.sessions([one, other]) as (first, second):
            await connect(first, second)
            await asyncio.sleep(10.0)
            assert not is_relayed(first)
            world.network.cut(one, other)
            async with asyncio.timeout(20.0):
                await asyncio.gather(until(first, relayed=True), until(second, relayed=True))
            await exchange(first, second)
            assert len({change.generation for change in first.history}) == 1

    in_virtual_time(test)


def test_a_turn_server_that_was_restarted_is_asked_again_and_relays_again() -> None:
    async def test() -> None:
        world = World()
        hosts = [world.host(NatKind.SYMMETRIC) for _ in range(2)]
        async with world.sessions(hosts) as (first, second):
            await connect(first, second)
            await asyncio.sleep(120.0)
            world.turn.restart()
            await asyncio.sleep(60.0)
            assert world.turn.live == 2
            await connect(first, second)
            await exchange(first, second)

    in_virtual_time(test)


def test_of_two_turn_servers_a_dead_one_delays_nothing() -> None:
    async def test() -> None:
        world = World()
        dead = world.add_turn("203.0.113.5")
        dead.silent = True
        hosts = [world.host(NatKind.SYMMETRIC) for _ in range(2)]
        urls = [dead.url("ann").replace("p@ss", "p%40ss"), world.url()]
        async with world.sessions(hosts, turn=urls) as (first, second):
            began = world.loop.time()
            await connect(first, second)
            assert world.loop.time() - began < 0.5
            assert is_relayed(first)

    in_virtual_time(test)


def test_quota_and_redirection_are_survived() -> None:
    async def test() -> None:
        world = World()
        full, sending = world.add_turn("203.0.113.5"), world.add_turn("203.0.113.6")
        full.refusal = (486, "Allocation Quota Reached")
        sending.alternate = world.turn.address
        hosts = [world.host(NatKind.SYMMETRIC) for _ in range(2)]
        urls = [server.url("ann").replace("p@ss", "p%40ss") for server in (full, sending)]
        async with world.sessions(hosts, turn=urls) as (first, second):
            await connect(first, second)
            await exchange(first, second)
            assert (full.allocated, sending.allocated, world.turn.allocated) == (0, 0, 2)

    in_virtual_time(test)
