"""SessionMachine: what one node keeps for one peer; from a public key to a path, and on."""

from collections import Counter
from collections.abc import Callable, Container, Sequence
from typing import assert_never

from warren.ice.candidate import LocalCandidate
from warren.ice.nat_report import summary_of_peer
from warren.ice.outputs import (
    ChecksFailed,
    ConsentLost,
    PairFormed,
    PairSelected,
    PeerExpected,
    Recovered,
    Settled,
    SourceLost,
    SourceProved,
    Suspected,
)
from warren.ice.rest import Rest
from warren.ice.stun import Stun
from warren.ice.timing import Pacer
from warren.ice.transaction import Transactions
from warren.ice.transport import Address, Base, CloseStream, OpenStream, Route, Transmit
from warren.keys import PublicKey
from warren.messages import Credentials, Message, SessionDescription
from warren.sansio import Dice, earliest
from warren.session.chronicle import Chronicle
from warren.session.config import Config
from warren.session.cunicu import PlainPeer
from warren.session.flow import Traffic, Watch
from warren.session.generation import LIVE, Generation, Heard
from warren.session.limits import Bucket
from warren.session.outputs import Path, PathRests, PathSuspected, SessionOutput, StateChanged
from warren.session.roster import Roster
from warren.session.rules import Check, Rules, Verdict
from warren.session.speech import Dialect, Speech
from warren.session.state import State
from warren.session.succession import Means, Succession

__all__ = ["SessionMachine"]

MESSAGES_PER_SECOND = 50.0
MESSAGES_AT_ONCE = 200


