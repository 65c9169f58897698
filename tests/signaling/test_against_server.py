"""Our client against our server, over loopback."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.server.certificates import self_signed
from tests.server.client import until
from tests.signaling.people import ALICE, BOB, hello, sealed
from warren.keys import KeyPair, PublicKeyPair
from warren.messages import Message
from warren.server.grpc import Settings, SignalServer, serve
from warren.server.relay import Limits
from warren.signaling.backend import SubscriptionChanged
from warren.signaling.grpc import open_carrier
from warren.signaling.multi import MultiBackend
from warren.signaling.registry import connect
from warren.signaling.url import BackendUrl
from warren.testing.carrier import CARRIER_CHECKS, Check

TO_BOB = KeyPair(ALICE, BOB.public)
ANYONE_TO_BOB = KeyPair(BOB, None)


@pytest.fixture
async def server() -> AsyncIterator[SignalServer]:
    async with serve("127.0.0.1:0", tls=None) as running:
        yield running


class Ear:
    """A handler that remembers."""

    def __init__(self) -> None:
        self.heard: list[Message] = []

    def __call__(self, pair: PublicKeyPair, message: Message) -> None:
        self.heard.append(message)


@pytest.mark.parametrize("check", CARRIER_CHECKS, ids=str)
async def test_grpc_carrier_keeps_the_contract_with_our_server(check: Check, server: SignalServer) -> None:
    await check(lambda: open_carrier(BackendUrl.parse(server.url)))


async def test_server_tells_how_many_took_it(server: SignalServer) -> None:
    alice, bob = connect(server.url), connect(server.url)
    assert await alice.publish(TO_BOB, hello()) is None, "it has not proved anything yet"
    await alice.subscribe(KeyPair(ALICE, None), Ear())
    await alice.wait_live(ALICE.public, 5.0)
    assert await alice.publish(TO_BOB, hello()) == 0
    await bob.subscribe(ANYONE_TO_BOB, Ear())
    await bob.wait_live(BOB.public, 5.0)
    assert await alice.publish(TO_BOB, hello()) == 1
    await alice.aclose()
    await bob.aclose()


async def test_self_signed_server_is_used_by_the_url_that_it_prints(tmp_path: Path) -> None:
    async with serve("127.0.0.1:0", tls=self_signed(tmp_path)) as server:
        assert "pin=" in server.url
        backend, ear = connect(server.url), Ear()
        await backend.subscribe(ANYONE_TO_BOB, ear)
        await backend.wait_live(BOB.public, 5.0)
        await backend.publish(TO_BOB, hello())
        await until(lambda: ear.heard == [hello()])
        await backend.aclose()


async def test_gap_of_a_slow_reader_is_told_to_watchers() -> None:
    settings = Settings(limits=Limits(queue_length=1))
    async with serve("127.0.0.1:0", tls=None, settings=settings) as server:
        backend = connect(server.url)
        told: list[SubscriptionChanged] = []
        backend.watch(told.append)
        await backend.subscribe(ANYONE_TO_BOB, Ear())
        await backend.wait_live(BOB.public, 5.0)
        for _ in range(3):  # In one turn of the loop, so that nothing is read between.
            server.relay.publish(sealed(ALICE, BOB.public).serialize())
        await until(lambda: [(change.live, change.reason) for change in told[1:]] == [(True, "gap")])
        await backend.aclose()


async def test_drained_server_is_found_again_when_it_is_back() -> None:
    ear = Ear()
    told: list[SubscriptionChanged] = []
    async with serve("127.0.0.1:0", tls=None) as server:
        url, port = server.url, server.address.port
        backend = connect(url)
        backend.watch(told.append)
        await backend.subscribe(ANYONE_TO_BOB, ear)
        await backend.wait_live(BOB.public, 5.0)
    await until(lambda: len(told) == 2)
    assert told[1].reason.startswith("lost signaling server grpc://127.0.0.1:")
    async with serve(f"127.0.0.1:{port}", tls=None):
        await backend.wait_live(BOB.public, 5.0)
        await backend.publish(TO_BOB, hello())
        await until(lambda: ear.heard == [hello()])
        await backend.aclose()


async def test_one_dead_server_of_two_costs_nothing(server: SignalServer) -> None:
    dead = "grpc://127.0.0.1:1?insecure=true"
    alice, bob, ear = connect(dead, server.url), connect(server.url, dead), Ear()
    assert isinstance(alice, MultiBackend)
    await bob.subscribe(ANYONE_TO_BOB, ear)
    await bob.wait_live(BOB.public, 5.0)
    await alice.publish(TO_BOB, hello())
    await until(lambda: ear.heard == [hello()])
    await alice.aclose()
    await bob.aclose()


async def test_envelope_that_comes_by_two_servers_is_heard_once(server: SignalServer) -> None:
    async with serve("127.0.0.1:0", tls=None) as other:
        alice, bob, ear = connect(server.url, other.url), connect(server.url, other.url), Ear()
        live: list[str] = []
        bob.watch(lambda change: live.append(change.backend))
        await bob.subscribe(ANYONE_TO_BOB, ear)
        await until(lambda: len(live) == 2)
        await alice.publish(TO_BOB, hello())
        await until(lambda: bob.drops == {"envelope-repeated": 1})
        assert ear.heard == [hello()]
        await alice.aclose()
        await bob.aclose()
