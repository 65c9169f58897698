"""Write docs/reference.md from the public names' docstrings and the commands' help: `make reference`."""

import ast
import dataclasses
import enum
import inspect
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Final

import warren
import warren.signaling
from warren.cli.commands import COMMANDS, SUBCOMMANDS

PAGE: Final = "docs/reference.md"

INSIDE: Final = {
    "Calls": {"may_call", "call_received", "end"},
    "Node": {"calls_begin", "calls_end", "session_closed", "session_restarted", "why_not_connected"},
    "Session": {"datagrams_received", "event_happened", "closed", "count_drop"},
}
"""What is public for other parts of warren only: the node and its sessions call one another."""


def page() -> str:
    """The whole page, as Markdown."""
    parts = [
        "# Reference",
        "Written from the code by `make reference`; do not edit. Times are seconds, sizes bytes.",
        "**What a session carries is neither encrypted nor authenticated by warren.**",
        "## Library: `warren`",
        *_names(warren),
        "## Signaling: `warren.signaling`",
        *_names(warren.signaling),
        "## Command line",
        *(_command(*path) for name in COMMANDS for path in _paths(name)),
    ]
    return "\n\n".join(parts) + "\n"


def _names(module: ModuleType) -> Iterator[str]:
    for name in sorted(module.__all__):
        value = getattr(module, name)
        yield f"### {name}"
        if not inspect.isclass(value):
            yield _signed(name, value)
            continue
        yield _doc(value)
        members = vars(value).items()
        if fields := list(_fields(value)):
            yield "\n".join(fields)
        for member, what in members:
            if not member.startswith("_") and member not in INSIDE.get(name, ()):
                yield from _member(member, what)


def _fields(kind: type) -> Iterator[str]:
    """List the values of an enum and the fields of a data class, with the words below them."""
    if issubclass(kind, enum.Enum):
        yield from (f"- `{item.name}`: {item.value}" for item in kind)
        return
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(tree, ast.ClassDef)
    for item, below in zip(tree.body, [*tree.body[1:], None], strict=True):
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            name, annotation, words = item.target.id, ast.unparse(item.annotation), ""
            if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
                words = f": {' '.join(str(below.value.value).split())}"
            yield f"- `{name}: {annotation}{_default(kind, name)}`{words}"


def _default(kind: type, name: str) -> str:
    default = getattr(kind, "__dataclass_fields__", {})[name].default
    return "" if default is dataclasses.MISSING else f" = {default!r}"


def _member(name: str, what: object) -> Iterator[str]:
    if isinstance(what, classmethod | staticmethod):
        what = what.__func__
    if isinstance(what, property):
        yield f"**`{name}`**: {_doc(what)}"
    elif inspect.isfunction(what):
        yield _signed(name, what)


def _signed(name: str, function: object) -> str:
    assert inspect.isfunction(function)
    signature = inspect.signature(function)
    own = [item for item in signature.parameters.values() if item.name not in ("self", "cls")]
    # `collections.abc.Sequence[warren.keys.PublicKey]` says no more than `Sequence[PublicKey]`.
    text = re.sub(r"\b(?:\w+\.)+(?=[A-Z])", "", str(signature.replace(parameters=own)))
    text = re.sub(r"'([A-Z]\w+)'", r"\1", text)
    kind = "async " if inspect.iscoroutinefunction(function) else ""
    return f"**`{kind}{name}{text}`**: {_doc(function)}"


def _doc(value: object) -> str:
    """Make the arguments and errors of a docstring, which are indented, items of a list."""
    lines: list[str] = []
    for line in (inspect.getdoc(value) or "").splitlines():
        depth = len(line) - len(line.lstrip())
        if depth == 0 or not lines:
            lines.append(line)
        elif depth == 4:
            lines.append(f"- {line.strip()}")
        else:
            lines[-1] += f" {line.strip()}"
    return "\n".join(lines)


def _paths(name: str) -> Iterator[tuple[str, ...]]:
    """Yield a command, then those that it consists of."""
    yield (name,)
    yield from ((name, each) for each in SUBCOMMANDS.get(name, ()))


def _command(*path: str) -> str:
    command = [sys.executable, "-m", "warren.cli.main", *path, "--help"]
    # As in a plain terminal of 100 columns with the usual folders, whatever this one is.
    plain = {**os.environ, "COLUMNS": "100", "TERMINAL_WIDTH": "100", "TERM": "dumb", "NO_COLOR": "1"}
    plain.pop("XDG_CONFIG_HOME", None)
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=plain)
    lines = [line.rstrip() for line in done.stdout.strip().splitlines()]
    return "\n".join((f"### warren {' '.join(path)}", "", "```", *lines, "```"))


if __name__ == "__main__":
    (Path(__file__).parents[1] / PAGE).write_text(page(), encoding="utf-8")