class SessionMachine:
    """Binds one of our generations to one of the peer's, and keeps data flowing while either restarts.

    It hears (messages, checks, what the agents tell) and asks the rules what that means. What follows from
    it is done by its parts: `Succession` begins and ends generations, `Speech` talks, `Roster` knows who
    lives, `PlainPeer` takes what peers say that do not know field 100.

    Args:
        ours: our public key.
        theirs: the peer's.
        transactions: those of the node.
        pacer: that of the process.
        dice: chance.
        config: settings.
        describe_nat: says in words what is known of the NAT in front of us.
        excluded: addresses that are never spoken to.
    """

    def __init__(
        self,
        *,
        ours: PublicKey,
        theirs: PublicKey,
        transactions: Transactions,
        pacer: Pacer,
        dice: Dice,
        config: Config,
        describe_nat: Callable[[], str],
        excluded: Container[str] = (),
    ) -> None:
        self.peer = theirs
        self.controlling = ours < theirs
        self.drops: Counter[str] = Counter()
        """What came in the peer's name and was of no use, by reason."""
        self.route: Route | None = None
        """Where data goes, as of the last `outputs`; another object when the path changes."""
        self.traffic = Traffic()
        """What has crossed, counted by the data path."""
        self._watch = Watch(self.traffic)
        self._describe_nat = describe_nat
        self._chronicle = Chronicle()
        self._rules = Rules()
        self._roster = Roster(self._chronicle)
        self._speech = Speech(
            ours=ours,
            theirs=theirs,
            rules=self._rules,
            roster=self._roster,
            chronicle=self._chronicle,
            dice=dice,
            drops=self.drops,
        )
        means = Means(
            session=self,
            controlling=self.controlling,
            transactions=transactions,
            pacer=pacer,
            dice=dice,
            config=config,
            excluded=excluded,
        )
        self._succession = Succession(
            means=means, rules=self._rules, roster=self._roster, speech=self._speech
        )
        self._plain = PlainPeer(
            rules=self._rules,
            roster=self._roster,
            speech=self._speech,
            succession=self._succession,
            drops=self.drops,
        )
        self._messages = Bucket(MESSAGES_PER_SECOND, MESSAGES_AT_ONCE)
        self._is_open = False
        self._was_opened = False
        self._own_due: float | None = None
        """When anything but an agent wants to be called, as `_reckon` found it last."""

    # What can be read

    @property
    def state(self) -> State:
        """The state of the generation that carries data, else of the newest that is not an offer."""
        return self._roster.state

    @property
    def path(self) -> Path | None:
        """The pair that carries data, as a user sees it."""
        return self._roster.path

    @property
    def history(self) -> tuple[StateChanged, ...]:
        """The last 64 moves, oldest first."""
        return self._chronicle.history

    @property
    def failure(self) -> str | None:
        """Why the last generation that ended before it was connected did so, in words."""
        return self._succession.failure

    # The user

    def open(self, now: float) -> None:
        """Begin: create an agent, send local credentials. What was closed stays closed."""
        if not self._was_opened:
            self._was_opened = self._is_open = True
            self._succession.begin("the session was opened", now, forced=True)
            self._settle(now)

    def close(self, now: float) -> None:
        """Close for good: nothing is sent and no timer runs any more."""
        if self._is_open:
            self._is_open = False
            self._succession.close(now)
            self._plain.forget()
            self._watch.rest()
            self._reckon()

    def restart(self, now: float, reason: str = "restarted by the user") -> None:
        """Begin a new generation; what carries data goes on until the new one is connected."""
        if self._is_open:
            self._succession.begin(reason, now, forced=True)
            self._settle(now)

    def data_flows(self, now: float) -> None:
        """A datagram has come or gone while `traffic` was resting: from now on silence is noticed."""
        if self._is_open:
            self._watch.begin(now)

    # Our side of the network

    def network_changed(self, reason: str, now: float) -> None:
        """Believe in no path until it answers again, and begin every wait from its start."""
        if self._is_open:
            for generation in self._roster.living:
                generation.agent.suspect(reason, now)
            if not self._succession.hurry(now):
                self._speech.say_anew(now)
            self._settle(now)

    def subscription_live(self, now: float) -> None:
        """Signaling is there (again): a session that is not connected says so at once."""
        if self._is_open and (self._rules.wanted or not self._rules.connected):
            self._speech.say_anew(now)
            self._reckon()

    def update_local(self, candidates: Sequence[LocalCandidate], complete: bool, now: float) -> None:
        """Take over what is known of our own addresses."""
        self._succession.update_local(candidates, complete, now)
        self._settle(now)

    def remove_base(self, base: Base, now: float) -> None:
        """A local transport is gone."""
        for generation in self._roster.living:
            generation.agent.remove_base(base, now)
        self._settle(now)

    def stream_opened(self, base: Base, now: float) -> None:
        """A connection that one of the agents wanted stands."""
        for generation in self._roster.living:
            generation.agent.stream_opened(base, now)
        self._settle(now)

    def stream_closed(self, base: Base, reason: str, now: float) -> None:
        """A connection of one of the agents could not be opened or has ended."""
        for generation in self._roster.living:
            generation.agent.stream_closed(base, reason, now)
        self._settle(now)

    # Signaling

    def message_received(self, message: Message, now: float) -> None:
        """Take a message that is authenticated, directed to us and from this peer."""
        if not self._is_open:
            self.drops["message-to-closed-session"] += 1
        elif not self._messages.take(now):
            self.drops["message-rate"] += 1
        elif message.session is None:
            self._plain_received(message, now)
        elif message.credentials is None:
            self.drops["message-without-credentials"] += 1
        else:
            self._described(message.credentials, message.session, now)
        self._settle(now)

    def _plain_received(self, message: Message, now: float) -> None:
        if self._speech.dialect is Dialect.WARREN:
            self.drops["message-without-session"] += 1
            return
        if message.credentials is not None:
            # A candidate alone proves nothing: our own kind sends them too, for peers that read no field 100.
            self._speech.learn(Dialect.PLAIN)
            self._plain.credentials_received(message.credentials, now)
        if message.candidate is not None:
            self._plain.candidate_received(message.candidate, now)
        if message.credentials is None and message.candidate is None:
            self.drops["message-of-other-kind"] += 1

    def _described(self, credentials: Credentials, said: SessionDescription, now: float) -> None:
        if self._speech.dialect is not Dialect.WARREN:
            self._speech.learn(Dialect.WARREN)
            self._plain.forget()
            for generation in self._roster.living:
                generation.agent.peer_is_warren(now)
        heard = Heard(
            session_id=said.session_id,
            credentials=Credentials(credentials.ufrag, credentials.pwd),
            revision=said.revision,
            candidates=said.candidates,
            ended=said.end_of_candidates,
        )
        verdict = self._rules.message(said.session_id, said.peer_session_id, self._succession.draw())
        self._follow(verdict, heard, said, now)
        asks = said.wants_answer or credentials.need_creds
        if verdict not in (Verdict.CALL, Verdict.OLD) and (asks or verdict is not Verdict.NEWS):
            self._speech.answer(said.session_id, now, binds=verdict is Verdict.BIND)

    def _follow(self, verdict: Verdict, heard: Heard, said: SessionDescription, now: float) -> None:
        """Do what the rules say of a message, but for the answer."""
        roster, succession = self._roster, self._succession
        match verdict:
            case Verdict.BIND:
                _of(roster.open).hear(heard)
                bound = succession.bound("the peer answered", now)
                self._rules.shown = said.peer_revision >= bound.revision
            case Verdict.HEARD:
                wanted = _of(roster.open)
                wanted.hear(heard)
                if wanted.agent.keeps(heard.credentials.ufrag):
                    # Rule 5: a check that was kept counts when its credentials come, as one that comes now.
                    self._admits(wanted, heard.credentials.ufrag, now)
                if roster.bound is None:
                    succession.connect(wanted, "the peer told them", now)
            case Verdict.NEWS:
                bound = _of(roster.bound)
                bound.hear(heard)
                succession.connect(bound, "the peer told them", now)
                if said.peer_revision >= bound.revision:
                    self._rules.shown = True
            case Verdict.OFFER:
                succession.offer(now)
                _of(roster.open).hear(heard)
            case Verdict.REPEAT:
                pass
            case Verdict.CALL:
                if succession.begin("the peer calls", now):
                    self._described(heard.credentials, said, now)
                else:
                    self.drops["generation-limit"] += 1
            case Verdict.OLD:
                self.drops["message-of-old-generation"] += 1
            case _:
                assert_never(verdict)

    # Checks

    def request_received(self, request: Stun, base: Base, source: Address, now: float) -> None:
        """Take a Binding request that names a ufrag of ours; its integrity is verified here."""
        parts = request.username_parts
        generation = None if parts is None else self._roster.find(parts[0])
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
        """Whether a proved check of the peer is answered (rule 5)."""
        heard = generation.heard
        known = heard is not None and heard.credentials.ufrag == ufrag
        if generation is not self._roster.open and generation is not self._roster.bound:
            return known
        match self._rules.check(generation.session_id, heard.session_id if heard and known else 0):
            case Check.ANSWER:
                return True
            case Check.BIND:
                revision = generation.revision
                self._succession.bound("the peer's check named both sides", now)
                if generation.revision != revision:
                    self._speech.say_anew(now)  # Candidates that were held back until now.
                return True
            case Check.KEEP:
                self._sign_seen(generation, now)
                return True
            case Check.SILENCE:
                self._sign_seen(generation, now)
                return False
            case verdict:
                assert_never(verdict)

    def _sign_seen(self, generation: Generation, now: float) -> None:
        if self._speech.dialect is not Dialect.WARREN and generation.state not in LIVE:
            self._plain.sign_seen(now)
            self._reckon()

    # What the agents tell

    def generation_changed(self, generation: Generation, now: float) -> None:
        """Take over what a generation's agent has put out, and draw the conclusions."""
        # Nearly all packets of a path that works are checks of consent, which change nothing.
        if self._hear(generation, now) or generation.state not in LIVE:
            self._succession.conclude(generation, now)
            self._reckon()

    def path_rests(self, rest: Rest) -> None:
        """Nothing is to be done on a generation's path but to keep consent, which somebody else may do."""
        self._chronicle.put(PathRests(rest))

    def _hear(self, generation: Generation, now: float) -> bool:
        """Take over what an agent has put out; says whether that was anything but packets to send."""
        told = False
        while outputs := generation.agent.outputs():
            for output in outputs:
                match output:
                    case Transmit() | OpenStream() | CloseStream() | PeerExpected():
                        self._chronicle.put(output)
                        continue
                    case SourceProved(base, source):
                        self._roster.learn_source(generation, base, source)
                    case SourceLost(base, source):
                        self._roster.lose_source(generation, base, source)
                    case PairFormed():
                        self._succession.pair_formed(generation, now)
                    case PairSelected():
                        generation.reason = output.reason
                    case Settled():
                        generation.settled = True
                    case Suspected():
                        self._chronicle.put(PathSuspected(now))
                    case Recovered():
                        self._plain.path_answered()
                    case ConsentLost(reason):
                        self._succession.consent_lost(generation, reason, now)
                    case ChecksFailed(reason):
                        self._succession.failed(generation, self._explain(reason, generation), now)
                    case _:
                        assert_never(output)
                told = True
        return told

    def _explain(self, reason: str, generation: Generation) -> str:
        heard = generation.heard
        theirs = summary_of_peer(heard.candidates if heard is not None else ())
        return f"{reason}; this side: {self._describe_nat()}; the peer: {theirs}"

    def _settle(self, now: float) -> None:
        for generation in self._roster.living:
            self._hear(generation, now)
            self._succession.conclude(generation, now)
        self._reckon()

    def _reckon(self) -> None:
        # Thousands of sessions do nothing but keep consent: their packets move no other timer.
        self._own_due = earliest(self._speech.deadline, self._succession.deadline, self._plain.deadline)

    # The machine

    @property
    def deadline(self) -> float | None:
        """When `tick` wants to be called."""
        first = earliest(self._own_due, self._watch.due)
        for generation in self._roster.living:
            first = earliest(first, generation.agent.deadline)
        return first

    def tick(self, now: float) -> None:
        """Do what is due."""
        if self._watch.due is not None and self._watch.due <= now:
            self._look(now)
        for generation in self._roster.living:
            due = generation.agent.deadline
            if due is not None and due <= now:
                generation.agent.tick(now)
                self.generation_changed(generation, now)
        if self._own_due is not None and self._own_due <= now:
            self._succession.tick(now)
            self._speech.tick(now)
            self._plain.tick(now)
            self._settle(now)

    def _look(self, now: float) -> None:
        if self._watch.look(now) and (carrier := self._roster.carrier) is not None:
            carrier.agent.hasten(now)

    def outputs(self) -> list[SessionOutput]:
        """Hand over what is to be done or told, in order."""
        self.route = self._roster.route
        return self._chronicle.take()


def _of(generation: Generation | None) -> Generation:
    """The generation that the rules speak of: roster and rules are kept in step."""
    assert generation is not None
    return generation
