"""Relay: who is subscribed to which key, and what waits for whom.

The core of the signaling server. It knows bytes and keys, and neither sockets nor clocks, so that any engine
(gRPC here; another one, or a bus between several servers) can be put over or beside it. It keeps nothing for
a key without a live subscription.
"""

from collections import Counter, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeVar

from warren import wire
from warren.keys import PublicKey

__all__ = ["GAP", "GREETING", "Limits", "Refusal", "Refused", "Relay", "Subscription"]

T = TypeVar("T")

GREETING: Final = b""
"""What the engine sends first on a subscription: an empty Envelope, "your subscription is live"."""

GAP: Final = b""
"""What stands where envelopes were dropped: an empty Envelope, "something may be missing here"."""

_PROVEN: Final = 0
_UNPROVEN: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one may cost the others; sizes in bytes."""

    envelope: int = 16 * 1024
    """The largest envelope."""
    queue_length: int = 64
    queue_bytes: int = 256 * 1024
    """What waits at most for one subscription; one envelope always may."""
    subscriptions_per_key: int = 1024
    """A community shares one key. So many that are proven, and as many that are not: nobody is put out."""
    subscriptions_per_connection: int = 1024


class Refusal(Enum):
    """Why the relay does not do what it is asked; the value says it in words."""

    MALFORMED = "that is no message of this method"
    KEY = "a key of it is no canonical X25519 public key of 32 bytes"
    OVERSIZED = "the envelope is too large"
    KEY_FULL = "the key has as many subscriptions as it may have"
    CONNECTION_FULL = "the connection has as many subscriptions as it may have"
    CLOSED = "the server is shutting down"


class Refused(Exception):
    """The relay does not do what a client asks; `refusal` says why."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.value)
        self.refusal: Final = refusal


class Subscription:
    """One reader of one key: what waits for it, and where it stands.

    `authenticated` says whether it has proved to hold the private key.

    What publishers sent that have proved to hold theirs waits ahead of what others sent, and is dropped last:
    who knows only the reader's key cannot push out what its peers say.
    """

    __slots__ = (
        "_counts",
        "_gap",
        "_lanes",
        "_limits",
        "_size",
        "_wake",
        "authenticated",
        "closed",
        "connection",
        "key",
    )

    def __init__(
        self,
        key: PublicKey,
        *,
        connection: Hashable,
        wake: Callable[[], None],
        authenticated: bool,
        limits: Limits,
        counts: Counter[str],
    ) -> None:
        self.key: Final = key
        self.connection: Final = connection
        self.authenticated: Final = authenticated
        self.closed = False
        """Whether nothing more will come; what waits may still be taken."""
        self._wake = wake
        self._limits = limits
        self._counts = counts
        # An empty deque takes 600 bytes: there is one only while something waits.
        self._lanes: list[deque[bytes] | None] = [None, None]
        self._size = 0
        self._gap = False

    def take(self) -> bytes | None:
        """Take what is to be written next: an envelope, `GAP` where some were dropped, or None."""
        if self._gap:
            self._gap = False
            return GAP
        if not self._size:
            return None
        return self._pop(_PROVEN if self._lanes[_PROVEN] else _UNPROVEN)

    def put(self, data: bytes, *, proven: bool = False) -> bool:
        """Let an envelope wait, at the price of the oldest ones where there are too many.

        Returns:
            False where it found no room: all that waits goes before it.
        """
        was_idle = not self._size
        if not self._make_room(len(data), proven=proven):
            return False
        lane = _PROVEN if proven else _UNPROVEN
        queue = self._lanes[lane]
        if queue is None:
            queue = self._lanes[lane] = deque()
        queue.append(data)
        self._size += len(data)
        if was_idle:
            self._wake()
        return True

    def close(self) -> None:
        """Say that nothing more will come, and wake the reader to see it."""
        if not self.closed:
            self.closed = True
            self._wake()

    def _make_room(self, wanted: int, *, proven: bool) -> bool:
        limits = self._limits
        while self._size and (
            self._length >= limits.queue_length or self._size + wanted > limits.queue_bytes
        ):
            self._gap = True
            self._counts["dropped"] += 1
            if self._lanes[_UNPROVEN]:
                self._pop(_UNPROVEN)
            elif proven:
                self._pop(_PROVEN)
            else:
                return False
        return True

    @property
    def _length(self) -> int:
        return sum(len(queue) for queue in self._lanes if queue is not None)

    def _pop(self, lane: int) -> bytes:
        queue = self._lanes[lane]
        assert queue is not None
        data = queue.popleft()
        self._size -= len(data)
        if not queue:
            self._lanes[lane] = None
        return data


