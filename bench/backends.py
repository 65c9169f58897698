"""Signaling backends beside one another: `make bench-backends`.

For each backend that this machine can run for real: how long an envelope takes from publishing to the
handler, how long two peers need from the later one's first word until both are connected, and what an
envelope costs in CPU time, here (sealing, publishing, receiving, opening) and at the server. The backend
within one process is the floor. Envelopes go one at a time, so none waits for another. Needs what the tests
of the backends need (`tools/system-packages`); what is missing is left out by name.
"""

import argparse
import asyncio
import json
import os
import statistics
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import warren
from bench.report import table
from tests.needs import missing
from tests.places import PLACES, OpenPlace, Place
from warren.keys import KeyPair, PrivateKey, PublicKeyPair
from warren.messages import Credentials, Message
from warren.signaling.registry import connect

LIMIT: Final = 30.0
SENDERS: Final = 8
"""Each with a connection of its own, one after the other: what limits a sender does not limit the bench."""
CONFIG: Final = warren.Config(loopback=True, include_interfaces=("lo",))


@dataclass(slots=True)
class Series:
    """What was measured of one backend."""

    under_way: list[float] = field(default_factory=list)
    """From publishing to the handler, in milliseconds."""
    connected: list[float] = field(default_factory=list)
    """From the later peer's first word until both are connected, in milliseconds."""
    cost: float = 0.0
    """CPU time of this process per envelope, in microseconds."""
    server_cost: float = 0.0
    writes: float | None = None
    """Writes to the server per session set-up."""

    def figures(self, name: str) -> dict[str, float]:
        """The figures of the last line."""
        found = {
            "p50_ms": statistics.median(self.under_way),
            "p99_ms": _p99(self.under_way),
            "connected_ms": statistics.median(self.connected),
            "cpu_us_per_envelope": self.cost,
            "server_cpu_us_per_envelope": self.server_cost,
        }
        if self.writes is not None:
            found["writes_per_session"] = self.writes
        return {f"{name}_{what}": round(value, 3) for what, value in found.items()}


def main() -> None:
    """Measure, print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--envelopes", type=int, default=400, help="envelopes to each backend")
    parser.add_argument("--sessions", type=int, default=10, help="pairs that connect over each backend")
    parser.add_argument("--only", choices=list(PLACES), action="append", help="this backend; repeatable")
    options = parser.parse_args()
    measured: dict[str, Series] = {}
    for name in options.only or PLACES:
        open_place, wants = PLACES[name]
        if lacking := [reason for want in wants if (reason := missing(want)) is not None]:
            print(f"{name} is left out: this machine lacks {'; '.join(lacking)}")
            continue
        measured[name] = asyncio.run(measure(open_place, options.envelopes, options.sessions))
    print("from publishing to the handler, one envelope at a time (ms)")
    print(table({name: series.under_way for name, series in measured.items()}))
    print("from the later peer's first word until both are connected (ms)")
    print(table({name: series.connected for name, series in measured.items()}))
    figures: dict[str, float] = {}
    for name, series in measured.items():
        figures |= series.figures(name)
        writes = "" if series.writes is None else f", {series.writes:g} writes to the server per session"
        print(
            f"{name}: {figures[f'{name}_p50_ms']:g} ms (p50), {figures[f'{name}_p99_ms']:g} ms (p99); "
            f"{series.cost:.0f} µs of CPU an envelope here, {series.server_cost:.0f} at the server{writes}"
        )
    print(json.dumps(figures), flush=True)


async def measure(open_place: OpenPlace, envelopes: int, sessions: int) -> Series:
    """Measure one backend at one place."""
    series = Series()
    async with open_place() as place:
        await _send(place, envelopes, series)
        written = await place.writes() if place.writes else 0
        for _ in range(sessions):
            series.connected.append(await _connected(place))
        if place.writes:
            series.writes = (await place.writes() - written) / sessions
    return series


async def _send(place: Place, count: int, series: Series) -> None:
    """Send envelopes one at a time, from several senders in turn to one receiver."""
    ours = PrivateKey.generate()
    arrived = asyncio.Event()

    def handler(_: PublicKeyPair, __: Message) -> None:
        arrived.set()

    async with AsyncExitStack() as stack:
        receiver, *senders = (connect(place.url) for _ in range(1 + SENDERS))
        for backend in (receiver, *senders):
            stack.push_async_callback(backend.aclose)
        pairs = [KeyPair(PrivateKey.generate(), ours.public) for _ in senders]
        await receiver.subscribe(KeyPair(ours, None), handler, admit=lambda _: True)
        await receiver.wait_live(ours.public, LIMIT)
        cpu = server_cpu = 0.0
        for number in range(-SENDERS, count):  # The first of each sender opens its connection.
            if number == 0:
                cpu, server_cpu = time.process_time(), _cpu(place)
            arrived.clear()
            began = time.perf_counter()
            await senders[number % SENDERS].publish(pairs[number % SENDERS], _message())
            async with asyncio.timeout(LIMIT):
                await arrived.wait()
            if number >= 0:
                series.under_way.append(1000 * (time.perf_counter() - began))
        series.cost = 1e6 * (time.process_time() - cpu) / count
        series.server_cost = 1e6 * (_cpu(place) - server_cpu) / count


async def _connected(place: Place) -> float:
    """Connect two peers over the backend alone, the second of which comes later; returns milliseconds."""
    alice, bob = PrivateKey.generate(), PrivateKey.generate()
    async with AsyncExitStack() as stack:
        backends = [connect(place.url) for _ in "ab"]
        for backend in backends:
            stack.push_async_callback(backend.aclose)
        earlier, later = [
            await stack.enter_async_context(warren.Node(key, backend, config=CONFIG))
            for key, backend in zip((alice, bob), backends, strict=True)
        ]
        first = await stack.enter_async_context(earlier.open(bob.public))
        await backends[0].wait_live(alice.public, LIMIT)
        began = time.perf_counter()
        second = await stack.enter_async_context(later.open(alice.public))
        await asyncio.gather(first.wait_connected(LIMIT), second.wait_connected(LIMIT))
        return 1000 * (time.perf_counter() - began)


def _message() -> Message:
    return Message(credentials=Credentials(ufrag=os.urandom(8).hex(), pwd=os.urandom(16).hex()))


def _p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[98] if len(values) > 1 else values[0]


def _cpu(place: Place) -> float:
    """CPU time of the place's servers in seconds."""
    ticks = 0
    for pid in place.pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
