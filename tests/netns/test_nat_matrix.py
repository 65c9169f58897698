"""Tests of two peers behind real NATs of the kernel, with coturn and our server as processes."""

import asyncio
import itertools
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import quantiles
from typing import Final

import pytest

from tests.needs import needs
from tests.netns.namespaces import udp
from tests.netns.servers import Servers, run_coturn, run_signaling
from tests.processes import Event, Peer, make_keys, warren
from warren.cli.lab import Kind, Lab

pytestmark = [needs("netns", "nft", "coturn"), pytest.mark.timeout(180)]

PATIENCE: Final = 39.5
MARGIN: Final = 2.0
"""How much later than the patience a failure may be told, on a machine with other work."""

AT_ONCE: Final = 2
"""So many pairs connect at the same time, so that starting processes does not blur the times."""


def expected(one: Kind, other: Kind) -> str:
    """What the kinds allow: a symmetric NAT's mapping for the peer is known only where packets come in."""
    hard = {one, other} <= {Kind.PORT_RESTRICTED, Kind.SYMMETRIC} and Kind.SYMMETRIC in (one, other)
    return "failed" if hard else "direct"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the session of one pair of kinds went, as the one who called saw it."""

    what: str
    seconds: float
    words: str


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        for side, kind in itertools.product(("left", "right"), Kind):
            lab.add_site(f"{side}-{kind}", kind)
        yield lab


@pytest.fixture(scope="module")
def stun(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ...]]:
    ask = partial(udp, lab.internet, lab.server_addresses[0])
    with run_coturn(lab, tmp_path_factory.mktemp("coturn"), ask) as urls:
        yield urls


async def test_every_pair_of_kinds_takes_the_path_that_its_nats_allow(
    lab: Lab, stun: tuple[str, ...], tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    pairs = list(itertools.product(Kind, Kind))
    with run_signaling(lab, lab.server_addresses[0]) as (url, _):
        servers, gate = Servers(url, stun), asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as group:
            tasks = {
                pair: group.create_task(session_of(lab, servers, tmp_path, gate, *pair)) for pair in pairs
            }
    outcomes = {pair: task.result() for pair, task in tasks.items()}
    record_property("table", table(outcomes))
    wrong = {pair: outcome for pair, outcome in outcomes.items() if outcome.what != expected(*pair)}
    assert not wrong


async def session_of(
    lab: Lab, servers: Servers, folder: Path, gate: asyncio.Semaphore, one: Kind, other: Kind
) -> Outcome:
    """Let the left site of a kind listen and the right site of another ping it."""
    left, right = lab.sites[f"left-{one}"], lab.sites[f"right-{other}"]
    # Whose key is smaller controls: in half of the pairs the one who calls.
    smaller_calls = (list(Kind).index(one) + list(Kind).index(other)) % 2 == 0
    (left_file, left_key), (right_file, right_key) = make_keys(folder, f"{one}-{other}", smaller_calls)
    listen = ("listen", f"--allow={right_key}", "--echo", f"--key={left_file}", *servers.options)
    ping = ("ping", str(left_key), "-c1", f"--key={right_file}", *servers.options)
    async with AsyncExitStack() as stack:
        if expected(one, other) == "direct":  # The others mostly wait, and need not wait for their turn.
            await stack.enter_async_context(gate)
        listening = await stack.enter_async_context(warren(*listen, prefix=lab.command(left)))
        await listening.until(lambda event: event["event"] == "listening")
        calling = await stack.enter_async_context(warren(*ping, prefix=lab.command(right)))
        return await outcome(listening, calling)


async def outcome(listening: Peer, calling: Peer) -> Outcome:
    """Wait until the pinging side is done, and say how it went."""
    if await calling.wait(PATIENCE + 20.0) == 0:
        connected = next(event for event in calling.of("state") if event["to"] == "CONNECTED")
        path = [event for event in calling.of("path") if event["local"]][-1]
        return Outcome("relay" if path["relayed"] else "direct", connected["elapsed"], ends(path))
    failed = [event for event in calling.of("state") if event["to"] == "FAILED"]
    if not failed:
        return Outcome("nothing", 0.0, f"{calling.events[-5:]}")
    theirs = await listening.until(lambda event: event.get("to") == "FAILED", PATIENCE)
    late = max(failed[0]["elapsed"], theirs["elapsed"]) > PATIENCE + MARGIN
    return Outcome("late" if late else "failed", failed[0]["elapsed"], calling.of("error")[-1]["reason"])


def ends(path: Event) -> str:
    """Name the two ends of a path."""
    return f"{path['local']['type']} - {path['remote']['type']}"


def table(outcomes: dict[tuple[Kind, Kind], Outcome]) -> str:
    """Draw what happened for people to read."""
    lines = [
        f"{one:<20} {other:<20} {outcome.what:<7} {outcome.seconds:7.3f} s  {outcome.words}"
        for (one, other), outcome in outcomes.items()
    ]
    times = sorted(outcome.seconds for outcome in outcomes.values() if outcome.what == "direct")
    if len(times) > 1:
        middle, p95 = quantiles(times, n=2)[0], quantiles(times, n=20, method="inclusive")[-1]
        lines.append(f"{len(times)} direct: median {middle:.3f} s, p95 {p95:.3f} s, most {times[-1]:.3f} s")
    return "\n".join(lines)


async def test_a_connected_session_does_without_signaling(
    lab: Lab, stun: tuple[str, ...], tmp_path: Path
) -> None:
    left, right = lab.sites["left-port-restricted"], lab.sites["right-port-restricted"]
    (left_file, left_key), (right_file, right_key) = make_keys(tmp_path, "unplugged", True)
    with run_signaling(lab, lab.server_addresses[0]) as (url, server):
        options = Servers(url, stun).options
        listen = ("listen", f"--allow={right_key}", "--echo", f"--key={left_file}", *options)
        ping = ("ping", str(left_key), "--interval=0.2", f"--key={right_file}", *options)
        async with warren(*listen, prefix=lab.command(left)) as listening:
            await listening.until(lambda event: event["event"] == "listening")
            async with warren(*ping, prefix=lab.command(right)) as calling:
                await calling.until(lambda event: event["event"] == "ping")
                server.kill()
                # 8 s: longer than consent can go on without an answer (RFC 7675), and than a keepalive.
                await calling.until(lambda event: event["event"] == "ping" and event["seq"] >= 40)
                calling.interrupt()
                assert await calling.wait() == 0
    (statistics,) = calling.of("statistics")
    assert statistics["sent"] - statistics["received"] <= 1
    assert {event["to"] for event in calling.of("state")} >= {"CONNECTED", "CLOSED"}
    assert "DISCONNECTED" not in {event["to"] for event in calling.of("state")}
