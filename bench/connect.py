"""How long it takes until both sides are connected: `make bench-connect`.

Exact in virtual time: from the later peer's first word, with 50 ms to the other through signaling and 20 ms
over the network, host to host and between two port-restricted NATs; it cannot be less than 2 s + 2 d: 140 ms.
Between two symmetric NATs it goes by a TURN server in the middle of the network; there it counts until both
can send data, as pairs that are relayed are nominated somewhat later.
And with real sockets on loopback, where signaling and network take no time worth mentioning, beside aioice,
which gets credentials and candidates handed over directly. Rounds of the two alternate: what disturbs the
machine disturbs both.
"""

import argparse
import asyncio
import contextlib
import statistics
import time
from random import Random

import warren
from bench import aioice_pair
from bench.report import report
from warren.signaling.backend import CarrierBackend
from warren.testing.clock import run
from warren.testing.host import SimHost, StunServer
from warren.testing.link import Link
from warren.testing.nat import NatKind
from warren.testing.network import SimNetwork
from warren.testing.signaling import SimServer
from warren.testing.turn import TurnServer

SIGNALING = 0.050
NETWORK = 0.020
LIMIT = 30.0


def main() -> None:
    """Measure, print the table and the JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="rounds with real sockets, each of both")
    parser.add_argument("--seeds", type=int, default=20, help="runs in virtual time, each of both kinds")
    options = parser.parse_args()
    host = [1000 * virtual(NatKind.PUBLIC, seed) for seed in range(options.seeds)]
    nat = [1000 * virtual(NatKind.PORT_RESTRICTED, seed) for seed in range(options.seeds)]
    relay = [1000 * virtual(NatKind.SYMMETRIC, seed) for seed in range(options.seeds)]
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(options.rounds):
        ours.append(1000 * asyncio.run(real()))
        theirs.append(1000 * asyncio.run(real_aioice()))
    ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
    report(
        "from the later one's first word until both are connected (s = 50 ms, d = 20 ms; real sockets: 0)",
        {
            "host, virtual (ms)": host,
            "port-restricted NATs, virtual (ms)": nat,
            "relay, until data flows, virtual (ms)": relay,
            "real sockets, warren (ms)": ours,
            "real sockets, aioice (ms)": theirs,
            "aioice / warren": ratios,
        },
        {
            "host_ms": round(max(host), 3),
            "nat_ms": round(max(nat), 3),
            "relay_ms": round(max(relay), 3),
            "real_extra_ms": round(statistics.median(ours), 3),
            "real_vs_aioice": round(statistics.median(ratios), 2),
        },
    )


def virtual(kind: NatKind, seed: int) -> float:
    """Connect two nodes in the simulated network; returns the seconds from the later one's first word."""
    return run(_virtual(kind, Random(seed)))


async def _virtual(kind: NatKind, dice: Random) -> float:
    loop = asyncio.get_running_loop()
    network, server = SimNetwork(loop, dice), SimServer(loop, dice)
    stun = StunServer(network.host("stun", "203.0.113.3"), "203.0.113.3")
    turn = TurnServer(
        network.host("turn", "203.0.113.4", link=Link(delay=0.0)),
        "203.0.113.4",
        users={"ann": "secret"},
        dice=dice,
    )
    config = warren.Config(stun=[stun.url], turn=[turn.url("ann")] if kind is NatKind.SYMMETRIC else [])
    keys = [warren.PrivateKey(dice.randbytes(32)) for _ in range(2)]
    backends = [
        CarrierBackend(server.client(name, Link(delay=SIGNALING / 2)), random_bytes=dice.randbytes, dice=dice)
        for name in "ab"
    ]
    hosts = [_host(network, kind, number) for number in (1, 2)]
    earlier, later = (
        warren.Node(key, backend, config=config, network=host, dice=dice)
        for key, backend, host in zip(keys, backends, hosts, strict=True)
    )
    async with earlier, later, earlier.open(keys[1].public) as first:
        # The STUN servers have answered and the first peer's word has met nobody when the second begins.
        await asyncio.sleep(5.0 + dice.random())
        began = loop.time()
        async with later.open(keys[0].public) as second:
            if kind is NatKind.SYMMETRIC:
                await asyncio.gather(_flowing(first), _flowing(second))
            else:
                await asyncio.gather(first.wait_connected(LIMIT), second.wait_connected(LIMIT))
            took = loop.time() - began
    for backend in backends:
        await backend.aclose()
    return took


async def _flowing(session: warren.Session) -> None:
    """Wait until the session takes data; a thousandth of a second more or less does not matter."""
    while True:
        with contextlib.suppress(warren.NotConnected):
            session.send(b"data")
            return
        await asyncio.sleep(0.001)


def _host(network: SimNetwork, kind: NatKind, number: int) -> SimHost:
    link = Link(delay=NETWORK / 2)
    if kind is NatKind.PUBLIC:
        return network.host(f"host{number}", f"203.0.113.{100 + number}", link=link)
    router = network.router(f"router{number}", kind, f"198.51.100.{number}")
    return network.host(f"host{number}", f"192.168.0.{number}", realm=router.inside, link=link)


async def real() -> float:
    """Connect two nodes over real sockets on loopback and signaling within the process; returns seconds."""
    alice, bob = warren.PrivateKey.generate(), warren.PrivateKey.generate()
    config = warren.Config(loopback=True, include_interfaces=("lo",))
    async with (
        warren.Node(alice, "inprocess:bench-connect", config=config) as earlier,
        warren.Node(bob, "inprocess:bench-connect", config=config) as later,
        earlier.open(bob.public) as first,
    ):
        await asyncio.sleep(0.1)
        began = time.perf_counter()
        async with later.open(alice.public) as second:
            await asyncio.gather(first.wait_connected(LIMIT), second.wait_connected(LIMIT))
            return time.perf_counter() - began


async def real_aioice() -> float:
    """The same with aioice: one candidate each, handed over when the later one begins; returns seconds."""
    pair = await aioice_pair.gather()
    began = time.perf_counter()
    await aioice_pair.connect(pair)
    took = time.perf_counter() - began
    await aioice_pair.close(pair)
    return took


if __name__ == "__main__":
    main()
