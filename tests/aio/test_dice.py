"""Chance from the operating system, in blocks."""

import os

from warren.aio.dice import SystemDice


def test_so_many_bytes_are_drawn_as_are_asked_for() -> None:
    dice = SystemDice()
    assert [len(dice.randbytes(n)) for n in (0, 1, 12, 4096, 10_000, 12)] == [0, 1, 12, 4096, 10_000, 12]


def test_nothing_is_drawn_twice() -> None:
    dice = SystemDice()
    drawn = {dice.randbytes(12) for _ in range(10_000)}
    assert len(drawn) == 10_000


def test_two_dice_draw_differently() -> None:
    assert SystemDice().randbytes(16) != SystemDice().randbytes(16)


def test_numbers_lie_evenly_between_0_and_1() -> None:
    dice = SystemDice()
    drawn = [dice.random() for _ in range(10_000)]
    assert 0.0 <= min(drawn) < 0.01 < 0.99 < max(drawn) < 1.0
    assert 0.45 < sum(drawn) / len(drawn) < 0.55


def test_numbers_are_drawn_from_a_range() -> None:
    dice = SystemDice()
    assert all(4.0 <= dice.uniform(4.0, 6.0) <= 6.0 for _ in range(100))


def test_a_child_process_draws_differently_from_its_parent() -> None:
    dice = SystemDice()
    dice.randbytes(1)
    ours, theirs = os.pipe()
    if (child := os.fork()) == 0:
        os.write(theirs, dice.randbytes(16))
        os._exit(0)
    os.waitpid(child, 0)
    drawn = os.read(ours, 16)
    os.close(ours)
    os.close(theirs)
    assert drawn != dice.randbytes(16)
