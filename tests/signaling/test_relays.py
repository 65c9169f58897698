import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.signaling.people import ALICE, BOB, ScriptedCarrier
from tests.signaling.virtual import on_virtual_time
from warren.errors import SignalingError
from warren.keys import KeyPair, PublicKey, PublicKeyPair
from warren.messages import Message, RelayInfo
from warren.signaling.backend import CarrierBackend, Line
from warren.signaling.carrier import Gap
from warren.signaling.multi import MultiBackend
from warren.signaling.relays import keep_relays
from warren.signaling.subscription import Timing

EPOCH = 1_800_000_000.0


class RelayCarrier(ScriptedCarrier):
    """A carrier that knows relays, as a test tells it."""

    def __init__(self, *urls: str) -> None:
        super().__init__()
        self.urls = urls
        self.lifetime = 1800
        self.trouble: Exception | None = None
        self.silent = False
        self.asked_at: list[float] = []
        self.asked_for: list[PublicKey] = []

    async def relays(self, key: PublicKey) -> tuple[RelayInfo, ...]:
        """Give them as told; each time other credentials."""
        self.asked_at.append(asyncio.get_running_loop().time())
        self.asked_for.append(key)
        if self.silent:
            await asyncio.Event().wait()
        if self.trouble is not None:
            raise self.trouble
        expires = int(clock() + self.lifetime) if self.lifetime else 0
        return tuple(RelayInfo(url, f"{expires}:name", "secret", expires) for url in self.urls)


def clock() -> float:
    return EPOCH + asyncio.get_running_loop().time()


def ignore(pair: PublicKeyPair, message: Message) -> None:
    """Do nothing with a message."""


@asynccontextmanager
async def keeping(*carriers: ScriptedCarrier) -> AsyncIterator[list[tuple[RelayInfo, ...]]]:
    """Keep the relays of Alice's subscription at these carriers; gives what is told."""
    lines = [Line(carrier, f"carrier-{number}") for number, carrier in enumerate(carriers)]
    backend = MultiBackend(lines, dice=random.Random(1))
    told: list[tuple[RelayInfo, ...]] = []
    await backend.subscribe(KeyPair(ALICE, None), ignore)
    task = asyncio.create_task(keep_relays(backend, ALICE.public, told.append, clock=clock))
    try:
        yield told
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await backend.aclose()


def urls(told: list[tuple[RelayInfo, ...]]) -> list[list[str]]:
    return [[relay.url for relay in relays] for relays in told]


# Keeping


@on_virtual_time
async def test_relays_are_asked_for_when_the_subscription_is_live() -> None:
    carrier = RelayCarrier("turn:a")
    carrier.hangs = True
    async with keeping(carrier) as told:
        await asyncio.sleep(5)
        assert carrier.asked_at == []
        carrier.hangs = False
        await asyncio.sleep(20)
        assert urls(told) == [["turn:a"]]
        assert set(carrier.asked_for) == {ALICE.public}


@on_virtual_time
async def test_they_are_renewed_five_minutes_before_they_expire() -> None:
    carrier = RelayCarrier("turn:a")
    carrier.lifetime = 900
    async with keeping(carrier) as told:
        await asyncio.sleep(1900)
        assert [round(at) for at in carrier.asked_at] == [0, 600, 1200, 1800]
        assert len(told) == 4


@pytest.mark.parametrize("lifetime", [0, 10_000_000])
def test_they_are_renewed_every_20_minutes_at_the_latest(lifetime: int) -> None:
    @on_virtual_time
    async def check() -> None:
        carrier = RelayCarrier("turn:a")
        carrier.lifetime = lifetime
        async with keeping(carrier):
            await asyncio.sleep(2500)
            assert [round(at) for at in carrier.asked_at] == [0, 1200, 2400]

    check()


@on_virtual_time
async def test_a_clock_that_is_wrong_makes_us_ask_once_a_minute_and_no_more() -> None:
    carrier = RelayCarrier("turn:a")
    carrier.lifetime = -100_000
    async with keeping(carrier):
        await asyncio.sleep(170)
        assert [round(at) for at in carrier.asked_at] == [0, 60, 120]


@on_virtual_time
async def test_what_has_not_changed_is_told_once() -> None:
    carrier = RelayCarrier("turn:a")
    carrier.lifetime = 0
    async with keeping(carrier) as told:
        await asyncio.sleep(5000)
        assert len(told) == 1


@on_virtual_time
async def test_that_there_are_none_is_told_once() -> None:
    async with keeping(RelayCarrier()) as told:
        await asyncio.sleep(5000)
        assert told == [()]


