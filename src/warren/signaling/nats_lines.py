"""Lines to NATS servers: one at a time, dialled when needed, shared by all, given up when it fails."""

import asyncio
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from warren.errors import SignalingError
from warren.signaling.nats_line import Line
from warren.signaling.nats_target import NatsTarget

__all__ = ["Lines"]


class Lines:
    """All share one line. One that fails, or loses the last who hears by it, is given up.

    So who subscribes again dials anew, beginning with the server after the one that failed.

    Args:
        target: the servers.
        patience: how long dialling, or an answer, may take; seconds.
        idle: after how long a silent server is asked; seconds.
    """

    def __init__(self, target: NatsTarget, *, patience: float, idle: float) -> None:
        self.max_payload = sys.maxsize
        """What the server that was dialled last takes at most, in bytes."""
        self._target = target
        self._patience = patience
        self._idle = idle
        self._servers = deque(target.servers)
        self._line: Line | None = None
        self._dialling: asyncio.Task[Line | str] | None = None
        self._lines: list[Line] = []
        self._closed = False

    @asynccontextmanager
    async def using(self) -> AsyncIterator[Line]:
        """Use the connection; dial where there is none."""
        line = await self._current()
        line.users += 1
        try:
            yield line
        finally:
            line.users -= 1
            if self._line is not line and not line.users:
                line.end("given back")

    def retire(self, line: Line) -> None:
        """Let nobody begin to use the line; it ends as soon as nobody does."""
        if self._line is line:
            self._line = None
            if line.trouble and line.server == self._servers[0]:
                self._servers.rotate(-1)

    async def aclose(self) -> None:
        """Hang up."""
        self._closed = True
        self._line = None
        if self._dialling is not None:
            self._dialling.cancel()
            await asyncio.wait([self._dialling])
        await asyncio.gather(*(line.aclose() for line in self._lines))

    async def _current(self) -> Line:
        if self._closed:
            raise SignalingError("the NATS carrier is closed")
        if (line := self._line) is not None:
            if not line.trouble:
                return line
            self.retire(line)
        if self._dialling is None or self._dialling.done():
            self._dialling = asyncio.create_task(self._dial())
        dialling = self._dialling
        # Others may wait for it too: who is cancelled here leaves it alone.
        await asyncio.wait([dialling])
        outcome = "the NATS carrier is closed" if dialling.cancelled() else dialling.result()
        if isinstance(outcome, str):
            raise SignalingError(outcome)
        return outcome

    async def _dial(self) -> Line | str:
        """Try each server once; returns why there is no line, in words."""
        troubles = []
        timeout = self._patience / len(self._servers)
        for _ in range(len(self._servers)):
            line = Line(self._servers[0], answer=self._patience, idle=self._idle)
            try:
                await line.dial(self._target, timeout=timeout)
            except SignalingError as error:
                troubles.append(str(error))
                self._servers.rotate(-1)
            else:
                self._lines = [*(other for other in self._lines if not other.closed), line]
                self._line = line
                self.max_payload = line.max_payload
                return line
        return "; ".join(troubles)
