"""Write docs/state-diagram.md from the table of moves."""

from pathlib import Path
from typing import Final

from warren.session.state import MOVES, Move, State, mermaid

PAGE: Final = "docs/state-diagram.md"


def page() -> str:
    """The whole page, as Markdown."""
    states = "\n".join(f"| {state.name} | {state.value} |" for state in State)
    moves = "\n".join(
        f"| {old.name} | {new.name} | {move.when} | {move.entering} | {_drawn_by(move)} |"
        for old, following in MOVES.items()
        for new, move in following.items()
    )
    return f"""# The states of a session

Drawn from the table in `src/warren/session/state.py` by `tools/state_diagram.py`; do not edit.

```mermaid
{mermaid()}```

| state | meaning |
| --- | --- |
{states}

| from | to | when | what entering means | drawn by |
| --- | --- | --- | --- | --- |
{moves}
"""


def _drawn_by(move: Move) -> str:
    return "ours" if move.ours else "the document"


if __name__ == "__main__":
    (Path(__file__).parents[1] / PAGE).write_text(page())
