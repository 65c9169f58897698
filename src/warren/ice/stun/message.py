"""Reading: a STUN message taken apart, its attributes read when somebody asks, its proof verified.

`parse` raises `StunError` and nothing else; the readers of what it gives never raise.
"""

from collections.abc import Mapping
from hmac import compare_digest
from typing import Final

from warren.ice.stun.address import read_address, read_xor_address
from warren.ice.stun.format import (
    FINGERPRINT_SIZE,
    HEAD,
    HEADER_SIZE,
    Attribute,
    StunError,
    fingerprint_of,
)
from warren.ice.stun.integrity import Key, Sha256Key
from warren.ice.stun.shape import Shape, covered_head
from warren.ice.transport import Address

__all__ = ["Stun", "parse", "verify"]

_MAX_REASON: Final = 127  # RFC 8489, 14.8: characters.
_MAX_USERNAME: Final = 513  # RFC 8445, 5.3: two ufrags of at most 256 characters, and a colon.

_MAPPED_ADDRESS: Final = int(Attribute.MAPPED_ADDRESS)
_USERNAME: Final = int(Attribute.USERNAME)
_MESSAGE_INTEGRITY: Final = int(Attribute.MESSAGE_INTEGRITY)
_MESSAGE_INTEGRITY_SHA256: Final = int(Attribute.MESSAGE_INTEGRITY_SHA256)
_ERROR_CODE: Final = int(Attribute.ERROR_CODE)
_XOR_MAPPED_ADDRESS: Final = int(Attribute.XOR_MAPPED_ADDRESS)
_PRIORITY: Final = int(Attribute.PRIORITY)
_USE_CANDIDATE: Final = int(Attribute.USE_CANDIDATE)
_ICE_CONTROLLED: Final = int(Attribute.ICE_CONTROLLED)
_ICE_CONTROLLING: Final = int(Attribute.ICE_CONTROLLING)
_NOMINATION: Final = int(Attribute.NOMINATION)


class Stun:
    """A message as `parse` gives it. Its readers give None for what is absent or malformed."""

    __slots__ = ("_shape", "_where", "cls", "method", "raw", "transaction_id")

    def __init__(self, raw: bytes, shape: Shape) -> None:
        self.method = shape.method
        self.cls = shape.cls
        self.transaction_id = raw[8:20]
        self.raw = raw
        """The message as it came."""
        self._shape = shape
        self._where = shape.where

    def __repr__(self) -> str:
        # Types alone: USERNAME and MESSAGE-INTEGRITY are secrets.
        types = ", ".join(f"{kind:#06x}" for kind in self._where)
        return f"<Stun {self.method.name} {self.cls.name} {self.transaction_id.hex()} [{types}]>"

    @property
    def attributes(self) -> Mapping[int, bytes]:
        """Value by type: the first of each, and nothing from behind MESSAGE-INTEGRITY but FINGERPRINT."""
        return {kind: self.raw[where] for kind, where in self._where.items()}

    def value(self, kind: int) -> bytes | None:
        """The value of one type, as in `attributes`, without looking at the others."""
        where = self._where.get(kind)
        return None if where is None else self.raw[where]

    def number(self, kind: int, size: int = 4) -> int | None:
        """The value of one type as a number of so many bytes."""
        where = self._where.get(kind)
        if where is None:
            return None
        value = self.raw[where]
        return int.from_bytes(value, "big") if len(value) == size else None

    def xor_addresses(self, kind: int) -> list[Address]:
        """The addresses of all attributes of one type: an allocation may have one of each family."""
        found = []
        at, end = HEADER_SIZE, self._shape.integrity_at or self._shape.sha256_at or len(self.raw)
        while at < end:
            here, length = HEAD.unpack_from(self.raw, at)
            at += HEAD.size
            if here == kind:
                address = read_xor_address(self.raw[at : at + length], self.transaction_id)
                if address is not None:
                    found.append(address)
            at += length + (-length & 3)
        return found

    @property
    def content(self) -> bytes:
        """The attributes as they came, up to the proof: all that tells one check of a peer from another."""
        return self.raw[HEADER_SIZE : self._shape.integrity_at or None]

    @property
    def username(self) -> str | None:
        """USERNAME."""
        value = self.value(_USERNAME)
        return None if value is None else _read_username(value)

    @property
    def username_parts(self) -> tuple[str, str] | None:
        """The ufrag that is asked for and the ufrag of who asks (RFC 8445, 7.2.2)."""
        asked, colon, asking = (self.username or "").partition(":")
        return (asked, asking) if colon else None

    @property
    def priority(self) -> int | None:
        """PRIORITY: that of the peer-reflexive candidate that the request may reveal."""
        return self.number(_PRIORITY, 4)

    @property
    def use_candidate(self) -> bool:
        """Whether the controlling side nominates the pair."""
        return _USE_CANDIDATE in self._where

    @property
    def controlling(self) -> int | None:
        """The tie-breaker of a sender that takes itself for controlling."""
        return self.number(_ICE_CONTROLLING, 8)

    @property
    def controlled(self) -> int | None:
        """The tie-breaker of a sender that takes itself for controlled."""
        return self.number(_ICE_CONTROLLED, 8)

    @property
    def nomination(self) -> int | None:
        """The value of a renomination, 24 bits."""
        value = self.number(_NOMINATION, 4)
        return None if value is None else value & 0xFFFFFF

    @property
    def mapped_address(self) -> Address | None:
        """Where the request came from as the responder saw it: XOR-MAPPED-ADDRESS, else MAPPED-ADDRESS."""
        value = self.value(_XOR_MAPPED_ADDRESS)
        if value is not None:
            return read_xor_address(value, self.transaction_id)
        value = self.value(_MAPPED_ADDRESS)
        return None if value is None else read_address(value)

    @property
    def error(self) -> tuple[int, str] | None:
        """ERROR-CODE: 300 … 699 and the reason, as far as it can be shown to a person."""
        value = self.value(_ERROR_CODE)
        if value is None or len(value) < 4:
            return None
        hundreds, rest = value[2] & 0x7, value[3]
        if not 3 <= hundreds <= 6 or rest > 99:
            return None
        words = value[4:].decode(errors="replace")[:_MAX_REASON]
        return 100 * hundreds + rest, "".join(char for char in words if char.isprintable())

    @property
    def has_integrity(self) -> bool:
        """Whether there is a proof of either kind; whether it is right, `verify` says."""
        return self._shape.integrity_at != 0 or self._shape.sha256_at != 0

    @property
    def has_fingerprint(self) -> bool:
        """Whether there is a FINGERPRINT; a wrong one does not pass `parse`."""
        return self._shape.fingerprinted

    @property
    def unknown_required(self) -> tuple[int, ...]:
        """The comprehension-required attributes that nobody here knows (RFC 8489, 6.3.1: answer 420)."""
        return self._shape.unknown_required


