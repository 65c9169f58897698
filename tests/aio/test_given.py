"""Servers that signaling gives: by numbers, and by two nodes that could not reach each other without."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random

import pytest

from tests.aio.relayed import SIGNALING, World
from tests.signaling.virtual import on_virtual_time
from warren.aio.given import MAX_GIVEN, GivenRelays, ServerUrl, servers_of
from warren.aio.node import Node
from warren.ice.server_url import StunUrl, TurnUrl
from warren.ice.transport import Base
from warren.keys import PrivateKey, PublicKey
from warren.messages import RelayInfo
from warren.session.config import Config
from warren.session.node import NodeMachine
from warren.signaling.backend import CarrierBackend
from warren.testing.host import SimHost
from warren.testing.link import Link
from warren.testing.nat import NatKind
from warren.testing.signaling import SimCarrier, SimServer

EPOCH = 1_800_000_000
RELAY = RelayInfo("turn:203.0.113.4:3478", "ann", "p@ss")


# What signaling says


def test_a_relay_becomes_a_server_with_who_we_are_there() -> None:
    (url,) = servers_of([RELAY])
    assert url == TurnUrl(host="203.0.113.4", port=3478, transport="udp", username="ann", password="p@ss")


def test_credentials_within_a_url_are_taken_where_there_are_no_others() -> None:
    (url,) = servers_of([RelayInfo("turn:ann:p%40ss@203.0.113.4")])
    assert isinstance(url, TurnUrl)
    assert (url.username, url.password) == ("ann", "p@ss")


def test_a_stun_server_may_be_among_them() -> None:
    assert servers_of([RelayInfo("stun:stun.example.org")]) == [StunUrl("stun.example.org")]


@pytest.mark.parametrize(
    "url",
    [
        *("", "turn:", "http://host", "turn:host:99999", "stun:"),
        # What the system's resolver would not even take.
        *("turn:\0", "stun:\0", "turn:-\x7f", f"turn:{'a' * 64}.org", "turn:a..b", f"turn:{'a.' * 130}b"),
    ],
)
def test_what_is_no_server_is_left_out_and_the_others_are_used(url: str) -> None:
    assert len(servers_of([RelayInfo(url, "ann", "p@ss"), RELAY])) == 1


def test_of_two_words_on_one_server_the_first_counts() -> None:
    (url,) = servers_of([RELAY, RelayInfo("turn:203.0.113.4", "bob", "other")])
    assert isinstance(url, TurnUrl)
    assert url.username == "ann"


# What is made of it


class Desk:
    """A node's machine with one base, and what is to be resolved for it."""

    def __init__(self, named: Sequence[ServerUrl] = ()) -> None:
        dice = Random(1)
        self.machine = NodeMachine(
            ours=PrivateKey(dice.randbytes(32)).public, dice=dice, config=Config(turn=[])
        )
        self.machine.add_base(Base("192.0.2.1", 50_000), 0.0)
        self.resolved: list[str] = []
        self.settled = 0
        self.given = GivenRelays(
            self.machine,
            named=named,
            resolve=lambda url: self.resolved.append(str(url)),
            settle=self._settle,
            clock=lambda: 0.0,
        )

    def _settle(self) -> None:
        self.settled += 1


def test_candidates_are_not_final_before_a_given_server_was_asked() -> None:
    desk = Desk()
    desk.given.use([RELAY, RelayInfo("stun:stun.example.org")])
    assert desk.resolved == ["turn:203.0.113.4:3478?transport=udp", "stun:stun.example.org:3478"]
    assert not desk.machine.gatherer.complete


def test_a_server_that_is_given_again_is_resolved_once() -> None:
    desk = Desk()
    for _ in range(3):
        desk.given.use([RELAY, RelayInfo("stun:stun.example.org")])
    assert len(desk.resolved) == 2


def test_what_the_user_says_of_a_server_counts() -> None:
    desk = Desk([TurnUrl.parse("turn:carol:secret@203.0.113.4")])
    desk.given.use([RELAY])
    assert desk.resolved == []


def test_a_hostile_server_makes_us_ask_no_more_than_eight() -> None:
    desk = Desk()
    for number in range(100):
        desk.given.use([RelayInfo(f"turn:victim{number}.example.org", "ann", "p@ss")])
    assert len(desk.resolved) == MAX_GIVEN == 8


# Two nodes


class GivingCarrier(SimCarrier):
    """A carrier to the simulated server that gives relays, as a test tells it."""

    def __init__(self, server: SimServer, name: str, link: Link) -> None:
        super().__init__(server, name, link)
        self.given: tuple[RelayInfo, ...] = ()

    async def relays(self, key: PublicKey) -> tuple[RelayInfo, ...]:
        """Give them after a round trip."""
        await asyncio.sleep(2 * self.link.delay)
        return self.given


@asynccontextmanager
async def node(world: World, host: SimHost, *relays: RelayInfo) -> AsyncIterator[tuple[Node, GivingCarrier]]:
    carrier = GivingCarrier(world.server, host.name, Link(delay=SIGNALING / 2))
    carrier.given = relays
    backend = CarrierBackend(carrier, random_bytes=world.dice.randbytes, dice=world.dice)
    key = PrivateKey(world.dice.randbytes(32))
    async with Node(key, backend, config=Config(), network=host, dice=world.dice) as running:
        yield running, carrier
    await backend.aclose()


@on_virtual_time
async def test_two_behind_symmetric_nats_connect_by_a_relay_that_signaling_gives() -> None:
    world = World()
    hosts = [world.host(NatKind.SYMMETRIC) for _ in range(2)]
    async with (
        node(world, hosts[0], RELAY) as (one, _),
        node(world, hosts[1], RELAY) as (other, _),
        one.open(other.public) as first,
        other.open(one.public) as second,
    ):
        await asyncio.gather(first.wait_connected(10.0), second.wait_connected(10.0))
        assert first.path is not None
        assert first.path.relayed


@on_virtual_time
async def test_credentials_that_were_refused_are_replaced_by_others_at_once() -> None:
    world = World()
    wrong = RelayInfo(RELAY.url, "ann", "wrong")
    async with node(world, world.host(NatKind.SYMMETRIC), wrong) as (_, carrier):
        await asyncio.sleep(10.0)
        assert world.turn.live == 0
        carrier.given = (RELAY,)
        for subscription in world.server.all_subscriptions():
            subscription.end("restarted")  # A subscription that is live again asks again.
        await asyncio.sleep(2.0)
        assert world.turn.live == 1


@on_virtual_time
async def test_an_allocation_stays_with_who_asked_for_it_when_credentials_are_renewed() -> None:
    world = World()
    async with node(world, world.host(NatKind.SYMMETRIC), RELAY) as (_, carrier):
        await asyncio.sleep(10.0)
        carrier.given = (RelayInfo(RELAY.url, "nobody", "knows"),)
        await asyncio.sleep(4000.0)
        assert (world.turn.live, world.turn.allocated) == (1, 1)


@on_virtual_time
async def test_the_next_allocation_is_asked_for_with_the_newest_credentials() -> None:
    world = World()
    async with node(world, world.host(NatKind.SYMMETRIC), RELAY) as (_, carrier):
        await asyncio.sleep(10.0)
        carrier.given = (RelayInfo(RELAY.url, "nobody", "knows"),)
        await asyncio.sleep(1300.0)
        world.turn.restart()
        await asyncio.sleep(1000.0)
        assert world.turn.live == 0
        carrier.given = (RELAY,)
        await asyncio.sleep(1300.0)
        assert world.turn.live == 1
