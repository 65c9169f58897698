"""Keys, sealers and a fixed carrier for the tests of signaling."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count

from warren.envelope import Envelope, Sealer
from warren.errors import SignalingError
from warren.keys import PrivateKey, PublicKey
from warren.messages import BackendType, Credentials, Message
from warren.signaling.backlog import Backlog
from warren.signaling.carrier import Identity, Received

__all__ = ["ALICE", "BOB", "CAROL", "ScriptedCarrier", "hello", "private", "sealed"]

_nonces = count(1)


def private(number: int) -> PrivateKey:
    """Make the same private key for the same number, in any run."""
    return PrivateKey(number.to_bytes(16, "big") + bytes(16))


ALICE, BOB, CAROL = private(1), private(2), private(3)


def hello(word: str = "hello") -> Message:
    """Make a message that can be told from others."""
    return Message(credentials=Credentials(f"{word}ufrag", "p" * 32))


def sealed(sender: PrivateKey, recipient: PublicKey, message: Message | None = None) -> Envelope:
    """Seal a message as a peer does, with a nonce of its own."""
    sealer = Sealer(sender, random_bytes=lambda size: next(_nonces).to_bytes(size, "big"))
    return sealer.seal(recipient, message or hello())


class ScriptedCarrier:
    """A carrier that does what a test tells it; envelopes that are published go to its streams."""

    type = BackendType.INPROCESS
    max_envelope = 16 * 1024

    def __init__(self) -> None:
        self.entered = 0
        """How often somebody tried to enter."""
        self.entered_at: list[float] = []
        self.left = 0
        self.closed = False
        self.deaf = False
        """Take envelopes and pass none on."""
        self.refusal: Exception | None = None
        """Raise this on entering."""
        self.hang = False
        """Let entering and publishing wait for ever."""
        self.publish_error: Exception | None = None
        self.published: list[Envelope] = []
        self.streams: list[Backlog] = []
        self.on_enter: Callable[[], None] | None = None

    async def publish(self, envelope: Envelope) -> int | None:
        """Do with an envelope as told."""
        self.published.append(envelope)
        if self.publish_error is not None:
            raise self.publish_error
        if self.hang:
            await asyncio.Event().wait()
        if not self.deaf:
            for stream in self.streams:
                stream.put(envelope, 100)
        return len(self.streams)

    @asynccontextmanager
    async def subscribe(self, identity: Identity) -> AsyncIterator[AsyncIterator[Received]]:
        """Enter as told."""
        self.entered += 1
        self.entered_at.append(asyncio.get_running_loop().time())
        if self.on_enter is not None:
            self.on_enter()
        if self.refusal is not None:
            raise self.refusal
        if self.hang:
            await asyncio.Event().wait()
        stream = Backlog()
        self.streams.append(stream)
        try:
            yield stream
        finally:
            self.left += 1
            self.streams.remove(stream)

    def break_off(self, reason: str = "broken off") -> None:
        """End all streams."""
        for stream in self.streams:
            stream.end(reason)

    async def aclose(self) -> None:
        """End all streams, and remember it."""
        self.closed = True
        self.break_off("closed")


def refused() -> SignalingError:
    """Make the error of a server that is not there."""
    return SignalingError("connection refused")