def parse(data: bytes) -> Stun:
    """Take one message apart that fills the datagram.

    Raises:
        StunError: it is none (`reason`: length, cookie, method, overrun, fingerprint).
    """
    for shape in _shapes.get(data[:4], ()):
        if shape.fits(data):
            break
    else:
        shape = Shape(data)
    if shape.fingerprinted and data[-FINGERPRINT_SIZE:] != fingerprint_of(data[:-FINGERPRINT_SIZE]):
        raise StunError("fingerprint")
    return Stun(data, shape)


def verify(stun: Stun, key: Key | Sha256Key) -> bool:
    """Whether the message has the proof of this key's kind and it was made with this key."""
    shape = stun._shape
    if isinstance(key, Sha256Key):
        return _verify_sha256(stun.raw, shape, key)
    at = shape.integrity_at
    if not at:
        return False
    raw = stun.raw
    proof = raw[shape.where[_MESSAGE_INTEGRITY]]
    if not compare_digest(key.mac(shape.covered_head + raw[4:at]), proof):
        return False
    if not shape.known:
        _learn(raw[:4], shape)
    return True


def _verify_sha256(raw: bytes, shape: Shape, key: Sha256Key) -> bool:
    at = shape.sha256_at
    if not at:
        return False
    # RFC 8489, 14.6: it may be cut short only where a usage says so, and none here does.
    covered = covered_head(raw, at, Sha256Key.size) + raw[4:at]
    return compare_digest(key.mac(covered), raw[shape.where[_MESSAGE_INTEGRITY_SHA256]])


def _read_username(value: bytes) -> str | None:
    try:
        return value.decode() if len(value) <= _MAX_USERNAME else None
    except UnicodeDecodeError:
        return None


_MAX_STARTS: Final = 32
_MAX_SHAPES: Final = (
    4  # The checks of both roles have one type and length, and each implementation has its order.
)
_shapes: dict[bytes, tuple[Shape, ...]] = {}
"""How to read fast what was read slowly before: shapes by the first 4 bytes of their messages."""


def _learn(start: bytes, shape: Shape) -> None:
    """Remember the shape of a message that was proved; a stranger's would only push out what is used."""
    known = _shapes.pop(start, ())
    if len(_shapes) >= _MAX_STARTS:
        _forget(_shapes.pop(next(iter(_shapes))))
    _forget(known[_MAX_SHAPES - 1 :])
    _shapes[start] = (shape, *known[: _MAX_SHAPES - 1])
    shape.known = True


def _forget(shapes: tuple[Shape, ...]) -> None:
    for shape in shapes:
        shape.known = False
