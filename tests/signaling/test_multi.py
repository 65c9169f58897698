import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.signaling.people import ALICE, BOB, ScriptedCarrier, hello
from tests.signaling.virtual import on_virtual_time
from warren.errors import SignalingError
from warren.keys import KeyPair, PublicKeyPair
from warren.messages import BackendType, Message
from warren.signaling import multi as multi_module
from warren.signaling.backend import CarrierBackend, Line, SubscriptionChanged
from warren.signaling.inprocess import InProcessCarrier, World
from warren.signaling.multi import MultiBackend

TO_BOB = KeyPair(ALICE, BOB.public)
ANYONE_TO_BOB = KeyPair(BOB, None)
SOON = 0.01


def ignore(pair: PublicKeyPair, message: Message) -> None:
    """Do nothing with a message."""


@asynccontextmanager
async def scripted(count: int = 2) -> AsyncIterator[tuple[MultiBackend, list[ScriptedCarrier]]]:
    carriers = [ScriptedCarrier() for _ in range(count)]
    lines = [Line(carrier, name) for carrier, name in zip(carriers, "abcdef", strict=False)]
    backend = MultiBackend(lines, dice=random.Random(1))
    try:
        yield backend, carriers
    finally:
        await backend.aclose()
        assert asyncio.all_tasks() == {asyncio.current_task()}, "a task is left over"


@on_virtual_time
async def test_type_is_multi() -> None:
    async with scripted() as (backend, _):
        assert backend.type is BackendType.MULTI


@on_virtual_time
async def test_same_envelope_goes_to_all_at_the_same_time() -> None:
    async with scripted() as (backend, carriers):
        carriers[0].hangs = carriers[1].hangs = True
        publishing = asyncio.create_task(backend.publish(TO_BOB, hello()))
        await asyncio.sleep(SOON)
        assert carriers[0].published == carriers[1].published != []
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)


@on_virtual_time
async def test_one_that_hangs_costs_no_time() -> None:
    async with scripted() as (backend, carriers):
        carriers[0].hangs = True
        await backend.publish(TO_BOB, hello())
        assert asyncio.get_running_loop().time() == 0.0


@on_virtual_time
async def test_one_that_fails_costs_nothing() -> None:
    async with scripted() as (backend, carriers):
        carriers[0].publish_error = SignalingError("connection refused")
        await backend.publish(TO_BOB, hello())


@on_virtual_time
async def test_one_that_fails_later_than_the_other_succeeds_is_no_trouble(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with scripted() as (backend, carriers):
        carriers[0].hangs = True
        await backend.publish(TO_BOB, hello())
        await asyncio.sleep(11.0)
        assert caplog.records == []


@on_virtual_time
async def test_where_all_fail_the_error_names_each_reason() -> None:
    async with scripted() as (backend, carriers):
        carriers[0].publish_error = SignalingError("a: connection refused")
        carriers[1].hangs = True
        with pytest.raises(SignalingError) as caught:
            await backend.publish(TO_BOB, hello())
        assert str(caught.value) == (
            "no signaling backend took the envelope: a: connection refused; "
            "b did not take an envelope within 10 s"
        )


@on_virtual_time
async def test_closing_ends_what_is_being_published() -> None:
    async with scripted() as (backend, carriers):
        carriers[0].hangs = carriers[1].hangs = True
        publishing = asyncio.create_task(backend.publish(TO_BOB, hello()))
        await asyncio.sleep(SOON)
        await backend.aclose()
        with pytest.raises(SignalingError, match="closed meanwhile; closed meanwhile"):
            await publishing


@pytest.mark.parametrize(
    ("there", "hangs", "count"),
    [((0, 0), False, 0), ((1, 0), False, 1), ((1, 2), False, 3), ((0, 0), True, None), ((2, 0), True, 2)],
)
@on_virtual_time
async def test_how_many_took_it_is_told_where_it_is_known(
    there: tuple[int, int], hangs: bool, count: int | None
) -> None:
    worlds = [World(), World()]
    carriers = [InProcessCarrier(world) for world in worlds]
    lines = [Line(carriers[0], "a"), Line(carriers[1], "b")]
    if hangs:
        dead = ScriptedCarrier()
        dead.hangs = True
        lines.append(Line(dead, "c"))
    backend = MultiBackend(lines)
    others = []
    for world, number in zip(worlds, there, strict=True):
        for _ in range(number):
            other = CarrierBackend(InProcessCarrier(world))
            others.append(other)
            await other.subscribe(ANYONE_TO_BOB, ignore)
            await other.wait_live(BOB.public, 1.0)
    assert await backend.publish(TO_BOB, hello()) == count
    for one in (backend, *others):
        await one.aclose()


@on_virtual_time
async def test_line_that_takes_nothing_does_not_pile_up_envelopes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multi_module, "MAX_WAITING", 3)
    async with scripted() as (backend, carriers):
        carriers[0].hangs = True
        for _ in range(10):
            await backend.publish(TO_BOB, hello())
        await asyncio.sleep(SOON)
        assert (len(carriers[0].published), len(carriers[1].published)) == (3, 10)


@on_virtual_time
async def test_copy_that_comes_by_another_way_is_dropped() -> None:
    worlds = [World(), World()]
    alice, bob = (
        MultiBackend([Line(InProcessCarrier(world), name) for world, name in zip(worlds, "ab", strict=True)])
        for _ in range(2)
    )
    heard: list[Message] = []
    await bob.subscribe(ANYONE_TO_BOB, lambda pair, message: heard.append(message))
    await asyncio.sleep(SOON)
    await alice.publish(TO_BOB, hello("one"))
    await alice.publish(TO_BOB, hello("two"))
    await asyncio.sleep(SOON)
    assert heard == [hello("one"), hello("two")]
    assert bob.drops == {"envelope-repeated": 2}
    await alice.aclose()
    await bob.aclose()


@on_virtual_time
async def test_each_backend_stays_subscribed_on_its_own() -> None:
    async with scripted() as (backend, carriers):
        told: list[SubscriptionChanged] = []
        backend.watch(told.append)
        carriers[0].refusal = SignalingError("connection refused")
        await backend.subscribe(ANYONE_TO_BOB, ignore)
        await backend.wait_live(BOB.public, 1.0)
        await asyncio.sleep(10.0)
        carriers[0].refusal = None
        await asyncio.sleep(4.0)
        assert [(change.backend, change.live) for change in told] == [("a", False), ("b", True), ("a", True)]


@on_virtual_time
async def test_live_is_what_has_one_live_subscription() -> None:
    async with scripted() as (backend, carriers):
        await backend.subscribe(ANYONE_TO_BOB, ignore)
        await backend.wait_live(BOB.public, 1.0)
        for carrier in carriers:
            carrier.refusal = SignalingError("connection refused")
        carriers[0].break_off()
        await asyncio.sleep(SOON)
        await backend.wait_live(BOB.public, 0.0)
        carriers[1].break_off()
        await asyncio.sleep(SOON)
        with pytest.raises(SignalingError, match="broken off; broken off"):
            await backend.wait_live(BOB.public, 0.1)


@on_virtual_time
async def test_unsubscribing_leaves_all() -> None:
    async with scripted(3) as (backend, carriers):
        await backend.subscribe(ANYONE_TO_BOB, ignore)
        await asyncio.sleep(SOON)
        assert await backend.unsubscribe(ANYONE_TO_BOB, ignore)
        assert [carrier.left for carrier in carriers] == [1, 1, 1]
