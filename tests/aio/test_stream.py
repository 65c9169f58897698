"""Tests of TCP and TLS streams on loopback."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trustme

from warren.aio.network import SystemNetwork
from warren.aio.stream import MAX_WAITING, SystemListener, SystemStream, listen, open_stream
from warren.ice.transport import Address

HERE = "127.0.0.1"


class Ear:
    """Hears a stream and lets a test wait for what comes."""

    def __init__(self) -> None:
        self.data = b""
        self.reason = ""
        self._news = asyncio.Event()

    def received(self, data: bytes) -> None:
        self.data += data
        self._news.set()

    def closed(self, reason: str) -> None:
        self.reason = reason
        self._news.set()

    async def wait(self, size: int) -> bytes:
        async with asyncio.timeout(10):
            while len(self.data) < size:
                self._news.clear()
                await self._news.wait()
        return self.data

    async def end(self) -> str:
        async with asyncio.timeout(10):
            while not self.reason:
                self._news.clear()
                await self._news.wait()
        return self.reason


class Door:
    """A listener and the connections it took."""

    def __init__(self) -> None:
        self.guests: asyncio.Queue[tuple[SystemStream, Address, Ear]] = asyncio.Queue()
        self.listener: SystemListener

    def accepted(self, stream: object, source: Address) -> Ear:
        assert isinstance(stream, SystemStream)
        ear = Ear()
        self.guests.put_nowait((stream, source, ear))
        return ear

    async def guest(self) -> tuple[SystemStream, Address, Ear]:
        async with asyncio.timeout(10):
            return await self.guests.get()


@asynccontextmanager
async def door(address: str = HERE) -> AsyncIterator[Door]:
    door = Door()
    door.listener = await listen(address, 0, door.accepted)
    try:
        yield door
    finally:
        door.listener.close()
        while not door.guests.empty():
            door.guests.get_nowait()[0].close()
        await asyncio.sleep(0)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
async def test_bytes_cross_both_ways(address: str) -> None:
    async with door(address) as one:
        ear = Ear()
        stream = await open_stream(address, one.listener.local, ear)
        guest, source, heard = await one.guest()
        assert source == stream.local
        assert guest.local == one.listener.local
        stream.write(b"to")
        stream.write(b"gether")
        guest.write(b"back")
        assert await heard.wait(8) == b"together"
        assert await ear.wait(4) == b"back"
        stream.close()
        guest.close()


@asynccontextmanager
async def serving(
    talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[object]],
    context: ssl.SSLContext | None = None,
) -> AsyncIterator[Address]:
    """A server of asyncio's own; leaving waits until its connections have ended."""
    tasks: list[asyncio.Task[None]] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        try:
            await talk(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()
            await asyncio.sleep(0)

    async with await asyncio.start_server(handle, HERE, 0, ssl=context) as server:
        host, port = server.sockets[0].getsockname()
        yield host, port
        await asyncio.sleep(0)
        await asyncio.gather(*tasks)


async def test_what_the_other_end_says_first_is_not_lost() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"welcome")
        await reader.read()

    async with serving(greet) as address:
        ear = Ear()
        stream = await open_stream(HERE, address, ear)
        assert await ear.wait(7) == b"welcome"
        stream.close()


async def test_the_end_of_a_stream_is_told_to_the_other_end_alone() -> None:
    async with door() as one:
        ear = Ear()
        stream = await open_stream(HERE, one.listener.local, ear)
        guest, _, heard = await one.guest()
        stream.write(b"last")
        stream.close()
        stream.close()
        assert "closed" in await heard.end()
        assert heard.data == b"last"
        assert ear.reason == ""
        guest.write(b"into the void")


async def test_a_refused_port_is_an_error() -> None:
    with socket.socket() as bound:
        bound.bind((HERE, 0))
        with pytest.raises(ConnectionRefusedError):
            await open_stream(HERE, bound.getsockname(), Ear())


