"""One target under atheris: `python -m tests.fuzz.guided TARGET [libFuzzer's flags]`."""

import shlex
import sys

import atheris

if __name__ == "__main__":
    name = sys.argv.pop(1)
    # For -merge libFuzzer runs itself again, through a shell and by its first argument.
    sys.argv[0] = shlex.join([sys.executable, "-m", "tests.fuzz.guided", name])
    with atheris.instrument_imports(include=["warren", "tests.fuzz"]):
        from tests.fuzz.targets import TARGETS
    atheris.Setup(sys.argv, TARGETS[name].run)
    atheris.Fuzz()
