"""Speech: what a session says through signaling, and when (rule 4, and the answers of rule 2)."""

from collections import Counter
from dataclasses import replace
from enum import Enum, auto
from typing import Final

from warren.backoff import Backoff, Delays
from warren.keys import PublicKey
from warren.messages import Message, SessionDescription
from warren.sansio import Dice, earliest
from warren.session.chronicle import Chronicle
from warren.session.generation import Generation
from warren.session.limits import AnswerLimit
from warren.session.outputs import Publish
from warren.session.roster import Roster
from warren.session.rules import PLAIN, Rules
from warren.session.trickle import Trickle

__all__ = ["Dialect", "Speech"]

AGAIN: Final = Backoff(first=0.5, factor=1.5, limit=60.0, jitter=0.5)
ONCE_CONNECTED: Final = 10
"""How often a revision is said by timer when there is a path already."""
HOLD: Final = 0.25
"""How long a peer has to show that it knows field 100 until candidates follow one by one."""


class Dialect(Enum):
    """What the peer has shown to understand."""

    UNKNOWN = auto()
    WARREN = auto()
    """Field 100."""
    PLAIN = auto()
    """cunīcu's fields only."""


class Speech:
    """Says what the rules want said, answers within limits, and paces what plain peers get."""

    def __init__(
        self,
        *,
        ours: PublicKey,
        theirs: PublicKey,
        rules: Rules,
        roster: Roster,
        chronicle: Chronicle,
        dice: Dice,
        drops: Counter[str],
    ) -> None:
        self.dialect = Dialect.UNKNOWN
        self._ours, self._theirs = ours, theirs
        self._rules, self._roster, self._chronicle = rules, roster, chronicle
        self._dice = dice
        self._drops = drops
        self._delays: Delays = AGAIN.delays(dice)
        self._say_at: float | None = None
        self._said = 0
        self._answers = AnswerLimit()
        self._trickle = Trickle(gently=theirs < ours)

    # By timer

    def begin(self, now: float) -> None:
        """A wanted generation is new: say so."""
        self._trickle.begin(now)
        self.say_anew(now)

    def say_anew(self, now: float) -> None:
        """Say what is to be said now, with the back-off from its start."""
        self._delays, self._said = AGAIN.delays(self._dice), 0
        self._say(now)

    def wait_anew(self, now: float) -> None:
        """What is to be said has just been said: say it again by timer, with the back-off from its start."""
        self._delays, self._said = AGAIN.delays(self._dice), 0
        self._say_at = now + next(self._delays)

    def revised(self, generation: Generation, now: float) -> None:
        """The peer is to hear of more candidates, or that there are no more: at once, if not of an offer."""
        bound = generation is self._roster.bound
        if self.dialect is Dialect.PLAIN:
            self._trickle.add(generation.plain_candidates, not_before=now, again=False)
            self._send_trickle(now)
            return
        if bound:
            self._rules.shown = False
        if bound is not self._rules.wanted:
            self.say_anew(now)

    def stop(self) -> None:
        """Nothing is bound or open: there is nothing to say."""
        self._say_at = None
        self._answers.forget()
        self._trickle.stop()

    def _say(self, now: float) -> None:
        said = self._rules.says()
        if self._rules.connected and not self._rules.wanted:
            self._said += 1
        if said is None or self._said > ONCE_CONNECTED:
            self._say_at = None
            return
        generation = self._roster.open if self._rules.wanted else self._roster.bound
        assert generation is not None
        self._publish(generation, said[1], now, wants_answer=True)
        self._say_at = now + next(self._delays)

    # Answers

    def answer(self, f: int, now: float, *, binds: bool = False) -> None:
        """Answer a generation of the peer, now or as soon as the limit allows."""
        if self._answers.allows(f, now, binds=binds):
            self._give(f, now)
        else:
            self._drops["answer-withheld"] += 1

    def tell_candidates(self, generation: Generation, now: float) -> None:
        """A plain peer has our credentials: tell it all candidates, since what came before them it forgot."""
        self._trickle.add(generation.plain_candidates, not_before=now, again=True)
        self._send_trickle(now)

    def offer_streams(self, generation: Generation, now: float) -> None:
        """A plain peer may hear of TCP from now on."""
        generation.offers_streams = True
        self._trickle.add(generation.plain_candidates, not_before=now, again=False)
        self._send_trickle(now)

    def _give(self, f: int, now: float) -> None:
        """Say what is true now, which need not be what it was when the answer was withheld."""
        rules, roster = self._rules, self._roster
        if roster.bound is not None and f == rules.partner:
            self._publish(roster.bound, f, now)
        elif roster.open is not None and (rules.wanted or f == rules.heard):
            self._publish(roster.open, f, now)

    # Composing

    def _publish(self, generation: Generation, t: int, now: float, *, wants_answer: bool = False) -> None:
        description = SessionDescription(
            sender=self._ours,
            recipient=self._theirs,
            session_id=generation.session_id,
            peer_session_id=max(t, 0),
            candidates=generation.candidates,
            end_of_candidates=generation.ended,
            revision=generation.revision,
            peer_revision=generation.revision_of(t) if t else 0,
            wants_answer=wants_answer,
        )
        credentials = replace(generation.credentials, need_creds=generation.heard is None)
        likeliest = generation.likeliest if self.dialect is not Dialect.WARREN else None
        message = Message(credentials=credentials, candidate=likeliest, session=description)
        self._chronicle.put(Publish(message))
        if self.dialect is Dialect.WARREN:
            return
        if t == PLAIN and not wants_answer:
            self._trickle.begin(now)  # It asked because it begins anew.
        self._trickle.told(likeliest, now)
        plain = self.dialect is Dialect.PLAIN
        not_before = now if plain else now + HOLD
        self._trickle.add(
            (one for one in generation.plain_candidates if one is not likeliest),
            not_before=not_before,
            again=plain,
        )
        self._send_trickle(now)

    def _send_trickle(self, now: float) -> None:
        while (candidate := self._trickle.pop_due(now)) is not None:
            self._chronicle.put(Publish(Message(candidate=candidate)))

    # The machine

    def learn(self, dialect: Dialect) -> None:
        """The peer has shown what it understands."""
        self.dialect = dialect
        if dialect is Dialect.WARREN:
            self._trickle.stop()

    @property
    def deadline(self) -> float | None:
        """When there is something to say."""
        return earliest(self._say_at, self._answers.deadline, self._trickle.deadline)

    def tick(self, now: float) -> None:
        """Say what is due."""
        while (asker := self._answers.pop_due(now)) is not None:
            self._give(asker, now)
        if self._say_at is not None and self._say_at <= now:
            self._say(now)
        self._send_trickle(now)
