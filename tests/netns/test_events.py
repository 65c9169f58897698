"""What happens to a relay and to direct paths under a live session: real NATs, coturn, numbered datagrams."""

import asyncio
import subprocess
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from tests.needs import needs
from tests.netns.networks import Network, add, ip, nft, run
from tests.netns.servers import Servers, Turn, run_signaling, run_turn
from tests.netns.stations import Ends, session
from warren.cli.lab import Kind, Lab, Site, Uplink

pytestmark = [needs("netns", "nft", "coturn", "conntrack"), pytest.mark.timeout(240)]

HERE, THERE = Lab.server_addresses

INTERVAL: Final = 0.02
"""Seconds between two datagrams, each way."""

MARGIN: Final = 1.0
"""What a machine with other work may take longer."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A session between two sites whose datagrams flow, and the relay that it has."""

    lab: Lab
    left: Site
    right: Site
    ends: Ends
    turn: Turn
    folder: Path
    stack: ExitStack
    """What is begun in a scene and lasts beyond it."""


Scene = Callable[[Stage], Awaitable[None]]


async def relay_restarted(stage: Stage) -> None:
    """The TURN server is killed, and started again."""
    stage.turn.process.kill()
    stage.turn.process.wait()
    await asyncio.to_thread(wait_until_free, stage.lab, stage.turn.host)
    again = run_turn(stage.lab, stage.folder, host=stage.turn.host)
    await asyncio.to_thread(stage.stack.enter_context, again)


async def direct_path_opens(stage: Stage) -> None:
    """Both symmetric NATs become port-restricted ones."""
    for site in (stage.left, stage.right):
        box = uplink(site).box
        chain = "ip nat translate"
        nft(box, f"flush chain {chain}; add rule {chain} oifname eth0 masquerade")
        run(box, "conntrack", "-D", "-p", "udp", "--dport", "3478")
    await stage.ends.path_is(relayed=False, seconds=90.0)


async def direct_path_is_lost(stage: Stage) -> None:
    """A firewall begins to drop what goes from peer to peer."""
    drop_between(stage)
    await stage.ends.path_is(relayed=True, seconds=30.0)


async def direct_path_is_lost_for_a_while(stage: Stage) -> None:
    """It drops it, and later on does so no more."""
    await direct_path_is_lost(stage)
    run(uplink(stage.left).box, "nft", "delete table ip wall")
    await stage.ends.path_is(relayed=False, seconds=90.0)


async def uplink_is_lost(stage: Stage) -> None:
    """Of two uplinks the host loses the one that the path takes."""
    host, first = stage.left.namespace, uplink(stage.left)
    stage.lab.leave(host, first)
    await stage.ends.flows(50)


async def restarts(stage: Stage) -> None:
    """The users of the session begin anew: one, the other, and both at once, twice."""
    ends = stage.ends
    one, other = partial(ends.left.say, "restart", ends.right), partial(ends.right.say, "restart", ends.left)
    for who in ((one,), (other,), (one, other), (one, other)):
        before = ends.generations
        for restart in who:
            restart()
        await ends.connected(beyond=before)
        await ends.flows(50)


@dataclass(frozen=True, slots=True)
class Event:
    """A scene, where it is played, and what it may cost."""

    scene: Scene
    network: Network
    relayed: bool
    """Whether the path is relayed before it."""
    gap: float | None
    """The longest that the stream may rest, in seconds; None where the scene takes its time."""
    by: str = "udp"
    """How the relay is reached."""
    uplinks: int = 1
    left_controls: bool = True


PORTS, SYMMETRIC = Network.PORT_RESTRICTED, Network.SYMMETRIC

EVENTS: Final = {
    "TURN server killed and restarted": Event(relay_restarted, SYMMETRIC, True, None),
    "symmetric NATs become port-restricted": Event(direct_path_opens, SYMMETRIC, True, 1.0, by="tcp"),
    "direct path lost": Event(direct_path_is_lost, PORTS, False, 1.0),
    "direct path lost for a while": Event(direct_path_is_lost_for_a_while, PORTS, False, 1.0),
    "uplink of who controls lost, another works": Event(uplink_is_lost, PORTS, False, 1.0, uplinks=2),
    "uplink of who is controlled lost, another works": Event(
        uplink_is_lost, PORTS, False, 1.0, uplinks=2, left_controls=False
    ),
    "four restarts of a direct session": Event(restarts, PORTS, False, 1.0),
    "four restarts of a relayed session": Event(restarts, SYMMETRIC, True, 1.0),
}

