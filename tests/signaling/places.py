"""Real backends for tests of several at once: where they run, how they fail, and a line that is slow."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import Final, Protocol

from tests.server.process import ServerProcess, signal_process
from tests.signaling.nats_server import NatsServerProcess, free_port

__all__ = ["NEEDS", "PLACES", "SERVERS", "OpenPlace", "OpenServer", "Server", "late"]


class Server(Protocol):
    """A server of a backend, as a process of its own; on the same port each time it is started."""

    port: int

    @property
    def url(self) -> str:
        """How peers reach it."""
        ...

    async def start(self) -> None:
        """Start it, and wait until it listens."""
        ...

    async def kill(self) -> None:
        """End it as a crash would."""
        ...

    def freeze(self) -> None:
        """Let it hold its connections and do nothing."""
        ...


class SignalServer:
    """`warren signal`."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self.port = free_port()
        self._stack = stack
        self._process: ServerProcess | None = None

    @property
    def url(self) -> str:
        """How peers reach it."""
        return f"grpc://127.0.0.1:{self.port}?insecure=true"

    async def start(self) -> None:
        """Start it, and wait until it listens."""
        self._process = await self._stack.enter_async_context(signal_process(port=self.port))

    async def kill(self) -> None:
        """End it as a crash would."""
        assert self._process is not None
        await self._process.kill()

    def freeze(self) -> None:
        """Let it hold its connections and do nothing."""
        assert self._process is not None
        self._process.send(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)  # Its threads stop one by one.


OpenServer = Callable[[], AbstractAsyncContextManager[Server]]
OpenPlace = Callable[[], AbstractAsyncContextManager[str]]


@asynccontextmanager
async def grpc_server() -> AsyncIterator[Server]:
    """Have a signaling server of ours, not yet started."""
    async with AsyncExitStack() as stack:
        yield SignalServer(stack)


@asynccontextmanager
async def nats_server() -> AsyncIterator[Server]:
    """Have a NATS server, not yet started."""
    server = NatsServerProcess(None, free_port())
    try:
        yield server
    finally:
        await server.kill()


@asynccontextmanager
async def started(open_server: OpenServer) -> AsyncIterator[str]:
    """Have a server that runs."""
    async with open_server() as server:
        await server.start()
        yield server.url


@asynccontextmanager
async def inprocess() -> AsyncIterator[str]:
    """Have a world within this process that nobody else is in."""
    yield f"inprocess:{os.urandom(8).hex()}"


@asynccontextmanager
async def multicast() -> AsyncIterator[str]:
    """Have a group on the loopback interface that nobody else is in."""
    yield f"multicast://239.77.1.4:{free_port()}?interface=lo&ttl=0"


SERVERS: Final[Mapping[str, OpenServer]] = {"grpc": grpc_server, "nats": nats_server}
"""Those backends that stand on a server."""

PLACES: Final[Mapping[str, OpenPlace]] = {
    "inprocess": inprocess,
    "multicast": multicast,
    **{kind: partial(started, open_server) for kind, open_server in SERVERS.items()},
}
"""Every backend, in order to be used."""

NEEDS: Final[Mapping[str, tuple[str, ...]]] = {"nats": ("nats",)}
"""What those of a kind need of the machine (`tests.needs`)."""


@asynccontextmanager
async def late(port: int, delay: float) -> AsyncIterator[int]:
    """Pass connections on to a port of this machine, each byte `delay` seconds later; gives a port to use."""
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(_pass_on(reader, writer, port, delay)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, delay: float
) -> None:
    there, to_there = await asyncio.open_connection("127.0.0.1", port)
    try:
        await asyncio.gather(_copy(reader, to_there, delay), _copy(there, writer, delay))
    finally:
        for one in (writer, to_there):
            one.close()
            with suppress(OSError):
                await one.wait_closed()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    loop = asyncio.get_running_loop()
    with suppress(OSError):
        while data := await reader.read(65536):
            loop.call_later(delay, writer.write, data)
    loop.call_later(delay, writer.close)
