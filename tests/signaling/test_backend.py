import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.signaling.people import ALICE, BOB, CAROL, ScriptedCarrier, hello, private, sealed
from tests.signaling.virtual import on_virtual_time
from warren.errors import SignalingError
from warren.keys import KeyPair, PublicKey, PublicKeyPair
from warren.messages import BackendType, Candidate, CandidateType, Message, NetworkType, SessionDescription
from warren.signaling import backend as backend_module
from warren.signaling.backend import Backend, CarrierBackend, SubscriptionChanged
from warren.signaling.inprocess import InProcessCarrier, World

TO_BOB = KeyPair(ALICE, BOB.public)
TO_ALICE = KeyPair(BOB, ALICE.public)
ANYONE_TO_BOB = KeyPair(BOB, None)
SOON = 0.01


class Ear:
    """A handler that remembers."""

    def __init__(self) -> None:
        self.heard: list[tuple[PublicKeyPair, Message]] = []

    def __call__(self, pair: PublicKeyPair, message: Message) -> None:
        self.heard.append((pair, message))


@asynccontextmanager
async def scripted() -> AsyncIterator[tuple[CarrierBackend, ScriptedCarrier]]:
    carrier = ScriptedCarrier()
    backend = CarrierBackend(carrier, name="stage", dice=random.Random(1))
    try:
        yield backend, carrier
    finally:
        await backend.aclose()
        assert asyncio.all_tasks() == {asyncio.current_task()}, "a task is left over"


@asynccontextmanager
async def pair() -> AsyncIterator[tuple[CarrierBackend, CarrierBackend]]:
    world = World()
    one, other = CarrierBackend(InProcessCarrier(world)), CarrierBackend(InProcessCarrier(world))
    try:
        yield one, other
    finally:
        await one.aclose()
        await other.aclose()


# Messages from key to key


@on_virtual_time
async def test_message_reaches_the_handler_of_its_recipient() -> None:
    async with pair() as (alice, bob):
        ear = Ear()
        await bob.subscribe(TO_ALICE, ear)
        await bob.wait_live(BOB.public, 1.0)
        assert await alice.publish(TO_BOB, hello()) == 1
        await asyncio.sleep(SOON)
        assert ear.heard == [(PublicKeyPair(BOB.public, ALICE.public), hello())]


@on_virtual_time
async def test_publishing_to_nobody_is_no_error() -> None:
    async with pair() as (alice, _):
        assert await alice.publish(TO_BOB, hello()) == 0


@on_virtual_time
async def test_publishing_to_anyone_is_a_mistake_of_ours() -> None:
    async with pair() as (alice, _):
        with pytest.raises(ValueError, match="needs a recipient"):
            await alice.publish(KeyPair(ALICE, None), hello())


@on_virtual_time
async def test_each_backend_that_subscribes_to_a_key_gets_each_message() -> None:
    async with pair() as (one, other):
        ears = [Ear(), Ear()]
        for backend, ear in zip((one, other), ears, strict=True):
            await backend.subscribe(ANYONE_TO_BOB, ear)
            await backend.wait_live(BOB.public, 1.0)
        assert await one.publish(TO_BOB, hello()) == 2
        await asyncio.sleep(SOON)
        assert [len(ear.heard) for ear in ears] == [1, 1]


@on_virtual_time
async def test_one_backend_serves_several_own_keys() -> None:
    async with pair() as (alice, bob):
        ears = {BOB.public: Ear(), CAROL.public: Ear()}
        for key in (BOB, CAROL):
            await bob.subscribe(KeyPair(key, None), ears[key.public])
            await bob.wait_live(key.public, 1.0)
        await alice.publish(TO_BOB, hello("bob"))
        await alice.publish(KeyPair(ALICE, CAROL.public), hello("carol"))
        await asyncio.sleep(SOON)
        assert [message for _, message in ears[BOB.public].heard] == [hello("bob")]
        assert [message for _, message in ears[CAROL.public].heard] == [hello("carol")]


@on_virtual_time
async def test_admit_is_asked_for_every_sender() -> None:
    async with pair() as (alice, bob):
        asked: list[PublicKey] = []

        def admit(sender: PublicKey) -> bool:
            asked.append(sender)
            return sender == CAROL.public

        ear = Ear()
        await bob.subscribe(ANYONE_TO_BOB, ear, admit=admit)
        await bob.wait_live(BOB.public, 1.0)
        await alice.publish(TO_BOB, hello())
        await alice.publish(KeyPair(CAROL, BOB.public), hello("carol"))
        await asyncio.sleep(SOON)
        assert asked == [ALICE.public, CAROL.public]
        assert [message for _, message in ear.heard] == [hello("carol")]
        assert bob.drops == {"sender-not-allowed": 1}


