"""A live session while the networks under it change: real NATs, real links, numbered datagrams all the while.

Needs root, network namespaces, nft, conntrack and coturn.
"""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from tests.needs import needs, program
from tests.netns.servers import Servers, run_coturn, run_signaling
from tests.processes import Peer, make_keys, warren
from warren.cli.lab import Kind, Lab, Site, Uplink

pytestmark = [needs("netns", "nft", "coturn", "conntrack"), pytest.mark.timeout(240)]

INTERVAL: Final = 0.05
"""Seconds between two datagrams."""

MARGIN: Final = 1.0
"""What a machine with other work may take longer."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A pair of sites with a session between them that pings."""

    lab: Lab
    site: Site
    calling: Peer
    signaling: "subprocess.Popen[str]"

    async def answered(self, beyond: int) -> int:
        """Wait for the answer to a later request than that of this number; returns its number."""
        event = await self.calling.until(
            lambda event: event["event"] == "ping" and event["seq"] > beyond, seconds=120.0
        )
        return int(event["seq"])

    @property
    def last(self) -> int:
        """The number of the newest request that was answered."""
        return max(int(event["seq"]) for event in self.calling.of("ping"))

    def run(self, namespace: str, *command: str) -> None:
        """Run a command in a namespace."""
        full = [program("ip") or "ip", "netns", "exec", namespace, program(command[0]) or command[0]]
        subprocess.run([*full, *command[1:]], check=True, capture_output=True)

    @property
    def uplink(self) -> Uplink:
        """How the calling site is connected."""
        assert self.site.uplink is not None
        return self.site.uplink


Scene = Callable[[Stage], Awaitable[float]]
"""Changes something, and returns the seconds for which nothing can have worked."""


async def other_network_and_back(stage: Stage) -> float:
    """The host leaves its network for another one, and comes back."""
    other = stage.lab.add_uplink(stage.site, Kind.PORT_RESTRICTED)
    host = stage.site.namespace
    for old, new in ((stage.uplink, other), (other, stage.uplink)):
        stage.lab.leave(host, old)
        stage.lab.use(host, new)
        await stage.answered(await stage.answered(stage.last) + 40)
    return 0.0


async def mapping_lost(stage: Stage) -> float:
    """The NAT forgets its mappings and gives other ports from now on."""
    chain = "ip nat translate"
    rule = "oifname eth0 meta l4proto udp masquerade to :20000-30000"
    ruleset = f"flush chain {chain}; add rule {chain} {rule}; add rule {chain} oifname eth0 masquerade"
    stage.run(stage.uplink.box, "nft", ruleset)
    stage.run(stage.uplink.box, "conntrack", "-F")
    return 0.0


async def link_down(stage: Stage, seconds: float) -> float:
    """The cable is out for a while; the addresses stay."""
    stage.run(stage.uplink.box, "ip", "link", "set", "lan", "down")
    await asyncio.sleep(seconds)  # This is the fault itself: it lasts so long.
    stage.run(stage.uplink.box, "ip", "link", "set", "lan", "up")
    return seconds


async def link_down_without_signaling(stage: Stage) -> float:
    """The cable is out for 5 s, and there is no signaling server any more."""
    stage.signaling.kill()
    return await link_down(stage, 5.0)


SCENES: Final[dict[str, tuple[Scene, float]]] = {
    "uplink changed to another NAT and back": (other_network_and_back, 3.0),
    "mapping lost at the NAT": (mapping_lost, 9.0),
    "link down 5 s": (partial(link_down, seconds=5.0), 3.0),
    "link down 5 s, signaling down all the while": (link_down_without_signaling, 3.0),
    "link down 60 s": (partial(link_down, seconds=60.0), 3.0),
}
"""What happens, and how long after it the path may take to be back."""


@pytest.fixture
def stun(lab: Lab, tmp_path: Path) -> Iterator[tuple[str, ...]]:
    with run_coturn(lab, tmp_path) as urls:
        yield urls


async def test_path_is_back_soon_after_whatever_happens_to_the_network(
    lab: Lab, stun: tuple[str, ...], tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = {
            name: group.create_task(play(lab, stun, tmp_path, number, scene))
            for number, (name, (scene, _)) in enumerate(SCENES.items())
        }
    gaps = {name: task.result() for name, task in tasks.items()}
    record_property("table", "\n".join(f"{name:<45} gap {gap:6.2f} s" for name, gap in gaps.items()))
    late = {name: gap for name, gap in gaps.items() if gap > SCENES[name][1] + MARGIN}
    assert not late


async def play(lab: Lab, stun: tuple[str, ...], folder: Path, number: int, scene: Scene) -> float:
    """Play one scene on a session of its own; returns the longest gap between answers beyond the fault."""
    async with session(lab, stun, folder, f"{number}") as stage:
        await stage.answered(40)
        lasted = await scene(stage)
        await stage.answered(await stage.answered(stage.last + 1) + 40)
        came: list[float] = sorted(
            event["seq"] * INTERVAL + event["rtt"] for event in stage.calling.of("ping")
        )
    return max(later - earlier for earlier, later in pairwise(came)) - lasted


@asynccontextmanager
async def session(lab: Lab, stun: tuple[str, ...], folder: Path, name: str) -> AsyncIterator[Stage]:
    """Let two sites behind port-restricted NATs ping each other."""
    left, right = (lab.add_site(f"{side}{name}", Kind.PORT_RESTRICTED) for side in ("l", "r"))
    (left_file, left_key), (right_file, right_key) = make_keys(folder, name, int(name) % 2 == 0)
    with run_signaling(lab, lab.server_addresses[0]) as (url, signaling):
        options = Servers(url, stun).options
        listen = ("listen", f"--allow={right_key}", "--echo", f"--key={left_file}", *options)
        ping = ("ping", str(left_key), f"--interval={INTERVAL}", f"--key={right_file}", *options)
        async with warren(*listen, prefix=lab.command(left)) as listening:
            await listening.until(lambda event: event["event"] == "listening")
            async with warren(*ping, prefix=lab.command(right)) as calling:
                yield Stage(lab, right, calling, signaling)
                calling.interrupt()
                assert await calling.wait() == 0
