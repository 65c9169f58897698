"""A direct path that a firewall drops silently, and a relay that stands by: real NATs, numbered datagrams.

Needs root, network namespaces, nft, conntrack and coturn.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.needs import needs
from tests.netns.networks import Network, add, nft, run
from tests.netns.servers import Servers, Turn, run_signaling, run_turn
from tests.netns.stations import session
from tests.netns.test_events import INTERVAL, uplink
from warren.cli.lab import Lab, Site

pytestmark = [needs("netns", "nft", "coturn", "conntrack"), pytest.mark.timeout(240)]

WITHIN: Final = 1.0
"""How long the datagrams may rest, in seconds, when the path dies and another one works."""

SETTLED: Final = 1.5
"""How long a path is used before it dies, in seconds: this is the scene itself."""

HERE: Final = Lab.server_addresses[0]

CHAIN: Final = (
    "chain {way} {{ type filter hook forward priority -30; ip {way} {peer} meta l4proto udp drop; }}\n"
)

DROPS: Final = {"both ways": ("daddr", "saddr"), "left to right": ("daddr",), "right to left": ("saddr",)}
"""What the firewall at the left drops, by which address of the right it is known."""

STREAMS: Final = {"both send": (0, 1), "the right sends": (0,), "the left sends": (1,)}
"""Who sends, and the ends at which it comes."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a drop cost the end that missed more."""

    gap: float
    came: int


@pytest.mark.parametrize("left_controls", [True, False], ids=["the left controls", "the right controls"])
async def test_a_path_that_is_dropped_silently_costs_a_second_at_the_most(
    lab: Lab, left_controls: bool, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    with run_signaling(lab, HERE) as (url, _), run_turn(lab, tmp_path) as turn:
        async with asyncio.TaskGroup() as group:
            tasks = {
                name: group.create_task(play(lab, url, turn, tmp_path, number, receivers, left_controls))
                for number, (name, receivers) in enumerate(STREAMS.items())
            }
    costs = {
        f"dropped {drop}, {name}": cost
        for name, task in tasks.items()
        for drop, cost in task.result().items()
    }
    record_property("table", table(costs))
    assert not {name: cost for name, cost in costs.items() if cost.gap > WITHIN or not cost.came}


def table(costs: dict[str, Cost]) -> str:
    """Draw what happened for people to read."""
    return "\n".join(f"{name:<40} gap {cost.gap:5.2f} s" for name, cost in costs.items())


async def play(
    lab: Lab,
    signaling: str,
    turn: Turn,
    folder: Path,
    number: int,
    receivers: tuple[int, ...],
    left_controls: bool,
) -> dict[str, Cost]:
    """Let the direct path of one session die in every way, and come back each time."""
    left, right = (add(lab, f"{side}{number}", Network.PORT_RESTRICTED) for side in ("l", "r"))
    servers = Servers(signaling, (f"stun:{turn.host}",), (turn.url("udp"),))
    found = {}
    async with session(lab, left, right, folder, servers, left_controls) as ends:
        for receiver in receivers:
            one, other = (ends.left, ends.right)[:: -1 if receiver else 1]
            other.say("send", one, INTERVAL)
        for drop, ways in DROPS.items():
            await ends.path_is(relayed=False, seconds=60.0)
            await asyncio.sleep(SETTLED)
            await ends.counts()
            wall(left, right, ways)
            await ends.path_is(relayed=True, seconds=30.0)
            await ends.flows(at=receivers)
            told = await ends.counts()
            found[drop] = Cost(max(one["gap"] for one in told), max(one["count"] for one in told))
            run(uplink(left).box, "nft", "delete", "table", "ip", "wall")
    return found


def wall(left: Site, right: Site, ways: tuple[str, ...]) -> None:
    """Drop all UDP between the public addresses of both sites that goes these ways."""
    chains = "".join(CHAIN.format(way=way, peer=right.public_address) for way in ways)
    nft(uplink(left).box, f"table ip wall {{\n{chains}}}\n")
