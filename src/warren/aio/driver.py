"""The driver: the only place where a machine meets the event loop."""

import asyncio
import math
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from warren.sansio import Machine

__all__ = ["LATE", "Driver"]

LATE: Final = 0.05
"""Seconds after its time from which on a tick waits until what has arrived is read."""

FULL: Final = 256
"""Who has heard less in two turns of the loop has heard all: a socket reads so much in one (`udp.BURST`)."""

MAX_READINGS: Final = 22
"""Twice so many turns read a full buffer of the kernel: 4 MiB, or 11,000 of the smallest datagrams."""

LONGEST_READING: Final = 3.0
"""Seconds after which a tick waits no longer, where each turn takes long: consent must end in time."""

Output = TypeVar("Output")


class Driver(Generic[Output]):
    """Performs the outputs of one machine and keeps one timer for it.

    Whoever gives the machine an input calls `settle` right after, in the same turn of the loop.

    Where the loop was held up, by a handler that blocks or by a machine that is too busy, what has arrived in
    the meantime is given to the machine before the time that has passed: else it would miss answers that lie
    in the kernel's buffers.
    """

    __slots__ = (
        "_arming",
        "_closed",
        "_due",
        "_loop",
        "_machine",
        "_perform",
        "_read_at",
        "_readings",
        "_timer",
        "heard",
    )

    def __init__(
        self, machine: Machine[Output], perform: Callable[[Output], None], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._machine = machine
        self._perform = perform
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._due: float | None = None
        self._arming = False
        self._closed = False
        self._readings = 0
        self._read_at = -math.inf
        self.heard = 0
        """Counts what has arrived; raise it where `settle` is not called for each: more may lie behind."""

    def settle(self) -> None:
        """Perform everything that the machine has put out; its timer is set once a turn, at the end."""
        self.heard += 1
        machine, perform = self._machine, self._perform
        while outputs := machine.outputs():  # What is performed may be an input again.
            for output in outputs:
                perform(output)
        if not self._arming:
            # Of hundreds of packets that are read at once, hardly one moves the deadline.
            self._arming = True
            self._loop.call_soon(self._arm)

    def close(self) -> None:
        """Drop the timer; from now on nothing is run by it."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        self._arming = False
        due = self._machine.deadline
        if due == self._due or self._readings or self._closed:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._due = due
        self._timer = None if due is None else self._loop.call_at(due, self._tick)

    def _tick(self) -> None:
        due, self._timer = self._due, None
        assert due is not None
        # A loop may wake a clock's resolution early; the machine must see its deadline reached.
        now = max(due, self._loop.time())
        if now < due + LATE or due <= self._read_at:
            self._run(now)
        else:
            self._read_at = now
            self._read_on()

    def _read_on(self) -> None:
        """Let the loop read, once more."""
        self._readings += 1
        self.heard = 0
        # In two turns it polls before `_see`, whether it polls before or after what is due soon.
        self._loop.call_soon(self._loop.call_soon, self._see)

    def _see(self) -> None:
        """Run what is due if all is read that had arrived when it was found late."""
        now = self._loop.time()
        more = self.heard >= FULL and self._readings < MAX_READINGS
        if more and now < self._read_at + LONGEST_READING:
            self._read_on()
        elif not self._closed:
            self._readings = 0
            self._run(now)

    def _run(self, now: float) -> None:
        self._due = None
        self._machine.tick(now)
        self.settle()
