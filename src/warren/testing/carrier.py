"""The contract of a carrier: checks that any implementation can be put to, ours and a stranger's.

A plug-in's test needs no more than this:

    @pytest.mark.parametrize("check", CARRIER_CHECKS, ids=str)
    async def test_carrier_keeps_the_contract(check: Check) -> None:
        async with a_server_of_mine() as server:
            await check(lambda: MyCarrier(server.address))

Every carrier made so must reach the same place. A check raises AssertionError with a sentence. Where there is
a server that can be killed and started again, a second set tells whether that is survived:

    @pytest.mark.parametrize("check", RESTART_CHECKS, ids=str)
    async def test_carrier_survives_a_restart(check: Check) -> None:
        async with a_server_of_mine() as server:
            await check(lambda: MyCarrier(server.address), restart=server.restart)
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from itertools import accumulate, repeat
from typing import Final

from warren.envelope import Envelope
from warren.errors import SignalingError
from warren.keys import PrivateKey, PublicKey
from warren.signaling.carrier import Carrier, Gap, Identity, Received
from warren.testing import check

__all__ = ["CARRIER_CHECKS", "RESTART_CHECKS", "Check", "OpenCarrier"]

OpenCarrier = Callable[[], Carrier]
"""Makes a new carrier to the same place as before; the check closes it."""

FLOOD = 400
RESTART_TIMEOUT = 60.0


Check = check.Check[Carrier]
_World = check.World[Carrier]

_checks: list[Check] = []
_restart_checks: list[Check] = []


def _check(work: Callable[[_World], Awaitable[None]]) -> Callable[[_World], Awaitable[None]]:
    _checks.append(Check.of(work))
    return work


# Delivery


@_check
async def _what_is_published_after_entering_arrives_unchanged(world: _World) -> None:
    receiver, sender, identity = world.open(), world.open(), _identity()
    stream = await _subscribe(world, receiver, identity)
    sent = _envelope(identity.public)
    await sender.publish(sent)
    assert await anext(stream) == sent, "another envelope came than was sent"


@_check
async def _it_serves_its_own_publisher_too(world: _World) -> None:
    carrier, identity = world.open(), _identity()
    stream = await _subscribe(world, carrier, identity)
    sent = _envelope(identity.public, sender=identity.public)
    await carrier.publish(sent)
    assert await anext(stream) == sent, "an envelope to our own key does not come back: no probe would"


@_check
async def _the_largest_envelope_arrives(world: _World) -> None:
    carrier, identity = world.open(), _identity()
    stream = await _subscribe(world, carrier, identity)
    sent = _envelope_of(carrier.max_envelope, identity.public)
    await carrier.publish(sent)
    assert await anext(stream) == sent, "an envelope of max_envelope bytes came out changed"


@_check
async def _a_larger_one_is_refused_and_does_no_harm(world: _World) -> None:
    carrier, identity = world.open(), _identity()
    stream = await _subscribe(world, carrier, identity)
    await _refused(carrier.publish(_envelope_of(carrier.max_envelope + 1, identity.public)), "too large")
    sent = _envelope(identity.public)
    await carrier.publish(sent)
    assert await anext(stream) == sent, "after a refused envelope the next one does not come"


@_check
async def _all_who_hold_a_key_get_each_envelope(world: _World) -> None:
    one, other, sender, identity = world.open(), world.open(), world.open(), _identity()
    streams = [await _subscribe(world, carrier, identity) for carrier in (one, one, other)]
    sent = _envelope(identity.public)
    count = await sender.publish(sent)
    assert count in (None, 3), f"publish says that {count} took it, of three"
    for stream in streams:
        assert await anext(stream) == sent, "one of the group got another envelope"


@_check
async def _nobody_gets_what_is_sent_to_another_key(world: _World) -> None:
    carrier, sender, identity, other = world.open(), world.open(), _identity(), _identity()
    stream = await _subscribe(world, carrier, identity)
    others = await _subscribe(world, carrier, other)
    for_other, for_us = _envelope(other.public), _envelope(identity.public)
    await sender.publish(for_other)
    await sender.publish(for_us)
    assert await anext(stream) == for_us, "an envelope for another key came"
    assert await anext(others) == for_other, "an envelope for another key came"


@_check
async def _nobody_being_there_is_no_error(world: _World) -> None:
    count = await world.open().publish(_envelope(_identity().public))
    assert count in (None, 0), f"publish says that {count} took it, where nobody is"


@_check
async def _many_publishers_at_once_are_all_heard(world: _World) -> None:
    receiver, identity = world.open(), _identity()
    stream = await _subscribe(world, receiver, identity)
    carriers = [world.open() for _ in range(4)]
    sent = [_envelope(identity.public) for _ in range(32)]
    publishing = [carriers[i % 4].publish(envelope) for i, envelope in enumerate(sent)]
    got, _ = await asyncio.gather(_collect(stream, sent), asyncio.gather(*publishing))
    assert got, "an envelope was lost without a gap to say so"


@_check
async def _who_does_not_read_holds_up_nobody_and_learns_of_the_gap(world: _World) -> None:
    carrier, sender, identity, quick = world.open(), world.open(), _identity(), _identity()
    slow_stream = await _subscribe(world, carrier, identity)
    quick_stream = await _subscribe(world, carrier, quick)
    sent = [_envelope(identity.public, size=2048) for _ in range(FLOOD)]
    for envelope in sent:
        await sender.publish(envelope)
    to_quick = _envelope(quick.public)
    await sender.publish(to_quick)
    assert await anext(quick_stream) == to_quick, "another subscription got another envelope"
    assert await _collect(slow_stream, sent), "envelopes were dropped without a gap to say so"


# Life


@_check
async def _who_has_left_is_gone(world: _World) -> None:
    carrier, sender, identity = world.open(), world.open(), _identity()
    async with carrier.subscribe(identity):
        pass
    count = await _settled(lambda: sender.publish(_envelope(identity.public)))
    assert count in (None, 0), f"publish says that {count} took it after everybody left"


@_check
async def _entering_again_works_and_brings_nothing_old(world: _World) -> None:
    carrier, sender, identity = world.open(), world.open(), _identity()
    async with carrier.subscribe(identity) as stream:
        await sender.publish(_envelope(identity.public))
        await anext(stream)
    await sender.publish(_envelope(identity.public))
    stream = await _subscribe(world, carrier, identity)
    sent = _envelope(identity.public)
    await sender.publish(sent)
    assert await anext(stream) == sent, "what was sent while nobody was there was kept"


@_check
async def _leaving_one_subscription_leaves_the_others(world: _World) -> None:
    carrier, sender, identity = world.open(), world.open(), _identity()
    stream = await _subscribe(world, carrier, identity)
    async with carrier.subscribe(identity):
        pass
    sent = _envelope(identity.public)
    await sender.publish(sent)
    assert await anext(stream) == sent, "the other subscription is no longer served"


@_check
async def _a_reader_can_be_cancelled(world: _World) -> None:
    carrier, sender, identity = world.open(), world.open(), _identity()
    live = asyncio.Event()

    async def read() -> None:
        async with carrier.subscribe(identity) as stream:
            live.set()
            await anext(stream)

    reader = asyncio.create_task(read())
    await live.wait()
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)
    assert reader.cancelled(), "a reader that is cancelled goes on"
    count = await _settled(lambda: sender.publish(_envelope(identity.public)))
    assert count in (None, 0), "a cancelled reader's subscription is still there"


@_check
async def _an_exception_inside_comes_out(world: _World) -> None:
    carrier = world.open()
    with suppress(ZeroDivisionError):
        async with carrier.subscribe(_identity()):
            raise ZeroDivisionError
        raise AssertionError("the context swallowed an exception")


@_check
async def _closing_ends_every_subscription(world: _World) -> None:
    carrier, identity = world.open(), _identity()
    stream = await _subscribe(world, carrier, identity)
    reading = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    await carrier.aclose()
    with suppress(StopAsyncIteration, SignalingError):
        got = await reading
        raise AssertionError(f"a closed carrier still yields {got}")


@_check
async def _closing_twice_does_nothing(world: _World) -> None:
    carrier = world.open()
    await carrier.aclose()
    await carrier.aclose()


@_check
async def _a_closed_carrier_refuses_with_a_signaling_error(world: _World) -> None:
    carrier = world.open()
    await carrier.aclose()
    await _refused(carrier.publish(_envelope(_identity().public)), "publishing when closed")
    await _refused(_enter(carrier, _identity()), "subscribing when closed")


# Cancellation, wherever it comes


@_check
async def _publishing_can_be_cancelled_at_any_point(world: _World) -> None:
    carrier, identity = world.open(), _identity()
    stream = await _subscribe(world, carrier, identity)
    for turns in _TURNS:
        if await _ends_before(turns, carrier.publish(_envelope(_identity().public))):
            break
    sent = _envelope(identity.public)
    await carrier.publish(sent)
    assert await anext(stream) == sent, "after a cancelled publish the next envelope does not come"


@_check
async def _entering_can_be_cancelled_at_any_point(world: _World) -> None:
    carrier, sender, identity = world.open(), world.open(), _identity()
    for turns in _TURNS:
        if await _ends_before(turns, _enter(carrier, identity)):
            break
    count = await _settled(lambda: sender.publish(_envelope(identity.public)))
    assert count in (None, 0), "a subscription whose entering was cancelled is still there"
    stream = await _subscribe(world, carrier, identity)
    sent = _envelope(identity.public)
    await sender.publish(sent)
    assert await anext(stream) == sent, "after a cancelled entering the next subscription is not served"


@_check
async def _reading_can_be_cancelled_and_gone_on_with(world: _World) -> None:
    carrier, sender, identity = world.open(), world.open(), _identity()
    stream = await _subscribe(world, carrier, identity)
    with suppress(TimeoutError, StopAsyncIteration):
        async with asyncio.timeout(0.05):
            await anext(stream)
            raise AssertionError("something comes that nobody has sent")
    sent = _envelope(identity.public)
    await sender.publish(sent)
    try:
        got = await anext(stream)
    except (StopAsyncIteration, SignalingError):
        return  # The subscription is lost, and says so: it is entered again.
    assert got == sent, "after a cancelled read another envelope comes"


@_check
async def _closing_leaves_nothing_running(world: _World) -> None:
    # A server in this process has tasks of its own, but as many after each round.
    counts = [await _live_and_count_tasks(world, None)]
    for _ in range(3):
        counts.append(await _live_and_count_tasks(world, counts[0]))
    assert counts[-1] <= counts[0], f"each carrier leaves tasks behind when it is closed: {counts}"


# Restarts


async def _who_is_subscribed_is_heard_again_after_a_restart(world: _World) -> None:
    receiver, sender, identity = world.open(), world.open(), _identity()
    async with receiver.subscribe(identity) as stream:
        sent = _envelope(identity.public)
        await sender.publish(sent)
        assert await anext(stream) == sent, "another envelope came than was sent"
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(_read_on(stream))
            await world.restart()
            publishing = group.create_task(_publish_on(sender, identity.public))
            again = await reading or await _enter_again(receiver, identity)
            publishing.cancel()
    assert again, "nothing is heard after a restart, and nothing says so"


_restart_checks.append(Check.of(_who_is_subscribed_is_heard_again_after_a_restart, timeout=RESTART_TIMEOUT))

CARRIER_CHECKS: Final[tuple[Check, ...]] = tuple(_checks)
"""All promises that need nothing but carriers, in order."""

RESTART_CHECKS: Final[tuple[Check, ...]] = tuple(_restart_checks)
"""Those for which the place is restarted: `await check(open_carrier, restart=…)`."""

_TURNS: Final = tuple(accumulate(repeat(1.5, 24), lambda turns, factor: int(turns * factor) + 1, initial=0))
"""After how many turns of the loop something is cancelled: each of the first ones, then ever fewer."""


async def _live_and_count_tasks(world: _World, wanted: int | None) -> int:
    """Use a carrier and close it; says how many tasks there are in the end, or within a second."""
    carrier, identity = world.open(), _identity()
    async with carrier.subscribe(identity) as stream:
        await carrier.publish(_envelope(identity.public))
        await anext(stream)
    await carrier.aclose()
    for _ in range(100):
        if wanted is not None and len(asyncio.all_tasks()) <= wanted:
            break
        await asyncio.sleep(0.01)
    return len(asyncio.all_tasks())


async def _ends_before(turns: int, work: Awaitable[object]) -> bool:
    """Cancel the work after so many turns of the loop; says whether it was done before."""
    task = asyncio.ensure_future(work)
    for _ in range(turns):
        if task.done():
            break
        await asyncio.sleep(0)
    task.cancel()
    [result] = await asyncio.gather(task, return_exceptions=True)
    if isinstance(result, Exception):
        raise result
    return not task.cancelled()


async def _read_on(stream: AsyncIterator[Received]) -> bool:
    """Read one more; says whether something came, or the subscription was lost."""
    try:
        await anext(stream)
    except (StopAsyncIteration, SignalingError):
        return False
    return True


async def _enter_again(carrier: Carrier, identity: Identity) -> bool:
    """Do what a subscription does that was lost; says so when something is heard."""
    while True:
        with suppress(SignalingError, StopAsyncIteration):
            async with carrier.subscribe(identity) as stream:
                await anext(stream)
                return True
        await asyncio.sleep(0.1)


async def _publish_on(carrier: Carrier, recipient: PublicKey) -> None:
    while True:
        with suppress(SignalingError):
            await carrier.publish(_envelope(recipient))
        await asyncio.sleep(0.25)


async def _subscribe(world: _World, carrier: Carrier, identity: Identity) -> AsyncIterator[Received]:
    """Enter a subscription that is left at the end of the check."""
    return await world.stack.enter_async_context(carrier.subscribe(identity))


def _identity() -> Identity:
    return Identity(PrivateKey.generate())


def _envelope(recipient: PublicKey, *, sender: PublicKey | None = None, size: int = 300) -> Envelope:
    return Envelope(sender or PrivateKey.generate().public, recipient, os.urandom(size), os.urandom(24))


def _envelope_of(size: int, recipient: PublicKey) -> Envelope:
    """Make an envelope of exactly so many bytes when serialized."""
    body = size
    while excess := len(_envelope(recipient, size=body).serialize()) - size:
        body -= excess  # Lengths are written in as few bytes as they need, so the rest varies.
    return _envelope(recipient, size=body)


async def _collect(stream: AsyncIterator[Received], sent: list[Envelope]) -> bool:
    """Read until all have come, or a gap instead; false if the stream ends before."""
    missing = {envelope.nonce for envelope in sent}
    async for item in stream:
        if isinstance(item, Gap):
            return True
        missing.discard(item.nonce)
        if not missing:
            return True
    return False


async def _settled(publish: Callable[[], Awaitable[int | None]]) -> int | None:
    """Publish until the news of a leaving has arrived: where that goes over a network, it takes a moment."""
    while True:
        count = await publish()
        if not count:
            return count
        await asyncio.sleep(0.01)


async def _enter(carrier: Carrier, identity: Identity) -> None:
    async with carrier.subscribe(identity):
        pass


async def _refused(work: Awaitable[object], what: str) -> None:
    try:
        await work
    except SignalingError:
        return
    raise AssertionError(f"no SignalingError: {what}")
