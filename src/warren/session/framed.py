"""Framed streams: datagrams of sessions over TCP (RFC 6544 with RFC 4571), and what strangers may cost."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

from warren.ice import stun
from warren.ice.framing import MAX_FRAME, Deframer, FrameTooLong, frame
from warren.ice.streams import Streams
from warren.ice.transport import Address, Base, CloseStream, Datagram, OpenStream, Transmit
from warren.session.machine import SessionMachine

__all__ = ["MAX_STRANGERS", "MAX_STRANGERS_OF_ONE", "STRANGER_BYTES", "STRANGER_SECONDS", "FramedStreams"]

MAX_STRANGERS: Final = 64
"""Accepted connections over which no authenticated packet of a peer has come yet; the oldest goes."""
MAX_STRANGERS_OF_ONE: Final = 8
"""Of these, so many may come from one address."""
STRANGER_SECONDS: Final = 10.0
"""How long each has for that: the peer's credentials may come by signaling after its first check."""
STRANGER_BYTES: Final = 16 * 1024
"""How many bytes each may send until then."""
STRANGER_FRAME: Final = 2048
"""How long a frame of it may be: a check has less than 300 bytes."""


class FramedStreams:
    """The connections of all sessions: opened by them, or accepted and still nobody's.

    Args:
        streams: those of the node.
        drops: counts what strangers do.
        put: takes what is to be done.
    """

    def __init__(
        self,
        *,
        streams: Streams,
        drops: Counter[str],
        put: Callable[[OpenStream | CloseStream | Transmit], None],
    ) -> None:
        self._streams = streams
        self._drops = drops
        self._framed: dict[Base, _Framed] = {}
        self._strangers: dict[Base, _Framed] = {}
        self._put = put

    def __len__(self) -> int:
        return len(self._framed)

    # For sessions

    def open(self, session: SessionMachine, order: OpenStream) -> None:
        """A session wants a connection."""
        self._enter(_Framed(self, order.base, order.destination, session))
        self._put(order)

    def transmit(self, packet: Transmit) -> None:
        """Send a packet over a connection; on one that is closed it is lost."""
        if packet.base in self._framed:
            self._put(Transmit(packet.base, packet.destination, frame(packet.data)))

    def claim(self, base: Base, session: SessionMachine) -> None:
        """An authenticated packet of its peer came over this connection: it is the session's."""
        if (stranger := self._strangers.pop(base, None)) is not None:
            stranger.claimed(session)

    def close(self, base: Base) -> None:
        """End a connection; one that is closed already is ignored."""
        if self._forget(base):
            self._streams.forget(base)
            self._put(CloseStream(base))

    # From outside

    def accepted(self, listener: Base, source: Address, now: float) -> Base | None:
        """Somebody has connected; returns the base of the connection, or None to refuse it."""
        same = sum(stranger.remote[0] == source[0] for stranger in self._strangers.values())
        if same >= MAX_STRANGERS_OF_ONE:
            self._drops["stream-strangers-of-one-address"] += 1
            return None
        if len(self._strangers) >= MAX_STRANGERS:
            self.refuse(next(iter(self._strangers)), "stream-strangers-full")
        base = Base(listener.address, listener.port, "tcp", listener.interface)
        stranger = _Framed(self, base, source, None)
        stranger.ends_at = now + STRANGER_SECONDS
        self._strangers[base] = stranger
        self._enter(stranger)
        return base

    def refuse(self, base: Base, reason: str) -> None:
        """End a connection for what came over it."""
        self._drops[reason] += 1
        self.close(base)

    def ended(self, base: Base) -> None:
        """The other side has ended a connection."""
        self._forget(base)

    def _enter(self, framed: "_Framed") -> None:
        self._framed[framed.base] = framed
        self._streams.enter(framed.base, framed)

    def _forget(self, base: Base) -> bool:
        self._strangers.pop(base, None)
        return self._framed.pop(base, None) is not None

    # Time

    @property
    def deadline(self) -> float | None:
        """When the time of the oldest stranger is over."""
        oldest = next(iter(self._strangers.values()), None)
        return None if oldest is None else oldest.ends_at

    def tick(self, now: float) -> None:
        """End connections of those who have said nothing of use for too long."""
        while (deadline := self.deadline) is not None and deadline <= now:
            self.refuse(next(iter(self._strangers)), "stream-stranger-silent")


class _Framed:
    """One connection, as the owner of its stream."""

    __slots__ = ("_deframer", "_left", "_streams", "base", "ends_at", "remote", "session")

    def __init__(
        self, streams: FramedStreams, base: Base, remote: Address, session: SessionMachine | None
    ) -> None:
        self.base = base
        self.remote = remote
        self.session = session
        """Whose it is; None for a stranger's."""
        self.ends_at = 0.0
        self._streams = streams
        self._left = STRANGER_BYTES
        self._deframer = Deframer(MAX_FRAME if session is not None else STRANGER_FRAME)

    def claimed(self, session: SessionMachine) -> None:
        self.session = session
        self._deframer.limit = MAX_FRAME

    def stream_opened(self, base: Base, local: Address, now: float) -> None:
        if self.session is not None:
            self.session.stream_opened(base, now)

    def stream_received(self, base: Base, data: bytes, now: float) -> Iterator[Datagram]:
        self._left -= len(data)
        try:
            frames = self._deframer.feed(data)
        except (
            FrameTooLong
        ):  # Only a stranger's can be: the longest that a frame can say is a session's limit.
            self._streams.refuse(base, "stream-frame-too-long")
            return
        for packet in frames:
            # What came before in the same bytes may have shown whose it is, or ended it.
            if self.session is None and not stun.is_stun(packet):
                self._streams.refuse(base, "stream-stranger-data")
                return
            yield Datagram(base, self.remote, packet)
        if self.session is None and self._left < 0:
            self._streams.refuse(base, "stream-stranger-bytes")

    def stream_closed(self, base: Base, reason: str, now: float) -> None:
        self._streams.ended(base)
        if self.session is not None:
            self.session.stream_closed(base, reason, now)
