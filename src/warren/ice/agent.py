"""Agent: full ICE with trickle for one generation; does no I/O (RFC 8445, RFC 8838, RFC 7675, RFC 8863)."""

from collections import Counter

from warren.ice import stun, timing
from warren.ice.candidate import LocalCandidate
from warren.ice.outputs import AgentOutput
from warren.ice.report import PairReport, SelectedPair
from warren.ice.timing import Pacer
from warren.ice.transaction import Owner, Transaction, Transactions
from warren.ice.transport import Address, Base, Route
from warren.messages import Candidate, Credentials
from warren.sansio import Dice

__all__ = ["Agent"]


class Agent:
    """Finds and keeps the best working pair of addresses between us and one peer, for one generation."""

    def __init__(
        self,
        *,
        controlling: bool,
        local: Credentials,
        tie_breaker: int,
        transactions: Transactions,
        pacer: Pacer,
        dice: Dice,
        owner: Owner,
        loopback: bool = False,
        patience: float = timing.PATIENCE,
        consent_timeout: float = timing.CONSENT_TIMEOUT,
        renomination: bool = False,
    ) -> None:
        self.controlling = controlling
        """Our role now; a role conflict can change it (RFC 8445, 7.3.1.1)."""
        self.drops: Counter[str] = Counter()
        """What the peer sent that was of no use, by reason."""
        self.valid = False
        """Whether a check of ours with the present remote credentials was answered."""
        self.authenticated = False
        """Whether an authenticated packet under the present remote credentials ever came."""
        self.route: Route | None = None
        """Where data goes; another object when the path changes, None while nothing works."""

    @property
    def selected(self) -> SelectedPair | None:
        """The chosen pair, once there is one."""
        raise NotImplementedError

    def pair_reports(self) -> tuple[PairReport, ...]:
        """Every pair as it stands, best first."""
        raise NotImplementedError

    def add_local(self, candidate: LocalCandidate, now: float) -> None:
        """An address of ours is there; what is known already is ignored."""
        raise NotImplementedError

    def end_local(self, now: float) -> None:
        """No more addresses of ours will come in this generation."""
        raise NotImplementedError

    def remove_base(self, base: Base, now: float) -> None:
        """A local transport is gone: its pairs fail."""
        raise NotImplementedError

    def set_remote(self, remote: Credentials, now: float) -> None:
        """Take the peer's credentials; other ones than before forget all that was known of the peer."""
        raise NotImplementedError

    def add_remote(self, candidate: Candidate, now: float) -> None:
        """Take a candidate of the peer; known, hostile and superfluous ones are dropped and counted."""
        raise NotImplementedError

    def end_remote(self, now: float) -> None:
        """The peer has said that no more candidates will come."""
        raise NotImplementedError

    def peer_is_warren(self, now: float) -> None:
        """The peer speaks field 100: its nominations and ours carry values."""
        raise NotImplementedError

    def verify(self, request: stun.Stun) -> bool:
        """Say whether the request was made with our password."""
        raise NotImplementedError

    def request_received(self, request: stun.Stun, base: Base, source: Address, now: float) -> None:
        """Take a verified check of the peer: answer it, and learn from it."""
        raise NotImplementedError

    def response_received(
        self, transaction: Transaction, response: stun.Stun, source: Address, base: Base, now: float
    ) -> None:
        """Take a response to a check of ours; its integrity is verified here."""
        raise NotImplementedError

    def suspect(self, reason: str, now: float) -> None:
        """Doubt the selected pair: probe every pair that ever worked, now."""
        raise NotImplementedError

    def close(self, now: float) -> None:
        """Forget everything; nothing is sent and no timer runs any more."""
        raise NotImplementedError

    @property
    def deadline(self) -> float | None:
        """When `tick` wants to be called, or None; looking has no effect."""
        raise NotImplementedError

    def tick(self, now: float) -> None:
        """Do what has become due."""
        raise NotImplementedError

    def outputs(self) -> list[AgentOutput]:
        """Hand over what is to be done or told since the last call, in order."""
        raise NotImplementedError
