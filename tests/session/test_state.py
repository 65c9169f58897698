"""The table of moves: the document's arrows, ours, and the diagram drawn from both."""

from pathlib import Path

from tools.state_diagram import PAGE, page
from warren.session.state import MOVES, State, mermaid

DOCUMENT = """
Unknown --> Idle
Idle --> New
Idle --> Idle
New --> Connecting
Connecting --> Checking
Checking --> Connected
Checking --> Failed
Completed --> Disconnected
Connected --> Disconnected
Connected --> Completed
Completed --> Closed
Disconnected --> Closed
Closed --> Idle
Failed --> Closed
"""
"""The arrows of the document's state diagram, in its order."""

OURS = """
Idle --> Closed
New --> Closed
Connecting --> Closed
Checking --> Closed
Connected --> Closed
"""
"""What the document leaves out: whatever lives can be closed."""


def arrows(text: str) -> set[tuple[State, State]]:
    pairs = [line.split(" --> ") for line in text.split("\n") if line]
    return {(State[old.upper()], State[new.upper()]) for old, new in pairs}


def table(*, ours: bool) -> set[tuple[State, State]]:
    return {(old, new) for old, moves in MOVES.items() for new, move in moves.items() if move.ours is ours}


def test_table_has_the_documents_arrows_and_no_other_that_is_not_marked_as_ours() -> None:
    assert table(ours=False) == arrows(DOCUMENT)


def test_arrows_marked_as_ours_are_these_five() -> None:
    assert table(ours=True) == arrows(OURS)


def test_states_are_the_ten_words_of_the_document() -> None:
    words = "UNKNOWN IDLE NEW CONNECTING CHECKING CONNECTED COMPLETED DISCONNECTED FAILED CLOSED"
    assert [state.name for state in State] == words.split()


def test_every_state_has_a_way_out() -> None:
    assert list(MOVES) == list(State)
    assert all(MOVES.values())


def test_diagram_draws_each_arrow_once_and_marks_ours() -> None:
    lines = [line.strip() for line in mermaid().splitlines() if "-->" in line]
    drawn = {line.partition(":")[0]: line.endswith("(ours)") for line in lines}
    document = {line: False for line in DOCUMENT.split("\n") if line}
    ours = {line: True for line in OURS.split("\n") if line}
    assert len(lines) == len(drawn)
    assert drawn == {"[*] --> Unknown": False} | document | ours


def test_page_in_the_documentation_is_the_one_drawn_from_the_table() -> None:
    root = Path(__file__).parents[2]
    assert (root / PAGE).read_text() == page(), "stale: run python tools/state_diagram.py"
