"""Watching the machine: addresses and links that come and go, and sleep that nobody told of."""

import asyncio
import contextlib
import socket
import sys
import time
from collections.abc import Callable
from typing import Final

__all__ = ["Changed", "Unwatch", "watch_clock", "watch_links"]

Changed = Callable[[], None]
Unwatch = Callable[[], None]

POLL: Final = 5.0
"""Seconds between two looks at the addresses where the system does not tell of changes."""

TICK: Final = 1.0
SLEPT: Final = 3.0
"""Seconds by which a clock must be off until we say that the machine slept."""

# include/uapi/linux/rtnetlink.h: RTMGRP_LINK, and of IPv4 and IPv6 RTMGRP_…_IFADDR and RTMGRP_…_ROUTE.
_GROUPS: Final = 0x1 | 0x10 | 0x40 | 0x100 | 0x400


def watch_links(loop: asyncio.AbstractEventLoop, changed: Changed) -> Unwatch:
    """Call `changed` whenever an address, a link or a route may have changed; the returned function ends it.

    On Linux the kernel tells (rtnetlink); what it says is not read, since whoever is told looks at everything
    anew. Elsewhere `changed` is called every five seconds.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # A sandbox may forbid it.
            return _watch_netlink(loop, changed)
    return _repeat(loop, POLL, changed)


def _watch_netlink(loop: asyncio.AbstractEventLoop, changed: Changed) -> Unwatch:
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    try:
        sock.setblocking(False)
        sock.bind((0, _GROUPS))
    except BaseException:
        sock.close()
        raise

    def readable() -> None:
        try:
            while sock.recv(65536):
                pass
        except BlockingIOError:
            pass
        except OSError:
            pass  # ENOBUFS: more has changed than the kernel could tell of.
        changed()

    def unwatch() -> None:
        if sock.fileno() >= 0:
            loop.remove_reader(sock.fileno())
            sock.close()

    loop.add_reader(sock.fileno(), readable)
    return unwatch


def watch_clock(loop: asyncio.AbstractEventLoop, slept: Callable[[float], None]) -> Unwatch:
    """Call `slept(seconds)` when the machine or this process stood still; the returned function ends it."""
    before = loop.time(), _clock_that_runs_on()

    def look() -> None:
        nonlocal before
        now = loop.time(), _clock_that_runs_on()
        passed, ran_on = now[0] - before[0], now[1] - before[1]
        before = now
        if (stood := max(passed, ran_on) - TICK) > SLEPT:
            slept(stood)

    return _repeat(loop, TICK, look)


def _clock_that_runs_on() -> float:
    """Read a clock that goes on while the machine sleeps, as the loop's need not."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.time()


def _repeat(loop: asyncio.AbstractEventLoop, interval: float, work: Callable[[], None]) -> Unwatch:
    timer = loop.call_later(interval, lambda: again())

    def again() -> None:
        nonlocal timer
        timer = loop.call_later(interval, again)
        work()

    return lambda: timer.cancel()
