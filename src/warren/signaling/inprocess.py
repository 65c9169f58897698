"""The carrier within one process: named worlds, for tests, demonstrations and many nodes in one program."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from warren.envelope import Envelope
from warren.errors import ConfigurationError, SignalingError
from warren.keys import PublicKey
from warren.messages import BackendType
from warren.signaling.backlog import Backlog
from warren.signaling.carrier import Identity, Received
from warren.signaling.url import BackendUrl

__all__ = ["InProcessCarrier", "World", "open_carrier"]

MAX_ENVELOPE = 16 * 1024


class World:
    """Subscriptions that can reach one another; nothing is kept for a key that nobody subscribes to."""

    def __init__(self) -> None:
        self.subscriptions: dict[PublicKey, list[Backlog]] = {}

    def add(self, key: PublicKey, backlog: Backlog) -> None:
        """Let envelopes for the key go to this queue, beside others."""
        self.subscriptions.setdefault(key, []).append(backlog)

    def remove(self, key: PublicKey, backlog: Backlog) -> None:
        """Let no more go there."""
        others = [other for other in self.subscriptions[key] if other is not backlog]
        if others:
            self.subscriptions[key] = others
        else:
            del self.subscriptions[key]

    def deliver(self, envelope: Envelope, size: int) -> int:
        """Put the envelope into each queue of its recipient; return how many there are."""
        backlogs = self.subscriptions.get(envelope.recipient, [])
        for backlog in backlogs:
            backlog.put(envelope, size)
        return len(backlogs)


_worlds: WeakValueDictionary[str, World] = WeakValueDictionary()
"""A world lives as long as a carrier into it does."""


class InProcessCarrier:
    """Moves envelopes between the carriers of the same world, in one event loop."""

    type = BackendType.INPROCESS
    max_envelope = MAX_ENVELOPE

    def __init__(self, world: World | None = None) -> None:
        self._world: World = world or World()
        self._open: list[Backlog] = []
        self._closed = False

    async def publish(self, envelope: Envelope) -> int:
        """Hand the envelope to everyone who subscribes to its recipient, and say how many they are."""
        self._check_open()
        size = len(envelope.serialize())
        if size > self.max_envelope:
            raise SignalingError(f"an envelope of {size} bytes is too large: at most {self.max_envelope}")
        return self._world.deliver(envelope, size)

    @asynccontextmanager
    async def subscribe(self, identity: Identity) -> AsyncIterator[AsyncIterator[Received]]:
        """Receive what is sent to the key, until the context is left."""
        self._check_open()
        backlog = Backlog()
        self._world.add(identity.public, backlog)
        self._open.append(backlog)
        try:
            yield backlog
        finally:
            self._world.remove(identity.public, backlog)
            self._open.remove(backlog)

    async def aclose(self) -> None:
        """End every subscription made here."""
        self._closed = True
        for backlog in self._open:
            backlog.end("the in-process carrier is closed")

    def _check_open(self) -> None:
        if self._closed:
            raise SignalingError("the in-process carrier is closed")


def open_carrier(url: BackendUrl) -> InProcessCarrier:
    """Make a carrier from `inprocess:` or `inprocess:name`; the same name is the same world.

    Raises:
        ConfigurationError: the URL has options or a host.
    """
    url.refuse_options_but()
    if url.authority:
        raise ConfigurationError(f"{url} names a host: write inprocess: or inprocess:name")
    world = _worlds.get(url.path)
    if world is None:
        world = _worlds[url.path] = World()
    return InProcessCarrier(world)
