"""A direct path that dies silently under numbered datagrams while a relay stands by, on virtual time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import pytest

import warren
from tests.aio.relayed import World
from warren.ice import stun
from warren.messages import CandidateType
from warren.testing.clock import run
from warren.testing.nat import NatKind
from warren.testing.network import Packet

INTERVAL: Final = 0.02
"""Seconds between two datagrams."""

WITHIN: Final = 1.0
"""How long the stream may rest when the path dies and another one works."""

Way = Literal["both ways", "there", "back"]
WAYS: Final[tuple[Way, ...]] = ("both ways", "there", "back")

CONTROLS: Final = {"the first controls": 1, "the second controls": 2}
"""Seeds by what the keys that they draw decide."""


@dataclass
class Stream:
    """Numbered datagrams from one session to the other."""

    sender: warren.Session
    receiver: warren.Session
    sent: int = 0
    gap: float = 0.0
    """The longest rest, in seconds."""
    last: float | None = None
    came: list[bytes] = field(default_factory=list)

    @property
    def lost(self) -> int:
        """How many of those sent have not come, or not yet."""
        return self.sent - len(self.came)

    def forget(self) -> None:
        """Count from here on."""
        self.sent, self.gap, self.came = 0, 0.0, []

    async def send(self, interval: float) -> None:
        while True:
            self.sender.send(b"%d" % self.sent)
            self.sent += 1
            await asyncio.sleep(interval)

    async def receive(self) -> None:
        loop = asyncio.get_running_loop()
        async for data in self.receiver:
            self.came.append(data)
            now = loop.time()
            if self.last is not None:
                self.gap = max(self.gap, now - self.last)
            self.last = now


@dataclass
class Scene:
    """A session on its direct path, and what crosses."""

    world: World
    sessions: tuple[warren.Session, warren.Session]
    checks: list[Packet]
    """The checks that the two have sent."""

    def cut(self, way: Way) -> None:
        """Drop what goes directly from one to the other."""
        one, other = self.world.hosts
        if way == "back":
            one, other = other, one
        self.world.network.cut(one, other, back=way == "both ways")

    def mend(self) -> None:
        self.world.network.mend(*self.world.hosts)

    def lose(self, share: float) -> None:
        """Lose a share of what is sent on its way to either host, by whatever path."""
        for host in self.world.hosts:
            host.link = replace(host.link, loss=share / 2)

    @property
    def relayed(self) -> tuple[bool, ...]:
        """Whether the path is relayed, at each end."""
        return tuple(_is_relayed(session.path) for session in self.sessions)

    @property
    def path_changes(self) -> tuple[int, ...]:
        """How often the path has changed, at each end."""
        return tuple(session.stats.path_changes for session in self.sessions)

    @asynccontextmanager
    async def streams(
        self, way: Way, interval: float = INTERVAL, *, begins_after: float = 3.0
    ) -> AsyncIterator[list[Stream]]:
        """Let datagrams cross, one way or both."""
        one, other = self.sessions
        there, back = Stream(one, other), Stream(other, one)
        made = {"both ways": [there, back], "there": [there], "back": [back]}[way]
        tasks = [asyncio.create_task(work) for one in made for work in (one.send(interval), one.receive())]
        await asyncio.sleep(begins_after)
        yield made
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert all(task.cancelled() for task in tasks)


def _is_relayed(path: warren.Path | None) -> bool:
    assert path is not None
    return CandidateType.RELAY in (path.local.type, path.remote.type)


@asynccontextmanager
async def direct_with_relay(seed: int) -> AsyncIterator[Scene]:
    """Two sessions that have found their direct path, and know a relay."""
    world = World(seed)
    checks: list[Packet] = []

    def watch(packet: Packet) -> None:
        if packet.sender.startswith("host") and stun.is_stun(packet.data):
            parsed = stun.parse(packet.data)
            if parsed.cls is stun.Class.REQUEST and parsed.username_parts is not None:
                checks.append(packet)

    hosts = [world.host(NatKind.PORT_RESTRICTED) for _ in range(2)]
    async with world.sessions(hosts) as sessions:
        await asyncio.gather(*(session.wait_connected(10.0) for session in sessions))
        await asyncio.sleep(5.0)
        world.network.watch = watch
        scene = Scene(world, sessions, checks)
        assert scene.relayed == (False, False)
        yield scene


@pytest.mark.parametrize("seed", CONTROLS.values(), ids=CONTROLS)
@pytest.mark.parametrize("flows", WAYS)
@pytest.mark.parametrize("lost", WAYS)
def test_the_stream_rests_for_a_second_at_the_most(lost: Way, flows: Way, seed: int) -> None:
    async def play(moment: float) -> None:
        async with direct_with_relay(seed) as scene, scene.streams(flows) as streams:
            await asyncio.sleep(moment)
            scene.cut(lost)
            await asyncio.sleep(5.0)
            assert max(stream.gap for stream in streams) <= WITHIN
            assert scene.relayed == (True, True)

    for step in range(12):
        run(play(step * 0.087))


def test_a_path_that_works_again_is_taken_again_without_losing_a_datagram() -> None:
    async def play() -> None:
        async with direct_with_relay(1) as scene, scene.streams("both ways") as streams:
            scene.cut("both ways")
            await asyncio.sleep(2.0)
            scene.mend()
            for stream in streams:
                stream.forget()
            await asyncio.sleep(10.0)
            assert scene.relayed == (False, False)
            assert max(stream.gap for stream in streams) < 0.1
            assert all(stream.lost <= 2 for stream in streams)  # Under way.

    run(play())


def test_first_datagrams_into_a_path_that_died_at_rest_find_it_out_within_a_second() -> None:
    async def play() -> None:
        async with direct_with_relay(1) as scene:
            await asyncio.sleep(60.0)
            scene.cut("both ways")
            async with scene.streams("there", begins_after=0.0) as (stream,):
                await asyncio.sleep(WITHIN)
                assert stream.came

    run(play())


@pytest.mark.parametrize("seed", CONTROLS.values(), ids=CONTROLS)
@pytest.mark.parametrize("flows", WAYS)
def test_under_heavy_loss_nothing_else_is_lost_and_no_path_is_left_twice_in_eight_seconds(
    flows: Way, seed: int
) -> None:
    share, seconds = 0.3, 800.0  # Long enough for the mean, which is 70 changes, give or take 13.

    async def play() -> None:
        async with direct_with_relay(seed) as scene, scene.streams(flows) as streams:
            changes = scene.path_changes
            scene.lose(share)
            for stream in streams:
                stream.forget()
            await asyncio.sleep(seconds)
            assert max(stream.gap for stream in streams) < 0.3
            assert all(stream.lost < 1.05 * share * stream.sent for stream in streams)
            assert max(scene.path_changes) - max(changes) <= seconds / 8.0

    run(play())


@pytest.mark.parametrize("flows", WAYS)
@pytest.mark.parametrize("interval", [0.1, 0.3, 0.7, 1.3, 5.0])
def test_a_session_whose_path_works_sends_no_more_than_one_check_a_second_beside_consent(
    interval: float, flows: Way
) -> None:
    seconds = 60.0

    async def play() -> None:
        async with direct_with_relay(1) as scene, scene.streams(flows, interval):
            scene.checks.clear()
            await asyncio.sleep(seconds)
            for host in scene.world.hosts:
                sent = sum(packet.sender == host.name for packet in scene.checks)
                assert sent <= 2 + seconds / 4.0 + seconds

    run(play())


def test_a_session_at_rest_asks_by_consent_alone() -> None:
    async def play() -> None:
        async with direct_with_relay(1) as scene:
            await asyncio.sleep(600.0)
            assert len(scene.checks) <= 2 * (600.0 / 4.0)

    run(play())
