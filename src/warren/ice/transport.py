"""What packets leave from and go to: the words that the agent and its driver share."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

__all__ = [
    "Address",
    "Base",
    "CloseStream",
    "Datagram",
    "OpenStream",
    "Route",
    "StreamOwner",
    "Transmit",
]

Address = tuple[str, int]
"""(IP literal as `ipaddress` prints it, port); never a host name."""


@dataclass(frozen=True, slots=True, eq=False)
class Base:
    """One local transport that checks and data leave from (RFC 8445, 5.1.1): equal only to itself.

    A base is not a socket: a relayed transport address or a TCP connection is one as well. Each stream has
    one of its own, made by whoever opens it, with port 0 where the system is to choose.
    """

    address: str
    port: int
    protocol: Literal["udp", "tcp"] = "udp"
    interface: str = ""
    relayed: bool = False
    """Whether it is a TURN server's: what leaves from it is wrapped first and goes to the server."""

    @property
    def is_ipv6(self) -> bool:
        """True where the address family is IPv6."""
        return ":" in self.address


class Transmit(NamedTuple):
    """Send one datagram from a base; on a stream write these bytes as they are, all or none of them.

    A tuple, because one is made for each packet, in half the time of a frozen dataclass.
    """

    base: Base
    destination: Address
    data: bytes


@dataclass(frozen=True, slots=True)
class Route:
    """Where data goes now."""

    base: Base
    destination: Address


@dataclass(frozen=True, slots=True)
class OpenStream:
    """Connect from the base's address to the destination; what becomes of it its owner is told."""

    base: Base
    destination: Address
    tls: str | None = None
    """The name that the server's certificate must have; None for plain TCP."""


@dataclass(frozen=True, slots=True)
class CloseStream:
    """Close the stream of this base, open or still connecting; its owner hears nothing more of it."""

    base: Base


@dataclass(frozen=True, slots=True)
class Datagram:
    """What was in a stream's frame: it is treated as if it had come to the base as a datagram."""

    base: Base
    source: Address
    data: bytes


class StreamOwner(Protocol):
    """Whoever opened a stream (`Streams.enter`) and hears what becomes of it; framing is its own work.

    Like the owner of a transaction it may have a `session`: that machine is drained then, else the node's.
    """

    def stream_opened(self, base: Base, local: Address, now: float) -> None:
        """It is connected, and verified where that was asked for; `local` is our end of it."""
        ...

    def stream_received(self, base: Base, data: bytes, now: float) -> Iterable[Datagram]:
        """Bytes came, cut anywhere; returns the datagrams that are whole now."""
        ...

    def stream_closed(self, base: Base, reason: str, now: float) -> None:
        """It could not be opened or has ended, not by us; nothing more will be heard of this base."""
        ...