LOSSLESS: Final = frozenset({restarts, direct_path_opens})
"""What takes no path away takes no datagram away either."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What an event cost the numbered datagrams, at the worse end."""

    gap: float
    lost: int
    sent: int


async def test_path_is_back_soon_whatever_becomes_of_relays_and_direct_paths(
    lab: Lab, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    folders = {host: tmp_path / host for host in (HERE, THERE)}
    for folder in folders.values():
        folder.mkdir()
    with (
        run_signaling(lab, HERE) as (url, _),
        run_turn(lab, folders[HERE]) as turn,
        run_turn(lab, folders[THERE], host=THERE) as mortal,
    ):
        async with asyncio.TaskGroup() as group:
            tasks = {
                name: group.create_task(
                    play(
                        lab, url, mortal if event.scene is relay_restarted else turn, tmp_path, number, event
                    )
                )
                for number, (name, event) in enumerate(EVENTS.items())
            }
    costs = {name: task.result() for name, task in tasks.items()}
    record_property("table", table(costs))
    assert not {name: cost for name, cost in costs.items() if is_late(EVENTS[name], cost)}
    assert not {name: cost for name, cost in costs.items() if EVENTS[name].scene in LOSSLESS and cost.lost}


def is_late(event: Event, cost: Cost) -> bool:
    """Whether the stream rested for longer than it may."""
    return event.gap is not None and cost.gap > event.gap + MARGIN


def table(costs: dict[str, Cost]) -> str:
    """Draw what happened for people to read."""
    return "\n".join(
        f"{name:<48} gap {cost.gap:6.2f} s  {cost.lost:4} of {cost.sent} datagrams lost"
        for name, cost in costs.items()
    )


async def play(lab: Lab, signaling: str, turn: Turn, folder: Path, number: int, event: Event) -> Cost:
    """Play one scene on a session of its own, under a stream of datagrams each way."""
    left, right = (add(lab, f"{side}{number}", event.network) for side in ("l", "r"))
    for _ in range(1, event.uplinks):
        use_as_well(lab, left, lab.add_uplink(left, Kind.PORT_RESTRICTED))
    servers = Servers(signaling, (f"stun:{turn.host}",), (turn.url(event.by),))
    with ExitStack() as stack:
        async with session(lab, left, right, folder, servers, event.left_controls) as ends:
            await ends.path_is(relayed=event.relayed, seconds=30.0)
            ends.say("send", INTERVAL)
            await ends.flows(50)
            await ends.counts()
            await event.scene(Stage(lab, left, right, ends, turn, turn.log_file.parent, stack))
            await ends.flows(50, seconds=60.0)
            return await cost_of(ends)


async def cost_of(ends: Ends) -> Cost:
    """End the streams, wait until nothing comes any more, and count."""
    sent = [told["sent"] for told in await ends.stopped()]
    counts = await ends.counts()
    gap, came = max(told["gap"] for told in counts), [-1, -1]
    while came != (now := [told["count"] for told in counts]):
        came = now
        await asyncio.sleep(0.5)  # What is still under way comes within this time, or never.
        counts = await ends.counts()
    lost = [there - here for there, here in zip(sent, reversed(came), strict=True)]
    return Cost(gap, max(lost), max(sent))


def uplink(site: Site) -> Uplink:
    """How a site that is not public is connected."""
    assert site.uplink is not None
    return site.uplink


def use_as_well(lab: Lab, site: Site, other: Uplink) -> None:
    """Let a host have another uplink beside its first: what has its address goes by it."""
    lab.use(site.namespace, other)
    first, table = uplink(site), 100
    lab.use(site.namespace, first)
    ip(
        site.namespace,
        f"route add default via {other.gateway} table {table}\nrule add from {other.address} table {table}\n",
    )


def drop_between(stage: Stage) -> None:
    """Drop all UDP between the public addresses of both sites."""
    peer = stage.right.public_address
    nft(
        uplink(stage.left).box,
        f"""table ip wall {{
            chain out {{ type filter hook forward priority -30; ip daddr {peer} meta l4proto udp drop; }}
            chain back {{ type filter hook forward priority -30; ip saddr {peer} meta l4proto udp drop; }}
        }}""",
    )


def wait_until_free(lab: Lab, host: str) -> None:
    """Wait until nobody listens on the server's port any more."""
    which = f"src {host}:3478"
    while subprocess.run(lab.command(None, "ss", "-Hlun", which), capture_output=True).stdout:
        pass
