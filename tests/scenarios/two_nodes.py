"""Two nodes with a session between them on a simulated network, for scenes that are written out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from random import Random
from typing import Final

import warren
from warren.signaling.backend import CarrierBackend
from warren.testing.host import SimHost
from warren.testing.link import Link
from warren.testing.nat import NatKind
from warren.testing.network import Packet, SimNetwork
from warren.testing.signaling import SimServer
from warren.testing.turn import TurnServer

__all__ = ["LARGER", "NO_UDP", "OPEN", "RELAY", "SMALLER", "World", "world"]

DELAY: Final = 0.020
RELAY: Final = "203.0.113.10"
OPEN: Final = Link(delay=DELAY / 2)
NO_UDP: Final = Link(delay=DELAY / 2, udp=False)
SMALLER, LARGER = sorted((warren.PrivateKey(bytes([n]) * 32) for n in (1, 2)), key=lambda key: key.public)


@dataclass
class World:
    """Two nodes with a session, what is between them, and every packet of it."""

    network: SimNetwork
    hosts: tuple[SimHost, SimHost]
    nodes: tuple[warren.Node, warren.Node]
    sessions: tuple[warren.Session, warren.Session]
    packets: list[Packet]

    async def connected(self) -> None:
        await asyncio.gather(*(session.wait_connected(30) for session in self.sessions))

    async def crossed(self) -> None:
        """Send until a datagram has crossed in each direction."""
        for session, other in (self.sessions, self.sessions[::-1]):
            receiving = asyncio.ensure_future(other.recv())
            while not receiving.done():
                with suppress(warren.NotConnected):
                    session.send(b"across")
                await asyncio.sleep(0.005)
            assert await receiving == b"across"

    async def exchange(self) -> None:
        """Let a datagram cross in each direction."""
        one, other = self.sessions
        one.send(b"ping")
        assert await other.recv() == b"ping"
        other.send(b"pong")
        assert await one.recv() == b"pong"


@asynccontextmanager
async def world(
    *links: Link, keys: tuple[warren.PrivateKey, ...] = (SMALLER, LARGER), nat: NatKind | None = None,
    tcp: bool = True, turn: bool = False,
) -> AsyncIterator[World]:  # fmt: skip
    """The first node is public; the second may be behind a NAT. Both reach the TURN server by TCP."""
    dice, loop = Random(5), asyncio.get_running_loop()
    network, server = SimNetwork(loop, dice), SimServer(loop, dice)
    packets: list[Packet] = []
    network.watch = packets.append
    hosts = network.host("a", "203.0.113.1", link=links[0]), network.host("b", link=links[1])
    if nat is None:
        hosts[1].attach("203.0.113.2")
    else:
        hosts[1].attach("192.168.0.2", network.router("router", nat, "198.51.100.1").inside)
    config = warren.Config(tcp=tcp)
    if turn:
        host = network.host("turn", RELAY)
        relay = TurnServer(host, RELAY, users={"ann": "secret"}, dice=dice)
        await relay.listen()
        config = warren.Config(tcp=tcp, turn=[relay.url("ann", "tcp")])
    async with AsyncExitStack() as stack:
        nodes = []
        for key, host in zip(keys, hosts, strict=True):
            carrier = server.client(host.name, Link(delay=0.025))
            backend = CarrierBackend(carrier, random_bytes=dice.randbytes, dice=dice)
            stack.push_async_callback(backend.aclose)
            node = warren.Node(key, backend, config=config, network=host, dice=dice)
            nodes.append(await stack.enter_async_context(node))
        one, other = nodes
        sessions = one.open(other.public), other.open(one.public)
        yield World(network, hosts, (one, other), sessions, packets)
    await asyncio.sleep(60)
    assert [host.streams for host in hosts] == [{}, {}]
    assert [host.listeners for host in hosts] == [{}, {}]
