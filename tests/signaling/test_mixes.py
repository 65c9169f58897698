"""Several real backends at once, of any kinds: one that works is enough, whatever ails the others.

A backend joins by its lines in `tests.places`, `servers` and `attack`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

import pytest

from tests.needs import needs
from tests.places import PLACES
from tests.server.client import until
from tests.signaling.attack import HOSTILE, OpenHostile
from tests.signaling.servers import SERVERS, OpenServer, Server, late
from warren.aio.node import Node
from warren.aio.session import Session
from warren.keys import PrivateKey
from warren.session.config import Config
from warren.session.outputs import PathChanged
from warren.session.state import State
from warren.signaling.stats import BackendStats
from warren.signaling.url import BackendUrl

LOOPBACK: Final = Config(loopback=True, include_interfaces=("lo",))
PATIENCE: Final = 30.0
LATE: Final = 0.4
"""How much later each byte comes from a slow server, and goes there (seconds)."""
VERY_LATE: Final = 4.0

inprocess: Final = PLACES["inprocess"][0]


Nodes = tuple[Node, Node]


@dataclass(frozen=True, slots=True)
class Trouble:
    """A backend that is no good, from the start or from when it strikes."""

    url: str
    strike: Callable[[Nodes], Awaitable[None]]


@asynccontextmanager
async def killed(open_server: OpenServer) -> AsyncIterator[Trouble]:
    async with open_server() as server:
        await server.start()

        async def kill(nodes: Nodes) -> None:
            await live(nodes, server.url)
            await server.kill()

        yield Trouble(server.url, kill)


@asynccontextmanager
async def frozen(open_server: OpenServer) -> AsyncIterator[Trouble]:
    async with open_server() as server:
        await server.start()

        async def freeze(nodes: Nodes) -> None:
            await live(nodes, server.url)
            server.freeze()

        yield Trouble(server.url, freeze)


@asynccontextmanager
async def slow(open_server: OpenServer) -> AsyncIterator[Trouble]:
    async with open_server() as server, late(server.port, VERY_LATE) as port:
        await server.start()

        async def wait_for_nothing(nodes: Nodes) -> None:
            pass

        yield Trouble(server.by_way_of(port), wait_for_nothing)


@asynccontextmanager
async def hostile(open_hostile: OpenHostile) -> AsyncIterator[Trouble]:
    async with open_hostile() as attack:

        async def wait(nodes: Nodes) -> None:
            await live(nodes, attack.url)

        yield Trouble(attack.url, wait)


OpenTrouble = Callable[[], AbstractAsyncContextManager[Trouble]]

TROUBLES: Final[dict[tuple[str, str], OpenTrouble]] = {
    **{
        (kind, ail.__name__): partial(ail, open_server)
        for ail in (killed, frozen, slow)
        for kind, open_server in SERVERS.items()
    },
    **{(kind, "hostile"): partial(hostile, open_hostile) for kind, open_hostile in HOSTILE.items()},
}


def wanted(*kinds: str) -> list[pytest.MarkDecorator]:
    """Mark with what these kinds of backend need of the machine."""
    return [needs(*PLACES[kind][1]) for kind in kinds]


def together(kind: str, bad: str, ail: str) -> bool:
    """Whether to run these two; an API server is slow to start, so it stands beside few others."""
    if "k8s" not in (kind, bad):
        return True
    return (kind, bad) == ("k8s", "grpc") or (kind == "inprocess" and ail in ("killed", "hostile"))


EACH_TROUBLE_BESIDE_EACH_KIND: Final = [
    pytest.param(kind, ail, id=f"{' '.join(ail)}, {kind} works", marks=wanted(kind, ail[0]))
    for ail in TROUBLES
    for kind in PLACES
    if together(kind, *ail)
]
EACH_SERVER: Final = [pytest.param(kind, id=kind, marks=wanted(kind)) for kind in SERVERS]
EACH_HOSTILE: Final = [pytest.param(kind, id=kind, marks=wanted(kind)) for kind in HOSTILE]


@asynccontextmanager
async def two_nodes(*urls: str) -> AsyncIterator[Nodes]:
    async with (
        Node(PrivateKey.generate(), *urls, config=LOOPBACK) as alice,
        Node(PrivateKey.generate(), *urls, config=LOOPBACK) as bob,
    ):
        yield alice, bob


@asynccontextmanager
async def two_sessions(alice: Node, bob: Node) -> AsyncIterator[tuple[Session, Session]]:
    async with alice.open(bob.public) as to_bob, bob.open(alice.public) as to_alice:
        await asyncio.gather(to_bob.wait_connected(PATIENCE), to_alice.wait_connected(PATIENCE))
        yield to_bob, to_alice


def stats(node: Node, url: str) -> BackendStats:
    """How one of a node's backends does."""
    name = str(BackendUrl.parse(url))
    return next(one for one in node.stats.backends if one.name == name)


