"""One target under atheris: `python -m tests.fuzz.guided TARGET [libFuzzer's flags]`."""

import sys

import atheris

if __name__ == "__main__":
    name = sys.argv.pop(1)
    with atheris.instrument_imports(include=["warren", "tests.fuzz"]):
        from tests.fuzz.targets import TARGETS
    atheris.Setup(sys.argv, TARGETS[name].run)
    atheris.Fuzz()
