"""A real nats-server as a process of its own, on the loopback address."""

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.needs import program

__all__ = ["NatsServerProcess", "free_port", "nats_server"]


def free_port() -> int:
    """Find a TCP port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class NatsServerProcess:
    """A server that can be killed and started again, on the same port."""

    def __init__(self, config: Path | None, port: int) -> None:
        self.port = port
        self._config = config
        self._process: asyncio.subprocess.Process | None = None
        self._log: list[str] = []
        self._reading: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    @property
    def url(self) -> str:
        """How peers reach it."""
        return f"nats://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The number of its process."""
        assert self._process is not None
        return self._process.pid

    @property
    def tasks(self) -> tuple["asyncio.Task[None]", ...]:
        """Those of this process that belong to it."""
        return (self._reading,) if self._reading is not None else ()

    async def start(self) -> None:
        """Start it, and wait until it listens."""
        config = () if self._config is None else ("-c", str(self._config))
        self._ready.clear()
        self._process = await asyncio.create_subprocess_exec(
            program("nats-server") or "nats-server",
            *("-a", "127.0.0.1", "-p", str(self.port), *config),
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        self._reading = asyncio.create_task(self._read())
        ready = asyncio.create_task(self._ready.wait())
        await asyncio.wait([ready, self._reading], timeout=20, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if not self._ready.is_set():
            raise AssertionError(f"nats-server did not start: {self._log}")

    async def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        if self._reading is not None:
            await self._reading

    def freeze(self) -> None:
        """Let it hold its connections and do nothing, as a machine that has lost its network."""
        self._signal(signal.SIGSTOP)
        assert self._process is not None
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)  # Its threads stop one by one.

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def reload(self) -> None:
        """Let it read its configuration anew."""
        self._signal(signal.SIGHUP)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        while line := await self._process.stderr.readline():
            self._log.append(line.decode(errors="replace").rstrip())
            if "Server is ready" in self._log[-1]:
                self._ready.set()


@asynccontextmanager
async def nats_server(config: Path | None = None) -> AsyncIterator[NatsServerProcess]:
    """Run a server until the context is left."""
    server = NatsServerProcess(config, free_port())
    try:
        await server.start()
        yield server
    finally:
        await server.kill()