async def test_an_address_of_others_cannot_be_connected_from_or_listened_at() -> None:
    with pytest.raises(OSError, match="assign"):
        await open_stream("192.0.2.1", (HERE, 9), Ear())
    with pytest.raises(OSError, match="assign"):
        await listen("192.0.2.1", 0, lambda stream, source: None)


async def test_a_port_in_use_is_an_error() -> None:
    async with door() as one:
        with pytest.raises(OSError, match="in use"):
            await listen(HERE, one.listener.local[1], lambda stream, source: None)


async def test_a_connection_that_nobody_hears_is_closed() -> None:
    listener = await listen(HERE, 0, lambda stream, source: None)
    try:
        ear = Ear()
        try:
            await open_stream(HERE, listener.local, ear)
        except ConnectionError:
            return
        assert await ear.end()
    finally:
        listener.close()


async def test_a_slow_reader_costs_a_bounded_queue_and_whole_writes() -> None:
    with socket.create_server((HERE, 0)) as silent:
        stream = await open_stream(HERE, silent.getsockname(), Ear())
        piece = bytes(60_000)
        for _ in range(1000):
            stream.write(piece)
        # The kernel takes some megabytes, the queue MAX_WAITING; everything else is dropped.
        assert 0 < stream.dropped < 1000
        connection, _ = silent.accept()
        with connection:
            stream.close()
            connection.setblocking(False)
            taken = len(await read_all(connection))
        assert taken <= (1000 - stream.dropped) * len(piece)
        assert taken >= (1000 - stream.dropped) * len(piece) - MAX_WAITING


async def read_all(connection: socket.socket) -> bytes:
    loop, data = asyncio.get_running_loop(), bytearray()
    async with asyncio.timeout(10):
        while more := await loop.sock_recv(connection, 1 << 20):
            data += more
    return bytes(data)


async def test_cancelling_ends_the_attempt() -> None:
    with socket.create_server((HERE, 0), backlog=0) as busy:
        # The handshake of TLS never comes.
        task = asyncio.ensure_future(
            open_stream(
                HERE, busy.getsockname(), Ear(), tls="localhost", context=ssl.create_default_context()
            )
        )
        connection, _ = await asyncio.to_thread(busy.accept)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with connection:
            connection.setblocking(False)
            await read_all(connection)


# TLS


@asynccontextmanager
async def tls_server(authority: trustme.CA, name: str) -> AsyncIterator[Address]:
    """An echo server with a certificate for this name."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            writer.write(data)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    async with serving(echo, context) as address:
        yield address


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def network(authority: trustme.CA) -> SystemNetwork:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return SystemNetwork(tls=context)


async def test_bytes_cross_in_tls(authority: trustme.CA, network: SystemNetwork) -> None:
    async with tls_server(authority, "turn.example.org") as address:
        ear = Ear()
        stream = await network.open_stream(HERE, address, ear, tls="turn.example.org")
        stream.write(b"secret")
        assert await ear.wait(6) == b"secret"
        stream.close()


async def test_a_server_of_another_name_is_refused(authority: trustme.CA, network: SystemNetwork) -> None:
    async with tls_server(authority, "elsewhere.example.org") as address:
        with pytest.raises(ssl.SSLCertVerificationError, match=r"turn\.example\.org"):
            await network.open_stream(HERE, address, Ear(), tls="turn.example.org")


async def test_a_server_that_nobody_vouches_for_is_refused(authority: trustme.CA) -> None:
    async with tls_server(authority, "turn.example.org") as address:
        with pytest.raises(ssl.SSLCertVerificationError):
            await SystemNetwork().open_stream(HERE, address, Ear(), tls="turn.example.org")


async def test_a_server_that_speaks_no_tls_is_refused(network: SystemNetwork) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        await reader.read()

    async with serving(talk) as address:
        with pytest.raises(ssl.SSLError):
            await network.open_stream(HERE, address, Ear(), tls="turn.example.org")
