"""A link loses, delays, doubles and swaps as much as it says."""

import asyncio
from itertools import pairwise

from tests.testing.ear import Ear, flood, simulate
from warren.testing.link import Link
from warren.testing.network import SimNetwork


def test_share_of_loss_is_as_set_whatever_the_burst() -> None:
    async def scene(network: SimNetwork) -> None:
        ear = await flood(network, Link(loss=0.3, burst=5.0), 5000)
        assert 0.25 < 1.0 - len(ear.heard) / 5000 < 0.35

    simulate(scene)


def test_losses_come_in_bursts_of_the_mean_length() -> None:
    async def scene(network: SimNetwork) -> None:
        ear = await flood(network, Link(loss=0.2, burst=4.0), 5000)
        numbers = [int.from_bytes(data, "big") for data in ear.data]
        gaps = [after - before - 1 for before, after in pairwise(numbers)]
        bursts = [gap for gap in gaps if gap]
        assert 3.0 < sum(bursts) / len(bursts) < 5.0

    simulate(scene)


def test_jitter_delays_but_keeps_the_order() -> None:
    async def scene(network: SimNetwork) -> None:
        ear = await flood(network, Link(jitter=0.05), 500)
        assert ear.data == sorted(ear.data)
        assert len({round(at - number * 0.001, 4) for number, (at, _, _) in enumerate(ear.heard)}) > 10

    simulate(scene)


def test_reordering_overtakes() -> None:
    async def scene(network: SimNetwork) -> None:
        ear = await flood(network, Link(reorder=0.2), 500)
        assert ear.data != sorted(ear.data)
        assert len(ear.data) == 500

    simulate(scene)


def test_duplicates_arrive_twice() -> None:
    async def scene(network: SimNetwork) -> None:
        ear = await flood(network, Link(duplicate=0.5), 1000)
        assert 1400 < len(ear.data) < 1600
        assert len(set(ear.data)) == 1000

    simulate(scene)


def test_link_can_be_replaced_while_it_is_used() -> None:
    async def scene(network: SimNetwork) -> None:
        host = network.host("b", "203.0.113.2", link=Link(delay=0.0))
        a = Ear(network.host("a", "203.0.113.1", link=Link(delay=0.0)), "203.0.113.1")
        b = Ear(host, "203.0.113.2")
        host.link = Link(delay=0.5)
        a.socket.send(b"x", b.local)
        await asyncio.sleep(1.0)
        assert host.link == Link(delay=0.5)
        assert b.heard[0][0] == 0.5

    simulate(scene)