@on_virtual_time
async def test_relays_that_are_gone_are_told() -> None:
    carrier = RelayCarrier("turn:a")
    async with keeping(carrier) as told:
        await asyncio.sleep(1)
        carrier.urls = ()
        await asyncio.sleep(1300)
        assert urls(told) == [["turn:a"], []]


@on_virtual_time
async def test_trouble_leaves_them_as_they_were() -> None:
    carrier = RelayCarrier("turn:a")
    async with keeping(carrier) as told:
        await asyncio.sleep(1)
        carrier.trouble = SignalingError("not now")
        await asyncio.sleep(5000)
        assert urls(told) == [["turn:a"]]


@on_virtual_time
async def test_trouble_at_first_means_none_for_now_and_is_tried_again_a_minute_later() -> None:
    carrier = RelayCarrier("turn:a")
    carrier.trouble = SignalingError("not now")
    async with keeping(carrier) as told:
        await asyncio.sleep(59)
        assert told == [()]
        carrier.trouble = None
        await asyncio.sleep(2)
        assert urls(told) == [[], ["turn:a"]]


@on_virtual_time
async def test_a_subscription_that_is_live_again_asks_again() -> None:
    carrier = RelayCarrier("turn:a")
    async with keeping(carrier) as told:
        await asyncio.sleep(1)
        carrier.urls = ("turn:b",)
        carrier.break_off()
        await asyncio.sleep(5)
        assert urls(told) == [["turn:a"], ["turn:b"]]


@on_virtual_time
async def test_a_gap_is_no_reason_to_ask() -> None:
    carrier = RelayCarrier("turn:a")
    async with keeping(carrier):
        await asyncio.sleep(1)
        for stream in carrier.streams:
            stream.put(Gap())
        await asyncio.sleep(5)
        assert len(carrier.asked_at) == 1


@on_virtual_time
async def test_the_subscription_of_another_key_is_no_reason_to_ask() -> None:
    carrier = RelayCarrier("turn:a")
    backend = CarrierBackend(carrier)
    await backend.subscribe(KeyPair(ALICE, None), ignore)
    task = asyncio.create_task(keep_relays(backend, ALICE.public, lambda _: None, clock=clock))
    await asyncio.sleep(1)
    await backend.subscribe(KeyPair(BOB, None), ignore)
    await asyncio.sleep(1)
    assert carrier.asked_for == [ALICE.public]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await backend.aclose()


# Several carriers


@on_virtual_time
async def test_relays_of_all_carriers_are_used_and_each_once() -> None:
    async with keeping(RelayCarrier("turn:a", "turn:b"), RelayCarrier("turn:b"), ScriptedCarrier()) as told:
        await asyncio.sleep(1)
        assert urls(told)[-1] == ["turn:a", "turn:b"]


async def all_relays(*carriers: ScriptedCarrier) -> tuple[RelayInfo, ...]:
    lines = [Line(carrier, f"carrier-{number}") for number, carrier in enumerate(carriers)]
    backend = MultiBackend(lines, timing=Timing(publish=5.0))
    try:
        return await backend.relays(ALICE.public)
    finally:
        await backend.aclose()


@on_virtual_time
async def test_one_that_fails_or_hangs_does_not_hide_what_another_gives() -> None:
    broken, hanging = RelayCarrier("turn:a"), RelayCarrier("turn:b")
    broken.trouble, hanging.silent = ZeroDivisionError("oops"), True
    (relay,) = await all_relays(broken, hanging, RelayCarrier("turn:c"))
    assert relay.url == "turn:c"


@on_virtual_time
async def test_where_all_fail_each_is_named() -> None:
    broken, hanging, refusing = (RelayCarrier("turn:a") for _ in range(3))
    broken.trouble, hanging.silent, refusing.trouble = ZeroDivisionError("oops"), True, SignalingError("no")
    with pytest.raises(SignalingError) as caught:
        await all_relays(broken, hanging, refusing, ScriptedCarrier())
    assert str(caught.value) == (
        "carrier-0 failed: ZeroDivisionError: oops; carrier-1 did not answer within 5 s; no"
    )


@on_virtual_time
async def test_carriers_that_know_no_relays_give_none() -> None:
    assert await all_relays(ScriptedCarrier()) == ()


@on_virtual_time
async def test_it_is_known_beforehand_whether_a_carrier_knows_relays() -> None:
    assert CarrierBackend(RelayCarrier()).gives_relays
    assert not CarrierBackend(ScriptedCarrier()).gives_relays


@on_virtual_time
async def test_a_closed_backend_gives_none() -> None:
    backend = CarrierBackend(RelayCarrier("turn:a"))
    await backend.aclose()
    with pytest.raises(SignalingError, match="closed"):
        await backend.relays(ALICE.public)
