"""Backlog: envelopes on their way to one slow reader, bounded; where some are dropped, a gap says so."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from warren.envelope import Envelope
from warren.errors import SignalingError
from warren.signaling.carrier import Gap, Received

__all__ = ["MAX_BYTES", "MAX_ENVELOPES", "Backlog"]

MAX_ENVELOPES = 64
MAX_BYTES = 256 * 1024


class Backlog(AsyncIterator[Received]):
    """One subscription's queue: the writer never waits, the oldest go first, a `Gap` in their place.

    It has one reader. Once ended, what is left is still read.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[Envelope, int]] = deque()
        self._size = 0
        self._gap = False
        self._reason: str | None = None
        self._changed = asyncio.Event()

    def put(self, envelope: Envelope, size: int) -> None:
        """Add an envelope of so many bytes."""
        self._waiting.append((envelope, size))
        self._size += size
        while len(self._waiting) > MAX_ENVELOPES or self._size > MAX_BYTES:
            self._size -= self._waiting.popleft()[1]
            self._gap = True
        self._changed.set()

    def lose(self) -> None:
        """Something was lost before it came here: a `Gap` says so."""
        self._gap = True
        self._changed.set()

    def end(self, reason: str) -> None:
        """Add no more: the reader gets what is there, then SignalingError with the reason."""
        self._reason = reason
        self._changed.set()

    async def __anext__(self) -> Received:
        while True:
            if self._gap:
                self._gap = False
                return Gap()
            if self._waiting:
                envelope, size = self._waiting.popleft()
                self._size -= size
                return envelope
            if self._reason is not None:
                raise SignalingError(self._reason)
            self._changed.clear()
            await self._changed.wait()
