import asyncio
import time
from collections.abc import Callable, Sequence

import pytest
import uvloop

from warren.aio.driver import LATE, Driver
from warren.aio.udp import open_udp_socket
from warren.ice.transport import Address
from warren.testing import clock


class Countdown:
    """A machine that puts out the time of each tick and wants the next one `gap` later, `left` times."""

    def __init__(self, gap: float, left: int) -> None:
        self.deadline: float | None = None
        self.gap = gap
        self.left = left
        self.said: list[float] = []

    def begin(self, now: float) -> None:
        self.deadline = now + self.gap

    def tick(self, now: float) -> None:
        assert self.deadline is not None
        assert now >= self.deadline
        self.said.append(now)
        self.left -= 1
        self.deadline = now + self.gap if self.left else None

    def outputs(self) -> list[float]:
        said, self.said = self.said, []
        return said


async def test_ticks_come_at_or_after_the_deadline_and_outputs_are_performed() -> None:
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    performed: list[float] = []

    def perform(output: float) -> None:
        performed.append(output)
        if len(performed) == 3:
            done.set_result(None)

    machine = Countdown(0.001, 3)
    driver = Driver(machine, perform, loop)
    machine.begin(loop.time())
    driver.settle()
    await asyncio.wait_for(done, 10)
    assert performed == sorted(performed)
    assert machine.deadline is None


@pytest.mark.parametrize("turns", [0, 1], ids=["before it is set", "after"])
async def test_closing_drops_the_timer(turns: int) -> None:
    loop = asyncio.get_running_loop()
    performed: list[float] = []
    machine = Countdown(0.0, 1)
    driver = Driver(machine, performed.append, loop)
    machine.begin(loop.time())
    driver.settle()
    for _ in range(turns):
        await asyncio.sleep(0)
    driver.close()
    for _ in range(3):
        await asyncio.sleep(0)
    assert performed == []


async def test_the_deadline_is_looked_at_once_for_all_inputs_of_a_turn() -> None:
    class Watched(Countdown):
        looks = 0

        @property
        def deadline(self) -> float | None:
            self.looks += 1
            return None

        @deadline.setter
        def deadline(self, value: float | None) -> None:
            pass

    machine = Watched(1.0, 1)
    performed: list[float] = []
    driver = Driver(machine, performed.append, asyncio.get_running_loop())
    for _ in range(3):
        driver.settle()
    await asyncio.sleep(0)
    assert machine.looks == 1


async def test_an_output_that_is_an_input_again_is_performed_in_the_same_turn() -> None:
    machine = Countdown(1.0, 1)
    machine.said = [1.0]
    performed: list[float] = []

    def perform(output: float) -> None:
        performed.append(output)
        if output == 1.0:
            machine.said.append(2.0)

    Driver(machine, perform, asyncio.get_running_loop()).settle()
    assert performed == [1.0, 2.0]


async def test_an_earlier_deadline_replaces_the_timer() -> None:
    loop = asyncio.get_running_loop()
    ticked = loop.create_future()
    machine = Countdown(3600.0, 1)
    driver = Driver(machine, ticked.set_result, loop)
    machine.begin(loop.time())
    driver.settle()
    await asyncio.sleep(0)
    machine.gap = 0.001
    machine.begin(loop.time())
    driver.settle()
    await asyncio.wait_for(ticked, 10)


# A loop that was held up


class Listener:
    """A machine that counts what it has heard, and notes how much that was at each tick."""

    def __init__(self) -> None:
        self.deadline: float | None = None
        self.heard = 0
        self.at_ticks: list[int] = []
        self.ticked = asyncio.Event()

    def received(self, datagrams: Sequence[bytes], source: Address) -> None:
        self.heard += len(datagrams)

    def tick(self, now: float) -> None:
        self.at_ticks.append(self.heard)
        self.ticked.set()
        self.deadline = None

    def outputs(self) -> list[float]:
        return []


