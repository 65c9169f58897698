"""SessionMachine: what one node keeps for one peer; from a public key to a path, and on."""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, assert_never

from warren.backoff import Backoff, Delays
from warren.ice.agent import Agent
from warren.ice.candidate import LocalCandidate
from warren.ice.outputs import (
    ChecksFailed,
    ConsentLost,
    PairFormed,
    PairSelected,
    Recovered,
    Settled,
    SourceProved,
    Suspected,
)
from warren.ice.stun import Stun
from warren.ice.timing import Pacer
from warren.ice.transaction import Transactions
from warren.ice.transport import Address, Base, Route, Transmit
from warren.keys import PublicKey
from warren.messages import Credentials, Message, SessionDescription
from warren.sansio import Dice
from warren.session.config import Config
from warren.session.generation import Generation
from warren.session.limits import AnswerLimit, Bucket
from warren.session.outputs import (
    Path,
    PathChanged,
    Publish,
    SessionOutput,
    SourceForgotten,
    SourceLearned,
    StateChanged,
    UfragAdded,
    UfragRemoved,
)
from warren.session.rules import Check, Rules, Verdict
from warren.session.state import MOVES, State

__all__ = ["SessionMachine"]

SAY_AGAIN: Final = Backoff(first=0.5, factor=1.5, limit=60.0, jitter=0.5)
AFTER_FAILURE: Final = Backoff(first=1.0, factor=2.0, limit=60.0)
TOO_MANY: Final = Backoff(first=5.0, factor=2.0, limit=60.0)
SAID_WHEN_CONNECTED: Final = 10
RETIRED_AFTER: Final = 5.0
HISTORY: Final = 64
LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class SessionMachine:
    """Binds one of our generations to one of the peer's, and keeps data flowing while either restarts."""

    def __init__(
        self,
        *,
        ours: PublicKey,
        theirs: PublicKey,
        transactions: Transactions,
        pacer: Pacer,
        dice: Dice,
        config: Config,
    ) -> None:
        self.peer = theirs
        self.controlling = ours < theirs
        self.drops: Counter[str] = Counter()
        self._ours = ours
        self._transactions = transactions
        self._pacer = pacer
        self._dice = dice
        self._config = config
        self._outputs: list[SessionOutput] = []
        self._history: deque[StateChanged] = deque(maxlen=HISTORY)
        self._rules = Rules()
        self._bound: Generation | None = None
        self._open: Generation | None = None
        self._previous: Generation | None = None
        self._last: Generation | None = None
        self._by_ufrag: dict[str, Generation] = {}
        self._heard: tuple[Credentials, SessionDescription] | None = None
        self._local: tuple[LocalCandidate, ...] = ()
        self._complete = False
        self._numbers = 0
        self._delays: Delays = SAY_AGAIN.delays(dice)
        self._say_at: float | None = None
        self._said = 0
        self._answers = AnswerLimit()
        self._messages = Bucket(rate=50.0, burst=200)
        self._births = Bucket(rate=0.2, burst=3)
        self._begin_at: float | None = None
        self._failures: Delays = AFTER_FAILURE.delays(dice)
        self._too_many: Delays = TOO_MANY.delays(dice)
        self._path: Path | None = None
        self._closed = False
        self._opened = False
        self.failure: str | None = None
        """Why the last generation failed, in words."""

    # What can be read

    @property
    def state(self) -> State:
        """The state of the generation that carries data, else of the newest that is not an offer."""
        carrying = self._carrying
        if carrying is not None:
            return carrying.state
        return State.UNKNOWN if self._last is None else self._last.state

    @property
    def generation(self) -> int:
        """How many generations were begun."""
        return self._numbers

    @property
    def route(self) -> Route | None:
        """Where data goes now; replaced when the path changes."""
        carrying = self._carrying
        return None if carrying is None else carrying.agent.route

    @property
    def path(self) -> Path | None:
        """The selected pair, as a user sees it."""
        return self._path

    @property
    def history(self) -> tuple[StateChanged, ...]:
        """The last 64 moves, oldest first."""
        return tuple(self._history)

    @property
    def _carrying(self) -> Generation | None:
        if self._bound is not None and self._rules.connected:
            return self._bound
        return self._previous or self._bound

    # The user

    def open(self, now: float) -> None:
        """Begin: create an agent, send local credentials."""
        if not self._opened and not self._closed:
            self._opened = True
            self._begin("the session was opened", now)

    def close(self, now: float) -> None:
        """Close for good: nothing is sent and no timer runs any more."""
        if self._closed:
            return
        self._closed = True
        for generation in self._living():
            self._close_generation(generation, "closed by the user", now)
        self._bound = self._open = self._previous = None
        self._say_at = self._begin_at = None
        self._answers.forget()
        self._show_path("closed by the user", now)

    def restart(self, now: float, reason: str = "restarted by the user") -> None:
        """Begin a new generation; what carries data goes on until the new one is connected."""
        if self._opened and not self._closed:
            self._begin(reason, now)

    def network_changed(self, now: float) -> None:
        """Say everything again at once, with the back-off from its start."""
        self._say_now(now)

    def subscription_live(self, now: float) -> None:
        """Signaling is there (again): a session that is not connected says so at once."""
        if not (self._bound is not None and self._rules.connected):
            self._say_now(now)

    def update_local(self, candidates: Sequence[LocalCandidate], complete: bool, now: float) -> None:
        """Take over what is known of our own addresses."""
        self._local, self._complete = tuple(candidates), complete
        for generation in self._living():
            if generation.offer_candidates(self._local, complete, now):
                generation.revision += 1
                if generation is self._bound:
                    self._rules.shown = False
                if generation is self._bound or (generation is self._open and self._rules.wanted):
                    self._say_now(now)
            self.generation_changed(generation, now)

    def remove_base(self, base: Base, now: float) -> None:
        """A local transport is gone."""
        for generation in self._living():
            generation.agent.remove_base(base, now)
            self.generation_changed(generation, now)

    # Signaling

    def message_received(self, message: Message, now: float) -> None:
        """Take a message that is authenticated, directed to us and from this peer."""
        if self._closed or not self._opened:
            self.drops["message-to-closed-session"] += 1
        elif not self._messages.take(now):
            self.drops["message-rate"] += 1
        elif message.session is None:
            self.drops["message-without-session"] += 1
        elif message.credentials is None or not message.credentials.ufrag:
            self.drops["message-without-credentials"] += 1
        else:
            self._described(message.credentials, message.session, now)

    def _described(self, credentials: Credentials, said: SessionDescription, now: float) -> None:
        f, t = said.session_id, said.peer_session_id
        had_open = self._open
        match self._rules.message(f, t, self._draw()):
            case Verdict.BIND:
                self._bind(had_open, credentials, said, "the peer answered", now)
                self._answer(f, now, binds=True)
            case Verdict.HEARD:
                self._heard = (credentials, said)
                if self._bound is None and self._open is not None:
                    self._take(self._open, credentials, said, now)
                self._answer(f, now)
            case Verdict.NEWS:
                assert self._bound is not None
                self._take(self._bound, credentials, said, now)
                self._rules.shown = said.peer_revision >= self._bound.revision
                if said.wants_answer:
                    self._answer(f, now)
            case Verdict.REPEAT:
                self._answer(f, now)
            case Verdict.OFFER:
                if self._open is None:
                    self._open = self._create(self._rules.open, now)
                self._heard = (credentials, said)
                self._answer(f, now)
            case Verdict.CALL:
                self._begin("the peer calls", now)
                if self._open is not None:
                    self._described(credentials, said, now)
            case Verdict.OLD:
                self.drops["message-of-old-generation"] += 1
            case verdict:
                assert_never(verdict)

    def _take(
        self, generation: Generation, credentials: Credentials, said: SessionDescription, now: float
    ) -> None:
        if generation.take(credentials, said, now):
            if generation.state is State.IDLE:
                self._move(generation, State.NEW, "the peer's credentials came", now)
            if generation.state is State.NEW and said.candidates:
                self._move(generation, State.CONNECTING, "the peer's first candidate came", now)
        self.generation_changed(generation, now)

    # Checks

    def request_received(self, request: Stun, base: Base, source: Address, now: float) -> None:
        """Take a Binding request that names a ufrag of ours; its integrity is verified here."""
        parts = request.username_parts
        generation = None if parts is None else self._by_ufrag.get(parts[0])
        if generation is None or parts is None:
            self.drops["check-of-unknown-generation"] += 1
        elif not generation.agent.verify(request):
            self.drops["check-integrity"] += 1
        elif not self._admits(generation, parts[1], now):
            self.drops["check-not-answered"] += 1
        else:
            generation.agent.request_received(request, base, source, now)
            self.generation_changed(generation, now)

    def _admits(self, generation: Generation, ufrag: str, now: float) -> bool:
        partner = generation.peer_credentials
        if generation is not self._open and generation is not self._bound:
            return partner is not None and partner.ufrag == ufrag
        f = 0
        if self._heard is not None and self._heard[0].ufrag == ufrag:
            f = self._heard[1].session_id
        elif partner is not None and partner.ufrag == ufrag:
            f = generation.partner
        verdict = self._rules.check(generation.session_id, f)
        if verdict is Check.BIND:
            assert self._heard is not None
            self._bind(generation, *self._heard, "the peer's check named both sides", now)
        return verdict is not Check.SILENCE

    # Generations

    def _begin(self, reason: str, now: float) -> None:
        """Open a wanted generation, or as soon as the limit allows (rule 1)."""
        if not self._births.take(now):
            if self._begin_at is None:
                self._begin_at = now + next(self._too_many)
            return
        self._begin_at = None
        if self._open is not None:
            self._close_generation(self._open, f"replaced: {reason}", now)
        if self._last is not None and self._last.state in (State.FAILED, State.DISCONNECTED):
            self._close_generation(self._last, reason, now)
        session_id = self._draw()
        self._rules.begin(session_id)
        self._open = generation = self._create(session_id, now)
        self._heard = None
        self._promote(generation, reason, now)
        self._say_now(now)

    def _create(self, session_id: int, now: float) -> Generation:
        credentials = Credentials(self._letters(16), self._letters(32))
        generation = Generation(self, 0, session_id, credentials, now)
        generation.agent = Agent(
            controlling=self.controlling,
            local=credentials,
            tie_breaker=self._dice.getrandbits(64),
            transactions=self._transactions,
            pacer=self._pacer,
            dice=self._dice,
            owner=generation,
            loopback=self._config.loopback,
            patience=self._config.patience,
            consent_timeout=self._config.consent_timeout,
            renomination=True,
        )
        generation.offer_candidates(self._local, self._complete, now)
        self._by_ufrag[credentials.ufrag] = generation
        self._outputs.append(UfragAdded(credentials.ufrag))
        return generation

    def _promote(self, generation: Generation, reason: str, now: float) -> None:
        self._numbers += 1
        generation.number = self._numbers
        self._last = generation
        self._move(generation, State.IDLE, reason, now)

    def _bind(
        self,
        generation: Generation | None,
        credentials: Credentials,
        said: SessionDescription,
        reason: str,
        now: float,
    ) -> None:
        """The rules have bound the open generation: the one before it stays only if it ever was connected."""
        assert generation is not None
        old, self._bound, self._open, self._heard = self._bound, generation, None, None
        if old is not None:
            if old.state in (State.CONNECTED, State.COMPLETED):
                if self._previous is not None:
                    self._close_generation(self._previous, "replaced", now)
                self._previous = old
            else:
                self._close_generation(old, f"replaced before it was connected: {reason}", now)
        generation.bound = True
        if generation.state is State.UNKNOWN:
            self._promote(generation, reason, now)
        self._take(generation, credentials, said, now)
        self._rules.shown = (
            said.peer_session_id == generation.session_id and said.peer_revision >= generation.revision
        )
        self._delays, self._said = SAY_AGAIN.delays(self._dice), 0
        self._say_at = now + next(self._delays)

    def _close_generation(self, generation: Generation, reason: str, now: float) -> None:
        generation.agent.close(now)
        self._drain(generation, now)
        if generation.state not in (State.CLOSED, State.UNKNOWN):
            self._move(generation, State.CLOSED, reason, now)
        generation.state = State.CLOSED
        if self._by_ufrag.pop(generation.credentials.ufrag, None) is not None:
            self._outputs.append(UfragRemoved(generation.credentials.ufrag))
        self._forget_sources(generation)
        if generation is self._open:
            self._open = None
        if generation is self._previous:
            self._previous = None
        if generation is self._bound:
            self._bound = None

    def _forget_sources(self, generation: Generation) -> None:
        kept = {source for other in self._living() if other is not generation for source in other.sources}
        for base, source in generation.sources:
            if (base, source) not in kept:
                self._outputs.append(SourceForgotten(base, source))
        generation.sources.clear()

    def _living(self) -> list[Generation]:
        return [gen for gen in (self._previous, self._bound, self._open) if gen is not None]

    # What the agents tell

    def generation_changed(self, generation: Generation, now: float) -> None:
        """Take over what a generation's agent has put out, and draw the conclusions."""
        self._drain(generation, now)
        if generation is not self._bound or self._closed:
            return
        if generation.agent.valid and not self._rules.connected:
            self._rules.connected = True
            if self._previous is not None:
                self._previous.retire_at = now + RETIRED_AFTER
        selected = generation.agent.selected
        if selected is not None and generation.state is State.CHECKING and self._rules.connected:
            self._failures = AFTER_FAILURE.delays(self._dice)
            self._move(generation, State.CONNECTED, "the first pair was selected", now)
            self._show_path("the first pair was selected", now)
        if generation.settled and generation.state is State.CONNECTED:
            self._move(
                generation, State.COMPLETED, "both sides' candidates are final, no better pair can come", now
            )

    def _drain(self, generation: Generation, now: float) -> None:
        for output in generation.agent.outputs():
            match output:
                case Transmit():
                    self._outputs.append(output)
                case PairFormed():
                    self._pair_formed(generation, now)
                case PairSelected():
                    if generation is self._carrying and generation.state in (
                        State.CONNECTED,
                        State.COMPLETED,
                    ):
                        self._show_path(output.reason, now)
                case SourceProved(base, source):
                    generation.sources.append((base, source))
                    self._outputs.append(SourceLearned(base, source))
                case Settled():
                    generation.settled = True
                case Suspected() | Recovered():
                    pass
                case ConsentLost(reason):
                    self._consent_lost(generation, reason, now)
                case ChecksFailed(reason):
                    self._checks_failed(generation, reason, now)
                case _:
                    assert_never(output)

    def _pair_formed(self, generation: Generation, now: float) -> None:
        if generation.state is State.IDLE:
            self._move(generation, State.NEW, "the peer's credentials came", now)
        if generation.state is State.NEW:
            self._move(generation, State.CONNECTING, "the peer's first candidate came", now)
        if generation.state is State.CONNECTING:
            self._move(generation, State.CHECKING, "the first pair was formed", now)

    def _consent_lost(self, generation: Generation, reason: str, now: float) -> None:
        if generation.state in (State.CONNECTED, State.COMPLETED):
            self._move(generation, State.DISCONNECTED, reason, now)
        if generation is self._previous:
            self._close_generation(generation, reason, now)
            self._show_path(reason, now)
        elif generation is self._bound:
            self._rules.clear()
            self._drop_bound(generation)
            self._show_path(reason, now)
            self._begin(reason, now)

    def _checks_failed(self, generation: Generation, reason: str, now: float) -> None:
        self.failure = reason
        if generation.state is State.CHECKING:
            self._move(generation, State.FAILED, reason, now)
        if generation is self._bound or generation is self._open:
            self._rules.clear()
            if self._open is not None and self._open is not generation:
                self._close_generation(self._open, reason, now)
            self._drop_bound(generation)
            self._say_at = None
            self._answers.forget()
            self._begin_at = now + next(self._failures)

    def _drop_bound(self, generation: Generation) -> None:
        """It is over, and stays visible as the last one until the next begins."""
        if self._by_ufrag.pop(generation.credentials.ufrag, None) is not None:
            self._outputs.append(UfragRemoved(generation.credentials.ufrag))
        self._forget_sources(generation)
        if generation is self._bound:
            self._bound = None
        if generation is self._open:
            self._open = None

    def _move(self, generation: Generation, new: State, reason: str, now: float) -> None:
        assert new in MOVES[generation.state], (generation.state, new)
        change = StateChanged(
            old=generation.state, new=new, reason=reason, generation=generation.number, time=now
        )
        generation.state, generation.entered_at = new, now
        self._history.append(change)
        self._outputs.append(change)

    def _show_path(self, reason: str, now: float) -> None:
        carrying = self._carrying
        selected = None if carrying is None else carrying.agent.selected
        path = (
            None if selected is None else Path(local=selected.local, remote=selected.remote, rtt=selected.rtt)
        )
        if path is None and self._path is None:
            return
        self._path = path
        number = self._numbers if carrying is None else carrying.number
        self._outputs.append(PathChanged(path=path, generation=number, reason=reason, time=now))

    # What is said

    def _say_now(self, now: float) -> None:
        self._delays, self._said = SAY_AGAIN.delays(self._dice), 0
        self._say(now)

    def _say(self, now: float) -> None:
        said = self._rules.says()
        if said is None or self._closed:
            self._say_at = None
            return
        if self._rules.connected and not self._rules.wanted:
            self._said += 1
            if self._said > SAID_WHEN_CONNECTED:
                self._say_at = None
                return
        generation = self._open if self._rules.wanted else self._bound
        assert generation is not None
        self._publish(generation, said[1], wants_answer=True)
        self._say_at = now + next(self._delays)

    def _answer(self, f: int, now: float, *, binds: bool = False) -> None:
        if not self._answers.allows(f, now, binds=binds):
            self.drops["answer-delayed"] += 1
            return
        self._give_answer(f)

    def _give_answer(self, f: int) -> None:
        if self._bound is not None and f == self._rules.partner:
            self._publish(self._bound, f, wants_answer=False)
        elif self._open is not None and f == self._rules.heard:
            self._publish(self._open, f, wants_answer=False)

    def _publish(self, generation: Generation, t: int, *, wants_answer: bool) -> None:
        early = self._config.early_candidates or generation.partner
        description = SessionDescription(
            sender=self._ours,
            recipient=self.peer,
            session_id=generation.session_id,
            peer_session_id=t,
            candidates=generation.candidates if early else (),
            end_of_candidates=generation.ended if early else False,
            revision=generation.revision,
            peer_revision=generation.peer_revision if t == generation.partner else 0,
            wants_answer=wants_answer,
        )
        credentials = replace(generation.credentials, need_creds=generation.peer_credentials is None)
        self._outputs.append(Publish(Message(credentials=credentials, session=description)))

    # The machine

    @property
    def deadline(self) -> float | None:
        """When `tick` wants to be called."""
        times = [self._say_at, self._begin_at, self._answers.deadline]
        for generation in self._living():
            times += [generation.agent.deadline, generation.retire_at, self._starves_at(generation)]
        return min((time for time in times if time is not None), default=None)

    def _starves_at(self, generation: Generation) -> float | None:
        waiting = generation.state in (State.NEW, State.CONNECTING)
        return generation.entered_at + self._config.patience if waiting else None

    def tick(self, now: float) -> None:
        """Run what is due."""
        for generation in self._living():
            self._tick_generation(generation, now)
        if self._begin_at is not None and self._begin_at <= now:
            self._begin_at = None
            self._begin("trying again", now)
        while (asker := self._answers.pop_due(now)) is not None:
            if self._answers.allows(asker, now, binds=True):
                self._give_answer(asker)
        if self._say_at is not None and self._say_at <= now:
            self._say(now)

    def _tick_generation(self, generation: Generation, now: float) -> None:
        if generation.retire_at is not None and generation.retire_at <= now:
            self._close_generation(generation, "retired: a newer generation carries data", now)
            return
        starves_at = self._starves_at(generation)
        if starves_at is not None and starves_at <= now:
            words = f"nothing to check came in {self._config.patience} s"
            self._close_generation(generation, words, now)
            self._rules.clear()
            self._begin(words, now)
            return
        due = generation.agent.deadline
        if due is not None and due <= now:
            generation.agent.tick(now)
            self.generation_changed(generation, now)

    def outputs(self) -> list[SessionOutput]:
        """Hand over what is to be done or told, in order."""
        outputs, self._outputs = self._outputs, []
        return outputs

    def _draw(self) -> int:
        return self._dice.getrandbits(64) or 1

    def _letters(self, count: int) -> str:
        return "".join(LETTERS[int(self._dice.random() * len(LETTERS))] for _ in range(count))
