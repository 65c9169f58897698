"""The ten states of a session, and the only table that moves it; the diagram in the docs is drawn from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

__all__ = ["MOVES", "Move", "State", "mermaid"]


class State(Enum):
    """What one generation of a session is at, in the words of the document."""

    UNKNOWN = "no agent exists"
    IDLE = "waiting for the peer's credentials"
    NEW = "waiting for the peer's first candidate"
    CONNECTING = "waiting for the first pair of candidates"
    CHECKING = "checking pairs of candidates"
    CONNECTED = "data flows"
    COMPLETED = "data flows, and no better path can come"
    DISCONNECTED = "the peer stopped answering on every path"
    FAILED = "no pair of candidates works"
    CLOSED = "the agent is closed"


@dataclass(frozen=True, slots=True)
class Move:
    """One arrow of the diagram."""

    when: str
    """What makes the session take it."""
    entering: str = ""
    """What is done then."""
    ours: bool = False
    """True where the document does not draw it."""


_CLOSING = Move("the user closes the session, or the generation is retired", ours=True)
_STARVED = Move("closed by the user, retired, or 39.5 s have passed", ours=True)

MOVES: Final[Mapping[State, Mapping[State, Move]]] = MappingProxyType(
    {
        State.UNKNOWN: {
            State.IDLE: Move("the session is opened", "create an agent, send local credentials"),
        },
        State.IDLE: {
            State.IDLE: Move("back-off timer", "send local credentials again"),
            State.NEW: Move(
                "remote credentials", "start gathering local candidates, send each as it is known"
            ),
            State.CLOSED: _CLOSING,
        },
        State.NEW: {
            State.CONNECTING: Move("first remote candidate", "hand credentials and candidates to the agent"),
            State.CLOSED: _STARVED,
        },
        State.CONNECTING: {
            State.CHECKING: Move("the agent forms its first pair", "connectivity checks run"),
            State.CLOSED: _STARVED,
        },
        State.CHECKING: {
            State.CONNECTED: Move("the first pair is selected", "data flows"),
            State.FAILED: Move("no pair can work, or 39.5 s of patience are over"),
            State.CLOSED: _CLOSING,
        },
        State.CONNECTED: {
            State.COMPLETED: Move("both sides' candidates are final and no better pair can come"),
            State.DISCONNECTED: Move("consent is lost on every pair"),
            State.CLOSED: _CLOSING,
        },
        State.COMPLETED: {
            State.DISCONNECTED: Move("consent is lost on every pair"),
            State.CLOSED: Move("the agent is closed"),
        },
        State.DISCONNECTED: {
            State.CLOSED: Move("the agent is closed"),
        },
        State.FAILED: {
            State.CLOSED: Move("the agent is closed"),
        },
        State.CLOSED: {
            State.IDLE: Move(
                "the user has not closed the session", "create a new agent, send local credentials"
            ),
        },
    }
)
"""Every move there is, from each state to each that may follow."""


def mermaid() -> str:
    """Draw the table as a Mermaid state diagram; arrows that the document does not have end in "(ours)"."""
    lines = ["stateDiagram-v2", f"    [*] --> {_name(State.UNKNOWN)}"]
    for old, following in MOVES.items():
        for new, move in following.items():
            text = move.when + (f"<br>{move.entering}" if move.entering else "")
            lines.append(f"    {_name(old)} --> {_name(new)}: {text}{' (ours)' if move.ours else ''}")
    return "\n".join(lines) + "\n"


def _name(state: State) -> str:
    return state.name.capitalize()