def ignore(output: float) -> None:
    """Perform nothing."""


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_what_arrived_while_the_loop_was_held_up_is_heard_before_time_passes(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    count, machine = 2000, Listener()

    async def scene() -> None:
        loop = asyncio.get_running_loop()
        driver = Driver(machine, ignore, loop)

        def received(datagrams: Sequence[bytes], source: Address) -> None:
            for data in datagrams:
                machine.received([data], source)
                driver.settle()

        ours = open_udp_socket(loop, "127.0.0.1", 0, received)
        theirs = open_udp_socket(loop, "127.0.0.1", 0, machine.received)
        machine.deadline = loop.time() + 0.02
        driver.settle()
        await asyncio.sleep(0)
        for number in range(count):
            theirs.send(b"x" * (1 + number % 2), ours.local)  # Of two lengths, that the kernel joins none.
        theirs.flush()
        # The loop is held up: that is what this is about.
        time.sleep(0.02 + 2 * LATE)  # noqa: ASYNC251  # see above
        await asyncio.wait_for(machine.ticked.wait(), 10)
        ours.close()
        theirs.close()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(scene())
    assert machine.at_ticks == [count]


def turns_until_the_tick(late: float, *, heard: int = 0, a_turn: float = 0.0) -> int:
    """Let a deadline pass by so much; in each turn after that so much is heard, and so much time passes.

    What is heard moves the deadline.
    """
    loop, machine = clock.VirtualLoop(), Listener()

    async def scene() -> int:
        driver = Driver(machine, ignore, loop)
        machine.deadline = 1.0
        driver.settle()
        await asyncio.sleep(0.5)
        loop.leap(0.5 + late)
        await asyncio.sleep(0)  # It is found late.
        turns = 1
        while not machine.at_ticks:
            for _ in range(heard):
                machine.deadline = loop.time()
                driver.settle()
            loop.leap(a_turn)
            turns += 1
            await asyncio.sleep(0)
        return turns

    return clock.run(scene(), loop=loop)


def test_a_tick_that_is_in_time_waits_for_nothing() -> None:
    assert turns_until_the_tick(0.9 * LATE) <= 2


def test_a_late_tick_waits_for_two_turns_where_little_has_arrived() -> None:
    assert turns_until_the_tick(10.0, heard=100) - turns_until_the_tick(0.0) == 2


def test_a_flood_keeps_a_late_tick_for_no_more_turns_than_a_full_buffer_takes() -> None:
    assert turns_until_the_tick(10.0, heard=256) - turns_until_the_tick(0.0) == 44


def test_where_each_turn_takes_long_a_late_tick_waits_for_three_seconds() -> None:
    waited = turns_until_the_tick(10.0, heard=256, a_turn=0.5) - turns_until_the_tick(0.0)
    assert 3.0 <= 0.5 * waited <= 4.0


def test_what_was_due_before_the_loop_read_is_not_kept_again() -> None:
    class Busy(Listener):
        """Does what is due at three moments one by one."""

        def tick(self, now: float) -> None:
            super().tick(now)
            self.deadline = 1.0 + len(self.at_ticks) if len(self.at_ticks) < 3 else None

    loop, machine = clock.VirtualLoop(), Busy()

    async def scene() -> list[int]:
        driver = Driver(machine, ignore, loop)
        machine.deadline = 1.0
        driver.settle()
        await asyncio.sleep(0.5)
        loop.leap(10.0)
        ticks = []
        for _ in range(60):
            driver.heard += 256
            await asyncio.sleep(0)
            ticks.append(len(machine.at_ticks))
        return ticks

    ticks = clock.run(scene(), loop=loop)
    assert ticks[43] == 0
    assert ticks[-1] == 3


def test_a_late_tick_does_not_come_after_the_end() -> None:
    loop, machine = clock.VirtualLoop(), Listener()

    async def scene() -> None:
        driver = Driver(machine, ignore, loop)
        machine.deadline = 1.0
        driver.settle()
        await asyncio.sleep(0.5)
        loop.leap(10.0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        driver.close()
        await asyncio.sleep(1.0)

    clock.run(scene(), loop=loop)
    assert machine.at_ticks == []
