"""Streams on the simulated network: what TCP makes of packets that are lost, doubled and overtaken."""

import asyncio
from collections.abc import Callable
from enum import IntEnum
from typing import Final, NamedTuple

from warren.aio.stream import MAX_WAITING, Accepted, StreamEar
from warren.ice.transport import Address

__all__ = ["SimListener", "SimStream", "Transfer"]

FIRST_WAIT: Final = 0.5
"""Seconds until what was not acknowledged is sent again; twice as long each time."""

TRIES: Final = 6

Transfer = Callable[[Address, Address, bytes], None]
"""Puts a segment on the network: from, to, bytes."""


class Kind(IntEnum):
    """What a segment is."""

    SYN = 0
    DATA = 1
    FIN = 2
    ACK = 3
    RESET = 4


class Segment(NamedTuple):
    """One packet of a stream. Segments are numbered, not bytes; `ack` is the number expected next."""

    kind: Kind
    number: int = 0
    ack: int = 0
    data: bytes = b""

    def pack(self) -> bytes:
        """Write it as it travels."""
        return bytes([self.kind]) + self.number.to_bytes(4, "big") + self.ack.to_bytes(4, "big") + self.data

    @classmethod
    def parse(cls, packet: bytes) -> "Segment":
        """Read what `pack` wrote."""
        number, ack = int.from_bytes(packet[1:5], "big"), int.from_bytes(packet[5:9], "big")
        return cls(Kind(packet[0]), number, ack, packet[9:])


class SimListener:
    """A TCP port of a simulated host."""

    def __init__(self, local: Address, accepted: Accepted, forget: Callable[[Address], object]) -> None:
        self.local = local
        self.accepted = accepted
        self._forget = forget

    def close(self) -> None:
        """Take no more connections."""
        self._forget(self.local)


class SimStream:
    """One end of a connection: in order, everything once, or broken.

    Args:
        local: our end.
        remote: the other end.
        transfer: puts a segment on the network.
        forget: takes this end out of its host's table.
        accepted: asked who hears it once it is established, where the other end opened it.
    """

    def __init__(
        self,
        local: Address,
        remote: Address,
        *,
        transfer: Transfer,
        forget: Callable[["SimStream"], None],
        accepted: Accepted | None = None,
    ) -> None:
        self.local = local
        self.remote = remote
        self.dropped = 0
        self.ear: StreamEar | None = None
        loop = asyncio.get_running_loop()
        self.established: asyncio.Future[None] = loop.create_future()
        self._loop = loop
        self._transfer = transfer
        self._forget = forget
        self._accepted = accepted
        self._next = 0
        self._waiting: dict[int, Segment] = {}
        self._expected = 0
        self._early: dict[int, Segment] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._tries = 0
        self._closed = False
        if accepted is None:
            self._put(Kind.SYN)

    def write(self, data: bytes) -> None:
        """Write these bytes, or drop all of them where too many wait already."""
        if self._closed:
            return
        if sum(len(segment.data) for segment in self._waiting.values()) + len(data) > MAX_WAITING:
            self.dropped += 1
        else:
            self._put(Kind.DATA, data)

    def close(self) -> None:
        """End it; what was written is still sent."""
        self.ear = None
        if not self._closed:
            self._closed = True
            if self.established.done():
                self._put(Kind.FIN)
            else:
                self._end()

    # What comes from the network

    def take(self, segment: Segment) -> None:
        """Take a segment of the other end."""
        if segment.kind is Kind.RESET:
            self._break("connection reset" if self.established.done() else "connection refused")
            return
        acknowledged = [number for number in self._waiting if number < segment.ack]
        for number in acknowledged:
            del self._waiting[number]
        if acknowledged:
            self._tries = 0
            self._wait()
        if segment.ack > 0 and not self.established.done():
            self._establish()
        if segment.kind is not Kind.ACK:
            if segment.number >= self._expected:
                self._early[segment.number] = segment
            while (following := self._early.pop(self._expected, None)) is not None:
                self._expected += 1
                self._follow(following)
            self._send(Segment(Kind.ACK, ack=self._expected))
        if self._closed and not self._waiting:
            self._end()

    def _establish(self) -> None:
        self.established.set_result(None)
        if self._accepted is not None:
            self.ear = self._accepted(self, self.remote)
            if self.ear is None:
                self.close()

    def _follow(self, segment: Segment) -> None:
        """Take the next one in order."""
        if segment.kind is Kind.SYN and self._accepted is not None:
            self._put(Kind.SYN)
        elif segment.kind is Kind.DATA and self.ear is not None:
            self.ear.received(segment.data)
        elif segment.kind is Kind.FIN:
            self._break("the other end closed the connection")

    # What goes to the network

    def _put(self, kind: Kind, data: bytes = b"") -> None:
        segment = Segment(kind, self._next, self._expected, data)
        self._waiting[self._next] = segment
        self._next += 1
        self._send(segment)
        if self._timer is None:
            self._wait()

    def _send(self, segment: Segment) -> None:
        self._transfer(self.local, self.remote, segment.pack())

    def _wait(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting:
            self._timer = self._loop.call_later(FIRST_WAIT * 2**self._tries, self._again)

    def _again(self) -> None:
        self._timer = None
        self._tries += 1
        if self._tries >= TRIES:
            self._break("connection timed out")
            return
        for segment in self._waiting.values():
            self._send(segment._replace(ack=self._expected))
        self._wait()

    # Ends

    def _break(self, reason: str) -> None:
        ear, self.ear, self._closed = self.ear, None, True
        self._end()
        if not self.established.done():
            if self._accepted is None:
                self.established.set_exception(ConnectionError(reason))
        elif ear is not None:
            ear.closed(reason)

    def _end(self) -> None:
        self._waiting.clear()
        self._wait()
        self._forget(self)
