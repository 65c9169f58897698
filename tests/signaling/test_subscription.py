import asyncio
import random
from itertools import pairwise
from typing import Self

import pytest

from tests.signaling.people import ALICE, BOB, ScriptedCarrier, sealed
from tests.signaling.virtual import on_virtual_time
from warren.envelope import Envelope
from warren.errors import SignalingError
from warren.signaling.carrier import Gap, Identity
from warren.signaling.subscription import GAP, NUDGED, Subscription, Timing

LIVE = (True, "subscribed")
SOON = 0.01


class Stage:
    """A subscription of Alice's that runs, and what it told; an async context manager."""

    def __init__(self, carrier: ScriptedCarrier | None = None, *, seed: int = 1) -> None:
        self.carrier = carrier or ScriptedCarrier()
        self.received: list[Envelope] = []
        self.told: list[tuple[bool, str]] = []
        self.told_at: list[float] = []
        self.subscription = Subscription(
            self.carrier,
            Identity(ALICE),
            received=self.received.append,
            changed=self._changed,
            probe=lambda: sealed(ALICE, ALICE.public),
            dice=random.Random(seed),
            timing=Timing(),
        )

    async def __aenter__(self) -> Self:
        self.task = asyncio.create_task(self.subscription.run())
        await asyncio.sleep(SOON)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        assert self.carrier.streams == []
        assert asyncio.all_tasks() == {asyncio.current_task()}, "a task is left over"

    def _changed(self, live: bool, reason: str) -> None:
        self.told.append((live, reason))
        self.told_at.append(asyncio.get_running_loop().time())


def refusing(reason: str = "connection refused") -> ScriptedCarrier:
    carrier = ScriptedCarrier()
    carrier.refusal = SignalingError(reason)
    return carrier


# Entering, reading, leaving


@on_virtual_time
async def test_it_is_live_once_entered() -> None:
    async with Stage() as stage:
        assert stage.told == [LIVE]
        assert stage.subscription.live


@on_virtual_time
async def test_envelopes_are_passed_on() -> None:
    async with Stage() as stage:
        envelope = sealed(BOB, ALICE.public)
        stage.carrier.streams[0].put(envelope)
        await asyncio.sleep(SOON)
        assert stage.received == [envelope]


@on_virtual_time
async def test_cancelling_it_leaves_the_carrier() -> None:
    async with Stage() as stage:
        pass
    assert stage.carrier.left == 1
    assert not stage.subscription.live


@on_virtual_time
async def test_cancelling_it_while_it_waits_ends_it() -> None:
    async with Stage(refusing()) as stage:
        pass
    assert stage.task.cancelled()


# Coming back


@on_virtual_time
async def test_stream_that_breaks_is_entered_again_within_half_a_second() -> None:
    async with Stage() as stage:
        await asyncio.sleep(5.0)
        stage.carrier.break_off("the server is gone")
        await asyncio.sleep(0.5)
        assert stage.told == [LIVE, (False, "the server is gone"), LIVE]


@on_virtual_time
async def test_stream_that_ends_cleanly_is_entered_again_too() -> None:
    async with Stage() as stage:
        stage.carrier.streams[0].put(None)
        await asyncio.sleep(1.0)
        assert stage.told == [LIVE, (False, "the subscription ended"), LIVE]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ZeroDivisionError("by zero"), "ZeroDivisionError: by zero"),
        (asyncio.CancelledError(), "the carrier cancelled the subscription"),
    ],
)
@on_virtual_time
async def test_whatever_a_carrier_raises_it_is_entered_again(error: BaseException, reason: str) -> None:
    async with Stage() as stage:
        stage.carrier.streams[0].put(error)
        await asyncio.sleep(1.0)
        assert stage.told == [LIVE, (False, reason), LIVE]


@pytest.mark.parametrize("seed", range(20))
@on_virtual_time
async def test_it_tries_again_and_again_at_most_four_seconds_apart(seed: int) -> None:
    async with Stage(refusing(), seed=seed) as stage:
        await asyncio.sleep(60.0)
        times = stage.carrier.entered_at
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert waits[0] <= 0.5
    assert max(waits) <= 4.0 + 1e-9
    assert sum(waits[-5:]) > 5 * 2.0, "it does not back off"


