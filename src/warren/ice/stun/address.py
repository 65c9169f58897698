"""Addresses in STUN attributes: MAPPED-ADDRESS and XOR-MAPPED-ADDRESS (RFC 8489, 14.1 and 14.2)."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from warren.ice.stun.format import COOKIE_BYTES
from warren.ice.transport import Address

__all__ = ["read_address", "read_xor_address", "write_xor_address"]

_IPV4: Final = b"\x00\x01"
_IPV6: Final = b"\x00\x02"


@lru_cache(maxsize=1024)  # Making text of an address costs as much as proving the message that carries it.
def read_address(value: bytes) -> Address | None:
    """The address of a MAPPED-ADDRESS value, or None where it is malformed."""
    if len(value) == 8 and value[1] == 1:
        return str(IPv4Address(value[4:])), int.from_bytes(value[2:4], "big")
    if len(value) == 20 and value[1] == 2:
        return str(IPv6Address(value[4:])), int.from_bytes(value[2:4], "big")
    return None


def read_xor_address(value: bytes, transaction_id: bytes) -> Address | None:
    """The address of an XOR-MAPPED-ADDRESS value, or None where it is malformed."""
    if len(value) == 8:
        return _read_xor_ipv4(value)
    return read_address(_xor(value, transaction_id)) if len(value) == 20 else None


def write_xor_address(address: Address, transaction_id: bytes) -> bytes:
    """The value of an XOR-MAPPED-ADDRESS; IPv4 does without the transaction id.

    Raises:
        ValueError: the address is not an IP literal.
    """
    return _xor(_plain(address), transaction_id)


@lru_cache(maxsize=16384)  # Nor is reading the text cheaper, and most peers never come from elsewhere.
def _plain(address: Address) -> bytes:
    """The address as MAPPED-ADDRESS tells it."""
    host, port = address
    if ":" in host:
        return _IPV6 + port.to_bytes(2, "big") + IPv6Address(host).packed
    return _IPV4 + port.to_bytes(2, "big") + IPv4Address(host).packed


@lru_cache(maxsize=1024)
def _read_xor_ipv4(value: bytes) -> Address | None:
    return read_address(_xor(value, b""))


def _xor(value: bytes, transaction_id: bytes) -> bytes:
    """Lay half the cookie over the port, and the cookie and the transaction id over the address."""
    mask = b"\0\0" + COOKIE_BYTES[:2] + COOKIE_BYTES + transaction_id
    size = len(value)
    return (int.from_bytes(value, "big") ^ int.from_bytes(mask[:size], "big")).to_bytes(size, "big")
