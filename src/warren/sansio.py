"""The contract of every sans-I/O machine."""

from collections.abc import Callable
from typing import Protocol, TypeVar

__all__ = ["Dice", "Machine", "RandomBytes", "earliest"]

Output = TypeVar("Output")

RandomBytes = Callable[[int], bytes]
"""Gives so many random bytes: the operating system's in life, a seed's in a simulation."""


class Dice(Protocol):
    """Chance, handed in: `random.SystemRandom` in life, `random.Random(seed)` in a simulation."""

    def random(self) -> float:
        """Draw from [0, 1)."""
        ...

    def uniform(self, a: float, b: float) -> float:
        """Draw from [a, b]."""
        ...

    def getrandbits(self, k: int, /) -> int:
        """Draw k bits."""
        ...

    def randbytes(self, n: int) -> bytes:
        """Draw n bytes."""
        ...


def earliest(*times: float | None) -> float | None:
    """The first of several deadlines, of which some or all may not be set."""
    first = None
    for time in times:
        if time is not None and (first is None or time < first):
            first = time
    return first


class Machine(Protocol[Output]):
    """Takes inputs, gives outputs, names a deadline; does no I/O.

    Inputs are the machine's own methods; those that can matter to a timer take `now` (seconds, monotonic).
    After any input the driver drains `outputs()` in order, then reads `deadline`.
    """

    @property
    def deadline(self) -> float | None:
        """When `tick` wants to be called (seconds on the clock of `now`), or None; looking has no effect."""
        ...

    def tick(self, now: float) -> None:
        """Do what has become due; calling early or late is harmless."""
        ...

    def outputs(self) -> list[Output]:
        """Hand over everything to be done or told since the last call, in order."""
        ...