@on_virtual_time
async def test_our_own_ciphertext_does_not_come_back_as_the_peers() -> None:
    async with scripted() as (alice, carrier):
        ear = Ear()
        await alice.subscribe(TO_BOB, ear)
        await asyncio.sleep(SOON)
        carrier.deaf = True
        await alice.publish(TO_BOB, hello())
        [ours] = carrier.published
        carrier.streams[0].put(type(ours)(BOB.public, ALICE.public, ours.body, ours.nonce))
        await asyncio.sleep(SOON)
        assert (ear.heard, alice.drops) == ([], {"envelope-repeated": 1})


# First and last


@on_virtual_time
async def test_first_and_last_are_told_for_each_own_key() -> None:
    async with scripted() as (backend, _):
        one, other = Ear(), Ear()
        assert await backend.subscribe(TO_BOB, one)
        assert not await backend.subscribe(KeyPair(ALICE, None), other)
        assert await backend.subscribe(ANYONE_TO_BOB, one)
        assert not await backend.unsubscribe(TO_BOB, one)
        assert await backend.unsubscribe(KeyPair(ALICE, None), other)
        assert await backend.unsubscribe(ANYONE_TO_BOB, one)


@on_virtual_time
async def test_same_handler_again_is_neither_first_nor_one_more() -> None:
    async with scripted() as (backend, _):
        ear = Ear()
        assert await backend.subscribe(TO_BOB, ear)
        assert not await backend.subscribe(TO_BOB, ear)
        assert await backend.unsubscribe(TO_BOB, ear)


@on_virtual_time
async def test_one_subscription_at_the_carrier_serves_all_handlers_of_a_key() -> None:
    async with scripted() as (backend, carrier):
        await backend.subscribe(TO_BOB, Ear())
        await backend.subscribe(KeyPair(ALICE, CAROL.public), Ear())
        await asyncio.sleep(SOON)
        assert len(carrier.streams) == 1


@on_virtual_time
async def test_unsubscribing_the_last_leaves_the_carrier_before_it_returns() -> None:
    async with scripted() as (backend, carrier):
        ear = Ear()
        await backend.subscribe(TO_BOB, ear)
        await asyncio.sleep(SOON)
        await backend.unsubscribe(TO_BOB, ear)
        assert (carrier.left, carrier.streams) == (1, [])


@on_virtual_time
async def test_unsubscribing_what_is_not_subscribed_does_nothing() -> None:
    async with scripted() as (backend, carrier):
        assert not await backend.unsubscribe(TO_BOB, Ear())
        await backend.subscribe(TO_BOB, Ear())
        assert not await backend.unsubscribe(TO_BOB, Ear())
        await asyncio.sleep(SOON)
        assert len(carrier.streams) == 1


@on_virtual_time
async def test_subscribing_again_after_the_last_is_first_again() -> None:
    async with scripted() as (backend, carrier):
        ear = Ear()
        await backend.subscribe(TO_BOB, ear)
        await backend.unsubscribe(TO_BOB, ear)
        assert await backend.subscribe(TO_BOB, ear)
        await backend.wait_live(ALICE.public, 1.0)
        carrier.streams[0].put(sealed(BOB, ALICE.public))
        await asyncio.sleep(SOON)
        assert len(ear.heard) == 1


# Live and lost


@on_virtual_time
async def test_subscribing_returns_at_once_while_the_server_is_down() -> None:
    async with scripted() as (backend, carrier):
        carrier.refusal = SignalingError("connection refused")
        assert await backend.subscribe(TO_BOB, Ear())
        with pytest.raises(SignalingError, match="not subscribed within 30 s: connection refused"):
            await backend.wait_live(ALICE.public, 30.0)
        carrier.refusal = None
        await backend.wait_live(ALICE.public)
        assert len(carrier.streams) == 1