@on_virtual_time
async def test_two_subscriptions_do_not_try_at_the_same_time() -> None:
    async with Stage(refusing(), seed=1) as one:
        await asyncio.sleep(5.0)
        stages = [one.carrier.entered_at]
    began = asyncio.get_running_loop().time()
    async with Stage(refusing(), seed=2) as other:
        await asyncio.sleep(5.0)
        stages.append([time - began for time in other.carrier.entered_at])
    assert stages[0][1:] != stages[1][1:]


@on_virtual_time
async def test_same_failure_again_is_told_once() -> None:
    async with Stage(refusing()) as stage:
        await asyncio.sleep(30.0)
        assert stage.told == [(False, "connection refused")]
        stage.carrier.refusal = SignalingError("name not known")
        await asyncio.sleep(4.0)
        assert stage.told == [(False, "connection refused"), (False, "name not known")]
        assert stage.subscription.reason == "name not known"


@on_virtual_time
async def test_entering_that_takes_too_long_is_given_up() -> None:
    carrier = ScriptedCarrier()
    carrier.hangs = True
    async with Stage(carrier) as stage:
        await asyncio.sleep(10.0)
        assert stage.told == [(False, "not subscribed within 10 s")]
        carrier.hangs = False
        await asyncio.sleep(0.5)
        assert stage.told[1:] == [LIVE]


@on_virtual_time
async def test_after_a_steady_time_the_backoff_begins_anew() -> None:
    async with Stage(refusing()) as stage:
        await asyncio.sleep(30.0)
        stage.carrier.refusal = None
        await asyncio.sleep(6.0)
        stage.carrier.break_off()
        await asyncio.sleep(0.5)
        assert stage.subscription.live


@on_virtual_time
async def test_server_that_throws_us_out_at_once_is_asked_less_and_less() -> None:
    class Ejecting(ScriptedCarrier):
        async def eject(self) -> None:
            while True:
                await asyncio.sleep(SOON)
                self.break_off()

    carrier = Ejecting()
    ejecting = asyncio.create_task(carrier.eject())
    async with Stage(carrier):
        await asyncio.sleep(60.0)
        ejecting.cancel()
        await asyncio.gather(ejecting, return_exceptions=True)
    assert len(carrier.entered_at) < 30


# Alive and deaf


@on_virtual_time
async def test_after_60_quiet_seconds_it_sends_itself_an_envelope() -> None:
    async with Stage() as stage:
        await asyncio.sleep(59.0)
        assert stage.carrier.published == []
        await asyncio.sleep(2.0)
        [probe] = stage.carrier.published
        assert (probe.sender, probe.recipient) == (ALICE.public, ALICE.public)


@on_virtual_time
async def test_probe_that_comes_back_is_passed_to_nobody_and_changes_nothing() -> None:
    async with Stage() as stage:
        await asyncio.sleep(600.0)
        assert len(stage.carrier.published) == 10
        assert (stage.received, stage.told) == ([], [LIVE])


@on_virtual_time
async def test_who_hears_something_sends_no_probe() -> None:
    async with Stage() as stage:
        for _ in range(10):
            await asyncio.sleep(59.0)
            stage.carrier.streams[0].put(sealed(BOB, ALICE.public))
        assert stage.carrier.published == []


@on_virtual_time
async def test_deaf_stream_is_left_after_70_seconds_and_entered_again() -> None:
    async with Stage() as stage:
        stage.carrier.deaf = True
        await asyncio.sleep(69.0)
        assert stage.told == [LIVE]
        await asyncio.sleep(1.5)
        reason = "the subscription is deaf: our own probe did not come back within 10 s"
        assert stage.told == [LIVE, (False, reason), LIVE]
        assert stage.carrier.left == 1


@on_virtual_time
async def test_anything_heard_while_the_probe_is_out_will_do() -> None:
    async with Stage() as stage:
        stage.carrier.deaf = True
        await asyncio.sleep(65.0)
        stage.carrier.streams[0].put(sealed(BOB, ALICE.public))
        await asyncio.sleep(10.0)
        assert stage.told == [LIVE]


