"""Relays that signaling servers give: asked for again before what they gave expires."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from warren.errors import SignalingError
from warren.keys import PublicKey
from warren.messages import RelayInfo
from warren.signaling.backend import Backend, SubscriptionChanged
from warren.signaling.subscription import GAP

__all__ = ["keep_relays"]

MARGIN: Final = 300.0
"""So long before they expire credentials are renewed."""
SHORTEST: Final = 60.0
LONGEST: Final = 1200.0
"""A server of ours gives credentials for half an hour at least, so a wrong clock here does no harm."""


async def keep_relays(
    backend: Backend,
    ours: PublicKey,
    changed: Callable[[tuple[RelayInfo, ...]], None],
    *,
    clock: Callable[[], float] = time.time,
) -> None:
    """Tell of the TURN servers that are to be used, as soon as it is known and whenever others are.

    Asks when our subscription becomes live, and before credentials expire. What could not be renewed
    stays as it was told; where the first attempt fails there are none for now. Runs until cancelled.

    Args:
        changed: gets all of them, each time.
        clock: seconds since 1970.
    """
    told: tuple[RelayInfo, ...] | None = None
    live = asyncio.Event()

    def watcher(change: SubscriptionChanged) -> None:
        if change.key == ours and change.live and change.reason != GAP:
            live.set()

    unwatch = backend.watch(watcher)
    try:
        await backend.wait_live(ours)
        while True:
            live.clear()
            try:
                found = await backend.relays(ours)
                delay = _delay(found, clock())
            except SignalingError:
                found, delay = told or (), SHORTEST
            if found != told:
                told = found
                changed(found)
            with suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await live.wait()
    finally:
        unwatch()


def _delay(relays: tuple[RelayInfo, ...], now: float) -> float:
    ends = [relay.expires - now - MARGIN for relay in relays if relay.expires]
    return max(SHORTEST, min([LONGEST, *ends]))