async def live(nodes: Nodes, *urls: str) -> None:
    """Wait until both are subscribed at all of these."""
    await until(lambda: all(stats(node, url).live for node in nodes for url in urls), PATIENCE)


async def crosses(*sessions: Session) -> None:
    """See a datagram cross in each direction."""
    for one, other in (sessions, reversed(sessions)):
        one.send(b"across")
        async with asyncio.timeout(PATIENCE):
            assert await other.recv() == b"across"


async def begin_anew(session: Session) -> None:
    """Begin a new generation, which takes signaling, and wait until it carries data."""
    before = session.history[-1].generation
    session.restart()
    async with asyncio.timeout(PATIENCE):
        async for event in session.events():
            if isinstance(event, PathChanged) and event.generation > before and event.path is not None:
                return


async def attacked(*nodes: Node, lies: int) -> None:
    """Wait until each has dropped so much."""
    try:
        await until(lambda: all(node.drops.total() > lies for node in nodes), PATIENCE)
    except TimeoutError:
        raise AssertionError(f"the attack does not come through: {[node.stats for node in nodes]}") from None


def generations(sessions: Sequence[Session]) -> list[set[int]]:
    """Which generations each has had."""
    return [{change.generation for change in session.history} for session in sessions]


@pytest.mark.parametrize(("kind", "ail"), EACH_TROUBLE_BESIDE_EACH_KIND)
async def test_two_peers_connect_and_begin_anew_by_the_backend_that_works(
    kind: str, ail: tuple[str, str]
) -> None:
    async with (
        TROUBLES[ail]() as trouble,
        PLACES[kind][0]() as good,
        two_nodes(trouble.url, good.url) as nodes,
    ):
        await live(nodes, good.url)
        await trouble.strike(nodes)
        async with two_sessions(*nodes) as sessions:
            await crosses(*sessions)
            await begin_anew(sessions[0])
            await crosses(*sessions)


@pytest.mark.parametrize("ail", ["frozen", "slow"])
@pytest.mark.parametrize("kind", EACH_SERVER)
async def test_backend_that_does_not_answer_is_not_waited_for(kind: str, ail: str) -> None:
    async with (
        TROUBLES[kind, ail]() as trouble,
        inprocess() as good,
        two_nodes(trouble.url, good.url) as nodes,
    ):
        await trouble.strike(nodes)
        async with two_sessions(*nodes) as sessions:
            await begin_anew(sessions[0])
            for node in nodes:
                seen = stats(node, trouble.url)
                assert (seen.published, seen.refused) == (0, 0), (
                    "it had time to take an envelope, or to give up"
                )


