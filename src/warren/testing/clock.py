"""An event loop on virtual time: nothing waits, every run is the same."""

import asyncio
import heapq
from asyncio.base_events import BaseEventLoop
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, TypeVar, TypeVarTuple

__all__ = ["Deadlock", "VirtualLoop", "run"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Deadlock(RuntimeError):
    """Something is awaited that nothing can bring about: no callback is ready and no timer is set."""


class VirtualLoop(BaseEventLoop):
    """An asyncio event loop whose clock jumps to the next timer as soon as nothing is ready.

    It has no sockets, threads or signals. Timers that are due at the same moment run in the order in which
    they were set, so a run depends on nothing but what runs in it.
    """

    # What `BaseEventLoop` keeps and `run_forever` works on.
    _ready: deque[asyncio.Handle]
    _scheduled: list["_Timer"]

    def __init__(self, start: float = 0.0) -> None:
        super().__init__()
        self._now = start
        self._sequence = 0
        self.jumps = 0
        """How often the clock has jumped: the number of distinct moments at which something happened."""
        self.before_jump: Callable[[], None] | None = None
        """Called when nothing is ready any more, just before the clock moves."""

    def time(self) -> float:
        """Say the virtual time in seconds."""
        return self._now

    def leap(self, seconds: float) -> None:
        """Let the clock jump ahead as on a machine that slept: what became due runs late, all at once."""
        if seconds < 0:
            raise ValueError(f"a monotonic clock cannot go back by {-seconds} s")
        self._now += seconds

    def timers(self) -> list[asyncio.TimerHandle]:
        """List the timers that are set and not cancelled, in order of their time."""
        return sorted(timer for timer in self._scheduled if not timer.cancelled())

    def tasks(self) -> list[asyncio.Task[Any]]:
        """List the tasks that are not done, by name."""
        return sorted(asyncio.all_tasks(self), key=asyncio.Task.get_name)

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Schedule a callback for a moment of virtual time."""
        self._check_closed()  # type: ignore[attr-defined]  # of BaseEventLoop; typeshed leaves private names out
        self._sequence += 1
        timer = _Timer(when, self._sequence, callback, args, self, context)
        heapq.heappush(self._scheduled, timer)
        return timer

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Schedule a callback; there is one thread only, so nothing has to be woken."""
        return self.call_soon(callback, *args, context=context)

    def run_in_executor(self, executor: object, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """Refuse: a thread would bring real time in.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError(f"no threads in virtual time: {func!r} was to run in one")

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Do nothing: there is no executor."""

    def _run_once(self) -> None:
        ready, scheduled = self._ready, self._scheduled
        while scheduled and scheduled[0].cancelled():
            heapq.heappop(scheduled)
        if not ready:
            if self.before_jump is not None:
                self.before_jump()
            if not scheduled:
                raise Deadlock(self._deadlock())
            if scheduled[0].when() > self._now:
                self._now = scheduled[0].when()
                self.jumps += 1
        while scheduled and scheduled[0].when() <= self._now:
            timer = heapq.heappop(scheduled)
            if not timer.cancelled():
                ready.append(timer)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle.cancelled():
                handle._run()

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Leave the timer in the heap until it comes up."""

    def _process_events(self, event_list: Any) -> None:
        """Do nothing: there are no files to watch."""

    def _write_to_self(self) -> None:
        """Do nothing: nobody sleeps."""

    def _deadlock(self) -> str:
        waiting = []
        for task in self.tasks():
            frames = task.get_stack(limit=1)
            place = f"{frames[0].f_code.co_filename}:{frames[0].f_lineno}" if frames else "its end"
            waiting.append(f"{task.get_name()} ({task.get_coro()!r}) at {place}")
        who = "; ".join(waiting) or "no task"
        return f"at {self._now:.6f} s nothing is ready and no timer is set; waiting: {who}"


class _Timer(asyncio.TimerHandle):
    """A timer that comes after those set before it for the same moment."""

    __slots__ = ("order",)

    def __init__(
        self,
        when: float,
        sequence: int,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        loop: asyncio.AbstractEventLoop,
        context: Context | None,
    ) -> None:
        super().__init__(when, callback, args, loop, context)
        self.order = (when, sequence)

    def __lt__(self, other: Any) -> bool:
        return self.order < other.order  # type: ignore[no-any-return]  # only timers of this loop are compared


def run(main: Coroutine[Any, Any, T], *, start: float = 0.0, loop: VirtualLoop | None = None) -> T:
    """Run a coroutine to its end on virtual time, as `asyncio.run` does on real time, and close the loop.

    Args:
        main: what to run.
        start: the time at which the clock begins, in seconds.
        loop: the loop to use; a new one by default.

    Raises:
        Deadlock: the coroutine waits for something that cannot come; the text says which tasks wait where.
        RuntimeError: called from within a running loop.
    """
    loop = loop or VirtualLoop(start)
    try:
        return loop.run_until_complete(main)
    finally:
        try:
            loop.before_jump = None
            _cancel_all(loop)
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()


def _cancel_all(loop: VirtualLoop) -> None:
    tasks = loop.tasks()
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
