"""Framing: datagrams on a stream, each behind its length in two bytes (RFC 4571, 2)."""

from typing import Final

__all__ = ["MAX_FRAME", "Deframer", "FrameTooLong", "frame"]

MAX_FRAME: Final = 65535
HEADER: Final = 2


class FrameTooLong(ValueError):
    """The other end announces a frame longer than it may send: nothing after it can be read."""


def frame(data: bytes) -> bytes:
    """Put a datagram behind its length.

    Raises:
        ValueError: it is longer than two bytes can say.
    """
    if len(data) > MAX_FRAME:
        raise ValueError(f"a datagram of {len(data)} bytes is too long for a frame")
    return len(data).to_bytes(HEADER, "big") + data


class Deframer:
    """Cuts what comes from a stream into datagrams; holds one unfinished frame at the most."""

    __slots__ = ("_rest", "limit")

    def __init__(self, limit: int = MAX_FRAME) -> None:
        self.limit = limit
        """The longest frame that is taken, in bytes; may be changed at any time."""
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes that are cut anywhere; returns the datagrams that are whole now, empty ones too.

        Raises:
            FrameTooLong: a frame is longer than the limit; whatever was whole before it is lost too.
        """
        data = self._rest + data if self._rest else data
        frames, start, size = [], 0, len(data)
        while size - start >= HEADER:
            length = int.from_bytes(data[start : start + HEADER], "big")
            if length > self.limit:
                raise FrameTooLong(f"a frame of {length} bytes where {self.limit} are the most")
            end = start + HEADER + length
            if end > size:
                break
            frames.append(data[start + HEADER : end])
            start = end
        self._rest = data[start:]
        return frames
