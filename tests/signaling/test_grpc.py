import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest

from tests.server.client import until
from tests.signaling.cunicu_server import CunicuServer
from tests.signaling.people import ALICE, BOB, CAROL, hello, sealed
from warren.errors import SignalingError
from warren.keys import KeyPair, PublicKeyPair
from warren.messages import Message
from warren.signaling.backend import CarrierBackend, SubscriptionChanged
from warren.signaling.carrier import Gap, Identity
from warren.signaling.grpc import GrpcCarrier
from warren.signaling.grpc_target import GrpcTarget
from warren.signaling.registry import connect
from warren.signaling.subscription import Subscription, Timing

ANYONE_TO_BOB = KeyPair(BOB, None)
TASKS = (Subscription.run.__qualname__, "Subscription._watch", "MultiBackend._send_on")


@pytest.fixture
async def server() -> AsyncIterator[CunicuServer]:
    async with CunicuServer() as running:
        yield running
    # gRPC's server has tasks of its own, which may take a moment longer.
    ours = [task for task in asyncio.all_tasks() if getattr(task.get_coro(), "__qualname__", "") in TASKS]
    assert ours == [], "a task is left over"


@asynccontextmanager
async def carrier_to(port: int, *, patience: float = 8.0) -> AsyncIterator[GrpcCarrier]:
    target = GrpcTarget(host="127.0.0.1", port=port, insecure=True)
    carrier = GrpcCarrier(target, enter_timeout=patience, publish_timeout=patience)
    try:
        yield carrier
    finally:
        await carrier.aclose()


async def enter(carrier: GrpcCarrier) -> None:
    async with carrier.subscribe(Identity(BOB)):
        pass


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# The first envelope


async def test_server_that_confirms_nothing_is_given_up(server: CunicuServer) -> None:
    server.confirms = False
    async with carrier_to(server.port, patience=0.2) as carrier:
        with pytest.raises(
            SignalingError, match=r"did not confirm the subscription within 0\.2 s; is it one\?"
        ):
            await enter(carrier)


async def test_server_that_ends_the_stream_at_once_did_not_confirm(server: CunicuServer) -> None:
    server.confirms = False
    async with carrier_to(server.port) as carrier:
        entering = asyncio.ensure_future(enter(carrier))
        await server.wait_for_subscriptions(1)
        server.end_streams()
        with pytest.raises(SignalingError, match="did not confirm"):
            await entering


async def test_envelope_that_comes_first_is_not_lost(server: CunicuServer) -> None:
    server.confirms = False
    envelope = sealed(ALICE, BOB.public)

    async def send() -> None:
        await server.wait_for_subscriptions(1)
        server.send_all(envelope.serialize())

    sending = asyncio.create_task(send())
    async with carrier_to(server.port) as carrier, carrier.subscribe(Identity(BOB)) as stream:
        assert await anext(stream) == envelope
    await sending


async def test_confirmation_that_says_more_than_we_know_is_one(server: CunicuServer) -> None:
    server.confirms = False
    envelope = sealed(ALICE, BOB.public)

    async def send() -> None:
        await server.wait_for_subscriptions(1)
        server.send_all(b"\xa2\x06\x02\x08\x01")  # Field 100.
        server.send_all(envelope.serialize())

    sending = asyncio.create_task(send())
    async with carrier_to(server.port) as carrier, carrier.subscribe(Identity(BOB)) as stream:
        assert await anext(stream) == envelope
        assert carrier.drops == {}
    await sending


# What comes after


async def test_empty_envelope_later_is_a_gap(server: CunicuServer) -> None:
    async with carrier_to(server.port) as carrier, carrier.subscribe(Identity(BOB)) as stream:
        server.send_all(b"")
        assert await anext(stream) == Gap()


async def test_what_is_no_envelope_is_counted_and_ends_nothing(server: CunicuServer) -> None:
    good = sealed(ALICE, BOB.public)
    aliased = bytearray(good.serialize())
    aliased[33] |= 0x80  # The top bit of the sender's key.
    async with carrier_to(server.port) as carrier, carrier.subscribe(Identity(BOB)) as stream:
        for data in (b"\xff", os.urandom(20_000), os.urandom(4 << 20), bytes(aliased), good.serialize()):
            server.send_all(data)
        assert await anext(stream) == good
        assert carrier.drops == {"envelope-malformed": 1, "envelope-oversized": 2, "envelope-key": 1}


async def test_clean_end_ends_the_iteration(server: CunicuServer) -> None:
    async with carrier_to(server.port) as carrier, carrier.subscribe(Identity(BOB)) as stream:
        server.end_streams()
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


