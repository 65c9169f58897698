"""What an agent asks for and tells: commands are imperative, events in the past tense."""

from dataclasses import dataclass

from warren.ice.transport import Address, Base, CloseStream, OpenStream, Transmit
from warren.messages import Candidate

__all__ = [
    "AgentOutput",
    "ChecksFailed",
    "ConsentLost",
    "PairFormed",
    "PairSelected",
    "PeerExpected",
    "Recovered",
    "Settled",
    "SourceLost",
    "SourceProved",
    "Suspected",
]


@dataclass(frozen=True, slots=True)
class PairFormed:
    """The first pair with this remote description exists: checks run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairSelected:
    """Data goes over this pair from now on; it was checked, and the controlling side has chosen it."""

    local: Candidate
    remote: Candidate
    rtt: float
    """Seconds, of the newest check of it that was answered."""
    reason: str
    """Why this pair and why now, in words for a person."""


@dataclass(frozen=True, slots=True)
class SourceProved:
    """An authenticated packet of the peer described to us came from there: so may data."""

    base: Base
    source: Address


@dataclass(frozen=True, slots=True)
class SourceLost:
    """The connection has ended over which this was proved: nothing more comes from there."""

    base: Base
    source: Address


@dataclass(frozen=True, slots=True)
class PeerExpected:
    """Packets from there may soon come to this relayed base: the server must let them in."""

    base: Base
    source: Address


@dataclass(frozen=True, slots=True)
class Settled:
    """Both sides' candidates are final and no pair better than the selected one can come; told once."""


@dataclass(frozen=True, slots=True)
class Suspected:
    """The selected pair misses answers; every pair that ever worked is being probed."""

    reason: str


@dataclass(frozen=True, slots=True)
class Recovered:
    """A pair answered: the suspicion is over."""


@dataclass(frozen=True, slots=True)
class ConsentLost:
    """No pair answers any more: nothing may be sent, and this agent is over."""

    reason: str


@dataclass(frozen=True, slots=True)
class ChecksFailed:
    """No pair works: this agent is over."""

    reason: str
    """What was tried and what is known, in words for a person."""


AgentOutput = (
    Transmit
    | OpenStream
    | CloseStream
    | PairFormed
    | PairSelected
    | SourceProved
    | SourceLost
    | PeerExpected
    | Settled
    | Suspected
    | Recovered
    | ConsentLost
    | ChecksFailed
)
