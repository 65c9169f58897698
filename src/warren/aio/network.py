"""The network a node stands on: the system's, or one that a test hands in."""

import asyncio
import ipaddress
import socket
import ssl
import struct
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Final, Protocol

import ifaddr

from warren.aio import stream
from warren.aio.stream import Accepted, Listener, Stream, StreamEar
from warren.aio.temporary import betrays, temporary_addresses
from warren.aio.udp import open_udp_socket
from warren.aio.watch import watch_clock, watch_links
from warren.ice.policy import Networks
from warren.ice.transport import Address
from warren.session.config import Config

if sys.platform == "linux":
    import fcntl

__all__ = [
    "InterfaceAddress",
    "Network",
    "Received",
    "Sender",
    "SystemNetwork",
    "UdpSocket",
    "usable_addresses",
]

Received = Callable[[Sequence[bytes], Address], None]
"""Is called with datagrams that came together from one source."""

# include/uapi/linux/sockios.h, if.h
_SIOCGIFFLAGS: Final = 0x8913
_IFF_RUNNING: Final = 0x40


@dataclass(frozen=True, slots=True)
class InterfaceAddress:
    """An address of an interface of this machine."""

    interface: str
    address: str
    running: bool = True
    """Whether its link carries anything now."""
    temporary: bool = False
    """Whether it is an IPv6 address that is replaced every day or so (RFC 8981)."""


class Sender(Protocol):
    """What datagrams leave by."""

    def send(self, data: bytes, destination: Address) -> None:
        """Send one datagram now, or drop it as a network would."""
        ...


class UdpSocket(Sender, Protocol):
    """A bound UDP socket."""

    @property
    def local(self) -> Address:
        """The address and port it is bound to."""
        ...

    def flush(self) -> None:
        """Send now what would else wait for the end of this turn of the loop."""
        ...

    def close(self) -> None:
        """Receive nothing any more."""
        ...


class Network(Protocol):
    """Addresses, sockets and names."""

    def interfaces(self) -> Sequence[InterfaceAddress]:
        """List the addresses of all interfaces that are up, in the system's order of preference."""
        ...

    def sources(self) -> Sequence[str]:
        """Say which of our addresses packets to the internet would leave from; another one is another way."""
        ...

    def watch(self, changed: Callable[[], None], slept: Callable[[float], None]) -> Callable[[], None]:
        """Call `changed` when addresses, links or routes may have changed, `slept(seconds)` after a sleep.

        The returned function ends it.
        """
        ...

    async def open_udp(self, address: str, port: int, received: Received) -> UdpSocket:
        """Bind a UDP socket; `received(datagrams, source)` is called in the loop with what came together.

        Raises:
            OSError: the address is not ours, or the port is in use.
        """
        ...

    async def open_stream(
        self, address: str, destination: Address, ear: StreamEar, *, tls: str | None = None
    ) -> Stream:
        """Connect by TCP from an address of ours; with `tls` speak TLS to a server that must have this name.

        `ear` is told nothing before this returns; cancelling closes the connection.

        Raises:
            OSError: it cannot be reached, took too long, or its certificate is not to be trusted.
        """
        ...

    async def listen(self, address: str, port: int, accepted: Accepted) -> Listener:
        """Take TCP connections; port 0 lets the system choose.

        Raises:
            OSError: the address is not ours, or the port is in use.
        """
        ...

    async def resolve(self, host: str, port: int) -> Sequence[Address]:
        """Find the addresses of a host name or literal.

        Raises:
            OSError: there are none, or nobody could be asked.
        """
        ...


