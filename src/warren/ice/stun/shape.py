"""Shape: everything about a STUN message but its values.

All checks of a peer look alike but for transaction id, proof and checksum. What their type and the heads of
their attributes say is worked out once; that the next one has the same shape takes a single unpack to see.
"""

from struct import Struct
from typing import Final

from warren.ice.stun.format import (
    COOKIE_BYTES,
    FINGERPRINT_SIZE,
    HEAD,
    HEADER_SIZE,
    Attribute,
    Class,
    Method,
    StunError,
    message_type,
)
from warren.ice.stun.integrity import Key

__all__ = ["Shape", "covered_head"]

_TYPES: Final = {message_type(method, cls): (method, cls) for method in Method for cls in Class}
# Plain numbers: members of an IntEnum cost ten times as much to look up.
_FINGERPRINT: Final = int(Attribute.FINGERPRINT)
_INTEGRITY: Final = int(Attribute.MESSAGE_INTEGRITY)
_INTEGRITY_SHA256: Final = int(Attribute.MESSAGE_INTEGRITY_SHA256)
_UNDERSTOOD: Final = frozenset(map(int, Attribute))


class Shape:
    """A message's type and size, and which attributes lie where in it."""

    __slots__ = (
        "_heads",
        "_read_heads",
        "_size",
        "cls",
        "covered_head",
        "fingerprinted",
        "integrity_at",
        "known",
        "method",
        "sha256_at",
        "unknown_required",
        "where",
    )

    def __init__(self, data: bytes) -> None:
        """Work out the shape of `data`.

        Raises:
            StunError: it is no STUN message that fills the datagram.
        """
        self.method, self.cls = _read_type(data)
        self.where: dict[int, slice] = {}
        """Where the value of a type lies: the first one, and only what is proved, and FINGERPRINT."""
        self.integrity_at = 0
        """Where in the message MESSAGE-INTEGRITY begins; 0 if it has none."""
        self.sha256_at = 0
        """The same of MESSAGE-INTEGRITY-SHA256; a message is proved in one way or the other."""
        self.covered_head = b""
        """The message's first 4 bytes as MESSAGE-INTEGRITY covers them."""
        self.fingerprinted = False
        self.known = False
        """Whether it is kept for the next message."""
        self._size = len(data)
        heads = [COOKIE_BYTES]
        layout = "4x4s12x"
        at = HEADER_SIZE
        while at < len(data):
            kind, length = HEAD.unpack_from(data, at)
            padded = length + (-length & 3)
            if at + HEAD.size + padded > len(data):
                raise StunError("overrun")
            self._enter(kind, length, at, data)
            heads.append(data[at : at + HEAD.size])
            layout += f"4s{padded}x"
            at += HEAD.size + padded
        self._heads = tuple(heads)
        self._read_heads = Struct(layout).unpack
        self.unknown_required = tuple(
            kind for kind in self.where if kind < 0x8000 and kind not in _UNDERSTOOD
        )
        """The comprehension-required attributes that nobody here knows."""

    def fits(self, data: bytes) -> bool:
        """Whether a message that begins with the same type and length has this shape."""
        return len(data) == self._size and self._read_heads(data) == self._heads

    def _enter(self, kind: int, length: int, at: int, data: bytes) -> None:
        if kind == _FINGERPRINT:
            # RFC 8489, 14.7: it is the last attribute.
            if length != 4 or at + FINGERPRINT_SIZE != len(data):
                raise StunError("fingerprint")
            self.fingerprinted = True
        elif self.integrity_at or self.sha256_at:
            return  # RFC 8489, 14.5 and 14.6: nobody has proved what follows.
        elif kind == _INTEGRITY_SHA256:
            self.sha256_at = at
        elif kind == _INTEGRITY:
            self.integrity_at = at
            self.covered_head = covered_head(data, at, Key.size)
        # RFC 8489, 14: of several with the same type the first one counts.
        value_at = at + HEAD.size
        self.where.setdefault(kind, slice(value_at, value_at + length))


def covered_head(data: bytes, at: int, size: int) -> bytes:
    """The message's first 4 bytes as a proof of `size` bytes at `at` covers them."""
    # RFC 8489, 14.5: the length ends with the proof, whatever follows.
    return data[:2] + (at + HEAD.size + size - HEADER_SIZE).to_bytes(2, "big")


def _read_type(data: bytes) -> tuple[Method, Class]:
    if len(data) < HEADER_SIZE:
        raise StunError("length")
    kind, length = HEAD.unpack_from(data)
    if data[4:8] != COOKIE_BYTES:
        raise StunError("cookie")
    if length != len(data) - HEADER_SIZE or length & 3:
        raise StunError("length")
    known = _TYPES.get(kind)
    if known is None:
        raise StunError("method")
    return known
