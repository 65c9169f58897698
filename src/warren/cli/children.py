"""Processes of `warren demo`: started, heard line by line, and ended with their context."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

__all__ = ["Line", "running", "warren_command"]

GRACE: Final = 3.0
"""How long a process may take to end after it was asked to, in seconds."""


@dataclass(frozen=True, slots=True)
class Line:
    """What a process wrote; `text` is None at the end of it."""

    name: str
    stream: str
    """`stdout` or `stderr`."""
    text: str | None


def warren_command(*arguments: str) -> list[str]:
    """Make the command that runs this very warren."""
    return [sys.executable, "-m", "warren.cli.main", *arguments]


@asynccontextmanager
async def running(name: str, command: Sequence[str], heard: asyncio.Queue[Line]) -> AsyncIterator[Process]:
    """Run a process until the context is left; all that it writes goes to the queue."""
    # A session of its own: Ctrl-C is for us, who then end everything in order.
    process = await asyncio.create_subprocess_exec(
        *command, stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    streams = {"stdout": process.stdout, "stderr": process.stderr}
    readers = [asyncio.create_task(_read(name, *item, heard)) for item in streams.items()]
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            async with asyncio.timeout(GRACE):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)


async def _read(name: str, which: str, stream: asyncio.StreamReader, heard: asyncio.Queue[Line]) -> None:
    async for line in stream:
        heard.put_nowait(Line(name, which, line.decode(errors="replace").rstrip("\n")))
    heard.put_nowait(Line(name, which, None))
