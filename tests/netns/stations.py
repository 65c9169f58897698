"""Stations as a test holds them: programs at the sites of a lab, and what they said, by session."""

import asyncio
import json
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from tests.netns.servers import Servers
from tests.processes import Event
from warren.cli.children import Line, running
from warren.cli.genkey import write_key_file
from warren.cli.lab import Lab, Site
from warren.keys import PrivateKey, PublicKey

__all__ = ["Ends", "Station", "session", "station"]

T = TypeVar("T")


@dataclass(slots=True)
class Station:
    """A node that runs at a site."""

    key: PublicKey
    process: asyncio.subprocess.Process
    events: dict[str, list[Event]] = field(default_factory=lambda: defaultdict(list))
    """What it said about its session with a peer, by the peer's key."""
    words: list[str] = field(default_factory=list)
    """What it said that was no event, such as a traceback."""
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def say(self, word: str, peer: "Station", *rest: float) -> None:
        """Tell it what to do about its session with another."""
        assert self.process.stdin is not None
        self.process.stdin.write(" ".join((word, str(peer.key), *map(str, rest), "\n")).encode())

    def of(self, peer: "Station", name: str) -> list[Event]:
        """All events of this name about the session with another."""
        return [event for event in self.events[str(peer.key)] if event["event"] == name]

    async def until(self, look: Callable[[], T | None], seconds: float = 20.0) -> T:
        """Wait until `look` sees something in what it has said.

        Raises:
            TimeoutError: the time was over; the text has what it said last.
        """
        try:
            async with asyncio.timeout(seconds):
                while (seen := look()) is None:
                    self.news.clear()
                    await self.news.wait()
        except TimeoutError:
            told = {peer: events[-6:] for peer, events in self.events.items()}
            raise TimeoutError(f"not in {seconds:g} s; it said {told} {self.words}") from None
        return seen

    async def listen(self, heard: "asyncio.Queue[Line]") -> None:
        """Take down what it says."""
        while True:
            line = await heard.get()
            if line.text is not None and line.text.startswith("{"):
                event: Event = json.loads(line.text)
                self.events[event.get("peer", "")].append(event)
            elif line.text:
                self.words.append(line.text)
            self.news.set()


@asynccontextmanager
async def station(
    lab: Lab, site: Site, key: PrivateKey, folder: Path, servers: Servers, environment: Sequence[str] = ()
) -> AsyncIterator[Station]:
    """Run a node at a site until the context is left.

    Args:
        environment: what its command begins with, as `Turn.environment`.
    """
    file = folder / f"{site.name}.key"
    write_key_file(file, key)
    settings = {
        "key_file": str(file),
        "signaling": servers.signaling,
        "stun": servers.stun,
        "turn": servers.turn,
    }
    program = (sys.executable, "-m", "tests.netns.station", json.dumps(settings))
    heard: asyncio.Queue[Line] = asyncio.Queue()
    async with running(site.name, lab.command(site, *environment, *program), heard) as process:
        made = Station(key.public, process)
        listening = asyncio.create_task(made.listen(heard))
        try:
            await made.until(lambda: made.events.get(""), 60.0)
            yield made
            assert process.stdin is not None
            process.stdin.close()
            async with asyncio.timeout(10.0):
                await process.wait()
            assert not made.words, "\n".join(made.words)
        finally:
            listening.cancel()


