"""The signaling server under load, beside a bare grpc.aio server: `make bench-server`.

Both hold 10,000 subscriptions over 200 connections while rounds of the two alternate: what disturbs the
machine disturbs both. A round floods the server to find how much it takes, then publishes at half of that
rate to see how long an envelope is under way, then lets pairs of peers meet. What a server costs is the CPU
time of its process; the load comes from this one, on the same machine.
"""

import argparse
import asyncio
import gc
import json
import os
import resource
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import trustme

from bench.report import report
from bench.swarm import Swarm

CONNECTIONS: Final = 200
SUBSCRIPTIONS: Final = 10_000
TLS_CONNECTIONS: Final = 300
PUBLISHERS: Final = 64
ENVELOPES_PER_PEER: Final = 3
"""What each side of a pair sends until both are connected, about."""

WARREN: Final = (sys.executable, "-m", "warren.cli.main", "signal", "--json", "--listen=127.0.0.1:0")
BARE: Final = (sys.executable, "-m", "bench.bare_server")


class Server:
    """A server process under load, and what it cost so far."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._pid = process.pid
        self.port = port

    @property
    def cpu(self) -> float:
        """CPU time in seconds."""
        fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def memory(self) -> int:
        """Resident memory in bytes."""
        return int(Path(f"/proc/{self._pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@asynccontextmanager
async def running(command: Sequence[str]) -> AsyncIterator[Server]:
    """Run a server that says its port in its first line, alone or as JSON."""
    both = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=both, stderr=asyncio.subprocess.STDOUT)
    assert process.stdout is not None
    try:
        said = json.loads(await process.stdout.readline())
        yield Server(process, said["port"] if isinstance(said, dict) else said)
    finally:
        process.kill()
        await process.wait()


class Bench:
    """One server, its subscribers, and what was measured of it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.swarm = Swarm(server.port, connections=CONNECTIONS, subscriptions=SUBSCRIPTIONS)
        self.series: defaultdict[str, list[float]] = defaultdict(list)

    async def hold(self) -> None:
        """Let everybody subscribe."""
        memory, cpu = self.server.memory, self.server.cpu
        self.series["herd_s"].append(await self.swarm.open())
        self.series["kib_per_subscription"].append((self.server.memory - memory) / 1024 / SUBSCRIPTIONS)
        self.series["cpu_us_per_subscription"].append((self.server.cpu - cpu) / SUBSCRIPTIONS * 1e6)

    async def round(self, seconds: float) -> None:
        """Measure once."""
        cpu = self.server.cpu
        sent = await self.swarm.flood(PUBLISHERS, seconds)
        self.series["cpu_us_per_envelope"].append((self.server.cpu - cpu) / sent * 1e6)
        rate = sent / seconds
        self.series["envelopes_per_s"].append(rate)
        self.swarm.latencies.clear()
        await self.swarm.stream(rate / 2, 2 * seconds)
        latencies = statistics.quantiles(self.swarm.latencies, n=100)
        self.series["p50_ms"].append(latencies[49] * 1000)
        self.series["p99_ms"].append(latencies[98] * 1000)
        cpu, pairs = self.server.cpu, int(100 * seconds)
        await self.swarm.pairs(pairs, ENVELOPES_PER_PEER)
        self.series["cpu_us_per_pair"].append((self.server.cpu - cpu) / pairs * 1e6)


async def kib_per_tls_connection() -> float:
    """Measure what a TLS connection with one subscription of its own takes."""
    authority = trustme.CA()
    with tempfile.TemporaryDirectory() as folder:
        async with running((*WARREN, *_certificate_options(authority, Path(folder)))) as server:
            swarm = Swarm(
                server.port,
                connections=TLS_CONNECTIONS,
                subscriptions=TLS_CONNECTIONS,
                roots=authority.cert_pem.bytes(),
            )
            before = server.memory
            await swarm.open()
            grown = server.memory - before
            await swarm.close()
            assert not swarm.failures, swarm.failures
            return grown / 1024 / TLS_CONNECTIONS


def _certificate_options(authority: trustme.CA, folder: Path) -> tuple[str, str]:
    made = authority.issue_cert("127.0.0.1")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    made.cert_chain_pems[0].write_to_path(certificate)
    made.private_key_pem.write_to_path(key)
    key.chmod(0o600)
    return f"--tls-cert={certificate}", f"--tls-key={key}"


async def compare(rounds: int, seconds: float) -> None:
    """Measure both servers and print."""
    tls = await kib_per_tls_connection()
    async with AsyncExitStack() as stack:
        ours = Bench(await stack.enter_async_context(running((*WARREN, "--insecure"))))
        bare = Bench(await stack.enter_async_context(running(BARE)))
        for bench in (ours, bare):
            stack.push_async_callback(bench.swarm.close)
            await bench.hold()
        # This process holds 20,000 streams: a collection of all that would be measured as latency.
        gc.collect()
        gc.freeze()
        for _ in range(rounds):
            for bench in (ours, bare):
                await bench.round(seconds)
        median = {name: statistics.median(values) for name, values in ours.series.items()}
        ratio = {
            f"vs_bare_{name}": statistics.median(
                a / b for a, b in zip(values, bare.series[name], strict=True)
            )
            for name, values in ours.series.items()
        }
    report(
        f"warren signal beside bare grpc.aio: {SUBSCRIPTIONS:,} subscriptions over {CONNECTIONS} connections",
        {
            f"{who} {name}": one
            for name in ours.series
            for who, one in (("warren", ours.series[name]), ("bare", bare.series[name]))
        },
        {name: round(value, 3) for name, value in (median | ratio | {"kib_per_tls_connection": tls}).items()}
        | {"cancelled": ours.swarm.failures["CANCELLED"], "failed": ours.swarm.failures.total()},
    )


def main() -> None:
    """Parse the options and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=2.0, help="of the flood in a round")
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(compare(options.rounds, options.seconds))


if __name__ == "__main__":
    main()
