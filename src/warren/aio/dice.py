"""Chance from the operating system, in blocks."""

import os
import random
from typing import Final

__all__ = ["SystemDice"]

BLOCK: Final = 4096

_forks = 0


def _forked() -> None:
    global _forks
    _forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


class SystemDice(random.SystemRandom):
    """As `random.SystemRandom`, but the system is asked once for many draws: each call into it costs as much
    as proving a message.

    Nothing is given out twice: also not by a copy of this process, which forgets what it has inherited.
    """

    def __init__(self) -> None:
        super().__init__()
        self._block = b""
        self._at = 0
        self._forks = _forks

    def randbytes(self, n: int) -> bytes:
        """Draw n bytes."""
        at = self._at
        if at + n > len(self._block) or self._forks != _forks:
            self._block, self._forks, at = os.urandom(max(n, BLOCK)), _forks, 0
        self._at = at + n
        return self._block[at : self._at]

    def random(self) -> float:
        """Draw from [0, 1), 53 bits."""
        return (int.from_bytes(self.randbytes(7), "big") >> 3) * 2**-53
