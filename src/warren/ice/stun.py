"""STUN messages (RFC 8489) as ICE uses them: parse, verify, build.

Parsing raises `StunError` and nothing else; the readers of a parsed message never raise.
"""

import struct
from collections.abc import Mapping, Sequence
from enum import IntEnum
from functools import lru_cache
from hmac import compare_digest
from typing import Final
from zlib import crc32

from warren.ice.integrity import MAC_SIZE, Key, prepare_key
from warren.ice.address_codec import read_address, read_xor_address, write_xor_address
from warren.ice.transport import Address

__all__ = [
    "Attribute",
    "Class",
    "Key",
    "Method",
    "Stun",
    "StunError",
    "binding_request",
    "build",
    "error",
    "is_stun",
    "parse",
    "prepare_key",
    "server_request",
    "success",
    "verify",
]

HEADER_SIZE: Final = 20
COOKIE: Final = 0x2112A442
_COOKIE_BYTES: Final = COOKIE.to_bytes(4, "big")
_FINGERPRINT_MASK: Final = 0x5354554E  # "STUN": RFC 8489, 14.7.
_MAX_USERNAME: Final = 513  # RFC 8445, 5.3: two ufrags of at most 256 characters and a colon.


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
    """Attribute types that are read or written here."""

    MAPPED_ADDRESS = 0x0001
    USERNAME = 0x0006
    MESSAGE_INTEGRITY = 0x0008
    ERROR_CODE = 0x0009
    UNKNOWN_ATTRIBUTES = 0x000A
    REALM = 0x0014
    NONCE = 0x0015
    XOR_MAPPED_ADDRESS = 0x0020
    PRIORITY = 0x0024
    USE_CANDIDATE = 0x0025
    OLD_NOMINATION = 0x0030
    """An abandoned draft's renomination: comprehension-required by number, to be ignored all the same."""
    FINGERPRINT = 0x8028
    ICE_CONTROLLED = 0x8029
    ICE_CONTROLLING = 0x802A
    NOMINATION = 0xC001
    """Renomination (draft-thatcher-ice-renomination): 24 bits, the highest value wins."""


