import asyncio

import pytest

from tests.signaling.people import ALICE, BOB, sealed
from warren.errors import SignalingError
from warren.signaling.backlog import MAX_BYTES, MAX_ENVELOPES, Backlog
from warren.signaling.carrier import Gap, Received

ENVELOPES = [sealed(BOB, ALICE.public) for _ in range(MAX_ENVELOPES + 2)]


async def everything(backlog: Backlog) -> list[Received]:
    """Read what is there, up to the end."""
    backlog.end("over")
    items: list[Received] = []
    try:
        async for item in backlog:
            items.append(item)
    except SignalingError:
        return items
    raise AssertionError("it ended without a reason")


async def test_envelopes_come_in_order() -> None:
    backlog = Backlog()
    for envelope in ENVELOPES[:3]:
        backlog.put(envelope, 100)
    assert await everything(backlog) == ENVELOPES[:3]


async def test_reader_waits_for_the_first_envelope() -> None:
    backlog = Backlog()
    reading = asyncio.ensure_future(anext(backlog))
    await asyncio.sleep(0)
    backlog.put(ENVELOPES[0], 100)
    assert await reading == ENVELOPES[0]


async def test_where_the_oldest_were_dropped_a_gap_comes_first() -> None:
    backlog = Backlog()
    for envelope in ENVELOPES:
        backlog.put(envelope, 100)
    assert await everything(backlog) == [Gap(), *ENVELOPES[2:]]


async def test_several_drops_are_one_gap_and_later_ones_another() -> None:
    backlog = Backlog()
    for envelope in ENVELOPES:
        backlog.put(envelope, 100)
    items = [await anext(backlog), await anext(backlog)]
    for envelope in ENVELOPES[:2]:
        backlog.put(envelope, 100)
    items += await everything(backlog)
    assert items == [Gap(), ENVELOPES[2], Gap(), *ENVELOPES[4:], *ENVELOPES[:2]]


async def test_what_was_lost_before_it_came_is_a_gap_too() -> None:
    backlog = Backlog()
    backlog.lose()
    assert await anext(backlog) == Gap()


async def test_bytes_are_bounded_too() -> None:
    backlog = Backlog()
    for envelope in ENVELOPES[:5]:
        backlog.put(envelope, MAX_BYTES // 4)
    assert await everything(backlog) == [Gap(), *ENVELOPES[1:5]]


async def test_what_was_read_no_longer_counts() -> None:
    backlog = Backlog()
    for envelope in ENVELOPES[:4]:
        backlog.put(envelope, MAX_BYTES // 2)
        assert await anext(backlog) == envelope
    assert await everything(backlog) == []


async def test_end_comes_with_its_reason_and_stays() -> None:
    backlog = Backlog()
    backlog.end("the server is gone")
    for _ in range(2):
        with pytest.raises(SignalingError, match="the server is gone"):
            await anext(backlog)
