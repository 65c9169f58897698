"""Streams on the simulated network: set-up, NATs, loss, ends."""

import asyncio

import pytest

from tests.testing.ear import Ear, simulate
from warren.aio.stream import MAX_WAITING, Stream, StreamEar
from warren.ice.transport import Address
from warren.testing.host import SimHost
from warren.testing.link import Link
from warren.testing.nat import NatKind
from warren.testing.network import Packet, SimNetwork


class Listening:
    """Hears one end of a stream, with the times."""

    def __init__(self) -> None:
        self.data = b""
        self.reason = ""
        self.times: list[float] = []

    def received(self, data: bytes) -> None:
        self.data += data
        self.times.append(asyncio.get_running_loop().time())

    def closed(self, reason: str) -> None:
        self.reason = reason


class Server:
    """A host that takes connections at port 80."""

    def __init__(self, network: SimNetwork, address: str = "203.0.113.2", link: Link | None = None) -> None:
        self.host = network.host("server", address, link=link)
        self.address = address
        self.guests: list[tuple[Stream, Address, Listening]] = []
        self.refuses = False

    async def open(self) -> None:
        self.listener = await self.host.listen(self.address, 80, self._accepted)

    def _accepted(self, stream: Stream, source: Address) -> StreamEar | None:
        if self.refuses:
            return None
        self.guests.append((stream, source, Listening()))
        return self.guests[-1][2]


async def connected(network: SimNetwork, server: Server, client: SimHost) -> tuple[Stream, Listening]:
    await server.open()
    ear = Listening()
    return await client.open_stream("203.0.113.1", (server.address, 80), ear), ear


def test_connecting_takes_a_round_trip() -> None:
    async def scene(network: SimNetwork) -> None:
        server = Server(network, link=Link(delay=0.004))
        await connected(network, server, network.host("a", "203.0.113.1", link=Link(delay=0.003)))
        assert network.loop.time() == pytest.approx(0.014)

    simulate(scene)


def test_bytes_cross_both_ways_and_the_end_is_told() -> None:
    async def scene(network: SimNetwork) -> None:
        server = Server(network)
        stream, ear = await connected(network, server, network.host("a", "203.0.113.1"))
        stream.write(b"to")
        stream.write(b"gether")
        await asyncio.sleep(1)
        guest, source, heard = server.guests[0]
        assert (source, guest.local) == (stream.local, (server.address, 80))
        guest.write(b"back")
        guest.close()
        guest.close()
        await asyncio.sleep(1)
        assert (heard.data, ear.data) == (b"together", b"back")
        assert (ear.reason, heard.reason) == ("the other end closed the connection", "")
        stream.write(b"into the void")
        await asyncio.sleep(40)
        assert server.host.streams == {}

    simulate(scene)


def test_a_port_where_nobody_listens_refuses() -> None:
    async def scene(network: SimNetwork) -> None:
        network.host("b", "203.0.113.2")
        client = network.host("a", "203.0.113.1")
        with pytest.raises(ConnectionError, match="refused"):
            await client.open_stream("203.0.113.1", ("203.0.113.2", 80), Listening())
        assert client.streams == {}

    simulate(scene)


def test_a_listener_that_was_closed_refuses_and_its_port_is_free() -> None:
    async def scene(network: SimNetwork) -> None:
        server = Server(network)
        client = network.host("a", "203.0.113.1")
        stream, _ = await connected(network, server, client)
        with pytest.raises(OSError, match="taken"):
            await server.open()
        server.listener.close()
        with pytest.raises(ConnectionError, match="refused"):
            await client.open_stream("203.0.113.1", ("203.0.113.2", 80), Listening())
        await server.open()
        stream.write(b"goes on")
        await asyncio.sleep(1)
        assert server.guests[0][2].data == b"goes on"

    simulate(scene)


def test_a_connection_that_nobody_hears_is_ended() -> None:
    async def scene(network: SimNetwork) -> None:
        server = Server(network)
        server.refuses = True
        _, ear = await connected(network, server, network.host("a", "203.0.113.1"))
        await asyncio.sleep(1)
        assert ear.reason

    simulate(scene)


def test_nothing_answers_where_there_is_no_host() -> None:
    async def scene(network: SimNetwork) -> None:
        client = network.host("a", "203.0.113.1")
        with pytest.raises(TimeoutError, match="no connection in 10 s"):
            await client.open_stream("203.0.113.1", ("203.0.113.9", 80), Listening())
        await asyncio.sleep(40)
        assert client.streams == {}

    simulate(scene)


def test_cancelling_ends_the_attempt() -> None:
    async def scene(network: SimNetwork) -> None:
        client = network.host("a", "203.0.113.1")
        task = asyncio.ensure_future(client.open_stream("203.0.113.1", ("203.0.113.9", 80), Listening()))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert client.streams == {}

    simulate(scene)


