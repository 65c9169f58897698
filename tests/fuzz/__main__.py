"""Fuzz every parser: `make fuzz SECONDS=60`, or `python -m tests.fuzz --seconds 60 [--keep] [TARGET …]`.

With atheris (coverage-guided) where it is installed, by seeded mutations otherwise. All share the time.
A broken parser ends the run with exit code 1 and its input in hexadecimal, to be added to tests/fuzz/corpus.
"""

import argparse
import importlib.util
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.mutate import mutations
from tests.fuzz.targets import TARGETS, Target

MAX_INPUT = 4096
MAX_KEPT_INPUT = 512


def main() -> int:
    """Run the targets asked for, one process each where atheris drives them."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; default: all")
    parser.add_argument("--seconds", type=float, default=60.0, help="for all targets together")
    parser.add_argument("--keep", action="store_true", help="write what reaches new code into the corpus")
    options = parser.parse_args()
    names = options.targets or list(TARGETS)
    if unknown := [name for name in names if name not in TARGETS]:
        parser.error(f"no target {unknown[0]}; there are {', '.join(TARGETS)}")
    guided = importlib.util.find_spec("atheris") is not None
    if options.keep and not guided:
        parser.error("--keep needs atheris, which tells what reaches new code")
    print("coverage-guided by atheris" if guided else "by seeded mutations: atheris is not installed")
    for name in names:
        target, seconds = TARGETS[name], options.seconds / len(names)
        if not (_guided(target, seconds, keep=options.keep) if guided else _seeded(target, seconds)):
            return 1
    return 0


def _guided(target: Target, seconds: float, *, keep: bool) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        found, kept, artifact = Path(folder) / "found", Path(folder) / "kept", Path(folder) / "crash"
        found.mkdir()
        kept.mkdir()
        for number, seed in enumerate(target.seeds()):
            (found / f"seed-{number}").write_bytes(seed)
        time_limit = f"-max_total_time={max(1, round(seconds))}"
        done = _atheris(
            target, time_limit, f"-max_len={MAX_INPUT}", f"-exact_artifact_path={artifact}", found
        )
        lines = done.stderr.splitlines()
        print(f"{target.name:10} {next((line for line in reversed(lines) if 'Done' in line), 'stopped')}")
        if done.returncode != 0:
            print(done.stdout[-4000:], done.stderr[-4000:], sep="\n")
            if artifact.exists():
                print(f"input: {artifact.read_bytes().hex()}")
            return False
        if keep:
            _atheris(target, "-merge=1", f"-max_len={MAX_KEPT_INPUT}", kept, found).check_returncode()
            target.keep(path.read_bytes() for path in kept.iterdir())
        return True


def _atheris(target: Target, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.fuzz.guided", target.name, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": "0"})


def _seeded(target: Target, seconds: float) -> bool:
    end = time.monotonic() + seconds
    runs, seed = 0, random.SystemRandom().getrandbits(32)
    while time.monotonic() < end:
        for data in mutations(target.seeds(), 1000, seed):
            try:
                target.run(data)
            except Exception as error:  # Whatever it is, it is the finding.
                print(f"{target.name}: {error!r}\ninput: {data.hex()}")
                return False
            runs += 1
        seed += 1
    print(f"{target.name:10} {runs} runs")
    return True


if __name__ == "__main__":
    raise SystemExit(main())
