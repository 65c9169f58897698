"""Fuzz every parser: `make fuzz SECONDS=60`, or `python -m tests.fuzz --seconds 60 [TARGET …]`.

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


def main() -> int:
    """Run the targets asked for, one process each where atheris drives them."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []], help="default: all of them")
    parser.add_argument("--seconds", type=float, default=60.0, help="for all targets together")
    options = parser.parse_args()
    names = options.targets or list(TARGETS)
    guided = importlib.util.find_spec("atheris") is not None
    print("coverage-guided by atheris" if guided else "by seeded mutations: atheris is not installed")
    for name in names:
        run = _guided if guided else _seeded
        if not run(TARGETS[name], options.seconds / len(names)):
            return 1
    return 0


def _guided(target: Target, seconds: float) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(target.seeds()):
            (Path(folder) / f"seed-{number}").write_bytes(seed)
        artifact = Path(folder) / "crash"
        flags = [
            f"-max_total_time={max(1, round(seconds))}",
            "-max_len=4096",
            f"-exact_artifact_path={artifact}",
        ]
        command = [sys.executable, "-m", "tests.fuzz.guided", target.name, *flags, folder]
        done = subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": "0"}
        )
        lines = done.stderr.splitlines()
        print(f"{target.name:10} {next((line for line in reversed(lines) if 'Done' in line), 'stopped')}")
        if done.returncode == 0:
            return True
        print(done.stdout[-4000:], done.stderr[-4000:], sep="\n")
        if artifact.exists():
            print(f"input: {artifact.read_bytes().hex()}")
        return False


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
