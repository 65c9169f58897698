"""Two nodes of which one stands in a network that lets no UDP pass: the session comes by TCP."""

import asyncio

import pytest

import warren
from tests.scenarios.tables import entries
from tests.scenarios.two_nodes import LARGER, NO_UDP, OPEN, RELAY, SMALLER, World, world
from warren.messages import CandidateType, TCPType
from warren.session.state import State
from warren.testing.clock import run
from warren.testing.link import Link
from warren.testing.nat import NatKind
from warren.testing.stream import Kind, Segment


def reset(here: World) -> None:
    """Reset every connection between the two, at both ends."""
    for host in here.hosts:
        for stream in list(host.streams.values()):
            if stream.remote[0] != RELAY:
                stream.take(Segment(Kind.RESET))


def relayed(here: World) -> list[bool]:
    """Whether the path of each is relayed."""
    return [session.path is not None and session.path.relayed for session in here.sessions]


@pytest.mark.parametrize("keys", [(SMALLER, LARGER), (LARGER, SMALLER)])
@pytest.mark.parametrize("nat", [None, NatKind.PORT_RESTRICTED, NatKind.SYMMETRIC])
@pytest.mark.parametrize("links", [(OPEN, NO_UDP), (NO_UDP, OPEN), (NO_UDP, NO_UDP)])
def test_without_udp_the_session_comes_by_tcp(
    keys: tuple[warren.PrivateKey, ...], nat: NatKind | None, links: tuple[Link, Link]
) -> None:
    async def scene() -> None:
        async with world(*links, keys=keys, nat=nat) as here:
            began = here.network.loop.time()
            await here.connected()
            # Half a second for UDP, one round trip to connect, one to check; and signaling before.
            assert here.network.loop.time() - began < 1.0
            for session in here.sessions:
                assert session.path is not None
                assert session.path.local.network.is_tcp
                assert session.path.remote.network.is_tcp
            await here.exchange()

    run(scene())


def test_where_udp_works_no_connection_is_opened() -> None:
    async def scene() -> None:
        async with world(OPEN, OPEN) as here:
            await here.connected()
            await asyncio.sleep(10)
            assert {packet.protocol for packet in here.packets} == {"udp"}

    run(scene())


def test_a_session_over_tcp_stays_while_it_is_idle_and_ends_connections_it_does_not_need() -> None:
    async def scene() -> None:
        async with world(OPEN, NO_UDP) as here:
            await here.connected()
            await asyncio.sleep(120)
            assert [session.state for session in here.sessions] == [State.COMPLETED, State.COMPLETED]
            assert len(here.hosts[0].streams) <= 2
            await here.exchange()

    run(scene())


def test_ends_are_told_as_what_they_are() -> None:
    async def scene() -> None:
        async with world(NO_UDP, OPEN, nat=NatKind.PORT_RESTRICTED) as here:
            await here.connected()
            public, inner = (session.path for session in here.sessions)
            assert public is not None
            assert inner is not None
            assert (public.local.type, public.local.tcp_type) == (CandidateType.HOST, TCPType.PASSIVE)
            assert (public.remote.type, public.remote.address) == (
                CandidateType.PEER_REFLEXIVE,
                "198.51.100.1",
            )
            assert (inner.local.type, inner.local.address) == (CandidateType.PEER_REFLEXIVE, "198.51.100.1")
            assert inner.local.transport == public.remote.transport

    run(scene())


@pytest.mark.parametrize("keys", [(SMALLER, LARGER), (LARGER, SMALLER)])
@pytest.mark.parametrize("nat", [None, NatKind.SYMMETRIC])
def test_connections_that_break_200_times_are_opened_again_by_the_same_generation_and_leave_nothing(
    keys: tuple[warren.PrivateKey, ...], nat: NatKind | None
) -> None:
    async def scene() -> None:
        async with world(OPEN, NO_UDP, keys=keys, nat=nat) as here:
            await here.connected()
            await asyncio.sleep(10)
            before = [entries(node) for node in here.nodes]
            for _ in range(200):
                reset(here)
                began = here.network.loop.time()
                await here.crossed()
                assert here.network.loop.time() - began < 0.3
                await asyncio.sleep(10)
            for node, held in zip(here.nodes, before, strict=True):
                assert entries(node) < held + 50
            assert {change.generation for session in here.sessions for change in session.history} == {1}

    run(scene())


def test_from_the_relay_a_session_climbs_to_tcp_when_the_firewall_opens() -> None:
    async def scene() -> None:
        async with world(OPEN, NO_UDP, nat=NatKind.PORT_RESTRICTED, turn=True) as here:
            ports = here.hosts[0].listeners.copy()
            here.hosts[0].listeners.clear()
            await here.connected()
            await asyncio.sleep(100)
            assert relayed(here) == [True, True]
            here.hosts[0].listeners.update(ports)
            await asyncio.sleep(70)
            assert relayed(here) == [False, False]
            await here.exchange()

    run(scene())


def test_a_restart_over_tcp_keeps_data_flowing() -> None:
    async def scene() -> None:
        async with world(OPEN, NO_UDP) as here:
            await here.connected()
            here.sessions[0].restart()
            for _ in range(100):
                await here.exchange()
                await asyncio.sleep(0.05)
            assert all(session.path is not None for session in here.sessions)
            changes = [(change.generation, change.new) for change in here.sessions[0].history]
            assert (2, State.CONNECTED) in changes

    run(scene())


def test_udp_that_begins_to_work_takes_over() -> None:
    async def scene() -> None:
        async with world(OPEN, NO_UDP) as here:
            await here.connected()
            here.hosts[1].link = OPEN
            await asyncio.sleep(150)
            for session in here.sessions:
                assert session.path is not None
                assert not session.path.local.network.is_tcp
            await here.exchange()

    run(scene())


def test_without_tcp_nothing_listens_and_the_session_fails_with_a_reason() -> None:
    async def scene() -> None:
        async with world(OPEN, NO_UDP, tcp=False) as here:
            assert [host.listeners for host in here.hosts] == [{}, {}]
            with pytest.raises(warren.NotConnected, match="none was answered"):
                await here.sessions[0].wait_connected(60)
            assert {packet.protocol for packet in here.packets} == {"udp"}

    run(scene())


def test_with_tcp_the_reason_of_a_failure_tells_of_connections_too() -> None:
    async def scene() -> None:
        async with world(OPEN, NO_UDP) as here:
            here.network.cut(*here.hosts)
            with pytest.raises(warren.NotConnected, match="tcp: 0 checks, no connection in 10 s"):
                await here.sessions[0].wait_connected(60)

    run(scene())


def test_a_session_that_is_closed_ends_its_connections_while_the_node_lives_on() -> None:
    async def scene() -> None:
        async with world(OPEN, NO_UDP) as here:
            await here.connected()
            assert here.hosts[1].streams
            for session in here.sessions:
                session.close()
            await asyncio.sleep(5)
            assert [host.streams for host in here.hosts] == [{}, {}]

    run(scene())


def test_a_session_that_is_closed_gives_up_connections_that_are_on_their_way() -> None:
    async def scene() -> None:
        async with world(OPEN, NO_UDP) as here:
            here.network.cut(*here.hosts)
            await asyncio.sleep(2)
            assert all(host.streams for host in here.hosts)
            for session in here.sessions:
                session.close()
            await asyncio.sleep(1)
            assert [host.streams for host in here.hosts] == [{}, {}]

    run(scene())
