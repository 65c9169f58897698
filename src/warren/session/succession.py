"""Succession: how generations of a session begin, are bound, and give way to the next."""

from collections.abc import Container, Sequence
from typing import TYPE_CHECKING, Final

from warren.backoff import Backoff
from warren.ice.agent import Agent
from warren.ice.candidate import LocalCandidate
from warren.ice.timing import Pacer
from warren.ice.transaction import Transactions
from warren.messages import Credentials
from warren.sansio import Dice, earliest
from warren.session.config import Config
from warren.session.generation import LIVE, Generation
from warren.session.limits import GenerationLimit
from warren.session.roster import Roster
from warren.session.rules import Rules
from warren.session.speech import Dialect, Speech
from warren.session.state import State

if TYPE_CHECKING:
    from warren.session.machine import SessionMachine

__all__ = ["Means", "Succession"]

AFTER_FAILURE: Final = Backoff(first=1.0, factor=2.0, limit=60.0)
LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
UFRAG_LETTERS: Final = 16
PWD_LETTERS: Final = 32


class Means:
    """What every agent of a session is made with."""

    __slots__ = ("config", "controlling", "dice", "excluded", "pacer", "session", "transactions")

    def __init__(
        self,
        *,
        session: "SessionMachine",
        controlling: bool,
        transactions: Transactions,
        pacer: Pacer,
        dice: Dice,
        config: Config,
        excluded: Container[str] = (),
    ) -> None:
        self.session = session
        self.controlling = controlling
        self.transactions = transactions
        self.pacer = pacer
        self.dice = dice
        self.config = config
        self.excluded = excluded

    def generation(self, session_id: int, now: float, *, warren: bool) -> Generation:
        """Make a generation and its agent."""
        credentials = Credentials(self._letters(UFRAG_LETTERS), self._letters(PWD_LETTERS))
        early = self.config.early_candidates
        generation = Generation(self.session, session_id, credentials, shared=early, now=now)
        generation.agent = Agent(
            controlling=self.controlling,
            local=credentials,
            tie_breaker=self.dice.getrandbits(64),
            transactions=self.transactions,
            pacer=self.pacer,
            dice=self.dice,
            owner=generation,
            loopback=self.config.loopback,
            patience=self.config.patience,
            consent_timeout=self.config.consent_timeout,
            renomination=warren,
            excluded=self.excluded,
            drops=self.session.drops,
        )
        return generation

    def _letters(self, count: int) -> str:
        return "".join(LETTERS[int(self.dice.random() * len(LETTERS))] for _ in range(count))


