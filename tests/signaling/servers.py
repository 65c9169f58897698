"""The real servers of backends, for tests that kill and freeze them, and a line to them that is slow."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Protocol
from urllib.parse import urlsplit

from tests.kube.installed import install
from tests.kube.server import KubeServer, kube_server
from tests.server.process import ServerProcess, signal_process
from tests.signaling.nats_server import NatsServerProcess, free_port

__all__ = ["SERVERS", "OpenServer", "Server", "late"]


class Server(Protocol):
    """A server of a backend, as a process of its own; on the same port each time it is started."""

    port: int

    @property
    def url(self) -> str:
        """How peers reach it."""
        ...

    def by_way_of(self, port: int) -> str:
        """How peers reach it by another port, which leads there."""
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
        return self.by_way_of(self.port)

    def by_way_of(self, port: int) -> str:
        """How peers reach it by another port, which leads there."""
        return f"grpc://127.0.0.1:{port}?insecure=true"

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


class NatsServer(NatsServerProcess):
    """`nats-server`."""

    def by_way_of(self, port: int) -> str:
        """How peers reach it by another port, which leads there."""
        return f"nats://127.0.0.1:{port}"


class ApiServer:
    """`kube-apiserver`, with its etcd."""

    def __init__(self, kube: KubeServer, namespace: str) -> None:
        port = urlsplit(kube.url).port
        assert port is not None
        self.port = port
        self.url = f"k8s://{kube.kubeconfig('alice', namespace)}"
        self._kube = kube
        self._namespace = namespace

    def by_way_of(self, port: int) -> str:
        """How peers reach it by another port, which leads there."""
        elsewhere = replace(self._kube, url=f"https://127.0.0.1:{port}")
        return f"k8s://{elsewhere.kubeconfig('alice', self._namespace)}"

    async def start(self) -> None:
        """Start both, and wait until they serve."""
        await asyncio.to_thread(self._kube.start)

    async def kill(self) -> None:
        """End both as a crash would."""
        await asyncio.to_thread(self._kube.kill)

    def freeze(self) -> None:
        """Let it hold its connections and do nothing."""
        self._kube.apiserver.freeze()


OpenServer = Callable[[], AbstractAsyncContextManager[Server]]


@asynccontextmanager
async def grpc_server() -> AsyncIterator[Server]:
    """Have a signaling server of ours, not yet started."""
    async with AsyncExitStack() as stack:
        yield SignalServer(stack)


@asynccontextmanager
async def nats_server() -> AsyncIterator[Server]:
    """Have a NATS server, not yet started."""
    server = NatsServer(None, free_port())
    try:
        yield server
    finally:
        await server.kill()


@asynccontextmanager
async def kubernetes_server() -> AsyncIterator[Server]:
    """Have an API server that is set up, and does not run."""
    with TemporaryDirectory() as folder, kube_server(Path(folder)) as kube:
        namespace = kube.make_namespace()
        install(kube, namespace)
        kube.kill()
        yield ApiServer(kube, namespace)


SERVERS: Final[Mapping[str, OpenServer]] = {
    "grpc": grpc_server,
    "k8s": kubernetes_server,
    "nats": nats_server,
}
"""Those backends that stand on a server; what they need of the machine `tests.places` knows."""


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