@pytest.mark.parametrize("kind", [kind for kind in NatKind if kind is not NatKind.PUBLIC])
def test_a_nat_lets_streams_out_and_answers_in_but_nobody_new(kind: NatKind) -> None:
    async def scene(network: SimNetwork) -> None:
        router = network.router("r", kind, "198.51.100.1")
        server, inner = Server(network), network.host("a", "192.168.0.2", realm=router.inside)
        await server.open()
        ear = Listening()
        stream = await inner.open_stream("192.168.0.2", (server.address, 80), ear)
        stream.write(b"hello")
        await asyncio.sleep(1)
        assert server.guests[0][1][0] == "198.51.100.1"
        await inner.listen("192.168.0.2", 7000, lambda stream, source: Listening())
        with pytest.raises(TimeoutError):
            await server.host.open_stream(server.address, ("198.51.100.1", 7000), Listening())

    simulate(scene)


def test_ports_of_udp_and_tcp_are_mapped_apart() -> None:
    async def scene(network: SimNetwork) -> None:
        router = network.router("r", NatKind.FULL_CONE, "198.51.100.1")
        inner = network.host("a", "192.168.0.2", realm=router.inside)
        server = Server(network)
        await inner.listen("192.168.0.2", 7000, lambda stream, source: Listening())
        Ear(inner, "192.168.0.2", 7000).socket.send(b"opens UDP only", (server.address, 1))
        await asyncio.sleep(1)
        with pytest.raises(TimeoutError):
            await server.host.open_stream(server.address, ("198.51.100.1", 7000), Listening())

    simulate(scene)


def test_a_link_without_udp_drops_datagrams_in_both_directions_and_lets_streams_pass() -> None:
    async def scene(network: SimNetwork) -> None:
        server = Server(network, link=Link(udp=False))
        client = network.host("a", "203.0.113.1")
        a, b = Ear(client, "203.0.113.1"), Ear(server.host, server.address)
        itself = Ear(server.host, server.address)
        a.socket.send(b"in", b.local)
        b.socket.send(b"out", a.local)
        itself.socket.send(b"at home", b.local)
        stream, _ = await connected(network, server, client)
        stream.write(b"passes")
        await asyncio.sleep(1)
        assert (a.data, b.data) == ([], [b"at home"])
        assert network.fates["udp blocked"] == 2
        assert server.guests[0][2].data == b"passes"

    simulate(scene)


def test_what_packets_suffer_does_not_reach_those_who_read() -> None:
    async def scene(network: SimNetwork) -> None:
        rough = Link(loss=0.1, burst=2.0, duplicate=0.2, reorder=0.2, jitter=0.01)
        server = Server(network, link=rough)
        stream, _ = await connected(network, server, network.host("a", "203.0.113.1", link=rough))
        sent = b"".join(number.to_bytes(2, "big") for number in range(500))
        for number in range(500):
            stream.write(number.to_bytes(2, "big"))
            await asyncio.sleep(0.001)
        await asyncio.sleep(60)
        heard = server.guests[0][2]
        assert (heard.data, heard.reason) == (sent, "")

    simulate(scene, seed=3)


def test_a_connection_that_is_cut_for_long_breaks() -> None:
    async def scene(network: SimNetwork) -> None:
        server, client = Server(network), network.host("a", "203.0.113.1")
        stream, ear = await connected(network, server, client)
        await asyncio.sleep(1)
        network.cut(client, server.host)
        stream.write(b"lost")
        await asyncio.sleep(40)
        assert ear.reason == "connection timed out"
        network.mend(client, server.host)
        server.guests[0][0].write(b"who is that")
        await asyncio.sleep(1)
        assert server.guests[0][2].reason == "connection reset"

    simulate(scene)


def test_a_slow_link_holds_a_bounded_number_of_bytes() -> None:
    async def scene(network: SimNetwork) -> None:
        server = Server(network)
        stream, _ = await connected(network, server, network.host("a", "203.0.113.1"))
        stream.write(bytes(MAX_WAITING))
        stream.write(b"x")
        assert stream.dropped == 1
        await asyncio.sleep(1)
        assert len(server.guests[0][2].data) == MAX_WAITING

    simulate(scene)


def test_a_host_that_lost_its_address_says_nothing() -> None:
    async def scene(network: SimNetwork) -> None:
        server, client = Server(network), network.host("a", "203.0.113.1")
        stream, ear = await connected(network, server, client)
        client.detach("203.0.113.1")
        stream.write(b"x")
        await asyncio.sleep(40)
        assert (server.guests[0][2].data, ear.reason) == (b"", "connection timed out")

    simulate(scene)


def test_segments_are_seen_as_such_by_who_watches() -> None:
    async def scene(network: SimNetwork) -> None:
        seen: list[Packet] = []
        network.watch = seen.append
        await connected(network, Server(network), network.host("a", "203.0.113.1"))
        assert {packet.protocol for packet in seen} == {"tcp"}

    simulate(scene)