class Relay:
    """Moves envelopes from publishers to all subscriptions of a key.

    Attributes:
        counts: what happened so far: "published", "delivered" (to so many queues), "unheard" (to none),
            "dropped" (for slow readers), "subscribed", and "refused-…" by `Refusal`.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits: Final = limits or Limits()
        self.counts: Final[Counter[str]] = Counter()
        self.closed = False
        # Tuples: most keys have one subscription, and a publisher sees one state of them while readers wake.
        self._subscriptions: dict[PublicKey, tuple[Subscription, ...]] = {}
        self._connections: dict[Hashable, int] = {}

    @property
    def subscriptions(self) -> int:
        """How many subscriptions are live."""
        return sum(self._connections.values())

    @property
    def keys(self) -> int:
        """For how many keys anything is kept."""
        return len(self._subscriptions)

    @property
    def connections(self) -> int:
        """How many connections hold subscriptions."""
        return len(self._connections)

    def subscribe(
        self, key: PublicKey, *, connection: Hashable, wake: Callable[[], None], authenticated: bool = False
    ) -> Subscription:
        """Begin to collect what is published to a key, beside all others who do.

        Args:
            connection: what the subscriptions of one client have in common; equal values count together.
            wake: called when there is something to take again, or the subscription was closed; it must not
                raise and not call the relay.

        Raises:
            Refused: a limit is reached, or the relay is closed.
        """
        if self.closed:
            raise self._refusal(Refusal.CLOSED)
        held = self._connections.get(connection, 0)
        if held >= self.limits.subscriptions_per_connection:
            raise self._refusal(Refusal.CONNECTION_FULL)
        others = self._subscriptions.get(key, ())
        alike = sum(other.authenticated == authenticated for other in others)
        if alike >= self.limits.subscriptions_per_key:
            raise self._refusal(Refusal.KEY_FULL)
        subscription = Subscription(
            key,
            connection=connection,
            wake=wake,
            authenticated=authenticated,
            limits=self.limits,
            counts=self.counts,
        )
        # The proven ones first: that is the order in which they are served.
        split = alike if authenticated else len(others)
        self._subscriptions[key] = (*others[:split], subscription, *others[split:])
        self._connections[connection] = held + 1
        self.counts["subscribed"] += 1
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Forget a subscription and what waits for it; a second call does nothing."""
        key, connection = subscription.key, subscription.connection
        all_of_key = self._subscriptions.get(key, ())
        others = tuple(other for other in all_of_key if other is not subscription)
        if len(others) == len(all_of_key):
            return
        if others:
            self._subscriptions[key] = others
        else:
            del self._subscriptions[key]
        self._connections[connection] -= 1
        if not self._connections[connection]:
            del self._connections[connection]

    def publish(self, data: bytes, *, proven: bool = False) -> int:
        """Hand a serialized Envelope to every subscription of its recipient, unchanged; never waits.

        Args:
            proven: whether the publisher has proved to hold a key; what it sends then goes before the rest.

        Returns:
            How many queues took it; 0 means that nobody is there.

        Raises:
            Refused: it is too large or no envelope, or the relay is closed.
        """
        if self.closed:
            raise self._refusal(Refusal.CLOSED)
        if len(data) > self.limits.envelope:
            raise self._refusal(Refusal.OVERSIZED)
        readers = self._subscriptions.get(self._recipient(data), ())
        taken = sum(subscription.put(data, proven=proven) for subscription in readers)
        self.counts["published"] += 1
        self.counts["delivered" if readers else "unheard"] += taken if readers else 1
        return taken

    def close(self) -> None:
        """Take nothing more and close every subscription; what waits may still be taken."""
        self.closed = True
        for readers in list(self._subscriptions.values()):
            for subscription in readers:
                subscription.close()

    def read(self, decode: Callable[[bytes], T], data: bytes) -> T:
        """Read what a client sends.

        Raises:
            Refused: it is malformed, or a key in it is not canonical.
        """
        try:
            return decode(data)
        except wire.WireError as error:
            raise self._refusal(Refusal.KEY if error.reason == "key" else Refusal.MALFORMED) from None

    def _recipient(self, data: bytes) -> PublicKey:
        try:
            sender, recipient, _, _ = wire.decode_envelope(data)
        except wire.WireError:
            raise self._refusal(Refusal.MALFORMED) from None
        try:
            # The sender is only claimed, but one that is no key at all, or an alias of one, nobody could use.
            PublicKey(sender)
            return PublicKey(recipient)
        except ValueError:
            raise self._refusal(Refusal.KEY) from None

    def _refusal(self, refusal: Refusal) -> Refused:
        self.counts[f"refused-{refusal.name.lower().replace('_', '-')}"] += 1
        return Refused(refusal)
