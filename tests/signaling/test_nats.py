"""Tests of the NATS carrier against a real nats-server."""

import asyncio
import json
import os
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.aio.client import Client

from tests.needs import needs
from tests.server.client import until
from tests.signaling.nats_server import NatsServerProcess, free_port, nats_server
from tests.signaling.people import ALICE, BOB, CAROL, hello, sealed
from warren.aio.node import Node
from warren.errors import SignalingError
from warren.keys import KeyPair, PrivateKey
from warren.session.config import Config
from warren.session.state import State
from warren.signaling.backend import CarrierBackend, SubscriptionChanged
from warren.signaling.carrier import Gap, Identity
from warren.signaling.nats import NatsCarrier, subject_of
from warren.signaling.nats_target import NatsTarget
from warren.signaling.registry import connect
from warren.signaling.url import BackendUrl

pytestmark = needs("nats")

BOBS_SUBJECT = subject_of("warren.v1", BOB.public)
LOOPBACK = Config(loopback=True, include_interfaces=("lo",))


@pytest.fixture
async def server() -> AsyncIterator[NatsServerProcess]:
    async with nats_server() as running:
        yield running
    assert asyncio.all_tasks() == {asyncio.current_task()}, "a task is left over"


@asynccontextmanager
async def carrier_to(url: str, *, patience: float = 8.0, idle: float = 20.0) -> AsyncIterator[NatsCarrier]:
    carrier = NatsCarrier(NatsTarget.parse(BackendUrl.parse(url)), patience=patience, idle=idle)
    try:
        yield carrier
    finally:
        await carrier.aclose()


@asynccontextmanager
async def backend_of(url: str) -> AsyncIterator[tuple[CarrierBackend, list[SubscriptionChanged]]]:
    backend, changes = connect(url), list[SubscriptionChanged]()
    assert isinstance(backend, CarrierBackend)
    backend.watch(changes.append)
    try:
        yield backend, changes
    finally:
        await backend.aclose()


@asynccontextmanager
async def stranger(server: NatsServerProcess, **options: Any) -> AsyncIterator[Client]:
    """Somebody else who may publish there, with a client of their own."""
    client = await nats.connect(server.url, **options)
    try:
        yield client
    finally:
        await client.close()


def configured(folder: Path, text: str) -> Path:
    path = folder / "nats.conf"
    path.write_text(text)
    return path


async def enter(carrier: NatsCarrier) -> None:
    async with carrier.subscribe(Identity(BOB)):
        pass


# What goes over the wire


async def test_an_envelope_is_the_payload_on_the_subject_of_its_recipient(server: NatsServerProcess) -> None:
    envelope = sealed(ALICE, BOB.public)
    async with carrier_to(server.url) as carrier, stranger(server) as other:
        heard = await other.subscribe(f"warren.v1.{BOB.public.raw.hex()}")
        await other.rtt()
        await carrier.publish(envelope)
        assert (await heard.next_msg(timeout=5)).data == envelope.serialize()


async def test_prefix_makes_a_world_of_its_own(server: NatsServerProcess) -> None:
    async with (
        carrier_to(f"{server.url}?prefix=one") as one,
        carrier_to(f"{server.url}?prefix=other") as other,
        one.subscribe(Identity(BOB)) as stream,
    ):
        await other.publish(sealed(ALICE, BOB.public))
        envelope = sealed(CAROL, BOB.public)
        await one.publish(envelope)
        assert await anext(stream) == envelope


async def test_all_use_one_connection_and_give_it_back(tmp_path: Path) -> None:
    port = free_port()
    async with nats_server(configured(tmp_path, f"http: 127.0.0.1:{port}")) as server:
        async with carrier_to(server.url) as carrier:
            assert await connections(port) == 0, "it connects before it is used"
            async with carrier.subscribe(Identity(BOB)), carrier.subscribe(Identity(ALICE)):
                await asyncio.gather(*(carrier.publish(sealed(ALICE, BOB.public)) for _ in range(8)))
                assert await connections(port) == 1
        await until(lambda: connections_now(port) == 0)


async def connections(port: int) -> int:
    return await asyncio.to_thread(connections_now, port)


def connections_now(port: int) -> int:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
        f"http://127.0.0.1:{port}/connz", timeout=5
    ) as answer:
        return int(json.load(answer)["num_connections"])


# What strangers publish


