"""Several backends at once: publish to all, receive from all, and let no dead one cost anything."""

import asyncio
import os
from collections import Counter
from collections.abc import Sequence

from warren.envelope import Envelope
from warren.errors import SignalingError
from warren.messages import BackendType
from warren.sansio import Dice, RandomBytes
from warren.signaling.backend import CarrierBackend, Line
from warren.signaling.subscription import Timing

__all__ = ["MultiBackend"]

MAX_WAITING = 256


class MultiBackend(CarrierBackend):
    """One backend over several carriers: each own key stays subscribed at each of them, on its own.

    A message is sealed once, so that a copy that comes by another way is known by its nonce and dropped.
    """

    def __init__(
        self,
        lines: Sequence[Line],
        *,
        random_bytes: RandomBytes = os.urandom,
        dice: Dice | None = None,
        timing: Timing | None = None,
    ) -> None:
        super().__init__(lines[0].carrier, random_bytes=random_bytes, dice=dice, timing=timing)
        self._lines = tuple(lines)
        self._waiting: Counter[str] = Counter()

    @property
    def type(self) -> BackendType:
        """MULTI."""
        return BackendType.MULTI

    async def _send(self, envelope: Envelope) -> int | None:
        """Send on all lines at the same time; return when the first has taken it, the others go on.

        How many took it is known only when all have said so, or one that it was somebody.
        """
        tasks = [self._spawn(self._send_on(line, envelope)) for line in self._lines]
        while not any(_took(task) for task in tasks):
            waiting = [task for task in tasks if not task.done()]
            if not waiting:
                errors = "; ".join(_trouble(task) for task in tasks)
                raise SignalingError(f"no signaling backend took the envelope: {errors}")
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        counts = [task.result() for task in tasks if _took(task)]
        count = sum(count or 0 for count in counts)
        return count if count or (None not in counts and all(task.done() for task in tasks)) else None

    async def _send_on(self, line: Line, envelope: Envelope) -> int | None:
        if self._waiting[line.name] >= MAX_WAITING:
            raise SignalingError(f"{line.name} has not yet taken the {MAX_WAITING} envelopes before this one")
        self._waiting[line.name] += 1
        try:
            return await self._hand_to(line, envelope)
        finally:
            self._waiting[line.name] -= 1


def _took(task: asyncio.Task[int | None]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


def _trouble(task: asyncio.Task[int | None]) -> str:
    return "closed meanwhile" if task.cancelled() else str(task.exception())
