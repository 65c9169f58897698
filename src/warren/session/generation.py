"""Generation: one agent, and everything that a restart must forget."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from warren.ice.agent import Agent
from warren.ice.candidate import LocalCandidate
from warren.ice.stun import Stun
from warren.ice.transaction import Transaction
from warren.ice.transport import Address, Base
from warren.messages import Candidate, CandidateType, Credentials, TCPType
from warren.session.state import State

if TYPE_CHECKING:
    from warren.session.machine import SessionMachine

__all__ = ["LIVE", "MAX_CANDIDATES", "Generation", "Heard"]

MAX_CANDIDATES: Final = 32
LIVE: Final = (State.CONNECTED, State.COMPLETED)
"""The states in which a generation carries data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What the peer has said of one of its generations, as far as we have heard."""

    session_id: int
    credentials: Credentials = field(repr=False)
    revision: int = 0
    candidates: tuple[Candidate, ...] = ()
    ended: bool = False


class Generation:
    """Our side of one attempt to connect: a session id, credentials, growing candidates, an agent."""

    __slots__ = (
        "agent",
        "candidates",
        "credentials",
        "ended",
        "entered_at",
        "handed",
        "heard",
        "known",
        "number",
        "offers_streams",
        "reason",
        "retire_at",
        "revision",
        "session",
        "session_id",
        "settled",
        "shared",
        "state",
        "was_connected",
    )

    def __init__(
        self,
        session: "SessionMachine",
        session_id: int,
        credentials: Credentials,
        *,
        shared: bool,
        now: float,
    ) -> None:
        self.session = session
        """Whose generation it is: the node drains that machine after a response."""
        self.session_id = session_id
        self.credentials = credentials
        self.agent: Agent
        self.number = 0
        """Counted from 1 by session; 0 while it is an offer."""
        self.state = State.UNKNOWN
        self.entered_at = now
        """When it came to this state."""
        self.reason = ""
        """Why the agent uses the pair that it uses, in words."""
        self.settled = False
        self.was_connected = False
        self.retire_at: float | None = None
        """When it is closed, another one having taken over."""
        self.heard: Heard | None = None
        """The peer's generation that it is bound to, or has heard of last."""
        self.handed: Heard | None = None
        """What of that the agent has."""
        self.shared = shared
        """Whether the peer may be told of candidates yet."""
        self.known: list[LocalCandidate] = []
        """Local candidates so far."""
        self.candidates: tuple[Candidate, ...] = ()
        """What the peer is told of them."""
        self.ended = False
        """Whether the peer was told that no more will come."""
        self.revision = 1
        self.offers_streams = False
        """Whether a peer that does not know field 100 may hear of TCP."""

    # Our side

    def offer(self, local: Sequence[LocalCandidate], complete: bool, now: float) -> bool:
        """Take over what is known of our addresses.

        Returns whether something came too late: the peer was told that nothing more would come. A relay
        never comes too late for a path that does without.
        """
        fresh = [item for item in local if item not in self.known]
        if self.ended:
            return any(not (item.base.relayed and self._is_direct) for item in fresh)
        for item in fresh:
            self.agent.add_local(item, now)
            if len(self.known) < MAX_CANDIDATES:
                self.known.append(item)
        if complete:
            self.agent.end_local(now)
        if self.shared:
            self._tell(complete)
        return False

    @property
    def _is_direct(self) -> bool:
        pair = self.agent.selected
        return pair is not None and CandidateType.RELAY not in (pair.local.type, pair.remote.type)

    def share(self, complete: bool) -> None:
        """From now on the peer is told of candidates (state NEW)."""
        if not self.shared:
            self.shared = True
            self._tell(complete)

    def _tell(self, complete: bool) -> None:
        candidates = tuple(item.candidate for item in self.known if not item.hidden)
        if (candidates, complete) != (self.candidates, self.ended):
            self.candidates, self.ended = candidates, complete
            self.revision += 1

    @property
    def plain_candidates(self) -> tuple[Candidate, ...]:
        """What a peer is told one by one that does not know field 100.

        Such a peer connects and nominates as soon as it hears of a TCP port, whatever UDP would bring; ports
        that nobody can connect to it leaves alone.
        """
        return tuple(
            candidate
            for candidate in self.candidates
            if not candidate.network.is_tcp or (self.offers_streams and candidate.tcp_type is TCPType.PASSIVE)
        )

    @property
    def likeliest(self) -> Candidate | None:
        """The candidate that a peer which takes only one should get."""
        return max(self.plain_candidates, key=lambda candidate: candidate.priority, default=None)

    # The peer's side

    def hear(self, heard: Heard) -> None:
        """Remember what the peer says; of one generation of it, the newest revision counts."""
        known = self.heard
        if known is None or known.session_id != heard.session_id:
            self.heard = heard
        elif heard.revision > known.revision:
            # A generation has one ufrag and pwd for life.
            self.heard = replace(heard, credentials=known.credentials)

    def hand_over(self, now: float) -> None:
        """Give the agent what was heard."""
        heard, handed = self.heard, self.handed
        if heard is None or heard is handed:
            return
        self.handed = heard
        self.agent.set_remote(heard.credentials, now)
        for candidate in heard.candidates:
            self.agent.add_remote(candidate, now)
        if heard.ended:
            self.agent.end_remote(now)

    def revision_of(self, session_id: int) -> int:
        """The highest revision of a generation of the peer that we have, 0 where none."""
        heard = self.heard
        return heard.revision if heard is not None and heard.session_id == session_id else 0

    # As the owner of the agent's transactions

    def response_received(
        self, transaction: Transaction, response: Stun, source: Address, base: Base, now: float
    ) -> None:
        """Pass a response on to the agent."""
        self.agent.response_received(transaction, response, source, base, now)
        self.session.generation_changed(self, now)
        if (rest := self.agent.rest(transaction, response)) is not None:
            self.session.path_rests(rest)
