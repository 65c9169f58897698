"""`warren signal` as a process of its own."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

__all__ = ["ServerProcess", "signal_process"]


class ServerProcess:
    """A running server: what it says, and how it ends."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.said: list[dict[str, Any]] = []
        self.port = 0

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    async def until(self, event: str) -> dict[str, Any]:
        """Wait until it says this."""
        assert self._process.stderr is not None
        async with asyncio.timeout(30):
            while line := await self._process.stderr.readline():
                values: dict[str, Any] = json.loads(line)
                self.said.append(values)
                if values["event"] == event:
                    return values
        raise AssertionError(f"the server ended without saying {event}: {self.said}")

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    async def wait(self, seconds: float = 30) -> int:
        """Wait for its end; returns the exit code."""
        async with asyncio.timeout(seconds):
            return await self._process.wait()

    async def kill(self) -> None:
        """End it as a crash would."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()


@asynccontextmanager
async def signal_process(*options: str, port: int = 0) -> AsyncIterator[ServerProcess]:
    """Run it on a port of the loopback address; `--insecure` unless told otherwise."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "warren.cli.main", "signal", "--json", f"--listen=127.0.0.1:{port}"),
        *(options or ("--insecure",)),
        stderr=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )
    server = ServerProcess(process)
    try:
        server.port = (await server.until("listening"))["port"]
        yield server
    finally:
        await server.kill()
