"""What the tests of the simulated network listen with."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

from warren.ice.transport import Address
from warren.testing.clock import run
from warren.testing.host import SimHost, SimSocket
from warren.testing.link import Link
from warren.testing.network import SimNetwork


class Ear:
    """A bound socket and what it heard, with the times."""

    def __init__(self, host: SimHost, address: str, port: int = 0) -> None:
        self.heard: list[tuple[float, bytes, Address]] = []
        self.socket: SimSocket = host.bind(address, port, self._received)

    @property
    def local(self) -> Address:
        return self.socket.local

    @property
    def times(self) -> list[float]:
        return [at for at, _, _ in self.heard]

    @property
    def data(self) -> list[bytes]:
        return [data for _, data, _ in self.heard]

    @property
    def sources(self) -> list[Address]:
        return [source for _, _, source in self.heard]

    def _received(self, data: bytes, source: Address) -> None:
        self.heard.append((asyncio.get_running_loop().time(), data, source))


def simulate(scene: Callable[[SimNetwork], Awaitable[None]], seed: int = 1) -> str:
    async def main() -> str:
        network = SimNetwork(asyncio.get_running_loop(), Random(seed))
        await scene(network)
        return network.digest

    return run(main())


async def flood(network: SimNetwork, link: Link, count: int) -> Ear:
    """Send `count` numbered datagrams, one a millisecond, to a host with this link."""
    a = Ear(network.host("a", "203.0.113.1", link=Link(delay=0.0)), "203.0.113.1")
    b = Ear(network.host("b", "203.0.113.2", link=link), "203.0.113.2")
    for number in range(count):
        a.socket.send(number.to_bytes(4, "big"), b.local)
        await asyncio.sleep(0.001)
    await asyncio.sleep(5.0)
    return b
