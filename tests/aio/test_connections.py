"""Tests of the streams of a node: its machine opens and closes them, and hears of them."""

import asyncio
import socket
from collections.abc import Coroutine, Iterable
from random import Random
from typing import Any

from tests.testing.ear import simulate
from tests.testing.test_stream import Listening, Server
from warren.aio.connections import Connections
from warren.aio.network import Sender, SystemNetwork
from warren.ice.framing import frame
from warren.ice.transport import Address, Base, CloseStream, Datagram, OpenStream
from warren.keys import PrivateKey
from warren.messages import TCPType
from warren.session.config import Config
from warren.session.node import NodeMachine
from warren.testing.network import SimNetwork

TARGET = ("203.0.113.2", 80)


class Owner:
    """Writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def stream_opened(self, base: Base, local: Address, now: float) -> None:
        self.heard.append(f"opened from {local[0]}")

    def stream_received(self, base: Base, data: bytes, now: float) -> Iterable[Datagram]:
        self.heard.append(data.decode())
        return ()

    def stream_closed(self, base: Base, reason: str, now: float) -> None:
        self.heard.append(reason)


class Rig:
    """Connections of a machine on a host of a simulated network, and one stream that it may open."""

    def __init__(self, network: SimNetwork) -> None:
        self.network = network
        self.server = Server(network)
        self.tasks: list[asyncio.Task[None]] = []
        self.machine = NodeMachine(ours=PrivateKey(bytes(range(32))).public, dice=Random(1), config=Config())
        self.host = network.host("a", "203.0.113.1")
        self.lent: dict[Base, Sender] = {}
        self.connections = Connections(
            network=self.host,
            machine=self.machine,
            lend=self.lent.__setitem__,
            take_back=self._take_back,
            settle=self._settle,
            deliver=lambda session, data: None,
            spawn=self._spawn,
            loop=asyncio.get_running_loop(),
        )
        self.owner = Owner()
        self.base = Base("203.0.113.1", 0, "tcp")

    def _take_back(self, base: Base) -> None:
        self.lent.pop(base, None)

    def _settle(self) -> None:
        for output in self.machine.outputs():
            if isinstance(output, CloseStream):
                self.connections.close(output.base)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        self.tasks.append(asyncio.get_running_loop().create_task(work))
        return self.tasks[-1]

    def open(self) -> None:
        self.machine.streams.enter(self.base, self.owner)
        self.connections.open(OpenStream(self.base, TARGET))


def test_a_stream_is_opened_written_to_and_read() -> None:
    async def scene(network: SimNetwork) -> None:
        rig = Rig(network)
        await rig.server.open()
        rig.open()
        rig.connections.write(rig.base, b"too early")
        await asyncio.sleep(1)
        rig.connections.write(rig.base, b"question")
        await asyncio.sleep(1)
        guest, _, heard = rig.server.guests[0]
        guest.write(b"answer")
        await asyncio.sleep(1)
        assert heard.data == b"question"
        assert rig.owner.heard == ["opened from 203.0.113.1", "answer"]

    simulate(scene)


def test_a_stream_that_is_refused_is_told_closed() -> None:
    async def scene(network: SimNetwork) -> None:
        rig = Rig(network)
        rig.open()
        await asyncio.sleep(1)
        assert rig.owner.heard == ["connection refused"]
        assert len(rig.machine.streams) == 0

    simulate(scene)


def test_a_stream_that_the_other_end_closes_is_told_closed() -> None:
    async def scene(network: SimNetwork) -> None:
        rig = Rig(network)
        await rig.server.open()
        rig.open()
        await asyncio.sleep(1)
        rig.server.guests[0][0].close()
        await asyncio.sleep(1)
        assert rig.owner.heard[-1] == "the other end closed the connection"
        rig.connections.write(rig.base, b"into the void")

    simulate(scene)


def test_a_stream_that_we_close_is_told_nothing() -> None:
    async def scene(network: SimNetwork) -> None:
        rig = Rig(network)
        await rig.server.open()
        rig.open()
        await asyncio.sleep(1)
        rig.connections.close(rig.base)
        rig.connections.close(rig.base)
        await asyncio.sleep(1)
        assert rig.owner.heard == ["opened from 203.0.113.1"]
        assert rig.server.guests[0][2].reason == "the other end closed the connection"

    simulate(scene)


def test_closing_everything_ends_attempts_too() -> None:
    async def scene(network: SimNetwork) -> None:
        rig = Rig(network)
        await rig.server.open()
        rig.open()
        await asyncio.sleep(0.005)
        rig.connections.close_all()
        await asyncio.sleep(1)
        assert rig.owner.heard == []
        assert all(task.cancelled() for task in rig.tasks)

    simulate(scene)


def test_what_a_slow_reader_costs_is_counted() -> None:
    async def scene(network: SimNetwork) -> None:
        rig = Rig(network)
        await rig.server.open()
        rig.open()
        await asyncio.sleep(1)
        for _ in range(6):
            rig.connections.write(rig.base, bytes(60_000))
        assert rig.machine.drops["stream-reads-slowly"] == 2

    simulate(scene)


def test_data_of_sessions_goes_in_frames_over_an_open_stream_only() -> None:
    async def scene(network: SimNetwork) -> None:
        rig = Rig(network)
        await rig.server.open()
        rig.open()
        assert rig.lent == {}
        await asyncio.sleep(1)
        rig.lent[rig.base].send(b"data", TARGET)
        await asyncio.sleep(1)
        assert rig.server.guests[0][2].data == frame(b"data")
        rig.connections.close(rig.base)
        assert rig.lent == {}

    simulate(scene)


# Listening

HERE = [Base("203.0.113.1", 7000, interface="eth0")]


def types(rig: Rig) -> list[TCPType]:
    return [local.candidate.tcp_type for local in rig.machine.gatherer.candidates]


def test_an_address_is_connected_from_and_listened_at_while_it_is_there() -> None:
    async def scene(network: SimNetwork) -> None:
        rig = Rig(network)
        for _ in range(2):
            await rig.connections.follow(HERE, own_port=False)
        assert (types(rig), list(rig.host.listeners)) == (
            [TCPType.ACTIVE, TCPType.PASSIVE],
            [("203.0.113.1", 7000)],
        )
        await rig.connections.follow([], own_port=False)
        assert (types(rig), rig.host.listeners) == ([], {})

    simulate(scene)


def test_an_address_whose_port_is_taken_is_connected_from_and_listened_at_later() -> None:
    async def scene(network: SimNetwork) -> None:
        rig = Rig(network)
        taken = await rig.host.listen("203.0.113.1", 7000, lambda stream, source: None)
        await rig.connections.follow(HERE, own_port=False)
        assert types(rig) == [TCPType.ACTIVE]
        taken.close()
        await rig.connections.follow(HERE, own_port=False)
        assert types(rig) == [TCPType.ACTIVE, TCPType.PASSIVE]

    simulate(scene)


def test_a_stranger_that_connects_and_talks_nonsense_is_put_out() -> None:
    async def scene(network: SimNetwork) -> None:
        rig = Rig(network)
        await rig.connections.follow(HERE, own_port=False)
        ear = Listening()
        stream = await rig.server.host.open_stream("203.0.113.2", ("203.0.113.1", 7000), ear)
        stream.write(frame(b"GET / HTTP/1.1"))
        await asyncio.sleep(1)
        assert ear.reason == "the other end closed the connection"
        assert rig.lent == {}

    simulate(scene)


def test_the_ninth_stranger_of_an_address_is_refused() -> None:
    async def scene(network: SimNetwork) -> None:
        rig = Rig(network)
        await rig.connections.follow(HERE, own_port=False)
        ears = [Listening() for _ in range(9)]
        for ear in ears:
            await rig.server.host.open_stream("203.0.113.2", ("203.0.113.1", 7000), ear)
        await asyncio.sleep(1)
        assert [bool(ear.reason) for ear in ears] == [False] * 8 + [True]

    simulate(scene)


def test_closing_everything_ends_listening() -> None:
    async def scene(network: SimNetwork) -> None:
        rig = Rig(network)
        await rig.connections.follow(HERE, own_port=False)
        await rig.server.host.open_stream("203.0.113.2", ("203.0.113.1", 7000), Listening())
        await asyncio.sleep(1)
        rig.connections.close_all()
        assert (rig.host.listeners, rig.lent) == ({}, {})

    simulate(scene)


async def test_a_refused_connection_is_told_in_the_words_of_the_system() -> None:
    owner, base, ended = Owner(), Base("127.0.0.1", 0, "tcp"), asyncio.Event()
    machine = NodeMachine(ours=PrivateKey(bytes(range(32))).public, dice=Random(1), config=Config())
    machine.streams.enter(base, owner)
    connections = Connections(
        network=SystemNetwork(),
        machine=machine,
        lend=lambda base, sender: None,
        take_back=lambda base: None,
        settle=ended.set,
        deliver=lambda session, data: None,
        spawn=asyncio.get_running_loop().create_task,
        loop=asyncio.get_running_loop(),
    )
    with socket.socket() as refusing:
        refusing.bind(("127.0.0.1", 0))
        connections.open(OpenStream(base, refusing.getsockname()))
        await asyncio.wait_for(ended.wait(), 10)
    assert owner.heard == ["connection refused"]
