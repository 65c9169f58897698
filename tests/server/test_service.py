"""The service as any gRPC client sees it, over real sockets."""

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
from grpc import StatusCode
from grpc_health.v1 import health_pb2  # type: ignore[import-untyped]  # it ships no types

from tests.server.client import Client, Ending, connected, until
from tests.server.http2 import WINDOW, raw_client
from tests.server.keys import SENDER, envelope, key
from warren import wire
from warren.server.grpc import Settings, SignalServer, serve
from warren.server.relay import GAP
from warren.server.service import SERVICE

ALICE, BOB = key(1), key(2)


@pytest.fixture
async def server() -> AsyncIterator[SignalServer]:
    async with serve("127.0.0.1:0", tls=None) as server:
        yield server


@pytest.fixture
async def client(server: SignalServer) -> AsyncIterator[Client]:
    async with connected(server.address.port) as client:
        yield client
    # A call that is not over when its loop closes fails, and is logged, in the loop of a later test.
    await until(lambda: server.relay.subscriptions == 0)


# What is asked and answered


async def test_a_subscription_begins_with_an_empty_envelope(client: Client) -> None:
    stream = client.open(wire.encode_subscribe_params(ALICE))
    assert await stream.read() == b""


async def test_an_envelope_goes_from_one_connection_to_another(server: SignalServer, client: Client) -> None:
    stream = await client.subscribe(ALICE)
    async with connected(server.address.port) as publisher:
        await publisher.publish(ALICE)
    assert await stream.read() == envelope(ALICE)


async def test_build_info_says_which_version_this_is(client: Client) -> None:
    answer = await client.call("/cunicu.signaling.Signaling/GetBuildInfo")
    assert isinstance(answer, bytes)
    assert wire.decode_build_info(answer).version


@pytest.mark.parametrize(
    "method",
    [
        "/cunicu.signaling.RelayRegistry/GetRelays",
        "/cunicu.signaling.Signaling/Nothing",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    ],
)
async def test_a_method_that_is_not_there_is_unimplemented(client: Client, method: str) -> None:
    answer = await client.call(method)
    assert isinstance(answer, Ending)
    assert answer.code is StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("service", ["", SERVICE])
async def test_the_health_service_says_serving(client: Client, service: str) -> None:
    request = health_pb2.HealthCheckRequest(service=service).SerializeToString()
    assert await client.call("/grpc.health.v1.Health/Check", request) == b"\x08\x01"


# Leaving


async def test_a_call_that_is_cancelled_leaves_nothing_behind(server: SignalServer, client: Client) -> None:
    stream = await client.subscribe(ALICE)
    stream.cancel()
    await until(lambda: server.relay.subscriptions == 0)


async def test_a_connection_that_closes_leaves_nothing_behind(server: SignalServer) -> None:
    async with connected(server.address.port) as client:
        for number in range(10):
            await client.subscribe(key(number))
        assert server.relay.subscriptions == 10
    await until(lambda: server.relay.subscriptions == 0 == server.relay.connections)


# What is refused


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\xff\xff", StatusCode.INVALID_ARGUMENT),
        (b"", StatusCode.INVALID_ARGUMENT),
        (wire.encode_envelope(SENDER.raw, bytes(32), b"", b""), StatusCode.INVALID_ARGUMENT),
        (envelope(ALICE, bytes(16 * 1024)), StatusCode.RESOURCE_EXHAUSTED),
        (envelope(ALICE, bytes(64 * 1024)), StatusCode.RESOURCE_EXHAUSTED),
    ],
    ids=["garbage", "empty", "low order", "too large", "far too large"],
)
async def test_an_envelope_that_cannot_be_is_refused(client: Client, data: bytes, code: StatusCode) -> None:
    answer = await client.send(data)
    assert isinstance(answer, Ending)
    assert answer.code is code


@pytest.mark.parametrize(
    "params", [b"\xff", b"", b"\x0a\x20" + bytes(32)], ids=["garbage", "no key", "low order"]
)
async def test_a_subscription_to_what_is_no_key_is_refused(client: Client, params: bytes) -> None:
    assert (await client.open(params).ending()).code is StatusCode.INVALID_ARGUMENT


async def test_the_1025th_subscription_of_a_connection_is_told_so_and_hurts_nobody(client: Client) -> None:
    streams = [await client.subscribe(key(number)) for number in range(1024)]
    ending = await client.open(wire.encode_subscribe_params(key(1024))).ending()
    assert ending.code is StatusCode.RESOURCE_EXHAUSTED
    assert await client.publish(key(0)) is None
    assert await streams[0].read() == envelope(key(0))


async def test_a_connection_has_no_more_than_1100_streams_whatever_its_client_believes(
    server: SignalServer, client: Client
) -> None:
    stream = await client.subscribe(ALICE)
    async with raw_client(server.address.port) as greedy:
        greedy.subscribe(BOB)
        await greedy.live()
        for number in range(1, 1103):
            greedy.begin("Publish", stream=2 * number + 1)
        await until(lambda: len(greedy.reset) == 3)
        assert greedy.reset == {2 * number + 1 for number in range(1100, 1103)}
        assert await client.publish(ALICE) is None
        assert await stream.read() == envelope(ALICE)


