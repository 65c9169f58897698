"""Channels: a number in place of an address, so that data through a relay costs 4 bytes (RFC 8656, 12)."""

from struct import Struct
from typing import Final

from warren.ice.transport import Address

__all__ = ["HEAD", "Channel", "Channels", "is_channel_data", "read_channel_data"]

HEAD: Final = Struct(">HH")
"""A channel's number and how many bytes follow."""
FIRST: Final = 0x4000
LAST: Final = 0x4FFF
LIFETIME: Final = 600.0  # RFC 8656, 12: 10 minutes.
# A binding also refreshes the permission (RFC 8656, 12), and that lasts for 5 minutes only.
REFRESH: Final = 240.0


class Channel:
    """One peer's channel, bound or not."""

    __slots__ = ("asking", "number", "peer", "refresh_at", "until")

    def __init__(self, number: int, peer: Address) -> None:
        self.number = number
        self.peer = peer
        self.until = 0.0
        """Until when it is bound."""
        self.refresh_at = 0.0
        """When the next use of it renews the binding."""
        self.asking = False
        """Whether a ChannelBind for it is under way."""

    def bound(self, now: float) -> None:
        """The server has bound it, as asked for at `now`."""
        self.until = now + LIFETIME
        self.refresh_at = now + REFRESH
        self.asking = False

    def refused(self, now: float) -> None:
        """The server did not bind it: packets do without for a while."""
        self.refresh_at = now + REFRESH
        self.asking = False


class Channels:
    """The channels of one allocation: a peer keeps its number as long as the allocation lives.

    So no number changes its peer, nor a peer its number, within the time in which RFC 8656, 12 forbids it.
    """

    __slots__ = ("_by_number", "_by_peer")

    def __init__(self) -> None:
        self._by_peer: dict[Address, Channel] = {}
        self._by_number: dict[int, Channel] = {}

    def of(self, peer: Address) -> Channel | None:
        """The channel of a peer, if it was given one."""
        return self._by_peer.get(peer)

    def give(self, peer: Address) -> Channel | None:
        """Give a peer a channel; None where all 4,096 are given."""
        number = FIRST + len(self._by_number)
        if number > LAST:
            return None
        channel = self._by_peer[peer] = self._by_number[number] = Channel(number, peer)
        return channel

    def peer(self, number: int) -> Address | None:
        """Whose channel this is; data may come before the answer that says that it is bound."""
        channel = self._by_number.get(number)
        return None if channel is None else channel.peer


def is_channel_data(data: bytes) -> bool:
    """Tell what comes from a TURN server by its first byte (RFC 8656, 12)."""
    return len(data) >= HEAD.size and 0x40 <= data[0] <= 0x4F


def read_channel_data(data: bytes) -> tuple[int, bytes] | None:
    """The channel's number and what it carries; None where the packet is cut short. Padding is left out."""
    if len(data) < HEAD.size:
        return None
    number, length = HEAD.unpack_from(data)
    payload = data[HEAD.size : HEAD.size + length]
    return (number, payload) if len(payload) == length else None
