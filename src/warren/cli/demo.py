"""`warren demo`: everything at work, on this machine, in a few seconds."""

import asyncio
import json
import sys
import tempfile
from asyncio.subprocess import Process
from collections import deque
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from warren.cli import loop
from warren.cli.children import Line, running, warren_command
from warren.cli.genkey import write_key_file
from warren.cli.report import path_words, short, stamp
from warren.cli.stage import Place, Stage, set_up
from warren.errors import WarrenError
from warren.keys import PrivateKey, PublicKey

__all__ = ["EXAMPLES", "demo"]

EXAMPLES: Final = ("warren demo", "sudo warren demo    (with NATs in network namespaces; Linux, ip and nft)")

TIME_LIMIT: Final = 30.0
QUIET: Final = 0.1
"""Lines are put in order of time when nothing has come for so long, in seconds."""

GREETING: Final = "hello, bob"


class DemoFailed(WarrenError):
    """Something in the demonstration did not happen; the text says what."""


def demo(
    loopback: Annotated[
        bool, typer.Option("--loopback", help="Do without network namespaces even where they can be had.")
    ] = False,
) -> int:
    """Show it all at work: a signaling server and two peers, as separate processes on this machine.

    Each peer is put behind a NAT of its own where that may be done (root on Linux, with ip and nft);
    otherwise both use loopback. It takes seconds, leaves nothing behind, and exits with 0 only if data went
    across.
    """
    with set_up(loopback=loopback) as stage, tempfile.TemporaryDirectory(prefix="warren-demo-") as folder:
        return loop.run(_play(stage, Path(folder)))


async def _play(stage: Stage, folder: Path) -> int:
    play = _Play(stage, folder)
    try:
        async with asyncio.timeout(TIME_LIMIT), AsyncExitStack() as stack:
            await play.run(stack)
    except TimeoutError:
        raise DemoFailed(f"not done after {TIME_LIMIT:g} s{play.complaint}") from None
    return 0


@dataclass(slots=True)
class _Play:
    stage: Stage
    folder: Path
    heard: asyncio.Queue[Line] = field(default_factory=asyncio.Queue)
    complaints: deque[str] = field(default_factory=lambda: deque(maxlen=3))
    begun: float | None = None
    """When the first state change was told (seconds since 1970): the zero of all times shown."""
    elapsed: float = 0.0
    """How long alice's session took to be connected."""
    latest: dict[str, float] = field(default_factory=dict)
    """When the newest event of each process was; some lines have no time of their own."""
    told: list[tuple[float, str]] = field(default_factory=list)
    """Lines that wait for those of the other process, each with its time."""

    async def run(self, stack: AsyncExitStack) -> None:
        """Begin with the servers; done when alice has got back what she sent to bob."""
        stage, alice, bob = self.stage, self._make_key("alice"), self._make_key("bob")
        _say(
            "Two peers, each knowing only the other's public key, find a path to one another.",
            stage.words,
            f"  alice    {short(alice)} {stage.alice.words}",
            f"  bob      {short(bob)} {stage.bob.words}",
        )
        signaling = await self._start_servers(stack)
        _say(
            f"  server   {signaling}: carries sealed messages between them until they have a path",
            *(f"  server   stun:{server}: tells a peer how the internet sees it" for server in stage.stun),
            "",
            "Bob waits for calls (`warren listen --allow ALICE --echo`); alice calls (`warren connect BOB`).",
        )
        options = ["--json", "--signaling", signaling, *(f"--stun=stun:{server}" for server in stage.stun)]
        await self._start(stack, "bob", stage.bob, "listen", f"--allow={alice}", "--echo", *options)
        await self._until("bob", "listening")
        process = await self._start(stack, "alice", stage.alice, "connect", str(bob), *options)
        assert process.stdin is not None
        process.stdin.write(f"{GREETING}\n".encode())
        await self._until("alice", "stdout")
        _say(
            "",
            f"It works: connected {self.elapsed:.3f} s after alice began, and data went there and back.",
            "The servers carried none of it. warren does not encrypt it: carry WireGuard, QUIC or DTLS.",
        )

    async def _start_servers(self, stack: AsyncExitStack) -> str:
        stage = self.stage
        listen = ("signal", "--listen", f"{stage.host}:0", "--insecure", "--json")
        await self._start(stack, "server", stage.internet, *listen)
        port = (await self._until("server", "listening"))["port"]
        if stage.stun:
            command = [sys.executable, "-m", "warren.cli.stun_server", *stage.stun]
            await stack.enter_async_context(running("stun", [*stage.internet.prefix, *command], self.heard))
            await self._until("stun", "stdout")
        return f"grpc://{stage.host}:{port}?insecure=true"

    async def _start(self, stack: AsyncExitStack, name: str, place: Place, *arguments: str) -> Process:
        command = [*place.prefix, *warren_command(*arguments)]
        if (key := self.folder / name).exists():
            command += [*place.options, f"--key={key}"]
        return await stack.enter_async_context(running(name, command, self.heard))

    def _make_key(self, name: str) -> PublicKey:
        key = PrivateKey.generate()
        write_key_file(self.folder / name, key)
        return key.public

    async def _until(self, name: str, event: str) -> dict[str, Any]:
        """Tell all that is heard until this process says this; returns what it says."""
        while True:
            try:
                async with asyncio.timeout(QUIET if self.told else None):
                    line = await self.heard.get()
            except TimeoutError:
                self._flush()
                continue
            values = self._tell(line)
            if (line.name, values["event"]) == (name, event):
                self._flush()
                return values

    def _tell(self, line: Line) -> dict[str, Any]:
        if line.text is None:
            raise DemoFailed(f"{line.name} ended too early{self.complaint}")
        if line.stream == "stdout":
            if line.name in ("alice", "bob"):
                self._tell_line(line.name, "received", repr(line.text))
            return {"event": "stdout"}
        try:
            values: dict[str, Any] = json.loads(line.text)
        except ValueError:
            self.complaints.append(f"{line.name}: {line.text}")
            return {"event": "unknown"}
        match values["event"]:
            case "state":
                self._tell_state(line.name, values)
            case "path":
                self._tell_line(line.name, "path", path_words(values))
            case "error":
                raise DemoFailed(f"{line.name}: {values['reason']}")
            case "signaling" if not values["live"]:
                self.complaints.append(f"{line.name}: {values['reason']}")
        return values

    def _flush(self) -> None:
        """Print what is told in the order in which it happened: each process writes when it likes."""
        for _, text in sorted(self.told, key=itemgetter(0)):
            _say(text)
        self.told.clear()

    def _tell_state(self, name: str, values: dict[str, Any]) -> None:
        self.begun = self.begun or values["time"]
        if name == "alice" and values["to"] == "CONNECTED":
            self.elapsed = values["elapsed"]
        self._tell_line(name, values["to"], values["reason"], values["time"])

    def _tell_line(self, name: str, what: str, words: str, time: float | None = None) -> None:
        when = "" if time is None or self.begun is None else stamp(time - self.begun)
        self.latest[name] = time or self.latest.get(name, 0.0)
        self.told.append((self.latest[name], f"{when:>10}  {name:<6} {what:<13} {words}"))

    @property
    def complaint(self) -> str:
        """What a process said that was no event: usually why it could not go on."""
        return f"; {'; '.join(self.complaints)}" if self.complaints else ""


def _say(*lines: str) -> None:
    print(*lines, sep="\n", flush=True)
