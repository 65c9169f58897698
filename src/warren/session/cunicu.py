"""Peers that do not know field 100, such as cunīcu: their generation is their ufrag and pwd."""

import hashlib
from collections import Counter, OrderedDict
from typing import Final

from warren.messages import Candidate, Credentials
from warren.sansio import earliest
from warren.session.generation import LIVE, MAX_CANDIDATES, Generation, Heard
from warren.session.roster import Roster
from warren.session.rules import PLAIN, Rules
from warren.session.speech import Speech
from warren.session.succession import Succession
from warren.session.waiting import Waiting

__all__ = ["PlainPeer"]

NO_CREDENTIALS: Final = 3.0
"""How long after the first sign of a peer we wait for its credentials."""
MAX_STALE: Final = 1024
NO_STREAMS: Final = 2.0
"""How long UDP is given before the peer hears of TCP: it would nominate that at once."""
MISS: Final = 1.0
"""A check of consent misses after this, or three round trips."""
MISSES: Final = 2


class PlainPeer:
    """Takes the messages of a plain peer; what is said to it is `Speech`'s."""

    def __init__(
        self,
        *,
        rules: Rules,
        roster: Roster,
        speech: Speech,
        succession: Succession,
        drops: Counter[str],
    ) -> None:
        self._rules, self._roster = rules, roster
        self._speech, self._succession = speech, succession
        self._drops = drops
        self._waiting = Waiting()
        self._used: Generation | None = None
        self._stale: OrderedDict[bytes, None] = OrderedDict()
        self._held: Credentials | None = None
        self._apply_at: float | None = None
        self._restart_at: float | None = None
        self._streams_at: float | None = None

    # Messages

    def candidate_received(self, candidate: Candidate, now: float) -> None:
        """A candidate in field 2: of the credentials that we have, or of some that are still to come."""
        if not self._waiting.keep(candidate, now):
            self._drops["candidate-waiting-full"] += 1
        bound = self._roster.bound
        if bound is not None and self._rules.partner == PLAIN and not self._rules.wanted:
            self._hand_over(bound, (candidate,), now)
        else:
            self.sign_seen(now)

    def credentials_received(self, credentials: Credentials, now: float) -> None:
        """Credentials without field 100."""
        self._look_back()
        if _digest(credentials) in self._stale:
            self._drops["credentials-stale"] += 1
        elif self._rules.wanted:
            self._bind(credentials, now)
        elif self._roster.bound is None:
            self._called(credentials, now)
        else:
            self._compare(self._roster.bound, credentials, now)

    def _called(self, credentials: Credentials, now: float) -> None:
        if self._succession.begin("the peer calls", now):
            self._bind(credentials, now)
        else:
            self._drops["generation-limit"] += 1

    def _compare(self, bound: Generation, credentials: Credentials, now: float) -> None:
        """Credentials for a generation that is bound already."""
        heard = bound.heard
        assert heard is not None
        if heard.credentials.ufrag == credentials.ufrag and heard.credentials.pwd == credentials.pwd:
            if credentials.need_creds:
                self._speech.answer(PLAIN, now)
        elif bound.state in LIVE:
            self._hold(bound, credentials, now)
        elif bound.agent.authenticated:
            self._held = credentials
            self._apply(now)
        else:
            # Its agent never heard of ours: to change ours too would make it begin anew without end.
            self._leave(heard.credentials)
            bound.heard = _heard(credentials)
            self._restart_at = None
            self._succession.connect(bound, "the peer has begun anew", now)
            self._take_waiting(bound, now)
            self._answer(bound, credentials, now)

    # Binding

    def _bind(self, credentials: Credentials, now: float) -> None:
        self._rules.bind_plain()
        generation = self._roster.open
        assert generation is not None
        generation.heard = _heard(credentials)
        self._used, self._held = generation, None
        self._apply_at = self._restart_at = None
        self._streams_at = now + NO_STREAMS
        self._succession.bound("the peer told its credentials", now)
        self._take_waiting(generation, now)
        self._answer(generation, credentials, now)

    def _answer(self, generation: Generation, credentials: Credentials, now: float) -> None:
        if credentials.need_creds:
            self._speech.answer(PLAIN, now, binds=True)
        else:
            self._speech.tell_candidates(generation, now)

    def _take_waiting(self, generation: Generation, now: float) -> None:
        self._hand_over(generation, self._waiting.fresh(now), now)

    def _hand_over(self, generation: Generation, candidates: tuple[Candidate, ...], now: float) -> None:
        heard = generation.heard
        assert heard is not None
        known = {candidate.transport: candidate for candidate in heard.candidates}
        for candidate in candidates:
            if candidate.transport in known or len(known) < MAX_CANDIDATES:
                known[candidate.transport] = candidate
            else:
                self._drops["candidates-full"] += 1
        heard = _heard(heard.credentials, tuple(known.values()))
        if heard != generation.heard:
            generation.heard = heard
            self._succession.connect(generation, "the peer told its candidates", now)

    # Liveness beats signaling

    def _hold(self, bound: Generation, credentials: Credentials, now: float) -> None:
        """Believe in new credentials only when the path falls silent: anybody may repeat old ones."""
        if self._held is None:
            selected = bound.agent.selected
            rtt = 0.0 if selected is None else selected.rtt
            self._apply_at = now + MISSES * max(MISS, 3.0 * rtt)
            bound.agent.suspect("the peer has told new credentials", now)
        self._held = credentials

    def path_answered(self) -> None:
        """The path that was doubted works: credentials that are held back are not the peer's."""
        if self._held is not None:
            self._drops["credentials-not-needed"] += 1
        self._held, self._apply_at = None, None

    def _apply(self, now: float) -> None:
        self._apply_at = None
        if not self._rules.wanted:
            self._succession.begin("the peer has new credentials", now)
        self._bind_held(now)

    def _bind_held(self, now: float) -> None:
        if self._held is not None and self._rules.wanted:
            self._look_back()
            self._bind(self._held, now)

    # What was left behind

    def _look_back(self) -> None:
        """Credentials of a generation that is over are stale, if it ever carried anything."""
        used = self._used
        if used is None or (used is self._roster.bound and not self._rules.wanted):
            return
        self._used = None
        if used.agent.authenticated and used.heard is not None:
            self._leave(used.heard.credentials)

    def _leave(self, credentials: Credentials) -> None:
        self._stale[_digest(credentials)] = None
        if len(self._stale) > MAX_STALE:
            self._stale.popitem(last=False)

    # Time

    def sign_seen(self, now: float) -> None:
        """There is a peer, but we do not have its credentials."""
        if self._restart_at is None and self._held is None:
            self._restart_at = now + NO_CREDENTIALS

    def forget(self) -> None:
        """The peer knows field 100: nothing of this matters any more."""
        self._waiting.forget()
        self._held = self._apply_at = self._restart_at = self._streams_at = None

    @property
    def deadline(self) -> float | None:
        """When something is due."""
        if self._held is not None and self._rules.wanted:
            return 0.0
        return earliest(self._apply_at, self._restart_at, self._streams_at)

    def tick(self, now: float) -> None:
        """Do what is due."""
        if self._apply_at is not None and self._apply_at <= now:
            self._apply(now)
        self._bind_held(now)
        if self._streams_at is not None and self._streams_at <= now:
            self._streams_at = None
            if self._used is not None and not self._used.agent.valid:
                self._speech.offer_streams(self._used, now)
        if self._restart_at is not None and self._restart_at <= now:
            self._restart_at = None
            bound = self._roster.bound
            if self._rules.wanted or bound is None or bound.state not in LIVE:
                # cunīcu told them once, and will not again before it begins anew; new ones of ours make it.
                self._succession.begin("the peer is there, but its credentials did not come", now)


def _heard(credentials: Credentials, candidates: tuple[Candidate, ...] = ()) -> Heard:
    return Heard(session_id=PLAIN, credentials=credentials, candidates=candidates)


def _digest(credentials: Credentials) -> bytes:
    return hashlib.blake2b(f"{credentials.ufrag}:{credentials.pwd}".encode(), digest_size=16).digest()
