"""Plant bugs and see that the simulation finds each: `python -m tests.scenarios.mutants [--only NAME]`.

A simulation that finds nothing proves nothing. Each bug runs in a process of its own, on a copy of warren.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.scenarios.planted import MUTANTS, Mutant, StaleMutantError
from tests.scenarios.planted.mutant import PACKAGE

__all__ = ["main"]

SEEDS: Final = 2000
ROOT: Final = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Finding:
    """How a bug was found."""

    seed: int
    name: str
    """Of the property that it broke."""
    text: str


def main(arguments: list[str] | None = None) -> int:
    """Hunt all bugs, or those named; returns 1 if one is not found."""
    parser = argparse.ArgumentParser(prog="mutants", description=__doc__)
    parser.add_argument("--only", action="append", metavar="NAME", help="this one (may be repeated)")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="how many seeds each gets")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("-v", "--verbose", action="store_true", help="tell what the property said")
    options = parser.parse_args(arguments)
    unknown = set(options.only or ()) - {mutant.name for mutant in MUTANTS}
    if unknown:
        parser.error(f"no such mutant: {', '.join(sorted(unknown))}")
    mutants = [mutant for mutant in MUTANTS if not options.only or mutant.name in options.only]
    for mutant in mutants:
        mutant.changed()  # One that does not fit is told at once, not after the others.
    began = time.monotonic()
    missed: list[str] = []
    with ThreadPoolExecutor(options.jobs) as pool:
        hunts = {pool.submit(hunt, mutant, options.seeds): mutant for mutant in mutants}
        for number, done in enumerate(as_completed(hunts), 1):
            mutant, finding = hunts[done], done.result()
            found = f"seed {finding.seed}, {finding.name}" if finding else "NOT FOUND"
            print(f"{number:3}/{len(mutants)} {mutant.name:42} {found}", flush=True)
            if finding and options.verbose:
                print(f"        {finding.text}", flush=True)
            if finding is None:
                missed.append(mutant.name)
    took = time.monotonic() - began
    print(f"{len(mutants) - len(missed)} of {len(mutants)} planted bugs found in {took:.0f} s")
    if missed:
        print(f"not found within {options.seeds} seeds: {', '.join(missed)}")
    return 1 if missed else 0


def hunt(mutant: Mutant, seeds: int) -> Finding | None:
    """Run seeds on a copy of the package with this bug until one breaks a property that holds without it.

    Raises:
        StaleMutantError: the source is not what the mutant was made for.
    """
    with tempfile.TemporaryDirectory(prefix="warren-mutant-") as name:
        folder = Path(name)
        mutant.plant(folder)
        first = 0
        while (finding := _run(first, seeds, folder / PACKAGE.name)) is not None:
            # What breaks without the bug too says nothing about it.
            if _run(finding.seed, finding.seed + 1, PACKAGE) is None:
                return finding
            first = finding.seed + 1
    return None


def _run(first: int, stop: int, package: Path) -> Finding | None:
    path = os.pathsep.join((str(package.parent), str(ROOT)))
    done = subprocess.run(
        [sys.executable, "-m", "tests.scenarios.hunt", str(first), str(stop), str(package)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the hunt itself failed:\n{done.stderr}")
    if not done.stdout:
        return None
    seed, name, text = done.stdout.splitlines()
    return Finding(int(seed), name, text)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except StaleMutantError as error:
        sys.exit(f"a planted bug does not fit the source any more: {error}")
