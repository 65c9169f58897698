"""How the server starts, where it listens, and how it drains."""

import asyncio
import socket
from contextlib import AsyncExitStack

import pytest
from grpc import StatusCode
from grpc_health.v1 import health_pb2  # type: ignore[import-untyped]  # it ships no types

from tests.server.client import Ending, Stream, connected
from tests.server.http2 import raw_client
from tests.server.keys import envelope, key
from warren import wire
from warren.errors import ConfigurationError, WarrenError
from warren.server.address import ListenAddress
from warren.server.grpc import Settings, serve
from warren.server.relay import Limits

ALICE = key(1)


async def test_port_0_becomes_a_real_port() -> None:
    async with serve("127.0.0.1:0", tls=None) as server:
        assert server.address.port != 0
        assert server.url == f"grpc://127.0.0.1:{server.address.port}?insecure=true"


async def test_a_name_is_listened_at_under_all_its_addresses() -> None:
    async with serve("localhost:0", tls=None) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.address.port)
        writer.close()
        assert server.address.host == "localhost"


async def test_a_port_in_use_is_refused() -> None:
    async with serve("127.0.0.1:0", tls=None) as server:
        with pytest.raises(WarrenError, match="another program listens there"):
            async with serve(f"127.0.0.1:{server.address.port}", tls=None):
                pass


async def test_a_port_that_is_taken_at_the_last_moment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ListenAddress, "resolve", lambda address: (address,))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(WarrenError, match="gRPC could not bind it"):
            async with serve(f"127.0.0.1:{port}", tls=None):
                pass


async def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        async with serve("nonsense", tls=None):
            pass


async def test_limits_can_be_set() -> None:
    settings = Settings(limits=Limits(subscriptions_per_key=1))
    async with (
        serve("127.0.0.1:0", tls=None, settings=settings) as server,
        connected(server.address.port) as client,
    ):
        await client.subscribe(ALICE)
        ending = await client.open(wire.encode_subscribe_params(ALICE)).ending()
        assert ending.code is StatusCode.RESOURCE_EXHAUSTED


# Draining


async def test_a_drain_ends_every_stream_with_unavailable() -> None:
    async with serve("127.0.0.1:0", tls=None) as server, connected(server.address.port) as client:
        streams = [await client.subscribe(key(number)) for number in range(20)]
        await server.drain()
        endings = [await stream.ending() for stream in streams]
    assert endings == [Ending(StatusCode.UNAVAILABLE, "the server is shutting down")] * 20


async def test_what_waits_is_delivered_before_a_drain_ends_the_stream() -> None:
    async with serve("127.0.0.1:0", tls=None) as server, connected(server.address.port) as client:
        stream = await client.subscribe(ALICE)
        bodies = [bytes([number]) for number in range(10)]
        for body in bodies:
            server.relay.publish(envelope(ALICE, body))
        await server.drain()
        assert [await stream.read() for _ in bodies] == [envelope(ALICE, body) for body in bodies]
        assert (await stream.ending()).code is StatusCode.UNAVAILABLE


async def test_leaving_the_context_drains() -> None:
    async with serve("127.0.0.1:0", tls=None) as server:
        port = server.address.port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


async def test_draining_twice_is_draining_once() -> None:
    async with serve("127.0.0.1:0", tls=None) as server:
        await asyncio.gather(server.drain(), server.drain())


async def test_a_call_that_comes_while_the_streams_end_is_told_so(caplog: pytest.LogCaptureFixture) -> None:
    async with serve("127.0.0.1:0", tls=None) as server, connected(server.address.port) as client:
        server.relay.close()
        assert await client.publish(ALICE) == Ending(StatusCode.UNAVAILABLE, "the server is shutting down")
        assert not [record for record in caplog.records if record.name.startswith("warren")]


async def test_after_a_drain_nothing_is_taken() -> None:
    async with serve("127.0.0.1:0", tls=None) as server, connected(server.address.port) as client:
        await server.drain()
        answer = await client.publish(ALICE)
        assert isinstance(answer, Ending)
        assert answer.code is StatusCode.UNAVAILABLE


async def test_a_reader_that_does_not_read_holds_a_drain_up_only_for_the_grace() -> None:
    settings = Settings(grace=0.3)
    async with serve("127.0.0.1:0", tls=None, settings=settings) as server, AsyncExitStack() as stack:
        frozen = await stack.enter_async_context(raw_client(server.address.port))
        frozen.subscribe(ALICE)
        await frozen.live()
        for _ in range(60):
            server.relay.publish(envelope(ALICE, bytes(4000)))
        async with asyncio.timeout(3):
            await server.drain()


async def test_a_health_watcher_learns_of_the_drain() -> None:
    settings = Settings(grace=0.3)
    async with (
        serve("127.0.0.1:0", tls=None, settings=settings) as server,
        connected(server.address.port) as client,
    ):
        request = health_pb2.HealthCheckRequest().SerializeToString()
        watch = Stream(client.channel.unary_stream("/grpc.health.v1.Health/Watch")(request))
        assert await watch.read() == b"\x08\x01"
        drain = asyncio.get_running_loop().create_task(server.drain())
        assert await watch.read() == b"\x08\x02"
        await drain


def test_the_options_of_grpc_are_those_of_the_threat_model() -> None:
    options = dict(Settings().options())
    assert options["grpc.max_concurrent_streams"] == 1100
    assert options["grpc.max_receive_message_length"] == 65536
    assert options["grpc.max_metadata_size"] == 8192
    assert options["grpc.server_handshake_timeout_ms"] == 5000
    assert (options["grpc.keepalive_time_ms"], options["grpc.keepalive_timeout_ms"]) == (30_000, 10_000)
    assert options["grpc.server.max_pending_requests"] == 200_000
    assert options["grpc.server.max_pending_requests_hard_limit"] == 400_000
    assert options["grpc.http2.min_ping_interval_without_data_ms"] == 10_000
    assert options["grpc.http2.max_ping_strikes"] == 3


def test_a_write_may_be_blocked_for_10_seconds() -> None:
    assert Settings().write_timeout == 10.0
