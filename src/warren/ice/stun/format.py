"""The numbers of STUN: methods, classes, attributes, and how a message begins (RFC 8489, 5 and 18)."""

from enum import IntEnum
from struct import Struct
from typing import Final
from zlib import crc32

__all__ = [
    "COOKIE",
    "COOKIE_BYTES",
    "FINGERPRINT_SIZE",
    "HEAD",
    "HEADER_SIZE",
    "Attribute",
    "Class",
    "Method",
    "StunError",
    "fingerprint_of",
    "is_stun",
    "message_type",
]

HEADER_SIZE: Final = 20
COOKIE: Final = 0x2112A442
COOKIE_BYTES: Final = COOKIE.to_bytes(4, "big")
HEAD: Final = Struct(">HH")
"""A type and a length: so begins a message, and so begins each attribute."""
FINGERPRINT_SIZE: Final = 8

_CHECKSUM: Final = Struct(">II")
_CHECKSUM_MASK: Final = (
    0x5354554E  # RFC 8489, 14.7: "STUN", lest the CRC be that of somebody else's protocol.
)


class Method(IntEnum):
    """What a message is about."""

    BINDING = 0x001
    ALLOCATE = 0x003
    REFRESH = 0x004
    SEND = 0x006
    DATA = 0x007
    CREATE_PERMISSION = 0x008
    CHANNEL_BIND = 0x009


class Class(IntEnum):
    """Which part of an exchange a message is."""

    REQUEST = 0
    INDICATION = 1
    SUCCESS = 2
    ERROR = 3


class Attribute(IntEnum):
    """What a message may carry, to a peer, a STUN server or a TURN server (RFC 8445, 8489, 8656)."""

    MAPPED_ADDRESS = 0x0001
    USERNAME = 0x0006
    MESSAGE_INTEGRITY = 0x0008
    ERROR_CODE = 0x0009
    UNKNOWN_ATTRIBUTES = 0x000A
    CHANNEL_NUMBER = 0x000C
    LIFETIME = 0x000D
    XOR_PEER_ADDRESS = 0x0012
    DATA = 0x0013
    REALM = 0x0014
    NONCE = 0x0015
    XOR_RELAYED_ADDRESS = 0x0016
    REQUESTED_ADDRESS_FAMILY = 0x0017
    REQUESTED_TRANSPORT = 0x0019
    MESSAGE_INTEGRITY_SHA256 = 0x001C
    PASSWORD_ALGORITHM = 0x001D
    USERHASH = 0x001E
    XOR_MAPPED_ADDRESS = 0x0020
    PRIORITY = 0x0024
    USE_CANDIDATE = 0x0025
    OLD_NOMINATION = 0x0030
    """An abandoned draft's renomination: ignored, although by its number it must be understood."""
    ADDITIONAL_ADDRESS_FAMILY = 0x8000
    PASSWORD_ALGORITHMS = 0x8002
    ALTERNATE_SERVER = 0x8023
    FINGERPRINT = 0x8028
    ICE_CONTROLLED = 0x8029
    ICE_CONTROLLING = 0x802A
    NOMINATION = 0xC001
    """Renomination (draft-thatcher-ice-renomination): 24 bits, the highest value wins."""


_CHECKSUM_HEAD: Final = Attribute.FINGERPRINT << 16 | 4


class StunError(ValueError):
    """These bytes are no valid STUN message; `reason` is one word for the counters."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"not a valid STUN message: {reason}")
        self.reason = reason


def is_stun(data: bytes) -> bool:
    """Tell STUN from data by the first bytes (RFC 8489, 5); what passes may still be malformed."""
    # The cookie first: data hardly ever has it, and is asked about this in both directions.
    return data.startswith(COOKIE_BYTES, 4) and data[0] < 0x40 and len(data) >= HEADER_SIZE


def fingerprint_of(message: bytes) -> bytes:
    """The attribute FINGERPRINT that ends a message of which this is all else (RFC 8489, 14.7)."""
    return _CHECKSUM.pack(_CHECKSUM_HEAD, crc32(message) ^ _CHECKSUM_MASK)


def message_type(method: Method, cls: Class) -> int:
    """Mix method and class into the message's first 16 bits."""
    # RFC 8489, 5: the two bits of the class lie between those of the method.
    return method & 0x00F | (cls & 1) << 4 | (method & 0x070) << 1 | (cls & 2) << 7 | (method & 0xF80) << 2
