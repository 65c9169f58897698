"""Watching the machine; what needs a network of its own is in tests/netns/test_moves.py."""

import asyncio
import socket
import sys

import pytest

from warren.aio import watch
from warren.testing.clock import VirtualLoop, run


def test_a_leap_of_the_clock_is_told_as_a_sleep() -> None:
    loop = VirtualLoop()
    slept: list[float] = []

    async def main() -> None:
        end = watch.watch_clock(loop, slept.append)
        await asyncio.sleep(10.0)
        loop.leap(60.0)
        await asyncio.sleep(10.0)
        end()

    run(main(), loop=loop)
    assert slept == pytest.approx([60.0], abs=watch.TICK)
    assert loop.timers() == []


def test_a_clock_that_is_a_little_late_is_no_sleep() -> None:
    loop = VirtualLoop()
    slept: list[float] = []

    async def main() -> None:
        end = watch.watch_clock(loop, slept.append)
        await asyncio.sleep(10.0)
        loop.leap(2.0)
        await asyncio.sleep(10.0)
        end()

    run(main(), loop=loop)
    assert slept == []


def test_sleep_that_the_loop_did_not_notice_is_told_by_the_clock_that_runs_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = VirtualLoop()
    slept: list[float] = []
    asleep = 0.0
    monkeypatch.setattr(watch, "_clock_that_runs_on", lambda: loop.time() + asleep)

    async def main() -> None:
        nonlocal asleep
        end = watch.watch_clock(loop, slept.append)
        await asyncio.sleep(10.0)
        asleep = 3600.0
        await asyncio.sleep(10.0)
        end()

    run(main(), loop=loop)
    assert slept == [3600.0]


def test_where_the_kernel_tells_nothing_addresses_are_looked_at_every_few_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def forbidden(*args: object) -> socket.socket:
        raise PermissionError("no netlink in this sandbox")

    monkeypatch.setattr(watch, "_watch_netlink", forbidden)
    loop = VirtualLoop()
    times: list[float] = []

    async def main() -> None:
        end = watch.watch_links(loop, lambda: times.append(loop.time()))
        await asyncio.sleep(2.5 * watch.POLL)
        end()

    run(main(), loop=loop)
    assert times == [watch.POLL, 2 * watch.POLL]
    assert loop.timers() == []


@pytest.mark.skipif(sys.platform != "linux", reason="netlink is Linux's")
async def test_ending_the_watch_frees_its_socket() -> None:
    loop = asyncio.get_running_loop()
    end = watch.watch_links(loop, lambda: None)
    end()
    end()
