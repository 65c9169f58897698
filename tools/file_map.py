"""Write docs/files.md, every file of the package with what it is, from the first lines of the files."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PAGE: Final = "docs/files.md"

ROOT: Final = Path(__file__).parents[1]
SOURCE: Final = ROOT / "src" / "warren"

FOLDERS: Final = {
    ".": "the public names, and what everything else stands on",
    "session": "the session: states, generations, what is said when (no I/O)",
    "ice": "the ICE agent (no I/O)",
    "ice/stun": "STUN's bytes (no I/O)",
    "ice/turn": "the TURN client (no I/O)",
    "signaling": "messages from key to key, over carriers",
    "aio": "sockets and the event loop: the library's `Node` and `Session`",
    "server": "the signaling server",
    "cli": "the command line, one file a command",
    "testing": "what tests stand on, ours and those of others",
}
"""The folders in the order of reading; `_pb` is generated from `proto/`."""


def page() -> str:
    """The whole page, as Markdown."""
    parts = [
        "# Every file",
        "Written from the first lines of the files by `make reference`; do not edit. "
        "[Design](design.md) says how they fit together. "
        "Tests mirror this tree: `tests/ice/test_agent.py` tests `ice/agent.py`, "
        "with `test_agent_*.py` where that grew long.",
    ]
    for folder, words in FOLDERS.items():
        parts += [f"## `src/warren/{folder}`: {words}" if folder != "." else f"## `src/warren`: {words}"]
        parts += ["\n".join(("| file | what it is |", "| --- | --- |", *_rows(SOURCE / folder)))]
    return "\n\n".join(parts) + "\n"


def _rows(folder: Path) -> Iterator[str]:
    for file in sorted(folder.glob("*.py")):
        doc = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
        if doc is not None:
            yield f"| `{file.name}` | {doc.splitlines()[0].removesuffix('.').replace('|', chr(92) + '|')} |"


if __name__ == "__main__":
    (ROOT / PAGE).write_text(page(), encoding="utf-8")
