"""What must hold when a direct path dies silently under data while a relay stands by: both leave it."""

import asyncio
from itertools import combinations
from typing import Final

from tests.scenarios.peers import Peer
from tests.scenarios.plan import Plan, direct
from tests.scenarios.properties import Watch
from warren.testing.network import SimNetwork

__all__ = ["let_die"]

INTERVAL: Final = 0.02
"""Seconds between two datagrams, each way."""

FLOWING: Final = 1.5
"""How long they flow before the path dies."""

SILENCE: Final = 0.25
"""How long nothing comes until somebody asks."""

MISSES: Final = 6
"""So many answers are missed in a row, by who misses the data and by who follows."""

TURN_DELAY: Final = 0.01


async def let_die(plan: Plan, peers: list[Peer], network: SimNetwork, watch: Watch) -> None:
    """Let each direct path of peers of our kind die in turn, and work again."""
    for one, other in combinations(peers, 2):
        plans = one.plan, other.plan
        if direct(*plans) and not any(peer.cunicu or not peer.udp for peer in plans):
            round_trip = 2 * (one.plan.delay + other.plan.delay)
            by_relay = round_trip + 4 * TURN_DELAY
            limit = SILENCE + MISSES * max(0.1, 1.5 * round_trip) + 3 * by_relay
            await _die(one, other, network, watch, limit)


async def _die(one: Peer, other: Peer, network: SimNetwork, watch: Watch, limit: float) -> None:
    clock = asyncio.get_running_loop().time
    ways = (one, other), (other, one)
    dies = clock() + FLOWING
    last, rests = dict.fromkeys(ways, dies), dict.fromkeys(ways, 0.0)
    while (now := clock()) < dies + 2 * limit:
        if now >= dies:
            network.cut(one.host, other.host)
        for way in ways:
            way[0].send(way[1])
        await asyncio.sleep(INTERVAL)
        for way in ways:
            if watch.data_came(*way):
                last[way] = clock()
            rests[way] = max(rests[way], clock() - last[way])
    network.mend(one.host, other.host)
    for (sender, recipient), rest in rests.items():
        if rest > limit:
            way_gone = f"the direct path from {sender.name} to {recipient.name} had died"
            watch.break_(
                "leaves a dead path", f"nothing came for {rest:.2f} of {limit:.2f} s after {way_gone}"
            )