@on_virtual_time
async def test_waiting_for_a_server_that_says_nothing_tells_so() -> None:
    async with scripted() as (backend, carrier):
        carrier.hangs = True
        await backend.subscribe(TO_BOB, Ear())
        with pytest.raises(SignalingError, match="not subscribed within 5 s: no answer yet"):
            await backend.wait_live(ALICE.public, 5.0)


@on_virtual_time
async def test_waiting_for_a_key_that_nobody_subscribed_is_a_mistake_of_ours() -> None:
    async with scripted() as (backend, _):
        with pytest.raises(ValueError, match="nobody has subscribed"):
            await backend.wait_live(ALICE.public, 5.0)


@on_virtual_time
async def test_waiting_begins_anew_when_the_subscription_is_lost() -> None:
    async with scripted() as (backend, carrier):
        await backend.subscribe(TO_BOB, Ear())
        await backend.wait_live(ALICE.public, 1.0)
        carrier.refusal = SignalingError("connection refused")
        carrier.break_off()
        await asyncio.sleep(SOON)
        with pytest.raises(SignalingError):
            await backend.wait_live(ALICE.public, 10.0)


@on_virtual_time
async def test_watcher_is_told_of_every_change_with_key_and_backend() -> None:
    async with scripted() as (backend, carrier):
        told: list[SubscriptionChanged] = []
        backend.watch(told.append)
        await backend.subscribe(TO_BOB, Ear())
        await asyncio.sleep(SOON)
        carrier.break_off("the server is gone")
        await asyncio.sleep(1.0)
        assert told == [
            SubscriptionChanged(ALICE.public, True, "subscribed", "stage"),
            SubscriptionChanged(ALICE.public, False, "the server is gone", "stage"),
            SubscriptionChanged(ALICE.public, True, "subscribed", "stage"),
        ]


@on_virtual_time
async def test_watcher_that_was_taken_away_is_told_nothing_while_the_other_is() -> None:
    async with scripted() as (backend, _):
        told: list[SubscriptionChanged] = []
        unwatch = backend.watch(told.append)
        backend.watch(told.append)
        unwatch()
        unwatch()
        await backend.subscribe(TO_BOB, Ear())
        await asyncio.sleep(SOON)
        assert len(told) == 1


@on_virtual_time
async def test_watcher_that_raises_hurts_no_other(caplog: pytest.LogCaptureFixture) -> None:
    async with scripted() as (backend, _):
        told: list[SubscriptionChanged] = []

        def fail(change: SubscriptionChanged) -> None:
            raise RuntimeError("out of order")

        backend.watch(fail)
        backend.watch(told.append)
        await backend.subscribe(TO_BOB, Ear())
        await asyncio.sleep(SOON)
        assert len(told) == 1
        assert [record.message for record in caplog.records] == ["a watcher of subscriptions failed"]


@on_virtual_time
async def test_nudge_reaches_every_subscription() -> None:
    async with scripted() as (backend, _):
        await backend.subscribe(TO_BOB, Ear())
        await backend.subscribe(ANYONE_TO_BOB, Ear())
        told: list[SubscriptionChanged] = []
        backend.watch(told.append)
        await asyncio.sleep(SOON)
        backend.nudge()
        await asyncio.sleep(SOON)
        assert Counter(change.key for change in told if change.live) == {ALICE.public: 2, BOB.public: 2}


@on_virtual_time
async def test_probe_is_no_message_and_no_drop() -> None:
    async with scripted() as (backend, carrier):
        ear = Ear()
        await backend.subscribe(KeyPair(ALICE, None), ear)
        await asyncio.sleep(200.0)
        assert len(carrier.published) == 3
        assert (ear.heard, backend.drops) == ([], {})


# What carriers do


@on_virtual_time
async def test_error_of_the_carrier_comes_out_as_it_is() -> None:
    async with scripted() as (backend, carrier):
        carrier.publish_error = SignalingError("connection refused")
        with pytest.raises(SignalingError, match=r"^connection refused$"):
            await backend.publish(TO_BOB, hello())


@on_virtual_time
async def test_any_other_error_of_a_carrier_becomes_a_signaling_error() -> None:
    async with scripted() as (backend, carrier):
        carrier.publish_error = ZeroDivisionError("by zero")
        with pytest.raises(SignalingError, match="stage failed: ZeroDivisionError: by zero"):
            await backend.publish(TO_BOB, hello())


