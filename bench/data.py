"""Datagrams per second through two connected sessions on loopback, beside aioice and pion: `make bench-data`.

A pair of peers each, sender and receiver in one process, 1,200 bytes each; we and aioice run on uvloop, and
pion, where Go is present, on all cores that it finds. A round sends for a fixed time with a window, so that
the kernel's buffers are not overrun and what is counted arrived. Rounds alternate: what disturbs the machine
disturbs all.

Then the same by way of coturn, where it is present: each peer has nothing but an address that it relays, and
bare sockets show what coturn itself can do.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path

import uvloop

import warren
from bench import aioice_pair
from bench.coturn_limit import limit
from bench.report import report, table
from tests.interop.pion_program import build, relayed_by
from tests.interop.world import Turn, turn_server
from tests.needs import missing
from warren.ice.policy import CandidatePolicy

SIZE = 1200
WINDOW = 64
"""Datagrams under way at the most: well below what a socket's buffer holds."""
RELAYED_WINDOW = 32
"""The same where coturn is between: its sockets hold some fifty."""
PATIENCE = 0.5
"""Seconds without a datagram after which those under way are lost: a busy machine may pause for a while."""

Send = Callable[[bytes], Awaitable[None] | None]
Receive = Callable[[], Awaitable[bytes]]
Round = Callable[[float, Turn | None], Awaitable[float]]
Rates = dict[str, list[float]]
"""What each has measured, round by round, in datagrams per second."""


async def rate(send: Send, receive: Receive, seconds: float, window: int) -> float:
    """Send for so many seconds; returns datagrams received per second."""
    payload = bytes(SIZE)
    under_way = arrived = 0
    room = asyncio.Event()

    async def drain() -> None:
        nonlocal under_way, arrived
        while True:
            await receive()
            arrived += 1
            under_way -= 1
            if under_way == window // 2:
                room.set()

    async def forgive() -> None:
        nonlocal under_way
        while True:
            before = arrived
            await asyncio.sleep(PATIENCE)
            if arrived == before:
                under_way = 0
                room.set()

    helpers = [asyncio.create_task(drain()), asyncio.create_task(forgive())]
    start = time.perf_counter()
    while time.perf_counter() - start < seconds:
        while under_way < window:
            under_way += 1
            if (waiting := send(payload)) is not None:
                await waiting
        room.clear()
        await room.wait()
    elapsed = time.perf_counter() - start
    for helper in helpers:
        helper.cancel()
    await asyncio.gather(*helpers, return_exceptions=True)
    return arrived / elapsed


async def warren_round(seconds: float, turn: Turn | None) -> float:
    """One round through two warren sessions."""
    alice, bob = warren.PrivateKey.generate(), warren.PrivateKey.generate()
    config = warren.Config(loopback=True, include_interfaces=("lo",))
    if turn is not None:
        config = replace(config, turn=(turn.url,), candidates=CandidatePolicy.RELAY_ONLY)
    async with (
        warren.Node(alice, "inprocess:bench", config=config) as node_a,
        warren.Node(bob, "inprocess:bench", config=config) as node_b,
        node_a.open(bob.public) as to_bob,
        node_b.open(alice.public) as to_alice,
    ):
        await asyncio.gather(to_bob.wait_connected(30), to_alice.wait_connected(30))
        return await rate(to_bob.send, to_alice.recv, seconds, _window(turn))


async def aioice_round(seconds: float, turn: Turn | None) -> float:
    """One round through two aioice connections."""
    left, right = pair = await aioice_pair.gather(turn)
    await aioice_pair.connect(pair)
    try:
        return await rate(left.send, right.recv, seconds, _window(turn))
    finally:
        await aioice_pair.close(pair)


async def pion_round(seconds: float, turn: Turn | None) -> float:
    """One round through two agents of pion, in a process of their own."""
    options = [f"-seconds={seconds}", f"-size={SIZE}", f"-window={_window(turn)}"]
    if turn is not None:
        options.append(f"-servers={json.dumps(relayed_by(turn).servers)}")
    command = [str(build()), "rate", *options]
    made = await asyncio.to_thread(lambda: subprocess.check_output(command))
    return float(json.loads(made)["datagrams_per_s"])


async def coturn_round(seconds: float, turn: Turn | None) -> float:
    """One round of bare sockets through coturn."""
    assert turn is not None
    return await limit(turn, seconds, size=SIZE, window=_window(turn))


def _window(turn: Turn | None) -> int:
    return WINDOW if turn is None else RELAYED_WINDOW


async def measure(rounds: dict[str, Round], turn: Turn | None, count: int, seconds: float) -> Rates:
    """Let them take turns; returns what each measured."""
    rates: Rates = {name: [] for name in rounds}
    for _ in range(count):
        for name, one in rounds.items():
            rates[name].append(await one(seconds, turn))
    return rates


async def measure_all(count: int, seconds: float) -> tuple[Rates, Rates]:
    """Measure directly, then through coturn; without coturn there is nothing of that."""
    rounds: dict[str, Round] = {"warren": warren_round, "aioice": aioice_round}
    if missing("go") is None:
        rounds["pion"] = pion_round
    direct = await measure(rounds, None, count, seconds)
    if (reason := missing("coturn")) is not None:
        print(f"nothing was measured through TURN: this machine lacks {reason}")
        return direct, {}
    # Chance says which of coturn's threads serves a client: with a single one it is the same for all.
    with tempfile.TemporaryDirectory() as folder:
        async with turn_server(Path(folder), "--relay-threads=1") as turn:
            return direct, await measure(rounds | {"coturn": coturn_round}, turn, count, seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a round")
    options = parser.parse_args()
    direct, relayed = uvloop.run(measure_all(options.rounds, options.seconds))
    title = f"datagrams of {SIZE} bytes through one session on loopback"
    figures = figures_of(direct, {"aioice": "vs_aioice", "pion": "vs_pion"})
    if relayed:
        print(f"{title}\n{table(series_of(direct))}\n")
        title, direct = "the same by way of coturn", relayed
        names = {"aioice": "vs_aioice", "pion": "vs_pion", "coturn": "share_of_limit"}
        figures |= figures_of(relayed, names, prefix="turn_")
    report(title, series_of(direct), figures)


def series_of(rates: Rates) -> Rates:
    """Lay out the rates, then how many times each other's ours is."""
    shown = {f"{name} (datagrams/s)": values for name, values in rates.items()}
    return shown | {f"warren / {name}": values for name, values in _ratios(rates).items()}


def figures_of(rates: Rates, names: Mapping[str, str], prefix: str = "") -> dict[str, float | None]:
    """Make figures of the medians, each ratio by this name; None is what could not be measured."""
    ratios = {name: round(statistics.median(values), 2) for name, values in _ratios(rates).items()}
    figures: dict[str, float | None] = {f"{prefix}datagrams_per_s": round(statistics.median(rates["warren"]))}
    return figures | {f"{prefix}{figure}": ratios.get(name) for name, figure in names.items()}


def _ratios(rates: Rates) -> Rates:
    ours = rates["warren"]
    others = {name: values for name, values in rates.items() if name != "warren"}
    return {name: [a / b for a, b in zip(ours, values, strict=True)] for name, values in others.items()}


if __name__ == "__main__":
    main()