@on_virtual_time
async def test_probe_that_cannot_be_sent_is_told_with_the_reason() -> None:
    async with Stage() as stage:
        stage.carrier.publish_error = SignalingError("connection refused")
        await asyncio.sleep(71.0)
        assert stage.told[1] == (
            False,
            "the subscription is deaf: our own probe did not come back within 10 s "
            "(it could not be sent: connection refused)",
        )


@on_virtual_time
async def test_publishing_that_hangs_does_not_hide_that_something_was_heard() -> None:
    async with Stage() as stage:
        stage.carrier.hangs = True
        await asyncio.sleep(61.0)
        stage.carrier.streams[0].put(sealed(BOB, ALICE.public))
        await asyncio.sleep(10.0)
        assert stage.told == [LIVE]


@on_virtual_time
async def test_another_envelope_from_our_own_key_is_passed_on() -> None:
    async with Stage() as stage:
        of_our_group = sealed(ALICE, ALICE.public)
        stage.carrier.streams[0].put(of_our_group)
        await asyncio.sleep(SOON)
        assert stage.received == [of_our_group]


# Gaps


@on_virtual_time
async def test_gap_is_told_as_such() -> None:
    async with Stage() as stage:
        stage.carrier.streams[0].put(Gap())
        await asyncio.sleep(SOON)
        assert stage.told == [LIVE, (True, GAP)]


@on_virtual_time
async def test_many_gaps_are_told_once_a_second_and_the_last_is_not_forgotten() -> None:
    async with Stage() as stage:
        for _ in range(150):
            stage.carrier.streams[0].put(Gap())
            await asyncio.sleep(0.01)
        await asyncio.sleep(5.0)
        gaps = [time for time, told in zip(stage.told_at, stage.told, strict=True) if told == (True, GAP)]
        assert gaps == pytest.approx([0.01, 1.01, 2.01])


@on_virtual_time
async def test_gap_that_was_still_to_be_told_is_forgotten_with_the_stream() -> None:
    async with Stage() as stage:
        stage.carrier.streams[0].put(Gap())
        stage.carrier.streams[0].put(Gap())
        stage.carrier.streams[0].put(None)
        stage.carrier.refusal = SignalingError("connection refused")
        await asyncio.sleep(5.0)
        assert stage.told[:3] == [LIVE, (True, GAP), (False, "the subscription ended")]
        assert (True, GAP) not in stage.told[2:]


# Nudging


@on_virtual_time
async def test_nudge_tries_at_once_where_it_waited() -> None:
    async with Stage(refusing()) as stage:
        await asyncio.sleep(30.0)
        await asyncio.sleep(0.3)
        stage.carrier.refusal = None
        stage.subscription.nudge()
        await asyncio.sleep(SOON)
        assert stage.subscription.live


@on_virtual_time
async def test_nudge_gives_up_an_attempt_that_hangs_and_tries_anew_without_a_word() -> None:
    carrier = ScriptedCarrier()
    carrier.hangs = True
    async with Stage(carrier) as stage:
        await asyncio.sleep(1.0)
        carrier.hangs = False
        stage.subscription.nudge()
        await asyncio.sleep(SOON)
        assert stage.told == [LIVE]


@on_virtual_time
async def test_nudge_leaves_a_live_stream_and_enters_anew_at_once() -> None:
    async with Stage() as stage:
        stage.carrier.deaf = True
        stage.subscription.nudge()
        await asyncio.sleep(SOON)
        assert stage.told == [LIVE, (False, NUDGED), LIVE]
        assert len(stage.carrier.streams) == 1


@on_virtual_time
async def test_nudge_in_the_midst_of_a_probe_does_not_wait_for_its_answer() -> None:
    async with Stage() as stage:
        stage.carrier.deaf = True
        await asyncio.sleep(65.0)
        stage.subscription.nudge()
        await asyncio.sleep(SOON)
        assert stage.told == [LIVE, (False, NUDGED), LIVE]


@on_virtual_time
async def test_two_nudges_at_once_do_no_harm() -> None:
    carrier = ScriptedCarrier()
    carrier.hangs = True
    async with Stage(carrier) as stage:
        stage.subscription.nudge()
        await asyncio.sleep(0)
        stage.subscription.nudge()
        carrier.hangs = False
        await asyncio.sleep(1.0)
        assert stage.told == [LIVE]
