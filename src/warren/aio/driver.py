"""The driver: the only place where a machine meets the event loop."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from warren.sansio import Machine

__all__ = ["Driver"]

Output = TypeVar("Output")


class Driver(Generic[Output]):
    """Performs the outputs of one machine and keeps one timer for it.

    Whoever gives the machine an input calls `settle` right after, in the same turn of the loop.
    """

    __slots__ = ("_arming", "_closed", "_due", "_loop", "_machine", "_perform", "_timer")

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

    def settle(self) -> None:
        """Perform everything that the machine has put out; its timer is set once a turn, at the end."""
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
        if due == self._due or self._closed:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._due = due
        self._timer = None if due is None else self._loop.call_at(due, self._tick)

    def _tick(self) -> None:
        # A loop may wake a clock's resolution early; the machine must see its deadline reached.
        due, self._due, self._timer = self._due, None, None
        assert due is not None
        self._machine.tick(max(due, self._loop.time()))
        self.settle()
