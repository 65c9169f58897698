"""The multicast carrier: envelopes to a group on the local network, without any server."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Final

from warren.envelope import MAX_ENVELOPE, Envelope, EnvelopeError
from warren.errors import SignalingError
from warren.messages import BackendType
from warren.signaling.backlog import Backlog
from warren.signaling.carrier import Identity, Received
from warren.signaling.multicast_parts import MAX_RECEIVED, Assembly, recipient_of, split
from warren.signaling.multicast_socket import MulticastSocket
from warren.signaling.multicast_target import MulticastTarget
from warren.signaling.url import BackendUrl

__all__ = ["MulticastCarrier", "open_carrier"]

ID_SIZE: Final = 8


class MulticastCarrier:
    """Moves envelopes by multicast; whoever is in the group sees them all, and keeps those to its keys.

    The network may lose any of them, and tells nobody. One socket serves all, and is opened anew when a
    subscription is entered and no other is there: the interface may be another one.

    Args:
        target: the group.
    """

    type = BackendType.MCAST
    max_envelope = MAX_ENVELOPE

    def __init__(self, target: MulticastTarget) -> None:
        self.drops: Counter[str] = Counter()
        self._target = target
        self._socket: MulticastSocket | None = None
        self._assembly = Assembly(self.drops)
        self._backlogs: dict[bytes, list[Backlog]] = {}
        self._closed = False

    async def publish(self, envelope: Envelope) -> None:
        """Send the envelope to the group; nobody knows who hears it."""
        data = envelope.serialize()
        if len(data) > self.max_envelope:
            raise SignalingError(
                f"an envelope of {len(data)} bytes is too large: at most {self.max_envelope}"
            )
        await asyncio.sleep(0)  # So that who sends much still reads: the kernel keeps little for a reader.
        sock = self._open()
        for datagram in split(data, os.urandom(ID_SIZE)):
            sock.send(datagram)
        if not self._target.loopback:
            self._take(data)

    @asynccontextmanager
    async def subscribe(self, identity: Identity) -> AsyncIterator[AsyncIterator[Received]]:
        """Receive what is sent to the key; entered when this machine is in the group."""
        if not self._backlogs:
            self._close_socket()
        self._open()
        backlog, key = Backlog(), identity.public.raw
        self._backlogs.setdefault(key, []).append(backlog)
        try:
            yield backlog
        finally:
            others = [other for other in self._backlogs[key] if other is not backlog]
            if others:
                self._backlogs[key] = others
            else:
                del self._backlogs[key]

    async def aclose(self) -> None:
        """Leave the group; whoever reads learns that the subscription is lost."""
        self._closed = True
        self._fail("the multicast carrier is closed")

    def _open(self) -> MulticastSocket:
        if self._closed:
            raise SignalingError("the multicast carrier is closed")
        if self._socket is None:
            self._socket = MulticastSocket(
                self._target, received=self._receive, missed=self._miss, failed=self._fail
            )
        return self._socket

    def _close_socket(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _fail(self, reason: str) -> None:
        self._close_socket()
        for backlog in self._all():
            backlog.end(reason)

    def _miss(self) -> None:
        for backlog in self._all():
            backlog.lose()

    def _all(self) -> list[Backlog]:
        return [backlog for backlogs in self._backlogs.values() for backlog in backlogs]

    def _receive(self, datagram: bytes, source: Hashable) -> None:
        if len(datagram) > MAX_RECEIVED:
            self.drops["datagram-oversized"] += 1
            return
        now = asyncio.get_running_loop().time()
        if (data := self._assembly.add(datagram, source, now=now)) is not None:
            self._take(data)

    def _take(self, data: bytes) -> None:
        """Give an envelope to those who read for its recipient; most in a group are to others."""
        try:
            recipient = recipient_of(data)
        except ValueError:
            self.drops["datagram-no-envelope"] += 1
            return
        if recipient is not None and recipient not in self._backlogs:
            return
        try:
            envelope = Envelope.parse(data)
        except EnvelopeError as error:
            self.drops[f"envelope-{error.reason}"] += 1
            return
        for backlog in self._backlogs.get(envelope.recipient.raw, ()):
            backlog.put(envelope, len(data))


def open_carrier(url: BackendUrl) -> MulticastCarrier:
    """Make a carrier from `multicast://group:port` and its options; nothing is joined yet.

    Raises:
        ConfigurationError: the URL is wrong.
    """
    return MulticastCarrier(MulticastTarget.parse(url))
