"""Datagrams per second through two connected sessions on loopback, beside aioice and pion: `make bench-data`.

A pair of peers each, sender and receiver in one process, 1,200 bytes each; we and aioice run on uvloop, and
pion, where Go is present, on all cores that it finds. A round sends for a fixed time with a window, so that
the kernel's buffers are not overrun and what is counted arrived. Rounds alternate: what disturbs the machine
disturbs all.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import time
from collections.abc import Awaitable, Callable

import uvloop

import warren
from bench import aioice_pair
from bench.report import report
from tests.interop.pion_program import build
from tests.needs import missing

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


def pion_round(seconds: float) -> float:
    """One round through two agents of pion, in a process of their own."""
    options = [f"-seconds={seconds}", f"-size={SIZE}", f"-window={WINDOW}"]
    made = subprocess.run([build(), "rate", *options], stdout=subprocess.PIPE, check=True)
    return float(json.loads(made.stdout)["datagrams_per_s"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a round")
    options = parser.parse_args()
    rounds: dict[str, Callable[[float], float]] = {
        "warren": lambda seconds: uvloop.run(warren_round(seconds)),
        "aioice": lambda seconds: uvloop.run(aioice_round(seconds)),
    }
    if missing("go") is None:
        rounds["pion"] = pion_round
    rates: dict[str, list[float]] = {name: [] for name in ("warren", "aioice", "pion")}
    for _ in range(options.rounds):
        for name, measure in rounds.items():
            rates[name].append(measure(options.seconds))
    ours = rates["warren"]
    ratios = {
        name: [a / b for a, b in zip(ours, rates[name], strict=True)] if rates[name] else []
        for name in ("aioice", "pion")
    }
    report(
        f"datagrams of {SIZE} bytes through one session on loopback",
        {f"{name} (datagrams/s)": values for name, values in rates.items()}
        | {f"warren / {name}": values for name, values in ratios.items()},
        {"datagrams_per_s": round(statistics.median(ours))}
        | {f"vs_{name}": _median(values) for name, values in ratios.items()},
    )


def _median(values: list[float]) -> float | None:
    return round(statistics.median(values), 2) if values else None


if __name__ == "__main__":
    main()
