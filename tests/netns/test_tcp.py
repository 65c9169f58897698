"""Two peers between which a real kernel lets no UDP pass: the session comes by TCP, and comes back."""

import asyncio
import subprocess
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.needs import needs
from tests.netns.namespaces import inside
from tests.netns.networks import Network, add, losing, nft, run
from tests.netns.servers import Servers, run_signaling, run_turn
from tests.netns.stations import Ends, Station, session
from tests.processes import make_keys, warren
from warren.aio.stream import DEAD_AFTER, listen, open_stream
from warren.cli.lab import Kind, Lab, Site

pytestmark = [needs("netns", "nft", "coturn"), pytest.mark.timeout(240)]

NO_UDP: Final = """
table inet no_udp {
    chain in { type filter hook input priority 0; meta l4proto udp drop; }
    chain out { type filter hook output priority 0; meta l4proto udp drop; }
}
"""

CLOSED: Final = """
table ip closed {{
    chain in {{
        type filter hook input priority 0;
        ip saddr {peer} tcp flags & (syn | ack) == syn reject with tcp reset
    }}
}}
"""


def block_udp(lab: Lab, site: Site) -> None:
    """Drop every datagram to and from a site."""
    subprocess.run(lab.command(site, "nft", "-f", "-"), input=NO_UDP, text=True, check=True)


@pytest.mark.parametrize("kind", [Kind.PUBLIC, Kind.SYMMETRIC])
@pytest.mark.parametrize("smaller_calls", [True, False], ids=["caller controls", "listener controls"])
async def test_where_udp_is_dropped_the_session_comes_by_tcp(
    lab: Lab, tmp_path: Path, kind: Kind, smaller_calls: bool, record_property: Callable[[str, object], None]
) -> None:
    (left_file, left_key), (right_file, right_key) = make_keys(tmp_path, "tcp", smaller_calls)
    with run_signaling(lab, lab.server_addresses[0]) as (url, _):
        left, right = lab.add_site("left", Kind.PUBLIC), lab.add_site("right", kind)
        block_udp(lab, right)
        options = Servers(url).options
        listen = ("listen", f"--allow={right_key}", "--echo", f"--key={left_file}", *options)
        ping = ("ping", str(left_key), "-c3", "--interval=0.2", f"--key={right_file}", *options)
        async with warren(*listen, prefix=lab.command(left)) as listening:
            await listening.until(lambda event: event["event"] == "listening")
            async with warren(*ping, prefix=lab.command(right)) as calling:
                assert await calling.wait() == 0
    connected = next(event for event in calling.of("state") if event["to"] == "CONNECTED")
    record_property("table", f"connected over TCP after {connected['elapsed']:.3f} s")
    path = calling.of("path")[0]
    assert [path[end]["transport"] for end in ("local", "remote")] == ["tcp", "tcp"]
    assert not path["relayed"]
    (statistics,) = calling.of("statistics")
    assert (statistics["sent"], statistics["received"]) == (3, 3)


INTERVAL: Final = 0.02
"""Seconds between two datagrams, each way."""

LOST: Final = 20
"""Of a hundred packets so many get lost on the way to each host."""

ENDURED, AT_ONCE = 60.0, 4

MARGIN: Final = 1.0
"""What a machine with other work may take longer."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A session over TCP: to the left a public host, to the right one whose NAT lets no UDP pass."""

    left: Site
    right: Site
    ends: Ends

    @property
    def box(self) -> str:
        """The NAT of the right side."""
        assert self.right.uplink is not None
        return self.right.uplink.box

    def wall(self, rule: str) -> None:
        """Treat what goes by TCP between the two as this rule says."""
        chain = "type filter hook forward priority -30;"
        for table, match in (("out", "ip daddr"), ("back", "ip saddr")):
            rules = f"{match} {self.left.address} meta l4proto tcp {rule}"
            nft(self.box, f"table ip {table} {{ chain wall {{ {chain} {rules}; }}; }}")

    def open(self) -> None:
        """Let it pass again."""
        nft(self.box, "delete table ip out; delete table ip back")


