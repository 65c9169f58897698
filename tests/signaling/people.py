"""Keys, sealers and a fixed carrier for the tests of signaling."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

from warren.envelope import Envelope, Sealer
from warren.errors import SignalingError
from warren.keys import PrivateKey, PublicKey
from warren.messages import BackendType, Credentials, Message
from warren.signaling.carrier import Identity, Received

__all__ = ["ALICE", "BOB", "CAROL", "ScriptedCarrier", "ScriptedStream", "hello", "private", "sealed"]

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


class ScriptedStream(AsyncIterator[Received]):
    """Yields what a test puts in: envelopes, gaps, an error, or None for a clean end."""

    def __init__(self) -> None:
        self._items: asyncio.Queue[Received | BaseException | None] = asyncio.Queue()

    def put(self, item: Received | BaseException | None) -> None:
        """Let the reader have this next."""
        self._items.put_nowait(item)

    async def __anext__(self) -> Received:
        item = await self._items.get()
        if item is None:
            raise StopAsyncIteration
        if isinstance(item, BaseException):
            raise item
        return item


class ScriptedCarrier:
    """A carrier that does what a test tells it; envelopes that are published go to its streams."""

    type = BackendType.INPROCESS
    max_envelope = 16 * 1024

    def __init__(self) -> None:
        self.entered_at: list[float] = []
        """When somebody tried to enter."""
        self.left = 0
        self.closed = False
        self.deaf = False
        """Take envelopes and pass none on."""
        self.refusal: Exception | None = None
        """Raise this on entering."""
        self.hangs = False
        """Let entering and publishing wait for ever."""
        self.publish_error: Exception | None = None
        self.published: list[Envelope] = []
        self.streams: list[ScriptedStream] = []

    async def publish(self, envelope: Envelope) -> int | None:
        """Do with an envelope as told."""
        self.published.append(envelope)
        if self.publish_error is not None:
            raise self.publish_error
        if self.hangs:
            await asyncio.Event().wait()
        if not self.deaf:
            for stream in self.streams:
                stream.put(envelope)
        return len(self.streams)

    @asynccontextmanager
    async def subscribe(self, identity: Identity) -> AsyncIterator[AsyncIterator[Received]]:
        """Enter as told."""
        self.entered_at.append(asyncio.get_running_loop().time())
        if self.refusal is not None:
            raise self.refusal
        if self.hangs:
            await asyncio.Event().wait()
        stream = ScriptedStream()
        self.streams.append(stream)
        try:
            yield stream
        finally:
            self.left += 1
            self.streams.remove(stream)

    def break_off(self, reason: str = "broken off") -> None:
        """End all streams."""
        for stream in self.streams:
            stream.put(SignalingError(reason))

    async def aclose(self) -> None:
        """End all streams, and remember it."""
        self.closed = True
        self.break_off("closed")
