"""The NATS carrier: each key is a subject, each envelope a message; also the bus of a fleet of servers."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from warren.envelope import MAX_ENVELOPE, Envelope, EnvelopeError
from warren.errors import SignalingError
from warren.keys import PublicKey
from warren.messages import BackendType
from warren.signaling.backlog import Backlog
from warren.signaling.carrier import Identity, Received
from warren.signaling.nats_lines import Lines
from warren.signaling.nats_target import NatsTarget
from warren.signaling.url import BackendUrl

__all__ = ["NatsCarrier", "open_carrier", "subject_of"]

PATIENCE = 8.0
IDLE = 20.0


def subject_of(prefix: str, key: PublicKey) -> str:
    """Name the subject on which a key is sent its envelopes."""
    return f"{prefix}.{key.raw.hex()}"


class NatsCarrier:
    """Moves envelopes by way of NATS servers, over one connection that is made at first use.

    A connection that is lost ends all subscriptions on it: who enters again dials the next server.

    Args:
        target: the servers.
        patience: how long dialling all of them, or an answer, may take; seconds.
        idle: after how long a silent server is asked whether it is there; seconds.
    """

    type = BackendType.NATS

    def __init__(self, target: NatsTarget, *, patience: float = PATIENCE, idle: float = IDLE) -> None:
        self.drops: Counter[str] = Counter()
        self._prefix = target.prefix
        self._lines = Lines(target, patience=patience, idle=idle)

    @property
    def max_envelope(self) -> int:
        """The largest envelope, or the largest message of the server where that is less and known."""
        return min(MAX_ENVELOPE, self._lines.max_payload)

    async def publish(self, envelope: Envelope) -> None:
        """Give the envelope to the server; returns when it has it. How many took it NATS does not say."""
        data = envelope.serialize()
        if len(data) > self.max_envelope:
            raise SignalingError(
                f"an envelope of {len(data)} bytes is too large: at most {self.max_envelope}"
            )
        async with self._lines.using() as line:
            await line.publish(subject_of(self._prefix, envelope.recipient), data)

    @asynccontextmanager
    async def subscribe(self, identity: Identity) -> AsyncIterator[AsyncIterator[Received]]:
        """Receive what is sent to the key; entered when the server has confirmed the subscription."""
        ear = _Ear(identity.public, self.drops)
        async with self._lines.using() as line:
            try:
                async with line.hearing(subject_of(self._prefix, identity.public), ear):
                    yield ear.backlog
            finally:
                if not line.heard:
                    self._lines.retire(line)

    async def aclose(self) -> None:
        """Hang up; whoever reads learns that the subscription is lost."""
        await self._lines.aclose()


class _Ear:
    """Hears the messages on the subject of a key, and keeps the envelopes for their reader."""

    def __init__(self, key: PublicKey, drops: Counter[str]) -> None:
        self.backlog = Backlog()
        self._key = key
        self._drops = drops

    def take(self, data: bytes) -> None:
        """Add an envelope; anybody who may publish there can send anything."""
        try:
            envelope = Envelope.parse(data)
        except EnvelopeError as error:
            self._drops[f"envelope-{error.reason}"] += 1
            return
        if envelope.recipient != self._key:
            self._drops["envelope-not-for-us"] += 1
            return
        self.backlog.put(envelope, len(data))

    def end(self, reason: str) -> None:
        """Add no more."""
        self.backlog.end(reason)


def open_carrier(url: BackendUrl) -> NatsCarrier:
    """Make a carrier from `nats://host:port[,host:port]` and its options; nothing is dialled yet.

    Raises:
        ConfigurationError: the URL is wrong, or a file that it names.
    """
    return NatsCarrier(NatsTarget.parse(url))
