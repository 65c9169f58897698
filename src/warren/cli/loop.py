"""The event loop of a command: made, ended by signals in good order, and left without a trace."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

__all__ = ["run"]

T = TypeVar("T")

SIGNALS: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


def run(work: Coroutine[Any, Any, T], *, precise: bool = False) -> T:
    """Run to the end; what a task group wraps is raised as it was.

    Args:
        precise: use asyncio's own loop, whose clock counts nanoseconds; uvloop's counts milliseconds.

    Raises:
        KeyboardInterrupt: Ctrl-C, SIGTERM or SIGHUP ended the work; all its contexts have been left.
    """
    try:
        with asyncio.Runner(loop_factory=None if precise else _fastest()) as runner:
            return runner.run(_interruptible(work))
    except asyncio.CancelledError:  # Only a signal cancels the whole work.
        raise KeyboardInterrupt from None
    except BaseExceptionGroup as group:
        raise _first(group) from None


async def _interruptible(work: Coroutine[Any, Any, T]) -> T:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None

    def interrupted() -> None:
        for number in SIGNALS:
            loop.remove_signal_handler(number)  # A second one does not wait for good order.
        task.cancel()

    try:
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # As `nohup` wants it.
                loop.add_signal_handler(number, interrupted)
    except NotImplementedError:  # Windows: the runner itself takes care of Ctrl-C.
        pass
    return await work


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Find what made a task group cancel the rest."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _fastest() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ModuleNotFoundError:  # The extra `speed` is not installed.
        return None
    return uvloop.new_event_loop