async def test_metadata_that_is_too_large_is_refused_and_hurts_nobody_else(
    server: SignalServer, client: Client
) -> None:
    stream = await client.subscribe(ALICE)
    async with connected(server.address.port) as talkative:
        answer = await talkative.publish(ALICE, token=bytes(64 * 1024))
        assert isinstance(answer, Ending)
        assert answer.code is StatusCode.RESOURCE_EXHAUSTED
    await client.publish(ALICE)
    assert await stream.read() == envelope(ALICE)


async def test_trouble_of_one_kind_is_logged_once_a_minute(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "warren")
    for _ in range(20):
        await client.send(b"\xff")
        await client.send(b"")
    # gRPC's poller, one for the process, may still tell asyncio of the loops that earlier tests closed.
    assert len([record for record in caplog.records if record.name.startswith("warren.")]) == 2


# Readers that do not read


async def test_a_frozen_reader_costs_the_publisher_and_other_readers_nothing(
    client: Client, server: SignalServer
) -> None:
    quick = await client.subscribe(ALICE)
    async with raw_client(server.address.port) as frozen:
        frozen.subscribe(ALICE)
        await until(lambda: server.relay.subscriptions == 2)
        for number in range(200):
            body = bytes([number]) * 1000
            assert await client.publish(ALICE, body) is None
            assert await quick.read() == envelope(ALICE, body)
        assert len(frozen.received) <= WINDOW


async def test_a_reader_that_was_frozen_learns_of_the_gap_and_gets_the_newest(
    server: SignalServer, client: Client
) -> None:
    bodies = [bytes([number]) * 1000 for number in range(200)]
    async with raw_client(server.address.port) as frozen:
        frozen.subscribe(ALICE)
        await until(lambda: server.relay.subscriptions == 1)
        for body in bodies:
            await client.publish(ALICE, body)
        frozen.open_window()
        await until(lambda: envelope(ALICE, bodies[-1]) in frozen.messages)
        first, *rest = frozen.messages
    assert first == b""
    before, after = rest[: rest.index(GAP)], rest[rest.index(GAP) + 1 :]
    assert before == [envelope(ALICE, body) for body in bodies[: len(before)]]
    assert after == [envelope(ALICE, body) for body in bodies[-64:]]


async def test_a_write_that_is_blocked_for_too_long_ends_the_stream() -> None:
    async with (
        serve("127.0.0.1:0", tls=None, settings=Settings(write_timeout=0.3)) as server,
        connected(server.address.port) as client,
        raw_client(server.address.port) as frozen,
    ):
        frozen.subscribe(ALICE)
        await until(lambda: server.relay.subscriptions == 1)
        for _ in range(40):
            await client.publish(ALICE, bytes(4000))
        await until(lambda: server.relay.subscriptions == 0)
        assert not frozen.ended
        frozen.open_window()
        await until(lambda: frozen.ended)


async def test_reading_slowly_but_steadily_ends_nothing() -> None:
    loop = asyncio.get_running_loop()
    async with (
        serve("127.0.0.1:0", tls=None, settings=Settings(write_timeout=2.0)) as server,
        connected(server.address.port) as client,
        raw_client(server.address.port) as slow,
    ):
        slow.subscribe(ALICE)
        await until(lambda: server.relay.subscriptions == 1)
        begun = loop.time()
        while loop.time() < begun + 3.0:
            await client.publish(ALICE, bytes(8000))
            slow.open_window(8000)
        assert server.relay.subscriptions == 1


# Connections that fall silent


async def test_a_connection_that_says_nothing_is_closed() -> None:
    async with serve("127.0.0.1:0", tls=None, settings=Settings(handshake_timeout=0.2)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.address.port)
        async with asyncio.timeout(10):
            while await reader.read(1000):
                pass
        writer.close()


async def test_a_client_that_vanished_is_found_out_by_keepalive() -> None:
    settings = Settings(keepalive_time=0.3, keepalive_timeout=0.3)
    async with (
        serve("127.0.0.1:0", tls=None, settings=settings) as server,
        raw_client(server.address.port, answers_pings=False) as vanished,
    ):
        vanished.subscribe(ALICE)
        await until(lambda: server.relay.subscriptions == 1)
        await until(lambda: server.relay.subscriptions == 0)


async def test_a_silent_client_that_answers_pings_stays() -> None:
    settings = Settings(keepalive_time=0.1, keepalive_timeout=0.2)
    async with (
        serve("127.0.0.1:0", tls=None, settings=settings) as server,
        raw_client(server.address.port) as silent,
    ):
        silent.subscribe(ALICE)
        await until(lambda: silent.pings > 3)
        assert server.relay.subscriptions == 1
