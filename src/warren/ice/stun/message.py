"""Reading: a STUN message taken apart, its attributes read when somebody asks, its proof verified.

`parse` raises `StunError` and nothing else; the readers of what it gives never raise.
"""

from collections.abc import Mapping
from hmac import compare_digest
from typing import Final
from zlib import crc32

from warren.ice.stun.address import read_address, read_xor_address
from warren.ice.stun.format import FINGERPRINT_MASK, FINGERPRINT_SIZE, Attribute, StunError
from warren.ice.stun.integrity import Key
from warren.ice.stun.shape import Fields, Shape
from warren.ice.transport import Address

__all__ = ["Stun", "parse", "verify"]

_MAX_USERNAME: Final = 513  # RFC 8445, 5.3: two ufrags of at most 256 characters, and a colon.

_MAPPED_ADDRESS: Final = int(Attribute.MAPPED_ADDRESS)
_USERNAME: Final = int(Attribute.USERNAME)
_MESSAGE_INTEGRITY: Final = int(Attribute.MESSAGE_INTEGRITY)
_ERROR_CODE: Final = int(Attribute.ERROR_CODE)
_XOR_MAPPED_ADDRESS: Final = int(Attribute.XOR_MAPPED_ADDRESS)
_PRIORITY: Final = int(Attribute.PRIORITY)
_USE_CANDIDATE: Final = int(Attribute.USE_CANDIDATE)
_ICE_CONTROLLED: Final = int(Attribute.ICE_CONTROLLED)
_ICE_CONTROLLING: Final = int(Attribute.ICE_CONTROLLING)
_NOMINATION: Final = int(Attribute.NOMINATION)


class Stun:
    """A message as `parse` gives it. Its readers give None for what is absent or malformed."""

    __slots__ = ("_fields", "_shape", "_where", "cls", "method", "raw", "transaction_id")

    def __init__(self, raw: bytes, shape: Shape, fields: Fields) -> None:
        self.method = shape.method
        self.cls = shape.cls
        self.transaction_id = fields[1]
        self.raw = raw
        """The message as it came."""
        self._shape = shape
        self._where = shape.where
        self._fields = fields

    def __repr__(self) -> str:
        # Types alone: USERNAME and MESSAGE-INTEGRITY are secrets.
        types = ", ".join(f"{kind:#06x}" for kind in self._where)
        return f"<Stun {self.method.name} {self.cls.name} {self.transaction_id.hex()} [{types}]>"

    @property
    def attributes(self) -> Mapping[int, bytes]:
        """Value by type: the first of each, and nothing from behind MESSAGE-INTEGRITY but FINGERPRINT."""
        return {kind: self._fields[index] for kind, index in self._where.items()}

    @property
    def username(self) -> str | None:
        """USERNAME."""
        index = self._where.get(_USERNAME)
        if index is None:
            return None
        value = self._fields[index]
        try:
            return value.decode() if len(value) <= _MAX_USERNAME else None
        except UnicodeDecodeError:
            return None

    @property
    def username_parts(self) -> tuple[str, str] | None:
        """The ufrag that is asked for and the ufrag of who asks (RFC 8445, 7.2.2)."""
        asked, colon, asking = (self.username or "").partition(":")
        return (asked, asking) if colon else None

    @property
    def priority(self) -> int | None:
        """PRIORITY: that of the peer-reflexive candidate that the request may reveal."""
        return self._number(_PRIORITY, 4)

    @property
    def use_candidate(self) -> bool:
        """Whether the controlling side nominates the pair."""
        return _USE_CANDIDATE in self._where

    @property
    def controlling(self) -> int | None:
        """The tie-breaker of a sender that takes itself for controlling."""
        return self._number(_ICE_CONTROLLING, 8)

    @property
    def controlled(self) -> int | None:
        """The tie-breaker of a sender that takes itself for controlled."""
        return self._number(_ICE_CONTROLLED, 8)

    @property
    def nomination(self) -> int | None:
        """The value of a renomination, 24 bits."""
        value = self._number(_NOMINATION, 4)
        return None if value is None else value & 0xFFFFFF

    @property
    def mapped_address(self) -> Address | None:
        """Where the request came from as the responder saw it: XOR-MAPPED-ADDRESS, else MAPPED-ADDRESS."""
        index = self._where.get(_XOR_MAPPED_ADDRESS)
        if index is not None:
            return read_xor_address(self._fields[index], self.transaction_id)
        index = self._where.get(_MAPPED_ADDRESS)
        return None if index is None else read_address(self._fields[index])

    @property
    def error(self) -> tuple[int, str] | None:
        """ERROR-CODE: 300 … 699 and the reason."""
        index = self._where.get(_ERROR_CODE)
        if index is None or len(self._fields[index]) < 4:
            return None
        value = self._fields[index]
        hundreds, rest = value[2] & 0x7, value[3]
        if not 3 <= hundreds <= 6 or rest > 99:
            return None
        return 100 * hundreds + rest, value[4:].decode(errors="replace")

    @property
    def has_integrity(self) -> bool:
        """Whether there is a MESSAGE-INTEGRITY; whether it is right, `verify` says."""
        return self._shape.integrity_at != 0

    @property
    def has_fingerprint(self) -> bool:
        """Whether there is a FINGERPRINT; a wrong one does not pass `parse`."""
        return self._shape.fingerprinted

    @property
    def unknown_required(self) -> tuple[int, ...]:
        """The comprehension-required attributes that nobody here knows (RFC 8489, 6.3.1: answer 420)."""
        return self._shape.unknown_required

    def proved_by(self, key: Key) -> bool:
        """Whether there is a MESSAGE-INTEGRITY and it was made with this key."""
        shape = self._shape
        at = shape.integrity_at
        if not at:
            return False
        proof = self._fields[self._where[_MESSAGE_INTEGRITY]]
        if not compare_digest(key.mac(shape.covered_head + self.raw[4:at]), proof):
            return False
        if not shape.known:
            _learn(self.raw[:4], shape)
        return True

    def _number(self, kind: int, size: int) -> int | None:
        index = self._where.get(kind)
        if index is None:
            return None
        value = self._fields[index]
        return int.from_bytes(value, "big") if len(value) == size else None


def parse(data: bytes) -> Stun:
    """Take one message apart that fills the datagram.

    Raises:
        StunError: it is none (`reason`: length, cookie, method, overrun, fingerprint).
    """
    shape = _shapes.get(data[:4])
    fields = shape.matches(data) if shape is not None else None
    if shape is None or fields is None:
        shape = Shape(data)
        fields = shape.fields(data)
    if shape.fingerprinted:
        checksum = crc32(data[:-FINGERPRINT_SIZE]) ^ FINGERPRINT_MASK
        if int.from_bytes(fields[-1], "big") != checksum:
            raise StunError("fingerprint")
    return Stun(data, shape, fields)


def verify(stun: Stun, key: Key) -> bool:
    """Whether the message has a MESSAGE-INTEGRITY and it was made with this key."""
    return stun.proved_by(key)


_MAX_SHAPES: Final = 64
_shapes: dict[bytes, Shape] = {}
"""Shapes by the first 4 bytes of their messages: how to read fast what was read slowly once."""


def _learn(start: bytes, shape: Shape) -> None:
    """Remember the shape of a message that was proved; a stranger's would only push out what is used."""
    if start not in _shapes and len(_shapes) >= _MAX_SHAPES:
        _shapes.pop(next(iter(_shapes))).known = False
    _shapes[start] = shape
    shape.known = True
