"""Framing: STUN messages and ChannelData on one stream, each telling its own length (RFC 8656, 3.1, 12.5)."""

from typing import Final

from warren.ice.stun import is_stun
from warren.ice.turn.channel import HEAD

__all__ = ["NotFramed", "TurnDeframer"]

STUN_HEADER: Final = 20


class NotFramed(ValueError):
    """What comes is neither STUN nor ChannelData: nothing after it can be read."""


class TurnDeframer:
    """Cuts what comes from a TURN server's stream into packets; holds one unfinished one at the most."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes that are cut anywhere; returns the packets that are whole now.

        Raises:
            NotFramed: the server does not speak TURN (any more); what was whole before it is lost too.
        """
        data = self._rest + data if self._rest else data
        packets, start, size = [], 0, len(data)
        while size - start >= HEAD.size:
            end = start + _length(data, start)
            if end > size:
                break
            packet = data[start:end]
            if packet[0] < 0x40 and not is_stun(packet):
                raise NotFramed("a message without STUN's magic cookie")
            packets.append(packet)
            start = end
        self._rest = data[start:]
        return packets


def _length(data: bytes, start: int) -> int:
    """How long the packet is that begins here: at most 64 KiB and its header."""
    kind = int.from_bytes(data[start : start + 2], "big")
    length = int.from_bytes(data[start + 2 : start + 4], "big")
    if kind < 0x4000:
        if length & 3:
            raise NotFramed(f"a STUN message of {length} bytes")
        return STUN_HEADER + length
    if kind > 0x4FFF:
        raise NotFramed(f"a packet that begins with {kind:#06x}")
    # RFC 8656, 12.5: padded to a multiple of four, which the length does not say.
    return HEAD.size + length + (-length & 3)