Scene = Callable[[Stage], Awaitable[None]]


async def reset(stage: Stage) -> None:
    """A firewall resets the connection, and new ones as well, until both sides know."""
    stage.wall("reject with tcp reset")
    await stage.ends.pathless()
    stage.open()


async def reset_with_relay(stage: Stage) -> None:
    """A firewall resets every connection for so long that data takes the relay."""
    stage.wall("reject with tcp reset")
    await stage.ends.path_is(relayed=True, seconds=10.0)
    await stage.ends.flows(50)
    stage.open()
    await stage.ends.path_is(relayed=False, seconds=90.0)


async def connection_forgotten(stage: Stage) -> None:
    """The NAT or a firewall forgets the connection, and drops whatever belongs to it from then on."""
    (line,) = run(
        stage.right.namespace, "ss", "-Htn", "state", "established", "dst", stage.left.address
    ).splitlines()
    port = line.split()[2].rpartition(":")[2]
    stage.wall(f"th sport {port} drop")
    stage.wall(f"th dport {port} drop")


async def restart(stage: Stage) -> None:
    """The side that takes connections begins anew."""
    before = stage.ends.generations
    stage.ends.left.say("restart", stage.ends.right)
    await stage.ends.connected(beyond=before)


@dataclass(frozen=True, slots=True)
class Event:
    """A scene, and what it may cost."""

    scene: Scene
    gap: float
    """The longest that the stream of datagrams may rest, in seconds."""
    relay: bool = False
    left_controls: bool = True
    generation: int = 1
    """Which one carries data at the end."""


EVENTS: Final = {
    "reset": Event(reset, 3.0),
    "reset, the other controls": Event(reset, 3.0, left_controls=False),
    "reset while there is a relay": Event(reset_with_relay, 3.0, relay=True),
    "forgotten": Event(connection_forgotten, 9.0),
    "forgotten, the other controls": Event(connection_forgotten, 9.0, left_controls=False),
    "restart of who takes connections": Event(restart, 1.0, generation=2),
}


async def test_a_path_over_tcp_comes_back_soon_whatever_becomes_of_its_connection(
    lab: Lab, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    with run_signaling(lab, lab.server_addresses[0]) as (url, _), run_turn(lab, tmp_path) as turn:
        with_relay = Servers(url, turn=(turn.url("tcp"),))
        async with asyncio.TaskGroup() as group:
            tasks = {
                name: group.create_task(play(lab, number, event, tmp_path, with_relay))
                for number, (name, event) in enumerate(EVENTS.items())
            }
    gaps = {name: task.result() for name, task in tasks.items()}
    record_property("table", "\n".join(f"{name:<40} gap {gap:6.2f} s" for name, gap in gaps.items()))
    assert not {name: gap for name, gap in gaps.items() if gap > EVENTS[name].gap + MARGIN}


async def play(lab: Lab, number: int, event: Event, folder: Path, servers: Servers) -> float:
    """Play one scene under a stream of datagrams each way; returns the longest time that it rested."""
    left, right = lab.add_site(f"l{number}", Kind.PUBLIC), add(lab, f"r{number}", Network.BLOCKED)
    servers = servers if event.relay else Servers(servers.signaling)
    async with session(lab, left, right, folder, servers, event.left_controls) as ends:
        await ends.path_is(relayed=False, seconds=30.0)
        ends.say("send", INTERVAL)
        await ends.flows(50, seconds=20.0)
        await ends.flows(300)  # Longer than a connection must have worked to be worth another at once.
        await ends.counts()
        await event.scene(Stage(left, right, ends))
        await ends.flows(50, seconds=60.0)
        counts = await ends.counts()
        assert ends.generations == (event.generation, event.generation)
        path = ends.right.of(ends.left, "path")[-1]
        assert [path[end]["transport"] for end in ("local", "remote")] == ["tcp", "tcp"]
        return float(max(told["gap"] for told in counts))


async def test_a_session_over_tcp_lives_on_where_every_fifth_packet_is_lost(
    lab: Lab, tmp_path_factory: pytest.TempPathFactory, record_property: Callable[[str, object], None]
) -> None:
    with run_signaling(lab, lab.server_addresses[0]) as (url, _):
        folders = [tmp_path_factory.mktemp(f"end{number}") for number in range(AT_ONCE)]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(endure(lab, url, folder)) for folder in folders]
    ends = [task.result() for task in tasks]
    moves = [len(one.of(other, "path")) - 1 for one, other in ends]
    record_property("table", f"{sum(moves)} new connections in {AT_ONCE} sessions of {ENDURED:g} s each")
    for one, other in ends:
        assert {event["generation"] for event in one.of(other, "state")} == {1}


