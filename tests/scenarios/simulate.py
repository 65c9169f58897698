"""Run seeds of the simulation: `python -m tests.scenarios.simulate --seeds N [--first K] [--seed K -v]`."""

import argparse
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from tests.scenarios.world import Outcome, play

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run the seeds asked for, say what was found; returns 1 if a property was broken."""
    parser = argparse.ArgumentParser(prog="simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000, help="how many seeds to run")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="run this one only")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("-v", "--verbose", action="store_true", help="tell the plan and every event")
    options = parser.parse_args(arguments)
    if options.seed is not None:
        return _one(play(options.seed, verbose=options.verbose), options.verbose)
    began = time.monotonic()
    found: Counter[str] = Counter()
    settled: list[float] = []
    packets = 0
    seeds = range(options.first, options.first + options.seeds)
    with ProcessPoolExecutor(options.jobs) as pool:
        for outcome in pool.map(partial(play), seeds, chunksize=10):
            packets += outcome.packets
            if outcome.settled is not None:
                settled.append(outcome.settled)
            if outcome.violation is not None:
                found[outcome.violation.name] += 1
                print(f"seed {outcome.plan.seed}: {outcome.violation}", flush=True)
    took = time.monotonic() - began
    settled.sort()
    print(f"{options.seeds} seeds in {took:.1f} s, {packets} packets, {sum(found.values())} broke a property")
    if settled:
        middle, late = settled[len(settled) // 2], settled[int(len(settled) * 0.99)]
        print(f"settled: median {middle:.2f} s, 99 % {late:.2f} s, longest {settled[-1]:.2f} s")
    for name, count in found.most_common():
        print(f"{count:6d} x {name}")
    return 1 if found else 0


def _one(outcome: Outcome, verbose: bool) -> int:
    if verbose:
        print(outcome.plan.describe())
        print("\n".join(outcome.log))
    print(f"seed {outcome.plan.seed}: {outcome.violation or 'all properties hold'}; digest {outcome.digest}")
    return 0 if outcome.violation is None else 1


if __name__ == "__main__":
    sys.exit(main())
