"""Two nodes behind NATs of a simulated network, with TURN servers between them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random

from warren.aio.node import Node
from warren.aio.session import Session
from warren.keys import PrivateKey
from warren.session.config import Config
from warren.signaling.backend import CarrierBackend
from warren.testing.host import SimHost
from warren.testing.link import Link
from warren.testing.nat import NatKind
from warren.testing.network import SimNetwork
from warren.testing.signaling import SimServer
from warren.testing.turn import TurnServer

__all__ = ["NETWORK", "SIGNALING", "World"]

SIGNALING = 0.050
NETWORK = 0.020
NEAR = Link(delay=0.0)


class World:
    """A network with one TURN server in its middle, and a signaling server beside it."""

    def __init__(self, seed: int = 1, *, sha256: bool = False, lifetime: float = 600.0) -> None:
        self.loop = asyncio.get_running_loop()
        self.dice = Random(seed)
        self.network = SimNetwork(self.loop, self.dice)
        self.server = SimServer(self.loop, self.dice)
        self.turn = self.add_turn("203.0.113.4", sha256=sha256, lifetime=lifetime)
        self.hosts: list[SimHost] = []
        self.udp = True

    def add_turn(self, address: str, *, sha256: bool = False, lifetime: float = 600.0) -> TurnServer:
        """Put up another TURN server, which serves IPv6 peers too."""
        ipv6 = f"2001:db8::{address.rpartition('.')[2]}"
        host = self.network.host(f"turn {address}", address, ipv6, link=NEAR)
        return TurnServer(
            host, address, ipv6=ipv6, users={"ann": "p@ss"}, dice=self.dice, sha256=sha256, lifetime=lifetime
        )

    def host(self, kind: NatKind, *, ipv6: bool = False) -> SimHost:
        """Add a host behind a NAT of this kind, or one that has IPv6 only."""
        number = len(self.hosts) + 1
        link = Link(delay=NETWORK / 2, udp=self.udp)
        if ipv6:
            host = self.network.host(f"host{number}", f"2001:db8::{100 + number}", link=link)
        elif kind is NatKind.PUBLIC:
            host = self.network.host(f"host{number}", f"203.0.113.{100 + number}", link=link)
        else:
            router = self.network.router(f"router{number}", kind, f"198.51.100.{number}")
            host = self.network.host(f"host{number}", f"192.168.0.{number}", realm=router.inside, link=link)
        self.hosts.append(host)
        return host

    def url(self, transport: str = "udp") -> str:
        """The TURN server and who we are there."""
        return f"turn:ann:p%40ss@203.0.113.4:3478?transport={transport}"

    @asynccontextmanager
    async def node(self, host: SimHost, turn: Sequence[str], stun: Sequence[str] = ()) -> AsyncIterator[Node]:
        """Run a node on a host."""
        carrier = self.server.client(host.name, Link(delay=SIGNALING / 2))
        backend = CarrierBackend(carrier, random_bytes=self.dice.randbytes, dice=self.dice)
        key = PrivateKey(self.dice.randbytes(32))
        async with Node(
            key, backend, config=Config(turn=turn, stun=stun), network=host, dice=self.dice
        ) as node:
            yield node
        await backend.aclose()

    @asynccontextmanager
    async def sessions(
        self, hosts: Sequence[SimHost], turn: Sequence[str] | None = None, stun: Sequence[str] = ()
    ) -> AsyncIterator[tuple[Session, Session]]:
        """Open the sessions of two nodes, the second 5 s later, when the first knows its addresses."""
        urls = [self.url()] if turn is None else turn
        one, other = hosts
        async with (
            self.node(one, urls, stun) as earlier,
            self.node(other, urls, stun) as later,
            earlier.open(later.public) as first,
        ):
            await asyncio.sleep(5.0)
            async with later.open(earlier.public) as second:
                yield first, second
