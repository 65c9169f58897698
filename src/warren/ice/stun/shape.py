"""Shape: everything about a STUN message but its values.

All checks of a peer look alike but for transaction id, proof and checksum. What their type and the heads of
their attributes say is worked out once; then each message of that shape is taken apart by a single unpack.
"""

from struct import Struct
from typing import Final

from warren.ice.stun.format import (
    COOKIE_BYTES,
    FINGERPRINT_SIZE,
    HEAD,
    HEADER_SIZE,
    INTEGRITY_SIZE,
    Attribute,
    Class,
    Method,
    StunError,
    message_type,
)

__all__ = ["Fields", "Shape"]

Fields = tuple[bytes, ...]
"""The cookie, the transaction id, then head and value of one attribute after the other."""

_TYPES: Final = {message_type(method, cls): (method, cls) for method in Method for cls in Class}
# Plain numbers: members of an IntEnum cost ten times as much to look up.
_FINGERPRINT: Final = int(Attribute.FINGERPRINT)
_INTEGRITY: Final = int(Attribute.MESSAGE_INTEGRITY)
_UNDERSTOOD: Final = frozenset(map(int, Attribute))


class Shape:
    """A message's type and size, and which attributes lie where in it."""

    __slots__ = (
        "_heads",
        "_size",
        "_unpack",
        "cls",
        "covered_head",
        "fingerprinted",
        "integrity_at",
        "known",
        "method",
        "unknown_required",
        "where",
    )

    def __init__(self, data: bytes) -> None:
        """Work out the shape of `data`.

        Raises:
            StunError: it is no STUN message that fills the datagram.
        """
        self.method, self.cls = _read_type(data)
        self.where: dict[int, int] = {}
        """Which field is the value of a type: the first one, and only what is proved, and FINGERPRINT."""
        self.integrity_at = 0
        """Where in the message MESSAGE-INTEGRITY begins; 0 if it has none."""
        self.covered_head = b""
        """The message's first 4 bytes as MESSAGE-INTEGRITY covers them."""
        self.fingerprinted = False
        self.known = False
        """Whether it is kept for the next message."""
        self._size = len(data)
        heads = [COOKIE_BYTES]
        layout = "4x4s12s"
        at = HEADER_SIZE
        while at < len(data):
            kind, length = HEAD.unpack_from(data, at)
            padding = -length & 3
            end = at + HEAD.size + length + padding
            if end > len(data):
                raise StunError("overrun")
            self._enter(kind, length, at, data, index=2 * len(heads) + 1)
            heads.append(data[at : at + HEAD.size])
            layout += f"4s{length}s{padding}x"
            at = end
        self._heads = tuple(heads)
        self._unpack = Struct(layout).unpack
        self.unknown_required = tuple(
            kind for kind in self.where if kind < 0x8000 and kind not in _UNDERSTOOD
        )
        """The comprehension-required attributes that nobody here knows."""

    def matches(self, data: bytes) -> Fields | None:
        """Take apart a message of the same type; None where it has another shape."""
        if len(data) != self._size:
            return None
        fields: Fields = self._unpack(data)
        return fields if fields[::2] == self._heads else None

    def fields(self, data: bytes) -> Fields:
        """Take apart the message that the shape was made from."""
        return self._unpack(data)

    def _enter(self, kind: int, length: int, at: int, data: bytes, *, index: int) -> None:
        if kind == _FINGERPRINT:
            # RFC 8489, 14.7: it is the last attribute.
            if length != 4 or at + FINGERPRINT_SIZE != len(data):
                raise StunError("fingerprint")
            self.fingerprinted = True
        elif self.integrity_at:
            return  # RFC 8489, 14.5: nobody has proved what follows.
        elif kind == _INTEGRITY:
            self.integrity_at = at
            # RFC 8489, 14.5: the length ends with MESSAGE-INTEGRITY, whatever follows.
            self.covered_head = data[:2] + (at + INTEGRITY_SIZE - HEADER_SIZE).to_bytes(2, "big")
        # RFC 8489, 14: of several with the same type the first one counts.
        self.where.setdefault(kind, index)


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
