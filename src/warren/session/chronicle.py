"""Chronicle: what a session has to do and to tell, in order, and what it has lived through."""

from collections import deque
from typing import Final

from warren.session.outputs import SessionOutput, StateChanged

__all__ = ["HISTORY", "Chronicle"]

HISTORY: Final = 64


class Chronicle:
    """The session's one queue of outputs, and the last 64 state changes."""

    __slots__ = ("_changes", "_outputs")

    def __init__(self) -> None:
        self._outputs: list[SessionOutput] = []
        self._changes: deque[StateChanged] = deque(maxlen=HISTORY)

    @property
    def history(self) -> tuple[StateChanged, ...]:
        """The last state changes, oldest first."""
        return tuple(self._changes)

    def put(self, output: SessionOutput) -> None:
        """Queue an output; a state change is remembered too."""
        if isinstance(output, StateChanged):
            self._changes.append(output)
        self._outputs.append(output)

    def take(self) -> list[SessionOutput]:
        """Hand over the queue."""
        outputs, self._outputs = self._outputs, []
        return outputs
