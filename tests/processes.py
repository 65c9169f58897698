"""Processes of `warren` for tests: their JSON lines are waited for, and they end with their context."""

import asyncio
import json
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from warren.cli.children import Line, running, warren_command
from warren.cli.genkey import write_key_file
from warren.keys import PrivateKey, PublicKey

__all__ = ["Event", "Peer", "Wanted", "make_keys", "warren"]

Event = dict[str, Any]
Wanted = Callable[[Event], bool]


@dataclass(slots=True)
class Peer:
    """A `warren` that runs with --json, and what it has said so far."""

    process: Process
    heard: asyncio.Queue[Line]
    events: list[Event] = field(default_factory=list)
    output: list[str] = field(default_factory=list)
    ended: int = 0

    async def until(self, wanted: Wanted, seconds: float = 20.0) -> Event:
        """Wait for an event; what it says before is kept in `events`.

        Raises:
            AssertionError: it ended, or the time was over, without such an event.
        """
        try:
            async with asyncio.timeout(seconds):
                while self.ended < 2:
                    if (event := await self._hear()) is not None and wanted(event):
                        return event
        except TimeoutError:
            pass
        raise AssertionError(f"no such event of {self.events[-8:]} {self.output[-8:]}")

    async def wait(self, seconds: float = 20.0) -> int:
        """Wait until it has ended; returns its exit code."""
        async with asyncio.timeout(seconds):
            while self.ended < 2:
                await self._hear()
            return await self.process.wait()

    async def until_output(self, lines: int, seconds: float = 20.0) -> None:
        """Wait until it has written so many lines to standard output."""
        async with asyncio.timeout(seconds):
            while len(self.output) < lines and self.ended < 2:
                await self._hear()

    def say(self, text: str | None) -> None:
        """Write to its standard input; None ends it."""
        assert self.process.stdin is not None
        if text is None:
            self.process.stdin.close()
        else:
            self.process.stdin.write(text.encode())

    def interrupt(self) -> None:
        """Do what Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)

    def of(self, name: str) -> list[Event]:
        """All events of this name so far."""
        return [event for event in self.events if event["event"] == name]

    async def _hear(self) -> Event | None:
        line = await self.heard.get()
        if line.text is None:
            self.ended += 1
        elif line.stream == "stdout":
            self.output.append(line.text)
        else:
            event: Event = json.loads(line.text) if line.text.startswith("{") else {"event": line.text}
            self.events.append(event)
            return event
        return None


def make_keys(
    folder: Path, name: str, second_is_smaller: bool
) -> tuple[tuple[Path, PublicKey], tuple[Path, PublicKey]]:
    """Make two key files; the peer with the smaller public key will control."""
    keys = sorted((PrivateKey.generate(), PrivateKey.generate()), key=lambda key: key.public)
    files = [folder / f"{name}-{number}" for number in (1, 2)]
    first, second = reversed(keys) if second_is_smaller else keys
    for file, key in zip(files, (first, second), strict=True):
        write_key_file(file, key)
    return (files[0], first.public), (files[1], second.public)


@asynccontextmanager
async def warren(*arguments: str, prefix: Sequence[str] = ()) -> AsyncIterator[Peer]:
    """Run a `warren` command until the context is left.

    Args:
        prefix: what its command begins with, to run elsewhere.
    """
    heard: asyncio.Queue[Line] = asyncio.Queue()
    async with running(arguments[0], [*prefix, *warren_command(*arguments, "--json")], heard) as process:
        yield Peer(process, heard)