async def test_server_that_dies_ends_the_iteration_with_words(server: CunicuServer) -> None:
    async with carrier_to(server.port) as carrier, carrier.subscribe(Identity(BOB)) as stream:
        await server.stop()
        with pytest.raises(SignalingError, match=rf"signaling server grpc://127\.0\.0\.1:{server.port}"):
            await anext(stream)


# Refusals


async def test_nobody_there_is_told_with_what_to_do() -> None:
    port = free_port()
    async with carrier_to(port) as carrier:
        with pytest.raises(SignalingError) as caught:
            await enter(carrier)
        with pytest.raises(SignalingError) as again:
            await carrier.publish(sealed(ALICE, BOB.public))
    assert (
        str(caught.value)
        == str(again.value)
        == (
            f"no route to signaling server grpc://127.0.0.1:{port}: connection refused; "
            'is "warren signal" running there?'
        )
    )


async def test_server_of_another_service_is_told_as_such() -> None:
    other = grpc.aio.server()
    port = other.add_insecure_port("127.0.0.1:0")
    await other.start()
    async with carrier_to(port) as carrier:
        with pytest.raises(SignalingError, match="speaks gRPC, but is no signaling server"):
            await enter(carrier)
    await other.stop(None)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "is at its limit: too many"),
        (grpc.StatusCode.UNAVAILABLE, "lost signaling server .*: too many"),
        (grpc.StatusCode.CANCELLED, "cancelled the call"),
    ],
)
async def test_refusal_becomes_an_error_in_words(
    server: CunicuServer, code: grpc.StatusCode, words: str
) -> None:
    server.refusal = (code, "too many")
    async with carrier_to(server.port) as carrier:
        with pytest.raises(SignalingError, match=words):
            await enter(carrier)
        with pytest.raises(SignalingError, match=words):
            await carrier.publish(sealed(ALICE, BOB.public))


async def test_server_that_does_not_take_an_envelope_in_time_is_told(server: CunicuServer) -> None:
    server.holds = asyncio.Event()
    async with carrier_to(server.port, patience=0.1) as carrier:
        with pytest.raises(SignalingError, match="did not answer in time"):
            await carrier.publish(sealed(ALICE, BOB.public))
    server.holds.set()


async def test_cancelling_who_publishes_cancels_it(server: CunicuServer) -> None:
    server.holds = asyncio.Event()
    async with carrier_to(server.port) as carrier:
        publishing = asyncio.create_task(carrier.publish(sealed(ALICE, BOB.public)))
        await server.wait_for_published(1)
        publishing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await publishing


async def test_closing_tells_who_publishes(server: CunicuServer) -> None:
    server.holds = asyncio.Event()
    async with carrier_to(server.port) as carrier:
        publishing = asyncio.create_task(carrier.publish(sealed(ALICE, BOB.public)))
        await server.wait_for_published(1)
        await carrier.aclose()
        with pytest.raises(SignalingError, match="cancelled the call"):
            await publishing


# How many took it


@pytest.mark.parametrize(
    ("metadata", "count"),
    [((), None), ((("x-warren-delivered", "3"),), 3), ((("x-warren-delivered", "many"),), None)],
)
async def test_count_of_a_server_of_ours_is_returned(
    server: CunicuServer, metadata: tuple[tuple[str, str], ...], count: int | None
) -> None:
    server.trailing = metadata
    async with carrier_to(server.port) as carrier:
        assert await carrier.publish(sealed(ALICE, BOB.public)) == count


# Connections


async def test_all_subscriptions_share_one_connection(server: CunicuServer) -> None:
    async with (
        carrier_to(server.port) as carrier,
        carrier.subscribe(Identity(BOB)),
        carrier.subscribe(Identity(CAROL)),
    ):
        assert len(set(server.peers)) == 1


async def test_connection_is_given_up_with_its_last_subscription(server: CunicuServer) -> None:
    async with carrier_to(server.port) as carrier:
        async with carrier.subscribe(Identity(CAROL)):
            await enter(carrier)
            await enter(carrier)
        await enter(carrier)
    assert len(set(server.peers)) == 2


async def test_envelope_on_its_way_is_not_lost_with_the_last_subscription(server: CunicuServer) -> None:
    server.holds = asyncio.Event()
    async with carrier_to(server.port) as carrier:
        async with carrier.subscribe(Identity(BOB)):
            publishing = asyncio.create_task(carrier.publish(sealed(ALICE, BOB.public)))
            await server.wait_for_published(1)
        server.holds.set()
        assert await publishing is None


