"""Many sessions in one process over one socket: `make bench-many`.

A node connects to 10,000 peers, 64 at a time, over real sockets on loopback and with signaling through a
pipe; the peers live in another process. What counts is this process alone: how long until all sessions are
connected, how much its resident memory has grown by then, and what share of a core it takes to keep consent
with everybody while nothing else happens. At the end a datagram goes to each peer and back, so that no
session is counted that does not work.
"""

import argparse
import asyncio
import gc
import os
import random
import socket
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import uvloop

import warren
from bench.crowd import keys
from bench.pipe import Pipe, PipeCarrier
from bench.report import report
from warren.signaling.backend import CarrierBackend

AT_A_TIME: Final = 64
LIMIT: Final = 30.0
REST: Final = 15.0
"""After the last session is connected, until every one does nothing but keep consent: two checks each."""
CONFIG: Final = warren.Config(loopback=True, include_interfaces=("lo",))


def memory() -> int:
    """Resident memory of this process in bytes."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@asynccontextmanager
async def crowd(seed: int, count: int) -> AsyncIterator[Pipe]:
    """Run the peers as a process; yields the way to them."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.crowd", str(seed), str(count), stdin=theirs.fileno()
        )
    pipe = await Pipe.over(ours)
    try:
        yield pipe
    finally:
        pipe.close()  # It ends with its pipe.
        await process.wait()


async def connect(node: warren.Node, peers: list[warren.PublicKey]) -> list[warren.Session]:
    """Connect to all of them, to so many at a time."""
    waiting, sessions = iter(peers), []

    async def work() -> None:
        for peer in waiting:
            session = node.open(peer)
            await session.wait_connected(LIMIT)
            sessions.append(session)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_A_TIME):
            group.create_task(work())
    return sessions


async def idle_shares(rounds: int, seconds: float) -> list[float]:
    """CPU time per second of this process while nothing is asked of it, in several rounds."""
    shares = []
    for _ in range(rounds):
        cpu, begun = time.process_time(), time.perf_counter()
        await asyncio.sleep(seconds)
        shares.append((time.process_time() - cpu) / (time.perf_counter() - begun))
    return shares


async def echoed(sessions: list[warren.Session]) -> int:
    """Send a datagram over each session; returns how many came back."""
    back = 0
    for session in sessions:
        session.send(str(session.peer).encode())
        try:
            async with asyncio.timeout(5):
                back += await session.recv() == str(session.peer).encode()
        except TimeoutError:
            pass
    return back


async def measure(count: int, rounds: int, seconds: float) -> None:
    """Connect so many sessions, measure, print."""
    key, seed = warren.PrivateKey.generate(), random.getrandbits(32)
    peers = [private.public for private in keys(seed, count)]
    async with crowd(seed, count) as pipe:
        backend = CarrierBackend(PipeCarrier(pipe))
        async with warren.Node(key, backend, config=CONFIG) as node:
            before, begun = memory(), time.perf_counter()
            sessions = await connect(node, peers)
            took = time.perf_counter() - begun
            await asyncio.sleep(REST)
            kib = (memory() - before) / 1024 / count
            gc.freeze()
            shares = await idle_shares(rounds, seconds)
            back = await echoed(sessions)
        await backend.aclose()
    report(
        f"{count:,} connected sessions in one process on one socket",
        {"until all are connected (s)": [took], "KiB a session": [kib], "idle (share of a core)": shares},
        {
            "sessions": count,
            "connect_all_s": round(took, 2),
            "kib_per_session": round(kib, 1),
            "idle_core_share": round(statistics.median(shares), 3),
            "echoed": back,
        },
    )


def main() -> None:
    """Parse the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a round")
    options = parser.parse_args()
    uvloop.run(measure(options.sessions, options.rounds, options.seconds))


if __name__ == "__main__":
    main()