class SystemNetwork:
    """The network of the operating system.

    Args:
        tls: how servers are verified; by the system's trust store by default.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls

    def interfaces(self) -> Sequence[InterfaceAddress]:
        """List what the system's interfaces have, IPv4 first where one has both, then temporary addresses."""
        found, temporary = [], temporary_addresses()
        for adapter in ifaddr.get_adapters():
            running = _is_running(adapter.name)
            addresses = [ip.ip if isinstance(ip.ip, str) else ip.ip[0] for ip in adapter.ips]
            # RFC 6724, 5, rule 7: temporary ones are preferred.
            for address in sorted(addresses, key=lambda one: ":" in one and one not in temporary):
                found.append(InterfaceAddress(adapter.name, address, running, address in temporary))
        return found

    def sources(self) -> Sequence[str]:
        """Ask the routing table, by sockets that send nothing."""
        return [source for family, far in _FAR if (source := _source_towards(family, far)) is not None]

    def watch(self, changed: Callable[[], None], slept: Callable[[float], None]) -> Callable[[], None]:
        """Watch links and clocks in the running loop."""
        loop = asyncio.get_running_loop()
        ends = (watch_links(loop, changed), watch_clock(loop, slept))

        def unwatch() -> None:
            for end in ends:
                end()

        return unwatch

    async def open_udp(self, address: str, port: int, received: Received) -> UdpSocket:
        """Bind a non-blocking socket and watch it in the running loop."""
        return open_udp_socket(asyncio.get_running_loop(), address, port, received)

    async def open_stream(
        self, address: str, destination: Address, ear: StreamEar, *, tls: str | None = None
    ) -> Stream:
        """Connect in the running loop."""
        if tls is not None and self._tls is None:
            self._tls = ssl.create_default_context()
        return await stream.open_stream(address, destination, ear, tls=tls, context=self._tls)

    async def listen(self, address: str, port: int, accepted: Accepted) -> Listener:
        """Listen in the running loop."""
        return await stream.listen(address, port, accepted)

    async def resolve(self, host: str, port: int) -> Sequence[Address]:
        """Ask the system's resolver, off the loop's thread."""
        infos = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        return list(dict.fromkeys((str(info[4][0]), int(info[4][1])) for info in infos))


# For documentation (RFC 5737, RFC 3849): nothing is sent there, and only the default route leads there.
_FAR: Final = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))


def _source_towards(family: socket.AddressFamily, far: str) -> str | None:
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((far, 9))
            return str(sock.getsockname()[0])
    except OSError:
        return None


def _is_running(interface: str) -> bool:
    """Whether the link is up and has a carrier, as far as this system tells (netdevice(7))."""
    if sys.platform != "linux":
        return True
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            request = struct.pack("16s16x", interface.encode()[:15])
            (flags,) = struct.unpack("16xH14x", fcntl.ioctl(sock, _SIOCGIFFLAGS, request))
    except OSError:
        return True
    return bool(flags & _IFF_RUNNING)


def usable_addresses(
    interfaces: Sequence[InterfaceAddress], config: Config
) -> tuple[list[InterfaceAddress], list[tuple[InterfaceAddress, str]]]:
    """Divide addresses into those a node binds to and those left out, with the reason in words."""
    used: list[InterfaceAddress] = []
    left_out: list[tuple[InterfaceAddress, str]] = []
    temporary = [item for item in interfaces if item.temporary]
    for item in interfaces:
        reason = _why_not(item, config) or _why_not_beside(item, temporary)
        if reason is None and all(item.address != other.address for other in used):
            used.append(item)
        elif reason is not None:
            left_out.append((item, reason))
    return used, left_out


def _why_not(item: InterfaceAddress, config: Config) -> str | None:
    address = ipaddress.ip_address(item.address)
    if address.is_loopback:
        return None if config.loopback else "loopback"
    if not any(fnmatch(item.interface, pattern) for pattern in config.include_interfaces):
        return "interface not included"
    if item.address in Networks(config.exclude_networks):
        return "network excluded"
    for pattern in config.exclude_interfaces:
        if fnmatch(item.interface, pattern):
            return f"interface excluded by {pattern}"
    if address.is_multicast or address.is_unspecified:
        return "not a unicast address"
    if address.version == 6 and address.is_link_local:
        # RFC 8445, 5.1.1.1 forbids it beside a temporary address; alone it is of no use either: it means
        # nothing without a zone, and a candidate has none.
        return "IPv6 link-local"
    if isinstance(address, ipaddress.IPv6Address) and (
        address.is_site_local or address.ipv4_mapped is not None
    ):
        return "IPv6 address of a kind that is used no more"
    return None


def _why_not_beside(item: InterfaceAddress, temporary: Sequence[InterfaceAddress]) -> str | None:
    # RFC 8445, 5.1.1.1: it must not be gathered beside one of its network that prevents tracking.
    beside = [other.address for other in temporary if other.interface == item.interface]
    if not item.temporary and any(betrays(item.address, other) for other in beside):
        return "IPv6 address made of the hardware's, beside a temporary one"
    return None
