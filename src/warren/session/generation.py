"""Generation: one agent, and everything that a restart must forget."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from warren.ice.agent import Agent
from warren.ice.candidate import LocalCandidate
from warren.ice.stun import Stun
from warren.ice.transaction import Transaction
from warren.ice.transport import Address, Base
from warren.messages import Candidate, Credentials, SessionDescription
from warren.session.state import State

if TYPE_CHECKING:
    from warren.session.machine import SessionMachine

__all__ = ["MAX_CANDIDATES", "Generation"]

MAX_CANDIDATES = 32


class Generation:
    """One side of one attempt to connect: a session id, credentials, a growing list of candidates, an agent."""

    __slots__ = (
        "agent",
        "bound",
        "candidates",
        "credentials",
        "ended",
        "entered_at",
        "number",
        "partner",
        "peer_credentials",
        "peer_revision",
        "retire_at",
        "revision",
        "session",
        "session_id",
        "settled",
        "sources",
        "state",
    )

    def __init__(
        self, session: "SessionMachine", number: int, session_id: int, credentials: Credentials, now: float
    ) -> None:
        self.session = session
        """Whose generation it is: the node drains that machine after a response."""
        self.number = number
        self.session_id = session_id
        self.credentials = credentials
        self.agent: Agent
        self.state = State.UNKNOWN
        self.entered_at = now
        self.bound = False
        self.partner = 0
        """The peer's generation that the agent works with: the one it is bound to, or a guess."""
        self.peer_credentials: Credentials | None = None
        self.peer_revision = 0
        """The highest revision of the partner that was taken."""
        self.candidates: tuple[Candidate, ...] = ()
        self.ended = False
        self.revision = 1
        self.settled = False
        self.retire_at: float | None = None
        """When it is closed, once another carries data."""
        self.sources: list[tuple[Base, Address]] = []

    @property
    def alive(self) -> bool:
        """Whether its agent still works."""
        return self.state not in (State.FAILED, State.CLOSED)

    def response_received(
        self, transaction: Transaction, response: Stun, source: Address, base: Base, now: float
    ) -> None:
        """Pass a response on to the agent, as the owner of its transactions."""
        self.agent.response_received(transaction, response, source, base, now)
        self.session.generation_changed(self, now)

    def offer_candidates(self, local: Sequence[LocalCandidate], complete: bool, now: float) -> bool:
        """Take over what is known of our addresses; says whether that makes a new revision."""
        for item in local:
            self.agent.add_local(item, now)
        if complete:
            self.agent.end_local(now)
        candidates = tuple(item.candidate for item in local)[:MAX_CANDIDATES]
        changed = candidates != self.candidates or complete != self.ended
        self.candidates, self.ended = candidates, complete
        return changed

    def take(self, credentials: Credentials, description: SessionDescription, now: float) -> bool:
        """Work with what the peer says of one of its generations; says whether anything of it was new."""
        new = description.session_id != self.partner
        if new:
            self.partner, self.peer_revision, self.peer_credentials = description.session_id, 0, credentials
            self.agent.set_remote(credentials, now)
            self.agent.peer_is_warren(now)
        if description.revision <= self.peer_revision:
            return new
        self.peer_revision = description.revision
        for candidate in description.candidates:
            self.agent.add_remote(candidate, now)
        if description.end_of_candidates:
            self.agent.end_remote(now)
        return True