async def test_junk_is_counted_and_ends_nothing(
    server: NatsServerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    good = sealed(ALICE, BOB.public)
    junk = (b"", b"\xff", os.urandom(20_000), os.urandom(1 << 20), sealed(ALICE, CAROL.public).serialize())
    async with (
        carrier_to(server.url) as carrier,
        carrier.subscribe(Identity(BOB)) as stream,
        stranger(server) as other,
    ):
        for data in (*junk, good.serialize()):
            await other.publish(BOBS_SUBJECT, data)
        assert await anext(stream) == good
        assert carrier.drops == {
            "envelope-nonce": 1,
            "envelope-malformed": 1,
            "envelope-oversized": 2,
            "envelope-not-for-us": 1,
        }
    assert caplog.record_tuples == []


def hpub(header: bytes) -> bytes:
    return b"HPUB %s %d %d\r\n%shi\r\n" % (BOBS_SUBJECT.encode(), len(header), len(header) + 2, header)


@pytest.mark.parametrize(
    "command",
    [
        hpub(b"NATS/1.0 \xff\xff\xff\xff\r\n\r\n"),
        hpub(b"NATS/1.0"),
        b"PUB %s \xff\xfe 2\r\nhi\r\n" % BOBS_SUBJECT.encode(),
    ],
    ids=["a header that is no text", "a header without an end", "a reply subject that is no text"],
)
async def test_odd_headers_and_replies_of_strangers_do_no_harm(
    server: NatsServerProcess, command: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    good = sealed(ALICE, BOB.public)
    async with carrier_to(server.url) as carrier, carrier.subscribe(Identity(BOB)) as stream:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        await reader.readline()
        writer.write(b'CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\n')
        writer.write(command + b"PING\r\n")
        assert await reader.readline() == b"PONG\r\n"
        await carrier.publish(good)
        assert await anext(stream) == good
        writer.close()
        await writer.wait_closed()
    assert caplog.record_tuples == []


async def test_slow_reader_learns_of_the_gap_and_gets_the_newest(server: NatsServerProcess) -> None:
    sent = [sealed(ALICE, BOB.public) for _ in range(1000)]
    last = sealed(CAROL, ALICE.public)
    async with (
        carrier_to(server.url) as carrier,
        carrier_to(server.url) as other,
        carrier.subscribe(Identity(BOB)) as stream,
        carrier.subscribe(Identity(ALICE)) as quick,
    ):
        await asyncio.gather(*map(other.publish, sent))
        await other.publish(last)
        assert await anext(quick) == last
        assert await anext(stream) == Gap()
        assert [await anext(stream) for _ in range(64)] == sent[-64:]


# Servers that die, freeze and come back


async def test_server_that_is_not_there_is_named_with_what_to_do() -> None:
    port = free_port()
    async with carrier_to(f"nats://127.0.0.1:{port}") as carrier:
        with pytest.raises(SignalingError) as caught:
            await carrier.publish(sealed(ALICE, BOB.public))
    assert str(caught.value) == (
        f"no route to NATS server nats://127.0.0.1:{port}: connection refused; "
        'is "nats-server" running there?'
    )


async def test_server_that_is_killed_ends_the_iteration_with_words(server: NatsServerProcess) -> None:
    async with carrier_to(server.url) as carrier, carrier.subscribe(Identity(BOB)) as stream:
        await server.kill()
        with pytest.raises(SignalingError, match=f"lost NATS server {server.url}"):
            await anext(stream)


async def test_subscriptions_are_back_within_five_seconds_of_a_restart(server: NatsServerProcess) -> None:
    loop = asyncio.get_running_loop()
    async with backend_of(server.url) as (backend, changes):
        await backend.subscribe(KeyPair(BOB, None), lambda *_: None)
        await backend.wait_live(BOB.public, 10)
        await server.kill()
        await until(lambda: not changes[-1].live)
        await server.start()
        began = loop.time()
        await until(lambda: changes[-1].live)
        assert loop.time() - began < 5.0


async def test_frozen_server_is_noticed_by_who_only_listens(server: NatsServerProcess) -> None:
    async with (
        carrier_to(server.url, patience=1.0, idle=0.2) as carrier,
        carrier.subscribe(Identity(BOB)) as stream,
    ):
        server.freeze()
        async with asyncio.timeout(5):
            with pytest.raises(SignalingError, match=r"did not answer within 1 s"):
                await anext(stream)


async def test_frozen_server_does_not_hold_a_publisher(server: NatsServerProcess) -> None:
    async with carrier_to(server.url, patience=1.0) as carrier:
        await carrier.publish(sealed(ALICE, BOB.public))
        server.freeze()
        async with asyncio.timeout(5):
            with pytest.raises(SignalingError, match=r"did not answer within 1 s"):
                await carrier.publish(sealed(ALICE, BOB.public))


async def test_frozen_server_does_not_hold_who_closes(server: NatsServerProcess) -> None:
    async with carrier_to(server.url) as carrier:
        await carrier.publish(sealed(ALICE, BOB.public))
        server.freeze()
        waiting = [asyncio.create_task(carrier.publish(sealed(ALICE, BOB.public))) for _ in range(100)]
        await asyncio.sleep(0)
        async with asyncio.timeout(5):
            await carrier.aclose()
            outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {SignalingError}


async def test_publisher_that_is_cancelled_spoils_nothing_for_others(server: NatsServerProcess) -> None:
    async with carrier_to(server.url) as carrier, carrier.subscribe(Identity(BOB)) as stream:
        server.freeze()
        publishing = [asyncio.create_task(carrier.publish(sealed(ALICE, BOB.public))) for _ in range(3)]
        await asyncio.sleep(0)
        publishing[0].cancel()
        publishing[2].cancel()
        server.thaw()
        await publishing[1]
        last = sealed(CAROL, BOB.public)
        await carrier.publish(last)
        while await anext(stream) != last:
            pass


async def test_dialling_goes_on_for_others_when_one_is_cancelled(server: NatsServerProcess) -> None:
    async with carrier_to(server.url) as carrier:
        first = asyncio.create_task(carrier.publish(sealed(ALICE, BOB.public)))
        second = asyncio.create_task(carrier.publish(sealed(ALICE, BOB.public)))
        await asyncio.sleep(0)
        first.cancel()
        await second
        assert first.cancelled()


async def test_next_server_of_a_list_takes_over() -> None:
    async with nats_server() as first, nats_server() as second:
        url = f"{first.url},127.0.0.1:{second.port}"
        async with backend_of(url) as (alice, _), backend_of(url) as (bob, changes):
            heard: list[object] = []
            await bob.subscribe(KeyPair(BOB, None), lambda *message: heard.append(message))
            await bob.wait_live(BOB.public, 10)
            await alice.publish(KeyPair(ALICE, BOB.public), hello())
            await until(lambda: len(heard) == 1)
            await first.kill()
            await until(lambda: len(changes) > 1 and changes[-1].live)
            await alice.publish(KeyPair(ALICE, BOB.public), hello())
            await until(lambda: len(heard) == 2)


async def test_first_server_of_a_list_need_not_be_there(server: NatsServerProcess) -> None:
    async with carrier_to(f"nats://127.0.0.1:{free_port()},127.0.0.1:{server.port}") as carrier:
        await enter(carrier)


async def test_list_without_any_server_names_all_of_them() -> None:
    one, other = free_port(), free_port()
    async with carrier_to(f"nats://127.0.0.1:{one},127.0.0.1:{other}") as carrier:
        with pytest.raises(SignalingError, match=rf"127\.0\.0\.1:{one}: .*; .*127\.0\.0\.1:{other}: "):
            await enter(carrier)


# Sessions


async def test_two_peers_connect_with_nats_alone_and_outlive_its_restart(server: NatsServerProcess) -> None:
    alice_key, bob_key, carol_key = (PrivateKey.generate() for _ in range(3))
    async with (
        Node(alice_key, server.url, config=LOOPBACK) as alice,
        Node(bob_key, server.url, config=LOOPBACK) as bob,
        alice.open(bob_key.public) as to_bob,
        bob.open(alice_key.public) as to_alice,
    ):
        await asyncio.gather(to_bob.wait_connected(20), to_alice.wait_connected(20))
        await server.kill()
        await server.start()
        async with (
            Node(carol_key, server.url, config=LOOPBACK) as carol,
            carol.open(alice_key.public) as carol_to_alice,
            alice.open(carol_key.public),
        ):
            await carol_to_alice.wait_connected(20)
        assert {to_bob.state, to_alice.state} <= {State.CONNECTED, State.COMPLETED}
