"""A simulated signaling server and the carrier to it: delay, loss, doubling, restarts, deaf streams."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from warren.envelope import Envelope, EnvelopeError
from warren.errors import SignalingError
from warren.messages import BackendType
from warren.sansio import Dice
from warren.signaling.backlog import Backlog
from warren.signaling.carrier import Identity, Received
from warren.testing.link import Line, Link

__all__ = ["SimCarrier", "SimServer", "SimSubscription"]

MAX_ENVELOPE: Final = 16 * 1024


class SimServer:
    """Passes the bytes of envelopes on to whoever subscribes to their recipient, and keeps nothing.

    What it does with an envelope is one method, `route`: a hostile server overrides it.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, dice: Dice) -> None:
        self.loop = loop
        self.dice = dice
        self.fates: Counter[str] = Counter()
        """What became of all envelopes."""
        self.subscriptions: dict[bytes, list[SimSubscription]] = {}
        """By the recipient's key."""
        self.published: Callable[[SimCarrier, bytes], None] | None = None
        """Told of each envelope that a client publishes, as it leaves."""
        self.delivered: Callable[[SimCarrier, Envelope], None] | None = None
        """Told of each envelope that comes to a client, before the client has it."""
        self.subscribed: Callable[[SimCarrier], None] | None = None
        """Told of each client whose subscription has become live, or has had a gap."""
        self._up_at = 0.0

    @property
    def up(self) -> bool:
        """Whether it listens."""
        return self.loop.time() >= self._up_at

    def client(self, name: str, link: Link | None = None) -> "SimCarrier":
        """Make the carrier of one node; the link stands for the way between it and the server."""
        return SimCarrier(self, name, link or Link())

    def restart(self, outage: float = 0.0) -> None:
        """Die and come back after `outage` seconds: subscriptions are lost, connecting fails meanwhile."""
        self._up_at = max(self._up_at, self.loop.time() + outage)
        for subscription in self.all_subscriptions():
            subscription.end("connection reset by the signaling server")

    def go_deaf(self, client: "SimCarrier") -> None:
        """Forget a client's subscriptions without telling it, as a router does that drops its connections."""
        for subscription in self.all_subscriptions():
            if subscription.client is client:
                self.remove(subscription)

    def go_lossy(self, client: "SimCarrier", *, lossy: bool) -> None:
        """Lose what comes for a client from now on; when that is over each subscription is told of a gap."""
        for subscription in self.all_subscriptions():
            if subscription.client is client:
                if subscription.lossy and not lossy:
                    subscription.backlog.lose()
                    self._tell(client)
                subscription.lossy = lossy

    def all_subscriptions(self) -> list["SimSubscription"]:
        """List the subscriptions in the order of their keys' first coming."""
        return [one for several in self.subscriptions.values() for one in several]

    def arrived(self, data: bytes) -> int:
        """Take an envelope off the wire; returns how many subscriptions it went to."""
        if self.up:
            return self.route(data)
        self.fates["server down"] += 1
        return 0

    def route(self, data: bytes) -> int:
        """Pass an envelope on; returns how many subscriptions it went to."""
        return self.deliver(Envelope.parse(data).recipient.raw, data)

    def deliver(self, key: bytes, data: bytes) -> int:
        """Send bytes to everyone who subscribes to this key."""
        subscriptions = self.subscriptions.get(key, [])
        if not subscriptions:
            self.fates["nobody there"] += 1
        for subscription in subscriptions:
            if subscription.lossy:
                self.fates["lost by the server"] += 1
                continue
            times = subscription.client.down.draw(self.loop.time())
            if not times:
                self.fates["lost"] += 1
            for time in times:
                self.loop.call_at(time, subscription.arrived, data)
        return len(subscriptions)

    def add(self, subscription: "SimSubscription") -> None:
        """Serve a subscription from now on."""
        self.subscriptions.setdefault(subscription.key, []).append(subscription)
        self._tell(subscription.client)

    def _tell(self, client: "SimCarrier") -> None:
        if self.subscribed is not None:
            self.subscribed(client)

    def remove(self, subscription: "SimSubscription") -> None:
        """Serve it no more; one that is not there is ignored."""
        others = [one for one in self.subscriptions.get(subscription.key, ()) if one is not subscription]
        if others:
            self.subscriptions[subscription.key] = others
        else:
            self.subscriptions.pop(subscription.key, None)


class SimSubscription:
    """One stream from the server to a client."""

    def __init__(self, server: SimServer, client: "SimCarrier", key: bytes) -> None:
        self.client = client
        self.key = key
        self.backlog = Backlog()
        self.lossy = False
        """Whether the server loses what comes for it."""
        self._server = server
        self._ended = False

    def arrived(self, data: bytes) -> None:
        """Take bytes off the wire."""
        if self._ended or self.client.cut:
            self._server.fates["stream gone" if self._ended else "cut"] += 1
            return
        try:
            envelope = Envelope.parse(data)
        except EnvelopeError as error:
            self.client.drops[f"envelope-{error.reason}"] += 1
            return
        self._server.fates["delivered"] += 1
        if self._server.delivered is not None:
            self._server.delivered(self.client, envelope)
        self.backlog.put(envelope, len(data))

    def end(self, reason: str) -> None:
        """Break the stream off."""
        self._ended = True
        self._server.remove(self)
        self.backlog.end(reason)


class SimCarrier:
    """A carrier to the simulated server; it fails as a network client does."""

    type = BackendType.INPROCESS
    max_envelope = MAX_ENVELOPE

    def __init__(self, server: SimServer, name: str, link: Link) -> None:
        self.name = name
        self.cut = False
        """Whether nothing passes between client and server, and nobody is told."""
        self.drops: Counter[str] = Counter()
        self.up = Line(link, server.dice)
        self.down = Line(link, server.dice)
        self.closed = False
        self._server = server
        self._open: list[SimSubscription] = []

    @property
    def link(self) -> Link:
        """The way between client and server; may be replaced at any time."""
        return self.up.link

    @link.setter
    def link(self, link: Link) -> None:
        self.up.link = self.down.link = link

    async def publish(self, envelope: Envelope) -> None:
        """Send an envelope to the server and wait for its answer."""
        data, server = envelope.serialize(), self._server
        if server.published is not None:
            server.published(self, data)
        await self._reach_server()
        for time in self.up.draw(server.loop.time()):
            server.loop.call_at(time, server.arrived, data)
        await asyncio.sleep(2 * self.link.delay)

    @asynccontextmanager
    async def subscribe(self, identity: Identity) -> AsyncIterator[AsyncIterator[Received]]:
        """Receive what is sent to the key; entered after one round trip."""
        await self._reach_server()
        await asyncio.sleep(2 * self.link.delay)
        await self._reach_server()
        subscription = SimSubscription(self._server, self, identity.public.raw)
        self._server.add(subscription)
        self._open.append(subscription)
        try:
            yield subscription.backlog
        finally:
            self._server.remove(subscription)
            self._open.remove(subscription)

    async def aclose(self) -> None:
        """End every subscription made here."""
        self.closed = True
        for subscription in list(self._open):
            subscription.end("this carrier is closed")

    async def _reach_server(self) -> None:
        if self.closed:
            raise SignalingError("this carrier is closed")
        if not self._server.up:
            raise SignalingError("the signaling server refused the connection; is it running?")
        if self.cut:
            # Nobody answers: only the caller's own patience ends this.
            await asyncio.sleep(3600.0)
            raise SignalingError("the signaling server did not answer")
