"""Attempt: all that is tried with one set of the peer's credentials; other ones replace it as a whole."""

from collections.abc import Callable
from dataclasses import replace

from warren.ice import stun
from warren.ice.addresses import RemoteAddresses, compatible, stands_on
from warren.ice.candidate import LocalCandidate
from warren.ice.checklist import Checklist, Pair, PairState
from warren.ice.checks import Check, Checks
from warren.ice.choice import Choice
from warren.ice.dialer import Dialer
from warren.ice.held import HeldStreams
from warren.ice.nomination import best_valid
from warren.ice.nudge import Nudge
from warren.ice.outputs import (
    ChecksFailed,
    ConsentLost,
    PairFormed,
    PairSelected,
    PeerExpected,
    Settled,
    SourceProved,
)
from warren.ice.prober import Prober
from warren.ice.report import PairReport, SelectedPair, describe, why_failed
from warren.ice.rest import Rest
from warren.ice.side import Side
from warren.ice.transaction import Transaction
from warren.ice.transport import Address, Base, Route
from warren.messages import Candidate, Credentials
from warren.sansio import earliest

__all__ = ["Attempt"]


class Attempt:
    """The pairs with one remote description, from the first check to the end of the path they lead to."""

    __slots__ = (
        "_checks",
        "_choice",
        "_dialer",
        "_held",
        "_nudge",
        "_pairs",
        "_prober",
        "_remote_ended",
        "_remotes",
        "_settled",
        "_side",
        "authenticated",
        "over",
        "remote",
        "username",
        "valid",
    )

    def __init__(self, side: Side, remote: Credentials) -> None:
        self.remote = remote
        self.username = f"{side.ufrag}:{remote.ufrag}"
        """USERNAME of the peer's checks (RFC 8445, 7.2.2)."""
        self.valid = False
        self.authenticated = False
        self.over = False
        """Whether it has failed for good."""
        self._side = side
        self._remotes = RemoteAddresses()
        self._pairs = Checklist(controlling=side.controlling)
        self._checks = Checks(side, remote)
        self._dialer = Dialer(side, self._pairs, self._checks, self._remotes)
        self._prober = Prober(side, self._pairs, self._checks, self._dialer)
        self._choice = Choice(side, self._pairs, self._checks, self._prober)
        self._nudge = Nudge()
        self._held = HeldStreams()
        self._remote_ended = False
        self._settled = False

    # What can be read

    @property
    def route(self) -> Route | None:
        """Where data goes."""
        return self._choice.route

    @property
    def begun(self) -> bool:
        """Whether a pair was ever selected."""
        return self._choice.begun

    @property
    def selected(self) -> SelectedPair | None:
        """The chosen pair."""
        pair = self._pairs.selected
        return None if pair is None else SelectedPair(pair.named_local, pair.remote, pair.rtt)

    def reports(self) -> tuple[PairReport, ...]:
        """Every pair as it stands, best first."""
        return tuple(describe(pair) for pair in self._pairs.ranked())

    # Candidates

    def local_added(self, local: LocalCandidate, now: float) -> None:
        """A base of ours is new, or has a better candidate than before."""
        if not self.over:
            for remote in self._remotes:
                self._match(local, remote, now)
            self._prober.start(now)

    def local_ended(self, now: float) -> None:
        """We have told all our candidates."""
        self._conclude(now)

    def base_removed(self, base: Base, now: float) -> None:
        """A base of ours is gone: its pairs fail."""
        if self.over:
            return
        self._held.drop(base)
        gone = [pair for pair in self._pairs if stands_on(pair.base, base)]
        for pair in gone:
            self._dialer.hang_up(pair)
        if self._lose(gone, "the local address is gone", now):
            self._choice.abandon("the local address of the path is gone", now)
        else:
            self._choice.reconsider(now, "the peer chose it")
        self._prober.start(now)
        self._conclude(now)

    def stream_opened(self, base: Base, now: float) -> None:
        """A connection that a pair waits for stands; one that is in its place goes."""
        for pair in self._pairs:
            if pair.dialed is not base:
                continue
            why = "another connection takes its place"
            if pair.connected and self._lose([pair], why, now):
                self._choice.expect(why, now, returning=False)
            self._prober.connected(pair, now)

    def stream_closed(self, base: Base, reason: str, now: float) -> None:
        """A connection could not be opened, or has ended: it is opened again where that is worth it."""
        if self.over:
            return
        for pair in self._pairs:
            if base not in (pair.dialed, pair.base):
                continue
            self._dialer.broken(pair, now)
            if pair.base is base:
                self._dialer.ended(pair)
                self._connection_ended(pair, reason, now)
            else:
                pair.dialed = None
                if not pair.connected:
                    self._not_connected(pair, reason, now)
            self._prober.start(now)
            self._conclude(now)

    def _not_connected(self, pair: Pair, reason: str, now: float) -> None:
        pair.error = reason
        if not self._prober.redial(pair, now):
            self._fail(pair, reason, now)

    def _connection_ended(self, pair: Pair, reason: str, now: float) -> None:
        selected = self._lose([pair], reason, now)
        pair.lapses += selected
        why = f"the connection of the path has ended: {reason}"
        if not selected or self._choice.replace(why, now):
            if pair.is_ours:
                self._prober.redial(pair, now)
            return
        ours = [other for other in self._pairs if other.is_stream and other.is_ours and other.worked]
        redialed = [other for other in ours if self._prober.redial(other, now)]
        if redialed or not pair.is_ours:
            self._choice.expect(why, now, returning=not pair.is_ours)
        else:
            self._choice.lost = f"{why}, and there is no other"

    def _lose(self, gone: list[Pair], error: str, now: float) -> bool:
        """These pairs cannot be used any more; says whether the selected one is among them."""
        lost = self._pairs.selected in gone
        if lost:
            self._pairs.selected = self._choice.route = None
        for pair in gone:
            self._checks.forget_base(pair.base)
            pair.fresh = False
            pair.error = error
            self._pairs.move(pair, PairState.FAILED)
            self._choice.failed(pair, now)
        return lost

    def remote_added(self, candidate: Candidate, now: float) -> None:
        """The peer has told of a candidate."""
        added, reason = self._remotes.add(
            candidate, loopback=self._side.loopback, excluded=self._side.excluded
        )
        if reason is not None:
            self._side.drops[reason] += 1
        if added is None or self.over:
            return
        self._pairs.replace_remote(added)
        self._choice.reconsider(now, "what the peer has told makes it the best")
        for local in self._side.addresses:
            self._match(local, added, now)
        self._prober.start(now)

    def remote_ended(self, now: float) -> None:
        """The peer has told all its candidates."""
        self._remote_ended = True
        self._conclude(now)

    def _match(self, local: LocalCandidate, remote: Candidate, now: float) -> None:
        """Form a pair of candidates that can reach each other; what is to be connected is held back."""
        if not compatible(local.base, remote):
            return
        if local.base.protocol == "udp":
            self._form(local, remote, now)
        elif not self._held.hold(local, remote, now):
            self._side.drops["connections-full"] += 1

    def _form(self, local: LocalCandidate, remote: Candidate, now: float) -> Pair | None:
        pair = self._pairs.form(local, remote, remote.transport)
        if pair is None:
            self._side.drops["pairs-full"] += 1
            return None
        self._choice.pair_formed(now)
        if pair.base.relayed and not pair.sent:
            self._side.outputs.append(PeerExpected(pair.base, pair.destination))
        if self._side.patience_at is None:
            self._side.patience_at = now + self._side.patience
            self._side.outputs.append(PairFormed())
        return pair

    # Checks of the peer

    def request_received(
        self, base: Base, source: Address, priority: int | None, nomination: int, now: float
    ) -> None:
        """A check of the peer that named these credentials came, and was answered.

        `nomination` is the value it nominates the pair with, 0 without a value, -1 if it does not.
        """
        if self.over:
            return
        pair = self._pairs.get(base, source) or self._learn(base, source, priority, now)
        if pair is None:
            return
        self.authenticated = True
        self._pairs.hear(pair)
        self._choice.heard(pair, now)
        self._prove(pair)
        # Only an answer to a check of ours says that the path works.
        if not pair.fresh and self._prober.may_trigger(pair, now):
            self._prober.trigger(pair, now, self._choice.value_for(pair, now))
        if not self._side.controlling:
            self._nominated(pair, nomination, now)

    def remember(self, request: stun.Stun, base: Base, source: Address) -> None:
        """A check of the peer has been taken, and what it says is known from now on."""
        if (pair := self._pairs.get(base, source)) is not None:
            pair.asked = request

    def _learn(self, base: Base, source: Address, priority: int | None, now: float) -> Pair | None:
        local = self._side.addresses.of(base)
        if local is None:
            self._side.drops["check-on-unknown-base"] += 1
            return None
        remote = self._remotes.get(base, source) or self._remotes.learn(base, source, priority)
        if remote is None:
            self._side.drops["prflx-full"] += 1
            return None
        # A connection that was accepted has a base of its own.
        return self._form(replace(local, base=base), remote, now)

    def _prove(self, pair: Pair) -> None:
        if not pair.proved:
            pair.proved = True
            if pair.is_ours or not pair.is_stream:
                (self._side.dials if pair.is_stream else self._side.budget).heard(pair.destination)
            self._side.outputs.append(SourceProved(pair.base, pair.destination))

    def _nominated(self, pair: Pair, nomination: int, now: float) -> None:
        if self._nudging and self._nudge.heard(now) and pair.fresh:
            self._prober.check(pair, now)
        if nomination > pair.nomination:
            pair.nomination = nomination
            if pair.fresh:
                self._choice.reconsider(now, "the peer chose it")
                self._conclude(now)

    # Answers to checks of ours

    def response_received(
        self, transaction: Transaction, response: stun.Stun, source: Address, base: Base, now: float
    ) -> None:
        """An authenticated response to a check of this attempt came."""
        check = self._checks.finish(transaction)
        pair = check.pair
        # RFC 8445, 7.2.5.2.1: a reply from elsewhere means a symmetric NAT.
        if source != transaction.destination or base is not transaction.base:
            self._side.drops["response-from-elsewhere"] += 1
            self._fail(pair, "answered from another address", now)
            return
        self.authenticated = True
        self._prove(pair)
        if response.cls is stun.Class.ERROR:
            self._refused(check, response, now)
            return
        mapped = response.mapped_address
        if mapped is None or mapped[1] == 0:
            self._side.drops["response-without-address"] += 1
            return
        self.valid = True
        pair.answered += 1
        pair.rtt = now - transaction.sent_at
        if pair.is_stream:
            self._dialer.answered(pair, now)
        self._name(pair, mapped)
        works = pair.fresh
        if not works:
            pair.triggered = 0
            pair.error = None
            self._pairs.move(pair, PairState.SUCCEEDED)
            self._checks.settle(pair)
        self._choice.answered(pair, check.nomination, now)
        if not works:
            self._conclude(now)

    def _name(self, pair: Pair, mapped: Address) -> None:
        """The peer sees our end of the pair there."""
        named = self._side.addresses.named(pair.base, mapped)
        if named == pair.valid_local:
            return
        pair.valid_local = named
        if pair is self._pairs.selected:
            reason = "the peer sees us at another address"
            self._side.outputs.append(
                PairSelected(local=pair.named_local, remote=pair.remote, rtt=pair.rtt, reason=reason)
            )

    def _refused(self, check: Check, response: stun.Stun, now: float) -> None:
        code, words = response.error or (0, "malformed error")
        pair = check.pair
        pair.error = f"{code} {words}".strip()
        self._side.drops[f"error-{code}"] += 1
        if code == 487:
            # RFC 8445, 7.2.5.1. A check of the other side may have told us in the meantime.
            if check.controlling == self._side.controlling:
                self.switch_role(now)
            if self._prober.may_trigger(pair, now):
                self._prober.trigger(pair, now, self._choice.value_for(pair, now))
        elif code // 100 != 5:
            self._fail(pair, pair.error, now)

    def switch_role(self, now: float) -> None:
        """Take the other role (RFC 8445, 7.3.1.1)."""
        self._side.controlling = not self._side.controlling
        self._pairs.switch_role(controlling=self._side.controlling)
        self._choice.role_switched(now)

    def suspect(self, reason: str, now: float) -> None:
        """Doubt the selected pair."""
        if self._pairs.selected is not None:
            self._choice.doubt(reason, now)

    def hasten(self, now: float) -> None:
        """Check the selected pair now."""
        self._choice.hasten(now)

    def rest(self, pair: Pair, answer: stun.Stun, wake: Callable[[], object]) -> Rest | None:
        """Let the path rest, if this is its pair and nothing is to be done but to keep consent."""
        due = earliest(self._pairs.deadline, self._prober.paced_at, self._connects_at)
        return None if self.over or due is not None else self._choice.rest(pair, answer, wake)

    def wake(self, rest: Rest) -> None:
        """It rests no more."""
        self._choice.wake(rest)

    # Ends

    def _fail(self, pair: Pair, error: str, now: float) -> None:
        pair.error = error
        # One that has worked is for consent to judge.
        if pair.state is not PairState.SUCCEEDED:
            self._dialer.hang_up(pair)
            self._pairs.move(pair, PairState.FAILED)
            self._choice.failed(pair, now)
            self._conclude(now)

    def _conclude(self, now: float) -> None:
        """See whether something has come to its end, good or bad."""
        if self._dialer.busy:
            self._disconnect(now)
        if self._choice.lost is not None and not self.over:
            self._end(ConsentLost(self._choice.lost))
        if not (self._side.ended and self._remote_ended) or self.over:
            return
        selected = self._pairs.selected
        if selected is not None:
            if not self._settled and not any(
                pair.unanswered and pair.priority > selected.priority for pair in self._pairs
            ):
                self._settled = True
                self._side.outputs.append(Settled())
        elif self._held or self._choice.awaits_peer:
            return
        elif len(self._pairs) and all(pair.state is PairState.FAILED for pair in self._pairs):
            if self._choice.begun:
                self._end(ConsentLost("the path is gone, and every other pair has failed"))
            else:
                self._give_up("every pair failed", now)

    def _give_up(self, reason: str, now: float) -> None:
        assert self._side.patience_at is not None  # It runs since the first pair.
        seconds = now - (self._side.patience_at - self._side.patience)
        self._end(ChecksFailed(why_failed(reason, self._pairs.ranked(), seconds)))

    def _end(self, output: ChecksFailed | ConsentLost) -> None:
        self.close()
        self._side.outputs.append(output)

    def close(self) -> None:
        """Nothing more is sent or told."""
        self.over = True
        self._pairs.selected = None
        self._choice.route = None
        self._checks.forget_all()
        for pair in self._pairs:
            self._dialer.hang_up(pair)

    # Connections

    @property
    def _connects_at(self) -> float | None:
        """When connections are tried: never while there is a direct path."""
        at, selected = self._held.at, self._pairs.selected
        return None if at is None or (selected is not None and not selected.relayed) else at

    def _connect(self, now: float) -> None:
        for local, remote in self._held.take():
            self._form(local, remote, now)
        self._prober.start(now)

    def _disconnect(self, now: float) -> None:
        """Give up connections that were begun and do not work yet, once a better path was there first."""
        selected = self._pairs.selected
        if selected is None or selected.relayed:
            return
        self._dialer.busy = False
        for pair in self._pairs:
            begun = pair.is_stream and pair.is_ours and pair.unanswered and not pair.heard
            if begun and pair.priority < selected.priority:
                self._fail(pair, "a better path was there first", now)

    # Time

    @property
    def deadline(self) -> float | None:
        """When `tick` wants to be called."""
        if self.over:
            return None
        first = earliest(
            self._choice.deadline, self._pairs.deadline, self._prober.paced_at, self._connects_at
        )
        if self._choice.begun:
            return first
        return earliest(first, self._side.patience_at, self._nudge.deadline if self._nudging else None)

    @property
    def _nudging(self) -> bool:
        side = self._side
        return not (self._choice.begun or side.controlling or side.renomination)

    def tick(self, now: float) -> None:
        """Do what has become due."""
        if self.over:
            return
        patience_at = self._side.patience_at
        if not self._choice.begun and patience_at is not None and patience_at <= now:
            self._give_up("no pair was agreed upon", now)
            return
        connects_at = self._connects_at
        if connects_at is not None and connects_at <= now:
            self._connect(now)
        if self._prober.paced_at is not None and self._prober.paced_at <= now:
            self._prober.start(now)
        while (pair := self._pairs.pop_due(now)) is not None:
            if not self._prober.repeat(pair, now):
                self._fail(pair, "no answer", now)
        if self._nudging and self._nudge.pop_due(now):
            pair = best_valid(self._pairs)
            if pair is not None:
                self._prober.check(pair, now)
        self._choice.tick(now)
        self._conclude(now)
