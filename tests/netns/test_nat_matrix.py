"""Tests of two peers behind real NATs of the kernel, with coturn and our server as processes.

With `WARREN_NAT_MATRIX=FILE` what came of it is written there as a page (`make nat-matrix`).
"""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pytest

from tests.needs import needs
from tests.netns import networks
from tests.netns.matrix_page import Matrix, Outcome, Pair, page, table
from tests.netns.networks import Network
from tests.netns.servers import Servers, run_coturn, run_signaling, run_turn
from tests.netns.stations import Ends, Station, station
from tests.processes import Event, make_keys, warren
from warren.cli.lab import Kind, Lab, Site
from warren.keys import PrivateKey

pytestmark = [needs("netns", "nft", "coturn", "ipv6"), pytest.mark.timeout(240)]

PATIENCE: Final = 39.5
MARGIN: Final = 2.0
"""How much later than the patience a failure may be told, on a machine with other work."""

AT_ONCE: Final = 2
"""So many pairs connect at the same time, so that they do not blur each other's times."""

DIRECT_WITHIN: Final = 20.0
"""So long a direct path is waited for, where packets are lost as well."""

SETTLED: Final = 6.0
"""A relayed session is watched for so long: it would have found a direct path, had there been one."""

LOST: Final = 20
"""Of a hundred packets so many get lost on the way to each host."""

HARD: Final = {Network.PORT_RESTRICTED, Network.SYMMETRIC, Network.DOUBLE}

SAME_LAN, FIREWALLS, FAMILIES = "same LAN", "IPv6, firewalls", "IPv4 only and IPv6 only"


def expected(one: Network, other: Network) -> str:
    """What the networks allow where there is a relay.

    A symmetric NAT's mapping for the peer is known only where packets come in. Where UDP is blocked, TCP
    leads to whoever is public.
    """
    if Network.BLOCKED in (one, other):
        return "direct" if Network.PUBLIC in (one, other) else "relay"
    return "relay" if {one, other} <= HARD and Network.SYMMETRIC in (one, other) else "direct"


@dataclass(frozen=True, slots=True)
class World:
    """A lab with its servers."""

    lab: Lab
    servers: Servers
    """As those use them who have IPv4."""
    ipv6: Servers
    environment: Sequence[str] = ()

    @asynccontextmanager
    async def stations(
        self, folder: Path, sites: Mapping[str, Site], ipv6: Sequence[str] = ()
    ) -> AsyncIterator[dict[str, Station]]:
        """Run a node at each of these sites; those named in `ipv6` use the servers by IPv6.

        Whose key is smaller controls: with the keys in the order of the sites everybody does now and then.
        """
        keys = sorted((PrivateKey.generate() for _ in sites), key=lambda key: key.public)
        servers = [self.ipv6 if name in ipv6 else self.servers for name in sites]
        async with AsyncExitStack() as stack:
            starting = (
                stack.enter_async_context(station(self.lab, site, key, folder, theirs, self.environment))
                for site, key, theirs in zip(sites.values(), keys, servers, strict=True)
            )
            yield dict(zip(sites, await asyncio.gather(*starting), strict=True))


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


@pytest.fixture(scope="module")
def sites(lab: Lab) -> dict[str, Site]:
    """Give two sites of each network, the right one after the left one."""
    return {
        f"{side} {network}": networks.add(lab, f"{side}-{network.replace(' ', '-')}", network)
        for network in Network
        for side in ("left", "right")
    }


@pytest.fixture(scope="module")
def signaling(lab: Lab) -> Iterator[str]:
    """Run our server on both families; gives its port."""
    with run_signaling(lab, "[::]") as (url, _):
        yield url


@pytest.fixture(scope="module")
def results() -> Iterator[dict[str, Matrix]]:
    """What came of each test, by its title; becomes a page where somebody wants one."""
    results: dict[str, Matrix] = {}
    yield results
    if file := os.environ.get("WARREN_NAT_MATRIX"):
        Path(file).write_text(page(results), encoding="utf-8")


@pytest.fixture
def without_relay(lab: Lab, signaling: str, tmp_path: Path) -> Iterator[World]:
    with run_coturn(lab, tmp_path) as stun:
        servers = Servers(signaling.replace("[::]", lab.server_addresses[0]), stun)
        yield World(lab, servers, servers)


@pytest.fixture
def with_relay(lab: Lab, signaling: str, tmp_path: Path) -> Iterator[World]:
    here, there, ipv6 = *lab.server_addresses, lab.server_ipv6
    more = [f"--listening-ip={address}" for address in (there, ipv6)]
    with run_turn(lab, tmp_path, *more) as turn:
        stun = tuple(f"stun:{address}" for address in (here, there))
        urls = turn.url("udp"), turn.url("tls")
        by_ipv6 = replace(turn, host=f"[{ipv6}]").url("udp")
        yield World(
            lab,
            Servers(signaling.replace("[::]", here), stun, urls),
            Servers(signaling.replace("[::]", f"[{ipv6}]"), (f"stun:[{ipv6}]",), (by_ipv6,)),
            turn.environment,
        )


Judge = Callable[[str, Matrix, Mapping[Pair, str]], None]


@pytest.fixture
def judge(results: dict[str, Matrix], record_property: Callable[[str, object], None]) -> Judge:
    """Keep what came of the pairs under a title, and see that it is what was wanted of each."""

    def judge(title: str, outcomes: Matrix, wanted: Mapping[Pair, str]) -> None:
        results[title] = outcomes
        record_property("table", table(outcomes))
        wrong = {pair: outcome for pair, outcome in outcomes.items() if outcome.what != wanted[pair]}
        assert not wrong

    return judge


