"""Run seeds until one breaks a property: `python -m tests.scenarios.hunt FIRST STOP PACKAGE`.

Prints `seed`, the property and the violation on one line each; nothing where every property holds.
"""

import signal
import sys
from pathlib import Path
from types import FrameType

import warren
from tests.scenarios.world import play

__all__ = ["main"]

LONGEST = 30.0
"""Seconds of processor time that a seed may take; a sound one takes a twentieth of one."""


def main(first: int, stop: int, package: Path) -> None:
    """Hunt; `package` is where warren must come from, so that no planted bug is missed."""
    assert Path(warren.__file__).parent == package, f"warren comes from {warren.__file__}"
    signal.signal(signal.SIGVTALRM, _alarm)
    for seed in range(first, stop):
        signal.setitimer(signal.ITIMER_VIRTUAL, LONGEST)
        try:
            violation = play(seed).violation
            name, text = ("", "") if violation is None else (violation.name, str(violation))
        except BaseException as error:
            name, text = "no end" if isinstance(error, _HangError) else "raises", repr(error)
        if name:
            print(seed, name, " ".join(text.split()), sep="\n", flush=True)
            return


class _HangError(BaseException):
    """A seed does not come to its end."""


def _alarm(number: int, frame: FrameType | None) -> None:
    raise _HangError(f"after {LONGEST:g} s")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