class StunError(ValueError):
    """These bytes are no valid STUN message; `reason` is one word for the counters."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"not a valid STUN message: {reason}")
        self.reason = reason


class Stun:
    """A parsed message. Its readers give None for what is absent or malformed, and never raise."""

    __slots__ = ("_integrity_at", "attributes", "cls", "method", "raw", "transaction_id")

    def __init__(
        self,
        method: Method,
        cls: Class,
        transaction_id: bytes,
        attributes: Mapping[int, bytes],
        raw: bytes,
        integrity_at: int,
    ) -> None:
        self.method = method
        self.cls = cls
        self.transaction_id = transaction_id
        self.attributes = attributes
        """Value by type: the first of each, and nothing from behind MESSAGE-INTEGRITY but FINGERPRINT."""
        self.raw = raw
        self._integrity_at = integrity_at

    def __repr__(self) -> str:
        # No values: USERNAME holds secrets.
        names = ", ".join(f"{kind:#06x}" for kind in self.attributes)
        return f"<Stun {self.method.name} {self.cls.name} {self.transaction_id.hex()} [{names}]>"

    @property
    def username(self) -> str | None:
        """USERNAME."""
        value = self.attributes.get(_USERNAME)
        if value is None or len(value) > _MAX_USERNAME:
            return None
        try:
            return value.decode()
        except UnicodeDecodeError:
            return None

    @property
    def username_parts(self) -> tuple[str, str] | None:
        """The ufrag that was asked for and the ufrag of who asks (RFC 8445, 7.2.2)."""
        asked, colon, asking = (self.username or "").partition(":")
        return (asked, asking) if colon else None

    @property
    def priority(self) -> int | None:
        """PRIORITY: that of the peer-reflexive candidate that the request may reveal."""
        return self._number(_PRIORITY, 4)

    @property
    def use_candidate(self) -> bool:
        """Whether the controlling side nominates the pair."""
        return _USE_CANDIDATE in self.attributes

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
        """The value of a renomination."""
        value = self._number(_NOMINATION, 4)
        return None if value is None else value & 0xFFFFFF

    @property
    def mapped_address(self) -> Address | None:
        """Where the request came from, as the responder saw it: XOR-MAPPED-ADDRESS, else MAPPED-ADDRESS."""
        value = self.attributes.get(_XOR_MAPPED_ADDRESS)
        if value is not None:
            return read_xor_address(value, self.transaction_id)
        value = self.attributes.get(_MAPPED_ADDRESS)
        return None if value is None else read_address(value)

    @property
    def error(self) -> tuple[int, str] | None:
        """ERROR-CODE: (300 … 699, reason)."""
        value = self.attributes.get(_ERROR_CODE)
        if value is None or len(value) < 4:
            return None
        hundreds, rest = value[2] & 0x7, value[3]
        if not 3 <= hundreds <= 6 or rest > 99:
            return None
        return hundreds * 100 + rest, value[4:].decode(errors="replace")

    @property
    def has_integrity(self) -> bool:
        """Whether there is a MESSAGE-INTEGRITY; whether it is right, `verify` says."""
        return _MESSAGE_INTEGRITY in self.attributes

    @property
    def has_fingerprint(self) -> bool:
        """Whether there is a FINGERPRINT; a wrong one does not pass `parse`."""
        return _FINGERPRINT in self.attributes

    @property
    def unknown_required(self) -> tuple[int, ...]:
        """The comprehension-required attributes that nobody here knows (RFC 8489, 6.3.1: answer 420)."""
        if self.attributes.keys() <= _UNDERSTOOD:
            return ()
        return tuple(kind for kind in self.attributes if kind < 0x8000 and kind not in _UNDERSTOOD)

    def _number(self, kind: int, size: int) -> int | None:
        value = self.attributes.get(kind)
        return int.from_bytes(value, "big") if value is not None and len(value) == size else None


# Plain numbers: a member of an IntEnum costs more to hash and to pack.
_MAPPED_ADDRESS: Final = int(Attribute.MAPPED_ADDRESS)
_USERNAME: Final = int(Attribute.USERNAME)
_MESSAGE_INTEGRITY: Final = int(Attribute.MESSAGE_INTEGRITY)
_ERROR_CODE: Final = int(Attribute.ERROR_CODE)
_XOR_MAPPED_ADDRESS: Final = int(Attribute.XOR_MAPPED_ADDRESS)
_PRIORITY: Final = int(Attribute.PRIORITY)
_USE_CANDIDATE: Final = int(Attribute.USE_CANDIDATE)
_FINGERPRINT: Final = int(Attribute.FINGERPRINT)
_ICE_CONTROLLED: Final = int(Attribute.ICE_CONTROLLED)
_ICE_CONTROLLING: Final = int(Attribute.ICE_CONTROLLING)
_NOMINATION: Final = int(Attribute.NOMINATION)
_UNDERSTOOD: Final = frozenset(map(int, Attribute))


def _message_type(method: Method, cls: Class) -> int:
    # RFC 8489, 5: the two bits of the class lie between those of the method.
    return method & 0x00F | (cls & 1) << 4 | (method & 0x070) << 1 | (cls & 2) << 7 | (method & 0xF80) << 2


_TYPES: Final = {_message_type(method, cls): (method, cls) for method in Method for cls in Class}
_TYPE_NUMBERS: Final = {kind: number for number, kind in _TYPES.items()}

_HEADER: Final = struct.Struct(">HHI12s")
_HEAD: Final = struct.Struct(">HH")
_FINGERPRINT_ATTRIBUTE: Final = struct.Struct(">HHI")
_INTEGRITY_HEAD: Final = _HEAD.pack(_MESSAGE_INTEGRITY, MAC_SIZE)
_INTEGRITY_SIZE: Final = 4 + MAC_SIZE
_FINGERPRINT_SIZE: Final = 8
_PADDING: Final = (b"", b"\0\0\0", b"\0\0", b"\0")


def is_stun(data: bytes) -> bool:
    """Tell STUN from data by the first 8 bytes (RFC 8489, 5); what passes may still be malformed."""
    return len(data) >= HEADER_SIZE and data[0] < 0x40 and data[4:8] == _COOKIE_BYTES


def parse(data: bytes) -> Stun:
    """Read one message that fills the datagram.

    Raises:
        StunError: it is none (`reason`: cookie, length, method, overrun, fingerprint).
    """
    if not is_stun(data):
        raise StunError("cookie")
    kind, length, _, transaction_id = _HEADER.unpack_from(data)
    end = len(data)
    if length != end - HEADER_SIZE or length & 3:
        raise StunError("length")
    known = _TYPES.get(kind)
    if known is None:
        raise StunError("method")
    attributes: dict[int, bytes] = {}
    integrity_at = 0
    at = HEADER_SIZE
    while at < end:
        kind, length = _HEAD.unpack_from(data, at)
        value_at = at + 4
        value_end = value_at + length
        if value_end > end:
            raise StunError("overrun")
        if kind == _FINGERPRINT:
            _check_fingerprint(data, at)
            attributes[kind] = data[value_at:value_end]
        elif not integrity_at and kind not in attributes:
            attributes[kind] = data[value_at:value_end]
            if kind == _MESSAGE_INTEGRITY:
                integrity_at = at
        at = value_end + (-length & 3)
    return Stun(*known, transaction_id, attributes, data, integrity_at)


def _check_fingerprint(data: bytes, at: int) -> None:
    # RFC 8489, 14.7: the last attribute, and a CRC of everything before it.
    if at + _FINGERPRINT_SIZE != len(data):
        raise StunError("fingerprint")
    if _FINGERPRINT_ATTRIBUTE.unpack_from(data, at) != (
        _FINGERPRINT,
        4,
        crc32(data[:at]) ^ _FINGERPRINT_MASK,
    ):
        raise StunError("fingerprint")


def verify(stun: Stun, key: Key) -> bool:
    """Whether the message has a MESSAGE-INTEGRITY and it was made with this key."""
    at = stun._integrity_at
    if not at:
        return False
    # RFC 8489, 14.5: the length in the header is the one up to and with MESSAGE-INTEGRITY.
    raw = stun.raw
    covered = raw[:2] + (at - HEADER_SIZE + _INTEGRITY_SIZE).to_bytes(2, "big") + raw[4:at]
    return compare_digest(key.mac(covered), stun.attributes[_MESSAGE_INTEGRITY])


def binding_request(
    transaction_id: bytes,
    *,
    username: str | bytes,
    priority: int,
    controlling: bool,
    tie_breaker: int,
    use_candidate: bool = False,
    nomination: int | None = None,
    key: Key,
) -> bytes:
    """A connectivity check (RFC 8445, 7.2.2): `username` is "theirs:ours", `key` that of their password."""
    role = _ICE_CONTROLLING if controlling else _ICE_CONTROLLED
    body = _username_attribute(username) + _CHECK.pack(_PRIORITY, 4, priority, role, 8, tie_breaker)
    if use_candidate:
        body += _USE_CANDIDATE_ATTRIBUTE
    if nomination is not None:
        body += _NOMINATION_ATTRIBUTE.pack(_NOMINATION, 4, nomination & 0xFFFFFF)
    return _finish(_BINDING_REQUEST, transaction_id, body, key)


def success(request: Stun, source: Address, key: Key | None) -> bytes:
    """The success response to a request that came from `source`."""
    value = write_xor_address(source, request.transaction_id)
    body = _HEAD.pack(_XOR_MAPPED_ADDRESS, len(value)) + value
    return _finish(_TYPE_NUMBERS[request.method, Class.SUCCESS], request.transaction_id, body, key)


def error(
    request: Stun, code: int, reason: str, key: Key | None = None, unknown: Sequence[int] = ()
) -> bytes:
    """An error response; `unknown` are the attribute types that a 420 names."""
    number = bytes((0, 0, code // 100, code % 100))
    attributes = [(int(Attribute.ERROR_CODE), number + reason.encode())]
    if unknown:
        types = struct.pack(f">{len(unknown)}H", *unknown)
        attributes.append((int(Attribute.UNKNOWN_ATTRIBUTES), types))
    return build(request.method, Class.ERROR, request.transaction_id, attributes, key)


def server_request(transaction_id: bytes) -> bytes:
    """A plain Binding request to a STUN server."""
    return _finish(_BINDING_REQUEST, transaction_id, b"", None)


def build(
    method: Method,
    cls: Class,
    transaction_id: bytes,
    attributes: Sequence[tuple[int, bytes]],
    key: Key | None = None,
    fingerprint: bool = True,
) -> bytes:
    """Any message: attributes in order, then MESSAGE-INTEGRITY if there is a key, then FINGERPRINT."""
    body = b"".join(_attribute(kind, value) for kind, value in attributes)
    return _finish(_TYPE_NUMBERS[method, cls], transaction_id, body, key, fingerprint)


_BINDING_REQUEST: Final = _TYPE_NUMBERS[Method.BINDING, Class.REQUEST]
_CHECK: Final = struct.Struct(">HHIHHQ")
_USE_CANDIDATE_ATTRIBUTE: Final = _HEAD.pack(_USE_CANDIDATE, 0)
_NOMINATION_ATTRIBUTE: Final = struct.Struct(">HHI")


def _attribute(kind: int, value: bytes) -> bytes:
    return _HEAD.pack(kind, len(value)) + value + _PADDING[len(value) & 3]


@lru_cache(maxsize=1024)
def _username_attribute(username: str | bytes) -> bytes:
    return _attribute(_USERNAME, username.encode() if isinstance(username, str) else username)


def _finish(
    number: int, transaction_id: bytes, body: bytes, key: Key | None, fingerprint: bool = True
) -> bytes:
    """Header, body, proof and checksum, each over what is before it and a length that ends with it."""
    length = len(body)
    if key is not None:
        length += _INTEGRITY_SIZE
        mac = key.mac(_HEADER.pack(number, length, COOKIE, transaction_id) + body)
        body += _INTEGRITY_HEAD + mac
    if not fingerprint:
        return _HEADER.pack(number, length, COOKIE, transaction_id) + body
    message = _HEADER.pack(number, length + _FINGERPRINT_SIZE, COOKIE, transaction_id) + body
    return message + _FINGERPRINT_ATTRIBUTE.pack(_FINGERPRINT, 4, crc32(message) ^ _FINGERPRINT_MASK)