class Succession:
    """Keeps the rules, the roster and what is said in step with each other."""

    def __init__(self, *, means: Means, rules: Rules, roster: Roster, speech: Speech) -> None:
        self.failure: str | None = None
        """Why the last generation that ended before it was connected did so, in words."""
        self._means, self._rules, self._roster, self._speech = means, rules, roster, speech
        self._limit = GenerationLimit()
        self._failures = AFTER_FAILURE.delays(means.dice)
        self._begin_at: float | None = None
        self._why = ""
        self._local: tuple[LocalCandidate, ...] = ()
        self._complete = False

    # Beginning

    def draw(self) -> int:
        """Draw a session id: 64 random bits, not 0."""
        return self._means.dice.getrandbits(64) or 1

    def begin(self, reason: str, now: float, *, forced: bool = False) -> bool:
        """Open a wanted generation (rule 1), now or as soon as the limit allows; says whether now."""
        allowed_at = self._limit.next_at(now)
        if allowed_at > now and not forced:
            self._begin_later(allowed_at, reason)
            return False
        self._limit.count(now)
        self._begin_at = None
        roster = self._roster
        if roster.open is not None:
            roster.close(roster.open, f"replaced: {reason}", now)
        newest = roster.newest
        if newest is not None and newest.state is State.FAILED:
            roster.move(newest, State.CLOSED, reason, now)
        session_id = self.draw()
        self._rules.begin(session_id)
        roster.promote(self._create(session_id, now), reason, now)
        self._speech.begin(now)
        return True

    def hurry(self, now: float) -> bool:
        """The network has changed, and what has failed may work now; says whether a generation has begun."""
        self._failures = AFTER_FAILURE.delays(self._means.dice)
        return self._begin_at is not None and self.begin(self._why, now)

    def offer(self, now: float) -> None:
        """The rules have opened an offer: create its agent if there is none."""
        if self._roster.open is None:
            self._create(self._rules.open, now)

    def _begin_later(self, at: float, reason: str) -> None:
        if self._begin_at is None or at < self._begin_at:
            self._begin_at, self._why = at, reason

    def _create(self, session_id: int, now: float) -> Generation:
        warren = self._speech.dialect is Dialect.WARREN
        generation = self._means.generation(session_id, now, warren=warren)
        generation.offer(self._local, self._complete, now)
        self._roster.enter(generation)
        return generation

    # Connecting

    def bound(self, reason: str, now: float) -> Generation:
        """The rules have bound the open generation: it takes its seat."""
        self._begin_at = None
        generation = self._roster.seat(reason, now)
        self.connect(generation, reason, now)
        self._speech.wait_anew(now)
        return generation

    def connect(self, generation: Generation, reason: str, now: float) -> None:
        """Give the agent what was heard of the peer, as its partner or as a guess."""
        heard, handed = generation.heard, generation.handed
        assert heard is not None
        if handed is not None and handed.credentials != heard.credentials:
            self._roster.forget_sources(generation)
            generation.settled = False
        if generation.state is State.IDLE:
            self._roster.move(generation, State.NEW, f"credentials of the peer: {reason}", now)
            generation.share(self._complete)
        if generation.state is State.NEW and heard.candidates:
            self._roster.move(generation, State.CONNECTING, "a candidate of the peer is known", now)
        generation.hand_over(now)

    def pair_formed(self, generation: Generation, now: float) -> None:
        """The agent has formed its first pair."""
        if generation.state is State.NEW:
            self._roster.move(generation, State.CONNECTING, "a check revealed an address of the peer", now)
        if generation.state is State.CONNECTING:
            self._roster.move(generation, State.CHECKING, "the first pair of candidates was formed", now)

    def conclude(self, generation: Generation, now: float) -> None:
        """See what has become of a generation (rule 6)."""
        roster, rules = self._roster, self._rules
        if generation is roster.bound:
            if generation.agent.valid:
                rules.connected = True
            if generation.state is State.CHECKING and generation.agent.selected is not None:
                why = f"a pair was selected: {generation.reason}"
                roster.move(generation, State.CONNECTED, why, now)
                roster.retire_older(now)
                self.failure = None
                self._failures = AFTER_FAILURE.delays(self._means.dice)
            if generation.state is State.CONNECTED and generation.settled:
                why = "both sides' candidates are final, and no better pair can come"
                roster.move(generation, State.COMPLETED, why, now)
        roster.tell_path(generation.reason, now)

    # Ending

    def failed(self, generation: Generation, reason: str, now: float) -> None:
        """No pair of a generation works; the next one waits a little."""
        roster = self._roster
        if generation not in (roster.bound, roster.open):
            roster.close(generation, reason, now)
            return
        self.failure = reason
        roster.move(generation, State.FAILED, reason, now)
        self._end_current(generation, reason, now)
        if generation is not roster.newest:
            roster.close(generation, reason, now)
        self._begin_later(now + next(self._failures), "trying again")

    def starved(self, generation: Generation, now: float) -> None:
        """Credentials came, but nothing to check."""
        lacking = "candidate of it" if generation.state is State.NEW else "pair of candidates that fit"
        reason = f"the peer's credentials came, but no {lacking} in {self._means.config.patience:g} s"
        self.failure = reason
        self._end_current(generation, reason, now)
        self._roster.close(generation, reason, now)
        self.begin("trying again", now)

    def consent_lost(self, generation: Generation, reason: str, now: float) -> None:
        """The peer has stopped answering on every path."""
        if generation.state not in LIVE:
            self.failed(generation, reason, now)
            return
        self._roster.move(generation, State.DISCONNECTED, reason, now)
        if generation is not self._roster.bound:
            self._roster.close(generation, reason, now)
        self._roster.tell_path(reason, now)
        if generation is self._roster.bound and not self._rules.wanted:
            self.begin(reason, now)

    def _end_current(self, generation: Generation, reason: str, now: float) -> None:
        """Nothing is bound or open any more; what carried data before goes on if it does."""
        roster = self._roster
        self._rules.clear()
        roster.release(generation, now)
        for other in (roster.open, roster.bound, roster.older):
            if other is not None and not (other is roster.older and other.state in LIVE):
                roster.close(other, reason, now)
        self._speech.stop()

    def close(self, now: float) -> None:
        """The user has closed the session."""
        for generation in self._roster.living:
            self._roster.close(generation, "closed by the user", now)
        newest = self._roster.newest
        if newest is not None and newest.state is State.FAILED:
            self._roster.move(newest, State.CLOSED, "closed by the user", now)
        self._rules.clear()
        self._speech.stop()
        self._begin_at = None
        self._roster.tell_path("closed by the user", now)

    # Our addresses

    def update_local(self, local: Sequence[LocalCandidate], complete: bool, now: float) -> None:
        """Take over what is known of our addresses; one that comes after the last begins a new generation."""
        self._local, self._complete = tuple(local), complete
        too_late = []
        for generation in (self._roster.bound, self._roster.open):
            if generation is not None:
                revision = generation.revision
                if generation.offer(self._local, complete, now):
                    too_late.append(generation)
                if generation.revision != revision:
                    self._speech.revised(generation, now)
        # A wanted generation already takes the bound one's place, and need not begin again for its sake.
        if (self._roster.open if self._rules.wanted else self._roster.bound) in too_late:
            self.begin("there is a new local address", now)

    # The machine

    def _starves_at(self, generation: Generation) -> float | None:
        waiting = generation.state in (State.NEW, State.CONNECTING)
        return generation.entered_at + self._means.config.patience if waiting else None

    @property
    def deadline(self) -> float | None:
        """When a generation begins or ends by time."""
        first = self._begin_at
        for generation in self._roster.living:
            first = earliest(first, generation.retire_at, self._starves_at(generation))
        return first

    def tick(self, now: float) -> None:
        """Begin and end what is due."""
        for generation in self._roster.living:
            if generation.retire_at is not None and generation.retire_at <= now:
                self._roster.close(generation, "retired: a newer generation is connected", now)
            starves_at = self._starves_at(generation)
            if starves_at is not None and starves_at <= now:
                self.starved(generation, now)
        if self._begin_at is not None and self._begin_at <= now:
            self._begin_at = None
            self.begin(self._why, now)
