"""What packets leave from and go to: the words that the agent and its driver share."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Address", "Base", "Route", "Transmit"]

Address = tuple[str, int]
"""(IP literal as `ipaddress` prints it, port); never a host name."""


@dataclass(frozen=True, slots=True, eq=False)
class Base:
    """One local transport that checks and data leave from (RFC 8445, 5.1.1): equal only to itself.

    A base is not a socket: a relayed transport address or a TCP connection is one as well.
    """

    address: str
    port: int
    protocol: Literal["udp", "tcp"] = "udp"
    interface: str = ""

    @property
    def is_ipv6(self) -> bool:
        """True where the address family is IPv6."""
        return ":" in self.address


@dataclass(frozen=True, slots=True)
class Transmit:
    """Send one datagram from a base."""

    base: Base
    destination: Address
    data: bytes


@dataclass(frozen=True, slots=True)
class Route:
    """Where data goes now."""

    base: Base
    destination: Address
