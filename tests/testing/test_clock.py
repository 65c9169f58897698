"""Virtual time: jumps to the next timer, keeps order, says when nothing can happen any more."""

import asyncio
import time
from itertools import pairwise

import pytest

from warren.testing.clock import Deadlock, VirtualLoop, run


def test_hours_pass_in_no_time() -> None:
    async def sleep() -> float:
        await asyncio.sleep(3600.0)
        return asyncio.get_running_loop().time()

    began = time.monotonic()
    assert run(sleep(), start=100.0) == 3700.0
    assert time.monotonic() - began < 60.0


def test_clock_stands_at_exactly_the_time_of_the_timer() -> None:
    seen: list[float] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for delay in (0.3, 0.1, 0.2):
            loop.call_at(delay, lambda: seen.append(loop.time()))
        await asyncio.sleep(1.0)

    run(main())
    assert seen == [0.1, 0.2, 0.3]


def test_timers_of_one_moment_run_in_the_order_they_were_set() -> None:
    seen: list[int] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for number in range(100):
            loop.call_at(1.0, seen.append, number)
        await asyncio.sleep(2.0)

    run(main())
    assert seen == list(range(100))


def test_clock_stands_still_while_something_is_ready() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        loop.call_later(0.001, lambda: None)
        for _ in range(1000):
            await asyncio.sleep(0)
        return loop.time()

    assert run(main()) == 0.0


def test_cancelled_timer_neither_runs_nor_moves_the_clock() -> None:
    loop = VirtualLoop()
    seen: list[float] = []
    moments: list[float] = []

    async def main() -> None:
        loop.before_jump = lambda: moments.append(loop.time())
        timer = loop.call_later(1.0, seen.append, 1.0)
        loop.call_later(2.0, timer.cancel)
        early = loop.call_later(0.5, seen.append, 0.5)
        early.cancel()
        await asyncio.sleep(3.0)

    run(main(), loop=loop)
    assert seen == [1.0]
    assert moments == [0.0, 1.0, 2.0]


def test_timer_set_in_the_past_runs_now() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        loop.call_at(1.0, future.set_result, None)
        await future
        return loop.time()

    assert run(main(), start=5.0) == 5.0


def test_waiting_for_what_cannot_come_is_an_error_that_names_the_waiter() -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        await asyncio.create_task(never(), name="the-waiter")

    with pytest.raises(Deadlock, match="the-waiter"):
        run(main())


def test_what_still_runs_at_the_end_is_cancelled() -> None:
    ended: list[str] = []

    async def background() -> None:
        try:
            await asyncio.sleep(1000.0)
        finally:
            ended.append("background")

    async def main() -> None:
        task = asyncio.create_task(background())
        await asyncio.sleep(1.0)
        assert not task.done()

    run(main())
    assert ended == ["background"]


def test_leap_makes_timers_late() -> None:
    loop = VirtualLoop()
    seen: list[tuple[str, float]] = []

    async def main() -> None:
        loop.call_later(1.0, lambda: seen.append(("first", loop.time())))
        loop.call_later(2.0, lambda: seen.append(("second", loop.time())))
        loop.leap(30.0)
        await asyncio.sleep(0.5)

    run(main(), loop=loop)
    assert seen == [("first", 30.0), ("second", 30.0)]


def test_clock_cannot_leap_back() -> None:
    loop = VirtualLoop()
    with pytest.raises(ValueError, match="cannot go back"):
        loop.leap(-1.0)
    loop.close()


def test_threads_are_refused() -> None:
    async def main() -> None:
        await asyncio.to_thread(print)

    with pytest.raises(RuntimeError, match="no threads"):
        run(main())


def test_timers_and_tasks_left_can_be_listed() -> None:
    loop = VirtualLoop()

    async def main() -> None:
        task = asyncio.create_task(asyncio.sleep(7.0), name="sleeper")
        await asyncio.sleep(0)
        loop.call_later(3.0, print).cancel()
        assert [timer.when() for timer in loop.timers()] == [7.0]
        assert task in loop.tasks()
        await task
        assert loop.timers() == []
        assert task not in loop.tasks()

    run(main(), loop=loop)


def test_timeouts_of_asyncio_work() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(10.0):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert run(main()) == 10.0


def test_callback_scheduled_as_from_another_thread_runs() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        loop.call_soon_threadsafe(future.set_result, None)
        await future

    run(main())


def test_same_program_gives_the_same_moments() -> None:
    def moments() -> list[float]:
        seen: list[float] = []

        async def walker(step: float) -> None:
            for _ in range(5):
                await asyncio.sleep(step)
                seen.append(asyncio.get_running_loop().time())

        async def main() -> None:
            await asyncio.gather(*(walker(step) for step in (0.3, 0.7, 0.1)))

        run(main())
        return seen

    first = moments()
    assert first == moments()
    assert all(a <= b for a, b in pairwise(first))
