"""Writing: connectivity checks, their answers, and any other STUN message."""

from collections.abc import Sequence
from functools import lru_cache
from struct import Struct, pack
from typing import Final

from warren.ice.stun.address import write_xor_address
from warren.ice.stun.format import (
    COOKIE_BYTES,
    FINGERPRINT_SIZE,
    HEAD,
    Attribute,
    Class,
    Method,
    fingerprint_of,
    message_type,
)
from warren.ice.stun.integrity import Key, Sha256Key
from warren.ice.stun.message import Stun
from warren.ice.transport import Address

__all__ = ["binding_request", "build", "check_attributes", "error", "server_request", "success"]

_BINDING_REQUEST: Final = message_type(Method.BINDING, Class.REQUEST)
_BINDING_SUCCESS: Final = message_type(Method.BINDING, Class.SUCCESS)
_PRIORITY_AND_ROLE: Final = Struct(">HHIHHQ")
_NOMINATION: Final = Struct(">HHI")
_XOR_MAPPED_ADDRESS: Final = int(Attribute.XOR_MAPPED_ADDRESS)
_USE_CANDIDATE: Final = HEAD.pack(Attribute.USE_CANDIDATE, 0)
_PROOF_HEADS: Final = {kind.attribute: HEAD.pack(kind.attribute, kind.size) for kind in (Key, Sha256Key)}
_PADDING: Final = (b"", b"\0\0\0", b"\0\0", b"\0")


def binding_request(transaction_id: bytes, attributes: bytes, key: Key) -> bytes:
    """A connectivity check with what `check_attributes` gives and the key of the peer's password."""
    return _finish(_BINDING_REQUEST, transaction_id, attributes, key)


def check_attributes(
    *,
    username: str,
    priority: int,
    controlling: bool,
    tie_breaker: int,
    use_candidate: bool = False,
    nomination: int | None = None,
) -> bytes:
    """What a connectivity check says (RFC 8445, 7.2.2), all but its proof; `username` is "theirs:ours".

    A pair is checked again and again, and nothing about its checks changes but their ids.
    """
    role = Attribute.ICE_CONTROLLING if controlling else Attribute.ICE_CONTROLLED
    said = _attribute(Attribute.USERNAME, username.encode())
    said += _PRIORITY_AND_ROLE.pack(Attribute.PRIORITY, 4, priority, role, 8, tie_breaker)
    if use_candidate:
        said += _USE_CANDIDATE
    if nomination is not None:
        said += _NOMINATION.pack(Attribute.NOMINATION, 4, nomination & 0xFFFFFF)
    return said


def success(request: Stun, source: Address, key: Key | None) -> bytes:
    """The success response to a request that came from `source`."""
    method = request.method
    number = _BINDING_SUCCESS if method is Method.BINDING else message_type(method, Class.SUCCESS)
    if ":" in source[0]:
        mapped = _attribute(_XOR_MAPPED_ADDRESS, write_xor_address(source, request.transaction_id))
    else:
        mapped = _mapped_ipv4(source)
    return _finish(number, request.transaction_id, mapped, key)


def error(
    request: Stun, code: int, reason: str, key: Key | None = None, unknown: Sequence[int] = ()
) -> bytes:
    """An error response; `unknown` are the attribute types that a 420 names."""
    hundreds, rest = divmod(code, 100)
    attributes = [(int(Attribute.ERROR_CODE), bytes((0, 0, hundreds, rest)) + reason.encode())]
    if unknown:
        attributes.append((int(Attribute.UNKNOWN_ATTRIBUTES), pack(f">{len(unknown)}H", *unknown)))
    return build(request.method, Class.ERROR, request.transaction_id, attributes, key)


def server_request(transaction_id: bytes) -> bytes:
    """A plain Binding request to a STUN server."""
    return _finish(_BINDING_REQUEST, transaction_id, b"", None)


def build(
    method: Method,
    cls: Class,
    transaction_id: bytes,
    attributes: Sequence[tuple[int, bytes]],
    key: Key | Sha256Key | None = None,
    fingerprint: bool = True,
) -> bytes:
    """Any message: the attributes in order, the proof if there is a key, FINGERPRINT."""
    body = b"".join(_attribute(kind, value) for kind, value in attributes)
    return _finish(message_type(method, cls), transaction_id, body, key, fingerprint)


def _finish(
    number: int, transaction_id: bytes, body: bytes, key: Key | Sha256Key | None, fingerprint: bool = True
) -> bytes:
    """Put header, proof and checksum to the attributes."""
    covered, start = _starts(number, len(body), 0 if key is None else key.size, fingerprint)
    rest = transaction_id + body
    if key is not None:
        rest += _PROOF_HEADS[key.attribute] + key.mac(covered + rest)
    message = start + rest
    return message + fingerprint_of(message) if fingerprint else message


@lru_cache(maxsize=256)  # Messages have few lengths.
def _starts(number: int, length: int, proof: int, fingerprint: bool) -> tuple[bytes, bytes]:
    """The first 8 bytes as the proof covers them, and as they are sent."""
    # RFC 8489, 14.5: the length ends with the proof, whatever follows.
    covered = length + HEAD.size + proof if proof else length
    complete = covered + (FINGERPRINT_SIZE if fingerprint else 0)
    return HEAD.pack(number, covered) + COOKIE_BYTES, HEAD.pack(number, complete) + COOKIE_BYTES


def _attribute(kind: int, value: bytes) -> bytes:
    return HEAD.pack(kind, len(value)) + value + _PADDING[len(value) & 3]


@lru_cache(maxsize=16384)  # No transaction id is mixed into these: they are the same each time.
def _mapped_ipv4(source: Address) -> bytes:
    return _attribute(_XOR_MAPPED_ADDRESS, write_xor_address(source, b""))