async def test_every_pair_of_networks_takes_the_path_that_it_allows(
    with_relay: World, sites: dict[str, Site], tmp_path: Path, judge: Judge
) -> None:
    lab = with_relay.lab
    neighbour = lab.add_site("neighbour", Kind.PORT_RESTRICTED)
    more = {
        "neighbour": neighbour,
        "next door": networks.add_behind(lab, "next-door", neighbour),
        "v6": networks.only_ipv6(lab.add_site("v6", Kind.PUBLIC)),
        **{name: networks.add_firewalled(lab, name) for name in ("wall", "rampart")},
    }
    wanted: dict[Pair, str] = {pair: expected(*pair) for pair in itertools.product(Network, Network)}
    others = {(SAME_LAN, ""): "direct", (FIREWALLS, ""): "direct", (FAMILIES, ""): "relay"}
    async with with_relay.stations(tmp_path, {**sites, **more}, ipv6=("v6", "wall", "rampart")) as at:
        pairs = ends_of(at, wanted)
        pairs[SAME_LAN, ""] = Ends(at["neighbour"], at["next door"])
        pairs[FIREWALLS, ""] = Ends(at["wall"], at["rampart"])
        pairs[FAMILIES, ""] = Ends(at[f"left {Network.FULL_CONE}"], at["v6"])
        wanted |= others
        outcomes = await connect_all(pairs, wanted)
    judge("With a relay", outcomes, wanted)
    assert outcomes[SAME_LAN, ""].words == "host - host"


async def test_without_a_relay_what_needs_one_fails_in_time_and_says_why(
    without_relay: World, sites: dict[str, Site], tmp_path: Path, judge: Judge
) -> None:
    pairs = itertools.product(Network, Network)
    wanted: dict[Pair, str] = {pair: expected(*pair).replace("relay", "failed") for pair in pairs}
    async with without_relay.stations(tmp_path, sites) as at:
        outcomes = await connect_all(ends_of(at, wanted), wanted)
    judge("Without a relay", outcomes, wanted)
    assert all("none was answered" in out.words for out in outcomes.values() if out.what == "failed")


async def test_sessions_come_about_where_every_fifth_packet_is_lost(
    with_relay: World, sites: dict[str, Site], tmp_path: Path, judge: Judge
) -> None:
    some = Network.PUBLIC, Network.PORT_RESTRICTED, Network.SYMMETRIC, Network.BLOCKED
    wanted: dict[Pair, str] = {pair: expected(*pair) for pair in itertools.product(some, some)}
    chosen = {name: site for name, site in sites.items() if name.partition(" ")[2] in some}
    async with with_relay.stations(tmp_path, chosen) as at:
        with networks.losing(chosen.values(), LOST):
            outcomes = await connect_all(ends_of(at, wanted), wanted)
    judge(f"With a relay and {LOST} % loss", outcomes, wanted)


def ends_of(at: Mapping[str, Station], pairs: Iterable[Pair]) -> dict[Pair, Ends]:
    """Give the two stations of each pair of networks."""
    return {(one, other): Ends(at[f"left {one}"], at[f"right {other}"]) for one, other in pairs}


async def connect_all(pairs: Mapping[Pair, Ends], wanted: Mapping[Pair, str]) -> Matrix:
    """Connect all pairs, some at a time; returns what came of each, in the order of `wanted`."""
    gate = asyncio.Semaphore(AT_ONCE)
    async with asyncio.TaskGroup() as group:
        tasks = {pair: group.create_task(connect(pairs[pair], what, gate)) for pair, what in wanted.items()}
    return {pair: task.result() for pair, task in tasks.items()}


async def connect(ends: Ends, what: str, gate: asyncio.Semaphore) -> Outcome:
    """Open a session at both ends, and watch it until nothing better can be expected."""
    if what == "failed":  # These mostly wait, and need not wait for their turn.
        await ends.open()
        await ends.connected_or_failed(PATIENCE + MARGIN)
        return outcome(ends)
    async with gate:
        await ends.open()
        await ends.connected_or_failed(PATIENCE + MARGIN)
    with suppress(TimeoutError):  # Then it stays relayed.
        await ends.path_is(relayed=False, seconds=DIRECT_WITHIN if what == "direct" else SETTLED)
    await ends.exchange()
    return outcome(ends)


def outcome(ends: Ends) -> Outcome:
    """Say how a session went so far, as the right end saw it."""
    states, paths = ends.right.of(ends.left, "state"), ends.right.of(ends.left, "path")
    if paths:
        path, theirs = paths[-1], ends.left.of(ends.right, "path")[-1]
        if path["relayed"] != theirs["relayed"]:
            return Outcome("different", path["elapsed"], f"{words(path)}, but {words(theirs)}")
        such = next(event for event in paths if event["relayed"] == path["relayed"])
        what = "relay" if path["relayed"] else "direct"
        return Outcome(what, such["elapsed"], words(path), paths[0]["elapsed"])
    failed = [event for event in states if event["to"] == "FAILED"]
    if failed:
        return Outcome("failed", failed[0]["elapsed"], failed[0]["reason"])
    return Outcome("nothing", 0.0, f"{states[-5:]}")


def words(path: Event) -> str:
    """Name the two ends of a path."""
    ends = (path["local"], path["remote"])
    return " - ".join(f"{end['type']}{' tcp' * (end['transport'] == 'tcp')}" for end in ends)


async def test_a_connected_session_does_without_signaling(
    without_relay: World, sites: dict[str, Site], tmp_path: Path
) -> None:
    left, right = sites["left port-restricted"], sites["right port-restricted"]
    lab = without_relay.lab
    (left_file, left_key), (right_file, right_key) = make_keys(tmp_path, "unplugged", True)
    with run_signaling(lab, lab.server_addresses[0]) as (url, server):
        options = Servers(url, without_relay.servers.stun).options
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