@on_virtual_time
async def test_publishing_that_hangs_is_given_up_after_ten_seconds() -> None:
    async with scripted() as (backend, carrier):
        carrier.hangs = True
        with pytest.raises(SignalingError, match="stage did not take an envelope within 10 s"):
            await backend.publish(TO_BOB, hello())
        assert asyncio.get_running_loop().time() == pytest.approx(10.0)


@on_virtual_time
async def test_message_too_large_for_the_carrier_is_refused_with_the_numbers() -> None:
    async with scripted() as (backend, carrier):
        carrier.max_envelope = 300
        with pytest.raises(SignalingError, match=r"stage takes 300 bytes at most; this message needs \d+"):
            await backend.publish(TO_BOB, hello())
        assert carrier.published == []


@on_virtual_time
async def test_message_too_large_for_an_envelope_is_refused() -> None:
    candidate = Candidate(
        type=CandidateType.HOST, network=NetworkType.UDP4, address="192.0.2.1", port=1, foundation="f" * 32
    )
    session = SessionDescription(
        sender=ALICE.public, recipient=BOB.public, session_id=1, candidates=(candidate,) * 400
    )
    async with scripted() as (backend, _):
        with pytest.raises(SignalingError, match="the message cannot be sealed"):
            await backend.publish(TO_BOB, Message(session=session))


@on_virtual_time
async def test_what_a_carrier_drops_is_counted_too() -> None:
    async with scripted() as (backend, carrier):
        carrier.drops = Counter({"envelope-malformed": 2})  # type: ignore[attr-defined]  # optional there
        await backend.subscribe(TO_BOB, Ear())
        await asyncio.sleep(SOON)
        carrier.streams[0].put(sealed(CAROL, ALICE.public))
        await asyncio.sleep(SOON)
        assert backend.drops == {"envelope-malformed": 2, "sender-not-allowed": 1}


def test_type_and_name_are_the_carriers() -> None:
    backend: Backend = CarrierBackend(ScriptedCarrier())
    assert backend.type is BackendType.INPROCESS


@on_virtual_time
async def test_sealers_of_many_keys_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend_module, "MAX_SEALERS", 2)
    async with pair() as (many, bob):
        ear = Ear()
        await bob.subscribe(ANYONE_TO_BOB, ear)
        await bob.wait_live(BOB.public, 1.0)
        for number in (10, 11, 12, 10):
            await many.publish(KeyPair(private(number), BOB.public), hello())
        await asyncio.sleep(SOON)
        assert len(ear.heard) == 4


# Closing


@on_virtual_time
async def test_closing_leaves_everything_and_closes_the_carrier() -> None:
    async with scripted() as (backend, carrier):
        await backend.subscribe(TO_BOB, Ear())
        await asyncio.sleep(SOON)
        await backend.aclose()
        assert (carrier.left, carrier.closed) == (1, True)


@on_virtual_time
async def test_closing_twice_does_nothing() -> None:
    async with scripted() as (backend, _):
        await backend.aclose()
        await backend.aclose()


@on_virtual_time
async def test_closed_backend_takes_nothing_more() -> None:
    async with scripted() as (backend, _):
        await backend.aclose()
        with pytest.raises(SignalingError, match="closed"):
            await backend.publish(TO_BOB, hello())
        with pytest.raises(SignalingError, match="closed"):
            await backend.subscribe(TO_BOB, Ear())
        assert not await backend.unsubscribe(TO_BOB, Ear())


@on_virtual_time
async def test_carrier_that_fails_to_close_is_told(caplog: pytest.LogCaptureFixture) -> None:
    class Stuck(ScriptedCarrier):
        async def aclose(self) -> None:
            raise OSError("jammed")

    backend = CarrierBackend(Stuck(), name="stage")
    await backend.aclose()
    assert [record.message for record in caplog.records] == ["closing stage failed"]


class BrokenDice(random.Random):
    """Dice that fail."""

    def uniform(self, a: float, b: float) -> float:
        raise RuntimeError("out of order")


@on_virtual_time
async def test_failure_of_our_own_in_the_background_is_told(caplog: pytest.LogCaptureFixture) -> None:
    carrier = ScriptedCarrier()
    carrier.refusal = SignalingError("connection refused")
    backend = CarrierBackend(carrier, dice=BrokenDice())
    await backend.subscribe(TO_BOB, Ear())
    await asyncio.sleep(SOON)
    assert [record.message for record in caplog.records] == ["a task of signaling failed"]
    await backend.aclose()