class Ends:
    """The two ends of one session."""

    def __init__(self, left: Station, right: Station) -> None:
        self.left, self.right = left, right

    @property
    def _both(self) -> tuple[tuple[Station, Station], tuple[Station, Station]]:
        return (self.left, self.right), (self.right, self.left)

    async def open(self) -> None:
        """Open the session at the left, and then at the right: from there on times count."""
        self.left.say("open", self.right)
        await self.left.until(lambda: self.left.of(self.right, "state") or None)
        self.right.say("open", self.left)

    @property
    def generations(self) -> tuple[int, ...]:
        """The newest generation of each end that was ever connected."""
        return tuple(_generation(one, other) for one, other in self._both)

    async def connected(self, beyond: tuple[int, ...], seconds: float = 20.0) -> None:
        """Wait until a later generation than these is connected at both ends."""
        for (one, other), before in zip(self._both, beyond, strict=True):
            await one.until(partial(_is_later, one, other, before), seconds)

    async def connected_or_failed(self, seconds: float) -> None:
        """Wait until the right end has a path, or has given up once."""

        def look() -> bool | None:
            states = self.right.of(self.left, "state")
            return any(event["to"] in ("CONNECTED", "FAILED") for event in states) or None

        await self.right.until(look, seconds)

    async def exchange(self, seconds: float = 10.0) -> None:
        """Let datagrams go both ways until some have come at both ends."""
        self.say("send", 0.02)
        await self.flows(seconds=seconds)
        self.say("stop")

    async def flows(self, more: int = 0, seconds: float = 20.0, at: Sequence[int] = (0, 1)) -> None:
        """Wait until so many more datagrams than now have come at both ends, or `at` one of them."""
        ends = [self._both[end] for end in at]
        for one, other, before in [(one, other, _came(one, other)) for one, other in ends]:
            await one.until(partial(_has_come, one, other, before + more), seconds)

    async def counts(self) -> list[Event]:
        """Ask both ends what has come; the longest gap is counted from here on anew."""
        before = [len(one.of(other, "received")) for one, other in self._both]
        self.say("tell")
        return [
            await one.until(partial(_nth, one, other, "received", number))
            for (one, other), number in zip(self._both, before, strict=True)
        ]

    async def stopped(self) -> list[Event]:
        """End what both send; returns how many datagrams each has sent."""
        self.say("stop")
        return [await one.until(partial(_nth, one, other, "sent", 0)) for one, other in self._both]

    async def path_is(self, relayed: bool, seconds: float) -> None:
        """Wait until the path of both ends is direct, or relayed."""
        for one, other in self._both:
            await one.until(partial(_path_is, one, other, relayed), seconds)

    async def pathless(self, seconds: float = 20.0) -> None:
        """Wait until both ends have been without a path."""
        for one, other in self._both:
            await one.until(partial(_nth, one, other, "no path", 0), seconds)

    def say(self, word: str, *rest: float) -> None:
        """Tell both ends the same."""
        for one, other in self._both:
            one.say(word, other, *rest)


@asynccontextmanager
async def session(
    lab: Lab, left: Site, right: Site, folder: Path, servers: Servers, left_controls: bool
) -> AsyncIterator[Ends]:
    """Run a node at both sites, and open the session between them."""
    keys = sorted((PrivateKey.generate(), PrivateKey.generate()), key=lambda key: key.public)
    if not left_controls:
        keys.reverse()
    async with (
        station(lab, left, keys[0], folder, servers) as one,
        station(lab, right, keys[1], folder, servers) as other,
    ):
        ends = Ends(one, other)
        await ends.open()
        yield ends


def _path_is(one: Station, other: Station, relayed: bool) -> bool | None:
    paths = one.of(other, "path")
    return True if paths and paths[-1]["relayed"] is relayed else None


def _came(one: Station, other: Station) -> int:
    return max((event["count"] for event in one.of(other, "came")), default=0)


def _has_come(one: Station, other: Station, count: int) -> bool | None:
    return _came(one, other) > count or None


def _nth(one: Station, other: Station, name: str, number: int) -> Event | None:
    events = one.of(other, name)
    return events[number] if len(events) > number else None


def _generation(one: Station, other: Station) -> int:
    states = one.of(other, "state")
    return max((event["generation"] for event in states if event["to"] == "CONNECTED"), default=0)


def _is_later(one: Station, other: Station, than: int) -> bool | None:
    return _generation(one, other) > than or None
