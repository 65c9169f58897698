"""What a session's machine asks for and tells: commands are imperative, events in the past tense."""

from dataclasses import dataclass, field

from warren.ice.outputs import PeerExpected
from warren.ice.rest import Rest
from warren.ice.transport import Address, Base, CloseStream, OpenStream, Transmit
from warren.messages import Candidate, CandidateType, Message
from warren.session.state import State

__all__ = [
    "Path",
    "PathChanged",
    "PathRests",
    "PathSuspected",
    "Publish",
    "SessionOutput",
    "SourceForgotten",
    "SourceLearned",
    "StateChanged",
    "UfragAdded",
    "UfragRemoved",
]


@dataclass(frozen=True, slots=True)
class Publish:
    """Seal the message to the peer and give it to signaling."""

    message: Message = field(repr=False)


@dataclass(frozen=True, slots=True)
class UfragAdded:
    """From now on Binding requests whose USERNAME begins with this local ufrag are this session's."""

    ufrag: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class UfragRemoved:
    """The generation with this local ufrag is gone: silence for it."""

    ufrag: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SourceLearned:
    """An authenticated packet came from there: data from this source is this session's."""

    base: Base
    source: Address


@dataclass(frozen=True, slots=True)
class SourceForgotten:
    """Data from this source is no longer this session's."""

    base: Base
    source: Address


@dataclass(frozen=True, slots=True)
class PathSuspected:
    """The path does not answer: what servers say of our addresses may be out of date as well."""

    time: float
    """Seconds on the machine's clock."""


@dataclass(frozen=True, slots=True)
class PathRests:
    """Until the rest is over, what comes over its pair goes to it first, and it is called when it is due."""

    rest: Rest


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChanged:
    """One move of the table; also an entry of the session's history."""

    old: State
    new: State
    reason: str
    """Why, in words for a person."""
    generation: int
    """Which generation of ours moved, counted from 1."""
    time: float
    """Seconds on the machine's clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """A selected pair as a user sees it."""

    local: Candidate
    remote: Candidate
    rtt: float
    """Seconds, of the check that validated it or the newest one since."""

    @property
    def relayed(self) -> bool:
        """True where either end is a relayed candidate."""
        return CandidateType.RELAY in (self.local.type, self.remote.type)


@dataclass(frozen=True, slots=True, kw_only=True)
class PathChanged:
    """Data takes another way from now on, or None can be taken any more."""

    path: Path | None
    generation: int
    reason: str
    time: float


SessionOutput = (
    Transmit
    | PeerExpected
    | OpenStream
    | CloseStream
    | Publish
    | UfragAdded
    | UfragRemoved
    | SourceLearned
    | SourceForgotten
    | PathSuspected
    | PathRests
    | StateChanged
    | PathChanged
)
