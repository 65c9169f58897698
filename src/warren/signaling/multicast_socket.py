"""A socket in a multicast group, on the event loop: joined to one interface, read in bounded batches."""

import asyncio
import contextlib
import errno
import ipaddress
import socket
import struct
import sys
from collections.abc import Callable, Hashable
from typing import Final

import ifaddr

from warren.errors import SignalingError
from warren.signaling.multicast_parts import MAX_RECEIVED
from warren.signaling.multicast_target import MulticastTarget

__all__ = ["MulticastSocket"]

BURST: Final = 64
"""Datagrams read in one turn of the loop: a flood must not starve timers."""

BUFFER: Final = 1024 * 1024
"""Bytes of kernel buffer asked for; the kernel gives what its limits allow."""

# include/uapi/asm-generic/socket.h and linux/in.h
_SO_RXQ_OVFL: Final = 40
_IP_MULTICAST_ALL: Final = 49

_FULL: Final = (errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS)

_LINUX: Final = sys.platform == "linux"
_ADDRESS_AND_INDEX: Final = struct.Struct(
    "@16sI"
)  # An address and the index of an interface, in both directions
_ANCILLARY: Final = socket.CMSG_SPACE(4) + socket.CMSG_SPACE(_ADDRESS_AND_INDEX.size)


class MulticastSocket:
    """Sends to a group and hears it, beside other processes that do.

    Args:
        target: the group.
        received: gets (datagram, host that it came from); must not close the socket.
        missed: told when the kernel had no room for what came.
        failed: told when the socket is of no more use.

    Raises:
        SignalingError: the group cannot be joined there.
    """

    def __init__(
        self,
        target: MulticastTarget,
        *,
        received: Callable[[bytes, Hashable], None],
        missed: Callable[[], None],
        failed: Callable[[str], None],
    ) -> None:
        self._target = target
        self._received = received
        self._missed = missed
        self._failed = failed
        self._dropped = 0
        self._loop = asyncio.get_running_loop()
        self._index = _index(target)
        self._sock = _open(target, self._index)
        self._loop.add_reader(self._sock, self._read)

    def send(self, datagram: bytes) -> None:
        """Hand a datagram to the system.

        Raises:
            SignalingError: it did not take it.
        """
        try:
            self._sock.sendto(datagram, (self._target.group, self._target.port))
        except OSError as error:
            words = _words(self._target, "send to", error)
            if error.errno not in _FULL:
                self._failed(words)
            raise SignalingError(words) from None

    def close(self) -> None:
        """Leave the group; a second call does nothing."""
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock)
            self._sock.close()

    def _read(self) -> None:
        for _ in range(BURST):
            try:
                data, ancillary, _, source = self._sock.recvmsg(MAX_RECEIVED + 1, _ANCILLARY)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self._failed(_words(self._target, "hear", error))
                return
            if self._is_ours(ancillary):
                self._received(data, source[0])

    def _is_ours(self, ancillary: list[tuple[int, int, bytes]]) -> bool:
        """Read what the kernel says of a datagram; false if it came by another interface."""
        ours = True
        for level, kind, value in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, _SO_RXQ_OVFL):
                self._count_dropped(int.from_bytes(value[:4], sys.byteorder))
            elif (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):
                ours = _ADDRESS_AND_INDEX.unpack(value[: _ADDRESS_AND_INDEX.size])[1] == self._index
        return ours

    def _count_dropped(self, dropped: int) -> None:
        if dropped != self._dropped:
            self._dropped = dropped
            self._missed()


def _open(target: MulticastTarget, index: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if target.ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if not _LINUX:
            # Where BSD's rules hold; on Linux it would shut out those who only set the other.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        (_join_ipv6 if target.ipv6 else _join_ipv4)(sock, target, index)
        if _LINUX:
            sock.setsockopt(socket.SOL_SOCKET, _SO_RXQ_OVFL, 1)
    except OSError as error:
        sock.close()
        raise SignalingError(_words(target, "join", error)) from None
    return sock


def _join_ipv4(sock: socket.socket, target: MulticastTarget, index: int) -> None:
    # Bound to the group, it hears nothing that was sent to this machine alone.
    sock.bind((target.group, target.port))
    membership = struct.pack("@4s4si", socket.inet_aton(target.group), bytes(4), index)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
    if index:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, membership)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, target.ttl)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, target.loopback)
    if _LINUX:
        # Otherwise it hears what comes in by any interface that anybody has joined.
        sock.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)


def _join_ipv6(sock: socket.socket, target: MulticastTarget, index: int) -> None:
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind((target.group, target.port, 0, index))
    membership = _ADDRESS_AND_INDEX.pack(socket.inet_pton(socket.AF_INET6, target.group), index)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, membership)
    if index:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        # Groups of a wider scope are heard by every interface that anybody has joined.
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, target.ttl)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, target.loopback)


def _index(target: MulticastTarget) -> int:
    """Find the interface by name or address; 0 for the system's choice."""
    if (wanted := target.interface) is None:
        return 0
    adapters = list(ifaddr.get_adapters())
    with contextlib.suppress(OSError):
        return socket.if_nametoindex(wanted)
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(wanted)
        for adapter in adapters:
            if adapter.index and any(_address(ip) == address for ip in adapter.ips):
                return adapter.index
    names = ", ".join(sorted({adapter.name for adapter in adapters}))
    raise SignalingError(f"{target}: there is no interface {wanted!r}; there are {names}")


def _address(ip: ifaddr.IP) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(ip.ip if isinstance(ip.ip, str) else ip.ip[0].partition("%")[0])


def _words(target: MulticastTarget, what: str, error: OSError) -> str:
    hint = "" if target.interface else "; name the interface by ?interface="
    return f"cannot {what} {target}: {error.strerror or error}{hint}"
