"""Datagrams per second through two connected sessions on loopback, beside aioice: `make bench-data`.

Both run on uvloop, a pair of peers each, sender and receiver in one process, 1,200 bytes each. A round sends
for a fixed time with a window, so that the kernel's buffers are not overrun and what is counted arrived.
Rounds of the two alternate: what disturbs the machine disturbs both.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable

import uvloop

import warren
from bench import aioice_pair
from bench.report import report

SIZE = 1200
WINDOW = 64
"""Datagrams under way at the most: well below what a socket's buffer holds."""

Send = Callable[[bytes], Awaitable[None] | None]
Receive = Callable[[], Awaitable[bytes]]


async def rate(send: Send, receive: Receive, seconds: float) -> float:
    """Send for so many seconds; returns datagrams received per second."""
    payload = bytes(SIZE)
    sent = arrived = 0
    room = asyncio.Event()

    async def drain() -> None:
        nonlocal arrived
        while True:
            await receive()
            arrived += 1
            if sent - arrived == WINDOW // 2:
                room.set()

    reader = asyncio.create_task(drain())
    start = time.perf_counter()
    while time.perf_counter() - start < seconds:
        while sent - arrived < WINDOW:
            sent += 1
            if (waiting := send(payload)) is not None:
                await waiting
        room.clear()
        await room.wait()
    elapsed = time.perf_counter() - start
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)
    return arrived / elapsed


async def warren_round(seconds: float) -> float:
    """One round through two warren sessions."""
    alice, bob = warren.PrivateKey.generate(), warren.PrivateKey.generate()
    config = warren.Config(loopback=True, include_interfaces=("lo",))
    async with (
        warren.Node(alice, "inprocess:bench", config=config) as node_a,
        warren.Node(bob, "inprocess:bench", config=config) as node_b,
        node_a.open(bob.public) as to_bob,
        node_b.open(alice.public) as to_alice,
    ):
        await asyncio.gather(to_bob.wait_connected(30), to_alice.wait_connected(30))
        return await rate(to_bob.send, to_alice.recv, seconds)


async def aioice_round(seconds: float) -> float:
    """One round through two aioice connections."""
    left, right = pair = await aioice_pair.gather()
    await aioice_pair.connect(pair)
    try:
        return await rate(left.send, right.recv, seconds)
    finally:
        await aioice_pair.close(pair)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a round")
    options = parser.parse_args()
    ours, theirs = [], []
    for _ in range(options.rounds):
        ours.append(uvloop.run(warren_round(options.seconds)))
        theirs.append(uvloop.run(aioice_round(options.seconds)))
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    report(
        f"datagrams of {SIZE} bytes through one session on loopback, on uvloop",
        {"warren (datagrams/s)": ours, "aioice (datagrams/s)": theirs, "warren / aioice": ratios},
        {"datagrams_per_s": round(statistics.median(ours)), "vs_aioice": round(statistics.median(ratios), 2)},
    )


if __name__ == "__main__":
    main()
