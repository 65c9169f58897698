"""Servers and peers of the tests with real kernels: real processes, whose JSON lines are waited for."""

import asyncio
import json
import os
import signal
import socket
import subprocess
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.needs import program
from warren.cli.children import Line, running, warren_command
from warren.cli.genkey import write_key_file
from warren.cli.lab import Lab, Site
from warren.ice import stun
from warren.keys import PrivateKey, PublicKey

__all__ = ["Event", "Peer", "Servers", "make_keys", "peer", "run_coturn", "run_signaling"]

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Servers:
    """What the peers of a lab are told to use."""

    signaling: str
    stun: tuple[str, ...] = ()

    @property
    def options(self) -> list[str]:
        """The options of `warren` for them."""
        return [f"--signaling={self.signaling}", *(f"--stun={url}" for url in self.stun)]


@dataclass(slots=True)
class Peer:
    """A `warren` that runs with --json, and what it has said so far."""

    process: Process
    heard: asyncio.Queue[Line]
    events: list[Event] = field(default_factory=list)
    output: list[str] = field(default_factory=list)
    ended: int = 0

    async def until(self, wanted: Callable[[Event], bool], seconds: float = 20.0) -> Event:
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
async def peer(lab: Lab, site: Site, *arguments: str) -> AsyncIterator[Peer]:
    """Run a `warren` command at a site until the context is left."""
    heard: asyncio.Queue[Line] = asyncio.Queue()
    command = lab.command(site, *warren_command(*arguments, "--json"))
    async with running(arguments[0], command, heard) as process:
        yield Peer(process, heard)


@contextmanager
def run_signaling(lab: Lab, host: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run `warren signal` in the internet; gives its URL and its process."""
    command = warren_command("signal", "--listen", f"{host}:0", "--insecure", "--json")
    with _server(lab, command, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("{") and (event := json.loads(line))["event"] == "listening":
                yield f"grpc://{host}:{event['port']}?insecure=true", process
                return
        raise AssertionError("the signaling server ended before it listened")


@contextmanager
def run_coturn(lab: Lab, folder: Path, ask: Callable[[], socket.socket]) -> Iterator[tuple[str, ...]]:
    """Run coturn on both addresses of the internet; gives its URLs.

    Args:
        ask: makes a socket in the internet's namespace, by which it is asked whether it is there.
    """
    listening = [f"--listening-ip={address}" for address in lab.server_addresses]
    files = [f"--pidfile={folder / 'pid'}", f"--db={folder / 'db'}", "--log-file=stdout", "--simple-log"]
    options = ["-n", "--stun-only", "--no-tls", "--no-dtls", "--no-cli", *listening, *files]
    with _server(lab, [program("turnserver") or "turnserver", *options], stderr=subprocess.DEVNULL):
        for address in lab.server_addresses:
            with ask() as asking:
                asking.settimeout(0.1)
                _until_answered(asking, (address, 3478))
        yield tuple(f"stun:{address}:3478" for address in lab.server_addresses)


@contextmanager
def _server(lab: Lab, command: Sequence[str], stderr: int) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        lab.command(None, *command),
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _until_answered(asking: socket.socket, server: tuple[str, int]) -> None:
    for _ in range(100):
        asking.sendto(stun.server_request(os.urandom(12)), server)
        try:
            asking.recv(1500)
        except TimeoutError:
            continue
        return
    raise AssertionError(f"no STUN answer from {server} in 10 s")
