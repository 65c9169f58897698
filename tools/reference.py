"""Write docs/reference.md from the public names' docstrings and the commands' help: `make reference`."""

import inspect
import os
import subprocess
import sys
from pathlib import Path

import warren

TARGET = Path(__file__).parents[1] / "docs" / "reference.md"
COMMANDS = ("genkey", "pubkey", "signal", "connect", "listen", "ping", "backends", "demo")


def reference() -> str:
    """The whole page."""
    parts = [
        "# Reference",
        "Written by `make reference` from the code; times are seconds, sizes bytes.",
        "**The payload of a session is neither encrypted nor authenticated by warren.**",
        "## Library",
        *(_name(name) for name in sorted(warren.__all__)),
        "## Command line",
        *(_command(name) for name in COMMANDS),
    ]
    return "\n\n".join(parts) + "\n"


def _name(name: str) -> str:
    value = getattr(warren, name)
    parts = [f"### {name}", _doc(value)]
    if inspect.isclass(value):
        for member, what in vars(value).items():
            if not member.startswith("_") and (inspect.getdoc(what) or "").strip():
                parts.append(_member(member, what))
    return "\n\n".join(part for part in parts if part)


def _member(name: str, what: object) -> str:
    if isinstance(what, classmethod | staticmethod):
        what = what.__func__
    if isinstance(what, property):
        return f"**`{name}`**: {_doc(what)}"
    if inspect.isfunction(what):
        kind = "async " if inspect.iscoroutinefunction(what) else ""
        signature = (
            str(inspect.signature(what)).replace("self, ", "").replace("(self)", "()").replace("cls, ", "")
        )
        return f"**`{kind}{name}{signature}`**: {_doc(what)}"
    return ""


def _doc(value: object) -> str:
    text = inspect.getdoc(value) or ""
    return "\n".join(f"- {line.strip()}" if line.startswith("    ") else line for line in text.splitlines())


def _command(name: str) -> str:
    command = [sys.executable, "-m", "warren.cli.main", name, "--help"]
    # As in a plain terminal of 100 columns, whatever this one is.
    plain = {**os.environ, "COLUMNS": "100", "TERMINAL_WIDTH": "100", "TERM": "dumb", "NO_COLOR": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=plain)
    lines = [line.rstrip() for line in done.stdout.strip().splitlines()]
    return "\n".join((f"### warren {name}", "", "```", *lines, "```"))


if __name__ == "__main__":
    TARGET.write_text(reference(), encoding="utf-8")
