"""Inbox: what becomes of an envelope sent to one of our keys; by numbers, without a loop."""

import logging
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from warren.envelope import Envelope, EnvelopeError, Sealer
from warren.keys import PublicKey, PublicKeyPair
from warren.messages import Message
from warren.signaling.quiet import QuietLog

__all__ = ["Admit", "Handler", "Inbox"]

Handler = Callable[[PublicKeyPair, Message], None]
"""Called in the loop with each opened message; must not block. What it raises is logged and hurts nobody."""

Admit = Callable[[PublicKey], bool]
"""Says whether a sender may be heard at all; asked before any Diffie-Hellman is done for that key."""

Clock = Callable[[], float]

REMEMBERED_NONCES = 4096
REMEMBERED_IN_ALL = 64 * REMEMBERED_NONCES
"""Nonces of all senders together: about 40 MiB; whoever was silent longest is forgotten first."""
STRANGERS_PER_SECOND = 100
MESSAGES_PER_SECOND = 50.0
MESSAGES_BURST = 200.0
SLOW = 0.25


@dataclass(frozen=True, slots=True)
class _Subscriber:
    handler: Handler
    admit: Admit | None


class Inbox:
    """Opens the envelopes for one private key and hands them to those who subscribed.

    Every envelope is checked in this order, cheapest first: its recipient, whether anyone wants its sender,
    whether its nonce was here before, how many strangers came in this second; only then is it opened. How
    much a peer may say is counted after that, since who sent an envelope is not known before.
    """

    def __init__(
        self, ours: PublicKey, sealer: Sealer, *, drops: Counter[str], log: QuietLog, clock: Clock
    ) -> None:
        self.ours = ours
        self.sealer = sealer
        self._drops = drops
        self._log = log
        self._clock = clock
        self._subscribers: dict[PublicKey | None, list[_Subscriber]] = {}
        """By sender, None for anyone."""
        self._peers: OrderedDict[PublicKey, _Peer] = OrderedDict()
        self._remembered = 0
        self._strangers: deque[float] = deque(maxlen=STRANGERS_PER_SECOND)

    def __len__(self) -> int:
        return sum(map(len, self._subscribers.values()))

    def add(self, handler: Handler, theirs: PublicKey | None, admit: Admit | None) -> None:
        """Let a handler have what comes from one sender, or from anyone admitted; again changes `admit`."""
        self.remove(handler, theirs)
        self._subscribers.setdefault(theirs, []).append(_Subscriber(handler, admit))

    def remove(self, handler: Handler, theirs: PublicKey | None) -> bool:
        """Take a handler away; false if it was not there."""
        before = self._subscribers.pop(theirs, [])
        after = [one for one in before if one.handler != handler]
        if after:
            self._subscribers[theirs] = after
        return len(after) < len(before)

    def sent(self, envelope: Envelope) -> None:
        """Remember an envelope of ours: it opens on this side too, so it must not come back as the peer's."""
        self._remember(envelope.recipient, envelope.nonce)

    def receive(self, envelope: Envelope) -> None:
        """Check and open an envelope and call the handlers, or count why not. Never raises."""
        now = self._clock()
        reason, subscribers = self._check(envelope, now)
        if reason is None:
            try:
                message = self.sealer.open(envelope)
            except EnvelopeError as error:
                reason = f"envelope-{error.reason}"
            else:
                if self._remember(envelope.sender, envelope.nonce).may_speak(now):
                    self._hand_over(subscribers, PublicKeyPair(self.ours, envelope.sender), message)
                    return
                reason = "sender-too-fast"
        self._drops[reason] += 1

    def _check(self, envelope: Envelope, now: float) -> tuple[str | None, Sequence[_Subscriber]]:
        sender = envelope.sender
        if envelope.recipient != self.ours:
            return "envelope-not-for-us", ()
        if sender == self.ours:
            return "envelope-from-ourselves", ()
        by_name = self._subscribers.get(sender, [])
        subscribers = [*by_name, *filter(partial(self._admits, sender), self._subscribers.get(None, []))]
        if not subscribers:
            return "sender-not-allowed", ()
        peer = self._peers.get(sender)
        if peer is not None and envelope.nonce in peer:
            return "envelope-repeated", ()
        # Only what opens is remembered, so such a key has proved itself. Those asked for by name are few.
        if peer is None and not by_name and not self._allow_stranger(now):
            return "strangers-too-many", ()
        return None, subscribers

    def _admits(self, sender: PublicKey, subscriber: _Subscriber) -> bool:
        if subscriber.admit is None:
            return True
        try:
            return subscriber.admit(sender)
        except Exception as error:
            self._blame("admit-raised", "a signaling subscriber failed to say whom it admits", error)
            return False

    def _allow_stranger(self, now: float) -> bool:
        strangers = self._strangers
        if len(strangers) == STRANGERS_PER_SECOND and now - strangers[0] < 1.0:
            return False
        strangers.append(now)
        return True

    def _remember(self, key: PublicKey, nonce: bytes) -> "_Peer":
        if (peer := self._peers.get(key)) is None:
            peer = self._peers[key] = _Peer(self._clock())
        self._peers.move_to_end(key)
        self._remembered += peer.add(nonce)
        while self._remembered > REMEMBERED_IN_ALL:
            self._remembered -= len(self._peers.popitem(last=False)[1])
        return peer

    def _hand_over(self, subscribers: Sequence[_Subscriber], pair: PublicKeyPair, message: Message) -> None:
        for one in subscribers:
            if not any(one in self._subscribers.get(theirs, ()) for theirs in (pair.theirs, None)):
                continue  # It was unsubscribed by a handler before it.
            began = self._clock()
            try:
                one.handler(pair, message)
            except Exception as error:
                self._blame("handler-raised", "a signaling handler failed", error)
            if (took := self._clock() - began) > SLOW:
                self._blame("handler-slow", f"a signaling handler held up the event loop for {took:.1f} s")

    def _blame(self, kind: str, text: str, error: Exception | None = None) -> None:
        self._drops[kind] += 1
        self._log.log(logging.ERROR, kind, text, now=self._clock(), error=error)


class _Peer:
    """One who has proved himself, or to whom we spoke: the last nonces, and how much he may still say."""

    __slots__ = ("_allowance", "_known", "_order", "_spoke_at")

    def __init__(self, now: float) -> None:
        self._known: set[bytes] = set()
        self._order: deque[bytes] = deque()
        self._allowance = MESSAGES_BURST
        self._spoke_at = now

    def __contains__(self, nonce: bytes) -> bool:
        return nonce in self._known

    def __len__(self) -> int:
        return len(self._order)

    def add(self, nonce: bytes) -> int:
        """Remember a nonce; return by how many there are more now."""
        self._known.add(nonce)
        self._order.append(nonce)
        if len(self._order) <= REMEMBERED_NONCES:
            return 1
        self._known.discard(self._order.popleft())
        return 0

    def may_speak(self, now: float) -> bool:
        """Count a message; false if there were too many lately."""
        earned = (now - self._spoke_at) * MESSAGES_PER_SECOND
        self._allowance = min(MESSAGES_BURST, self._allowance + earned)
        self._spoke_at = now
        if self._allowance < 1.0:
            return False
        self._allowance -= 1.0
        return True