@pytest.mark.parametrize("kind", EACH_SERVER)
async def test_copies_that_come_late_by_a_slow_backend_change_nothing(kind: str) -> None:
    async with SERVERS[kind]() as server, late(server.port, LATE) as port, inprocess() as good:
        await server.start()
        slow_url = server.by_way_of(port)
        async with two_nodes(slow_url, good.url) as nodes:
            await live(nodes, slow_url)
            async with two_sessions(*nodes) as sessions:
                copies = [node.drops["envelope-repeated"] for node in nodes]
                await begin_anew(sessions[0])
                await until(lambda: all(
                    node.drops["envelope-repeated"] > count for node, count in zip(nodes, copies, strict=True)
                ))  # fmt: skip
                assert generations(sessions) == [{1, 2}, {1, 2}]
                await crosses(*sessions)


@pytest.mark.parametrize("kind", EACH_HOSTILE)
async def test_session_under_attack_stays_what_it_is(kind: str) -> None:
    async with HOSTILE[kind]() as attack, inprocess() as good, two_nodes(attack.url, good.url) as nodes:
        async with two_sessions(*nodes) as sessions:
            await attacked(*nodes, lies=200)
            assert generations(sessions) == [{1}, {1}]
            assert {session.state for session in sessions} <= {State.CONNECTED, State.COMPLETED}
            await crosses(*sessions)
        for node in nodes:
            lies = {"envelope-repeated", "envelope-seal", "sender-not-allowed"}
            assert lies <= set(node.drops), "the attack has not come this far"
            assert stats(node, attack.url).drops, "no noise has come"


@pytest.mark.parametrize("kind", EACH_HOSTILE)
async def test_peer_that_has_lost_its_memory_is_found_again_under_attack(kind: str) -> None:
    alice_key, bob_key = PrivateKey.generate(), PrivateKey.generate()
    async with (
        HOSTILE[kind]() as attack,
        inprocess() as good,
        Node(alice_key, attack.url, good.url, config=LOOPBACK) as alice,
        alice.open(bob_key.public) as to_bob,
    ):
        for _ in range(2):  # What was said to the first, the second hears again.
            async with (
                Node(bob_key, attack.url, good.url, config=LOOPBACK) as bob,
                bob.open(alice_key.public) as to_alice,
            ):
                await to_alice.wait_connected(PATIENCE)
                await crosses(to_alice, to_bob)
                await attacked(bob, lies=100)


@needs("nats")
async def test_one_honest_backend_is_enough_among_dead_slow_and_hostile_ones() -> None:
    async with AsyncExitStack() as stack:
        grpc, nats = [await stack.enter_async_context(SERVERS[kind]()) for kind in ("grpc", "nats")]
        await grpc.start()
        await nats.start()
        port = await stack.enter_async_context(late(grpc.port, LATE))
        attacks = [await stack.enter_async_context(HOSTILE[kind]()) for kind in ("grpc", "nats", "multicast")]
        dead = "grpc://127.0.0.1:9?insecure=true"
        honest = await stack.enter_async_context(inprocess())
        urls = [*(attack.url for attack in attacks), grpc.by_way_of(port), nats.url, dead, honest.url]
        nodes = await stack.enter_async_context(two_nodes(*urls))
        await live(nodes, nats.url)
        nats.freeze()
        async with two_sessions(*nodes) as sessions:
            await crosses(*sessions)
            await begin_anew(sessions[1])
            await crosses(*sessions)


@needs("nats")
async def test_backends_that_fail_in_turn_keep_two_peers_in_touch() -> None:
    async with SERVERS["grpc"]() as one, SERVERS["nats"]() as other:
        await one.start()
        await other.start()
        async with two_nodes(one.url, other.url) as nodes, two_sessions(*nodes) as sessions:
            for gone in (one, other, one):
                await live(nodes, one.url, other.url)
                await lost(nodes, gone)
                await begin_anew(sessions[0])
                await crosses(*sessions)
                await gone.start()


async def lost(nodes: Nodes, server: Server) -> None:
    """Kill a server, and wait until both know."""
    await server.kill()
    await until(lambda: not any(stats(node, server.url).live for node in nodes), PATIENCE)
