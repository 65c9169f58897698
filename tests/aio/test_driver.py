import asyncio

import pytest

from warren.aio.driver import Driver


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
