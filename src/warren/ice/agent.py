"""Agent: full ICE with trickle for one generation; does no I/O (RFC 8445, RFC 8838, RFC 7675, RFC 8863)."""

from collections import Counter
from collections.abc import Container

from warren.ice import stun, timing
from warren.ice.attempt import Attempt
from warren.ice.candidate import LocalCandidate
from warren.ice.checks import Check
from warren.ice.early import EarlyCheck, EarlyChecks
from warren.ice.outputs import AgentOutput
from warren.ice.report import PairReport, SelectedPair
from warren.ice.rest import Rest
from warren.ice.side import Side
from warren.ice.timing import Pacer
from warren.ice.transaction import Owner, Transaction, Transactions
from warren.ice.transport import Address, Base, Route, Transmit
from warren.messages import Candidate, Credentials
from warren.sansio import Dice

__all__ = ["Agent"]


class Agent:
    """Finds and keeps the best working pair of addresses between us and one peer, for one generation."""

    __slots__ = ("_attempt", "_closed", "_deadline", "_early", "_reckoned", "_rest", "_side")

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
        excluded: Container[str] = (),
        drops: Counter[str] | None = None,
    ) -> None:
        self._side = Side(
            controlling=controlling,
            local=local,
            tie_breaker=tie_breaker,
            transactions=transactions,
            pacer=pacer,
            dice=dice,
            owner=owner,
            loopback=loopback,
            patience=patience,
            consent_timeout=consent_timeout,
            renomination=renomination,
            excluded=excluded,
            drops=Counter() if drops is None else drops,
        )
        self._early = EarlyChecks()
        self._attempt: Attempt | None = None
        self._rest: Rest | None = None
        self._closed = False
        self._deadline: float | None = None
        self._reckoned = True
        """Whether the deadline stands: nothing has happened since it was worked out."""

    # What can be read

    @property
    def controlling(self) -> bool:
        """Our role now; a role conflict can change it (RFC 8445, 7.3.1.1)."""
        return self._side.controlling

    @property
    def drops(self) -> Counter[str]:
        """What the peer sent that was of no use, by reason."""
        return self._side.drops

    @property
    def valid(self) -> bool:
        """Whether a check of ours with the present remote credentials was answered."""
        return self._attempt is not None and self._attempt.valid

    @property
    def authenticated(self) -> bool:
        """Whether an authenticated packet under the present remote credentials ever came."""
        return self._attempt is not None and self._attempt.authenticated

    @property
    def route(self) -> Route | None:
        """Where data goes; another object when the path changes, None while nothing works."""
        attempt = self._attempt
        return None if attempt is None else attempt.route

    @property
    def selected(self) -> SelectedPair | None:
        """The chosen pair, once there is one."""
        return None if self._attempt is None else self._attempt.selected

    def pair_reports(self) -> tuple[PairReport, ...]:
        """Every pair as it stands, best first."""
        return () if self._attempt is None else self._attempt.reports()

    # Our candidates

    def add_local(self, candidate: LocalCandidate, now: float) -> None:
        """An address of ours is there; what is known already is ignored."""
        if self._side.addresses.add(candidate) and (attempt := self._changing()) is not None:
            attempt.local_added(candidate, now)

    def end_local(self, now: float) -> None:
        """No more addresses of ours will come in this generation."""
        self._side.ended = True
        if (attempt := self._changing()) is not None:
            attempt.local_ended(now)

    def remove_base(self, base: Base, now: float) -> None:
        """A local transport is gone: its pairs fail."""
        self._side.addresses.remove(base)
        if (attempt := self._changing()) is not None:
            attempt.base_removed(base, now)

    def stream_opened(self, base: Base, now: float) -> None:
        """A connection that we wanted stands; another agent's is ignored."""
        if (attempt := self._changing()) is not None:
            attempt.stream_opened(base, now)

    def stream_closed(self, base: Base, reason: str, now: float) -> None:
        """A connection could not be opened or has ended; another agent's is ignored."""
        if (attempt := self._changing()) is not None:
            attempt.stream_closed(base, reason, now)

    # The peer's description

    def set_remote(self, remote: Credentials, now: float) -> None:
        """Take the peer's credentials; other ones than before forget all that was known of the peer."""
        old = self._changing()
        if self._closed or (old is not None and _same(old.remote, remote)):
            return
        if old is not None:
            old.close()
            if old.begun:
                self._side.patience_at = None
        self._attempt = attempt = Attempt(self._side, remote)
        # RFC 8445, 7.3: the peer's checks may come before its credentials; what they began goes on here.
        for check in self._early.take(remote.ufrag):
            attempt.request_received(check.base, check.source, check.priority, check.nomination, now)

    def add_remote(self, candidate: Candidate, now: float) -> None:
        """Take a candidate of the peer; known, hostile and superfluous ones are dropped and counted.

        It belongs to the credentials set last; without any it is dropped too.
        """
        if (attempt := self._changing()) is None:
            self._side.drops["candidate-without-credentials"] += 1
        else:
            attempt.remote_added(candidate, now)

    def end_remote(self, now: float) -> None:
        """The peer has said that no more candidates will come with the present credentials."""
        if (attempt := self._changing()) is not None:
            attempt.remote_ended(now)

    def peer_is_warren(self, now: float) -> None:
        """The peer speaks field 100: its nominations and ours carry values."""
        self._side.renomination = True
        self._changing()

    # Packets

    def keeps(self, ufrag: str) -> bool:
        """Say whether a check of the owner of this ufrag waits for its credentials."""
        return ufrag in self._early

    def verify(self, request: stun.Stun) -> bool:
        """Say whether the request was made with our password."""
        return stun.verify(request, self._side.key)

    def request_received(self, request: stun.Stun, base: Base, source: Address, now: float) -> None:
        """Take a verified check of the peer: answer it, and learn from it."""
        side = self._side
        if self._closed:
            return
        if source[1] == 0:
            # Nothing can be sent there; whoever sees a check pass can send it again from anywhere.
            side.drops["check-from-port-0"] += 1
            return
        if request.unknown_required:
            side.drops["request-unknown-attribute"] += 1
            unknown = request.unknown_required
            data = stun.error(request, 420, "Unknown Attribute", side.key, unknown)
            side.outputs.append(Transmit(base, source, data))
            return
        if self._conflicts(request, now):
            side.drops["request-role-conflict"] += 1
            data = stun.error(request, 487, "Role Conflict", side.key)
            side.outputs.append(Transmit(base, source, data))
            return
        side.outputs.append(Transmit(base, source, stun.success(request, source, side.key)))
        nomination = request.nomination
        if nomination is None:
            nomination = 0 if request.use_candidate else -1
        attempt = self._changing()
        if attempt is not None and request.username == attempt.username:
            attempt.request_received(base, source, request.priority, nomination, now)
            attempt.remember(request, base, source)
        else:
            self._keep(request.username_parts, EarlyCheck(base, source, request.priority, nomination))

    def _keep(self, username: tuple[str, str] | None, check: EarlyCheck) -> None:
        ufrag = "" if username is None else username[1]
        if not self._early.keep(ufrag, check):
            self._side.drops["early-checks-full"] += 1

    def _conflicts(self, request: stun.Stun, now: float) -> bool:
        """Whether both want the same role and it is the peer that must give way (RFC 8445, 7.3.1.1)."""
        controlling = self._side.controlling
        theirs = request.controlling if controlling else request.controlled
        if theirs is None:
            return False
        # The larger tie-breaker controls, ours where they are equal.
        if controlling == (self._side.tie_breaker >= theirs):
            return True
        if (attempt := self._changing()) is None:
            self._side.controlling = not controlling
        else:
            attempt.switch_role(now)
        return False

    def response_received(
        self, transaction: Transaction, response: stun.Stun, source: Address, base: Base, now: float
    ) -> None:
        """Take a response to a check of ours; its integrity is verified here."""
        attempt = self._changing()
        if attempt is None or transaction.key is None:
            return
        if not stun.verify(response, transaction.key):
            # The transaction goes on: anybody could have sent this.
            self._side.drops["response-bad-integrity"] += 1
            return
        attempt.response_received(transaction, response, source, base, now)

    # The path

    def rest(self, transaction: Transaction, answer: stun.Stun) -> Rest | None:
        """Let somebody else keep consent from now on, if nothing else is to be done; None if there is.

        `answer` was the response to `transaction`. Whoever calls this gives what comes over the path to what
        it returns first, and its timer is not ours; the next input of any kind ends it (`Rest.over`).
        """
        attempt, check = self._attempt, transaction.purpose
        if attempt is None or not isinstance(check, Check):
            return None
        self._reckoned = False
        self._rest = attempt.rest(check.pair, answer, self._changing)
        return self._rest

    def suspect(self, reason: str, now: float) -> None:
        """Doubt the selected pair: probe every pair that ever worked, now."""
        if (attempt := self._changing()) is not None:
            attempt.suspect(reason, now)

    def hasten(self, now: float) -> None:
        """Nothing comes over the selected pair, and something should: check it now."""
        if (attempt := self._changing()) is not None:
            attempt.hasten(now)

    def close(self, now: float) -> None:
        """Forget everything; nothing is sent and no timer runs any more."""
        self._closed = True
        if (attempt := self._changing()) is not None:
            attempt.close()

    # The machine

    @property
    def deadline(self) -> float | None:
        """When `tick` wants to be called, or None; looking has no effect."""
        if not self._reckoned:
            attempt = self._attempt
            self._deadline = None if attempt is None or self._rest is not None else attempt.deadline
            self._reckoned = True
        return self._deadline

    def tick(self, now: float) -> None:
        """Do what has become due; calling early or late is harmless."""
        if (attempt := self._changing()) is not None:
            attempt.tick(now)

    def outputs(self) -> list[AgentOutput]:
        """Hand over what is to be done or told since the last call, in order."""
        outputs = self._side.outputs
        if outputs:
            self._side.outputs = []
        return outputs

    def _changing(self) -> Attempt | None:
        """The attempt, for an input that may change something: so the deadline is to be worked out anew."""
        self._reckoned = False
        attempt, rest = self._attempt, self._rest
        if rest is not None and attempt is not None:
            self._rest, rest.over = None, True
            attempt.wake(rest)
        return attempt


def _same(one: Credentials, other: Credentials) -> bool:
    return one.ufrag == other.ufrag and one.pwd == other.pwd