async def endure(lab: Lab, signaling: str, folder: Path) -> tuple[Station, Station]:
    """Connect two sites and lose packets between them for a while; returns the right station and the left."""
    left = lab.add_site(f"l{folder.name}", Kind.PUBLIC)
    right = add(lab, f"r{folder.name}", Network.BLOCKED)
    async with session(lab, left, right, folder, Servers(signaling), True) as ends:
        await ends.path_is(relayed=False, seconds=30.0)
        ends.say("send", INTERVAL)
        with losing((left, right), LOST):
            await ends.flows(50)
            await asyncio.sleep(ENDURED)  # Nothing is to happen in this time.
            await ends.flows(50)
        await ends.stopped()
        return ends.right, ends.left


async def test_from_the_relay_a_session_climbs_to_a_port_that_opens_later(
    lab: Lab, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    with run_signaling(lab, lab.server_addresses[0]) as (url, _), run_turn(lab, tmp_path) as turn:
        left, right = lab.add_site("left", Kind.PUBLIC), add(lab, "right", Network.BLOCKED)
        nft(left.namespace, CLOSED.format(peer=right.public_address))
        servers = Servers(url, turn=(turn.url("tcp"),))
        async with session(lab, left, right, tmp_path, servers, True) as ends:
            await ends.path_is(relayed=True, seconds=30.0)
            ends.say("send", INTERVAL)
            await ends.flows(300)
            assert ends.right.of(ends.left, "path")[-1]["relayed"]
            nft(left.namespace, "delete table ip closed")
            await ends.path_is(relayed=False, seconds=90.0)
            await ends.flows(50)
            (one, other) = await ends.counts()
    record_property("table", f"gap {max(one['gap'], other['gap']):.2f} s while it climbed")
    assert max(one["gap"], other["gap"]) <= 1.0 + MARGIN


class Ear:
    """Hears how a stream ends."""

    def __init__(self) -> None:
        self.end: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def received(self, data: bytes) -> None:
        pass

    def closed(self, reason: str) -> None:
        self.end.set_result(reason)


async def test_the_kernel_tells_of_a_connection_that_is_dead_whether_or_not_anything_is_sent() -> None:
    with Lab() as lab:
        site = lab.add_site("alone", Kind.PUBLIC)

        async def scene() -> tuple[float, list[str]]:
            loop = asyncio.get_running_loop()
            idle, busy = Ear(), Ear()
            listener = await listen(site.address, 0, lambda stream, source: idle)
            stream = await open_stream(site.address, listener.local, busy)
            nft(site.namespace, "table ip dead { chain in { type filter hook input priority 0; drop; }; }")
            began = loop.time()
            stream.write(b"never comes")
            reasons = await asyncio.wait_for(asyncio.gather(idle.end, busy.end), 3 * DEAD_AFTER)
            listener.close()
            return loop.time() - began, list(reasons)

        def there() -> tuple[float, list[str]]:
            with inside(site.namespace):
                return asyncio.run(scene())

        took, reasons = await asyncio.to_thread(there)
    assert all("timed out" in reason for reason in reasons)
    assert took < 2 * DEAD_AFTER
