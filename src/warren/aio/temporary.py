"""Temporary IPv6 addresses (RFC 8981): which there are, and what beside them would tell who we are."""

import ipaddress
import sys
from pathlib import Path
from typing import Final

__all__ = ["betrays", "parse_if_inet6", "temporary_addresses"]

_TABLE: Final = Path("/proc/net/if_inet6")
# include/uapi/linux/if_addr.h: IFA_F_TEMPORARY; what is no public address has it only by this meaning.
_TEMPORARY: Final = 0x01


def temporary_addresses() -> frozenset[str]:
    """Ask the system for the temporary addresses of all interfaces; none where it does not tell."""
    if sys.platform != "linux":
        return frozenset()
    try:
        return parse_if_inet6(_TABLE.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return frozenset()  # No IPv6, or a sandbox that hides it.


def parse_if_inet6(table: str) -> frozenset[str]:
    """Read the temporary addresses in Linux's table: address, index, prefix length, scope, flags, name.

    Raises:
        ValueError: it is no such table.
    """
    rows = [line.split() for line in table.splitlines()]
    found = (bytes.fromhex(row[0]) for row in rows if len(row) == 6 and int(row[4], 16) & _TEMPORARY)
    return frozenset(str(ipaddress.IPv6Address(packed)) for packed in found)


def betrays(address: str, temporary: str) -> bool:
    """Whether an address tells by the hardware's number what a temporary one of the same network hides.

    Addresses that an administrator has chosen, or that are drawn once for a network (RFC 7217), do not.
    """
    one, other = ipaddress.ip_address(address), ipaddress.ip_address(temporary)
    if one.version != 6 or other.version != 6:
        return False
    # RFC 4291, 2.5.1: interface identifiers have 64 bits, made of hardware addresses by FF-FE in the middle.
    return one.packed[:8] == other.packed[:8] and one.packed[11:13] == b"\xff\xfe"