async def test_publishing_finds_a_server_that_came_back_without_waiting(server: CunicuServer) -> None:
    async with carrier_to(server.port) as carrier:
        await carrier.publish(sealed(ALICE, BOB.public))
        await server.stop()
        for _ in range(2):
            with pytest.raises(SignalingError):
                await carrier.publish(sealed(ALICE, BOB.public))
        await server.start()
        await carrier.publish(sealed(ALICE, BOB.public))


async def test_server_that_accepts_and_is_silent_is_not_waited_for_for_ever() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with carrier_to(silent.getsockname()[1], patience=0.2) as carrier:
            with pytest.raises(SignalingError, match="did not confirm"):
                await enter(carrier)


# Staying subscribed


def ignore(pair: PublicKeyPair, message: Message) -> None:
    """Do nothing with a message."""


@asynccontextmanager
async def subscribed(
    url: str, told: list[SubscriptionChanged], timing: Timing
) -> AsyncIterator[CarrierBackend]:
    backend = connect(url, timing=timing)
    assert isinstance(backend, CarrierBackend)
    backend.watch(told.append)
    await backend.subscribe(ANYONE_TO_BOB, ignore)
    try:
        yield backend
    finally:
        await backend.aclose()


async def test_server_that_was_killed_and_comes_back_is_subscribed_again(server: CunicuServer) -> None:
    told: list[SubscriptionChanged] = []
    async with subscribed(server.url, told, Timing()) as backend:
        await backend.wait_live(BOB.public, 5.0)
        await server.stop()
        await until(lambda: len(told) == 2)
        await server.start()
        began = asyncio.get_running_loop().time()
        await backend.wait_live(BOB.public, 5.0)
        assert asyncio.get_running_loop().time() - began < 5.0
    assert [change.live for change in told] == [True, False, True]
    assert "grpc://127.0.0.1" in told[1].reason


async def test_server_that_comes_later_than_we_do_is_found(server: CunicuServer) -> None:
    await server.stop()
    told: list[SubscriptionChanged] = []
    async with subscribed(server.url, told, Timing()) as backend:
        with pytest.raises(SignalingError, match='is "warren signal" running there'):
            await backend.wait_live(BOB.public, 0.3)
        await server.start()
        await backend.wait_live(BOB.public, 5.0)


async def test_stream_that_ends_cleanly_is_opened_again(server: CunicuServer) -> None:
    told: list[SubscriptionChanged] = []
    async with subscribed(server.url, told, Timing()) as backend:
        await backend.wait_live(BOB.public, 5.0)
        server.end_streams()
        await server.wait_for_subscriptions(0)
        await server.wait_for_subscriptions(1)
    assert server.subscribed == 2


async def test_probes_of_a_healthy_stream_come_back(server: CunicuServer) -> None:
    told: list[SubscriptionChanged] = []
    async with subscribed(server.url, told, Timing(quiet=0.05)) as backend:
        await backend.wait_live(BOB.public, 5.0)
        await server.wait_for_published(3)
        assert [change.live for change in told] == [True]


async def test_deaf_stream_is_found_by_the_probe_and_replaced(server: CunicuServer) -> None:
    server.deaf = True
    told: list[SubscriptionChanged] = []
    async with subscribed(server.url, told, Timing(quiet=0.1, answer=0.2)):
        await until(lambda: [change.live for change in told[:3]] == [True, False, True])
    assert "deaf" in told[1].reason
    assert len(set(server.peers)) == server.subscribed, "a deaf connection was used again"


async def test_messages_pass_between_two_backends(server: CunicuServer) -> None:
    heard: list[Message] = []
    alice = connect(server.url)
    bob = connect(server.url)
    got = asyncio.Event()

    def hear(pair: PublicKeyPair, message: Message) -> None:
        heard.append(message)
        got.set()

    await bob.subscribe(ANYONE_TO_BOB, hear)
    await bob.wait_live(BOB.public, 5.0)
    await alice.publish(KeyPair(ALICE, BOB.public), hello())
    async with asyncio.timeout(5.0):
        await got.wait()
    assert heard == [hello()]
    await alice.aclose()
    await bob.aclose()


async def test_what_the_carrier_drops_is_counted_in_the_backend(server: CunicuServer) -> None:
    told: list[SubscriptionChanged] = []
    async with subscribed(server.url, told, Timing()) as backend:
        await backend.wait_live(BOB.public, 5.0)
        server.send_all(b"\xff")
        server.send_all(b"")
        await until(lambda: len(told) == 2)
        assert backend.drops == {"envelope-malformed": 1}
