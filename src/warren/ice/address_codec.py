"""Addresses inside STUN attributes: MAPPED-ADDRESS and XOR-MAPPED-ADDRESS (RFC 8489, 14.1 and 14.2)."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from warren.ice.transport import Address

__all__ = ["read_address", "read_xor_address", "write_xor_address"]

_IPV4: Final = b"\x00\x01"
_IPV6: Final = b"\x00\x02"
_COOKIE: Final = 0x2112A442
_COOKIE_BYTES: Final = _COOKIE.to_bytes(4, "big")
_NO_MASK: Final = bytes(12)


def read_address(value: bytes) -> Address | None:
    """The address of a MAPPED-ADDRESS value, or None where it is malformed."""
    if len(value) == 8 and value[1] == 1:
        return str(IPv4Address(value[4:])), int.from_bytes(value[2:4], "big")
    if len(value) == 20 and value[1] == 2:
        return str(IPv6Address(value[4:])), int.from_bytes(value[2:4], "big")
    return None


def read_xor_address(value: bytes, transaction_id: bytes) -> Address | None:
    """The address of an XOR-MAPPED-ADDRESS value, or None where it is malformed."""
    return _read_xor(value, _NO_MASK if len(value) == 8 else transaction_id)


def write_xor_address(address: Address, transaction_id: bytes) -> bytes:
    """The value of an XOR-MAPPED-ADDRESS.

    Raises:
        ValueError: the address is not an IP literal.
    """
    return _write_xor(address, transaction_id if ":" in address[0] else _NO_MASK)


# The same few addresses come and go all the time, and making text of one costs as much as its HMAC. Only IPv6
# depends on the transaction, so IPv4 is looked up with a constant in its place.
@lru_cache(maxsize=1024)
def _read_xor(value: bytes, transaction_id: bytes) -> Address | None:
    plain = bytearray(value)
    for index, byte in enumerate(_mask(transaction_id)[: len(value)]):
        plain[index] ^= byte
    return read_address(bytes(plain))


@lru_cache(maxsize=1024)
def _write_xor(address: Address, transaction_id: bytes) -> bytes:
    host, port = address
    if ":" in host:
        plain = _IPV6 + port.to_bytes(2, "big") + IPv6Address(host).packed
    else:
        plain = _IPV4 + port.to_bytes(2, "big") + IPv4Address(host).packed
    return bytes(byte ^ mask for byte, mask in zip(plain, _mask(transaction_id), strict=False))


def _mask(transaction_id: bytes) -> bytes:
    # The family stays, the port lies over half the cookie, the address over it and the transaction id.
    return b"\0\0" + _COOKIE_BYTES[:2] + _COOKIE_BYTES + transaction_id
