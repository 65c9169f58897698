"""UDP sockets on the event loop, without a transport between: reads in bursts, sends at once."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable

from warren.ice.transport import Address

__all__ = ["SystemUdpSocket", "open_udp_socket"]

BURST = 64
"""Datagrams read in one turn of the loop at the most, so that a flood cannot starve timers."""

BUFFER = 4 * 1024 * 1024
"""Bytes of kernel buffer asked for in each direction; the kernel gives what its limits allow."""


def open_udp_socket(
    loop: asyncio.AbstractEventLoop, address: str, port: int, received: Callable[[bytes, Address], None]
) -> "SystemUdpSocket":
    """Bind a UDP socket and call `received(data, source)` in `loop` for each datagram.

    Raises:
        OSError: the address is not ours, or the port is in use.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, option, BUFFER)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((address, port))
    except BaseException:
        sock.close()
        raise
    return SystemUdpSocket(loop, sock, received)


class SystemUdpSocket:
    """A bound socket; what a network may lose (full buffers, no route) is counted, never raised."""

    __slots__ = ("_buffer", "_loop", "_received", "_sock", "_view", "dropped", "local")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, sock: socket.socket, received: Callable[[bytes, Address], None]
    ) -> None:
        self.dropped = 0
        """Datagrams that the system did not take."""
        host, port = sock.getsockname()[:2]
        self.local: Address = (host, port)
        self._loop = loop
        self._sock = sock
        self._received = received
        self._buffer = bytearray(65536)
        self._view = memoryview(self._buffer)
        loop.add_reader(sock.fileno(), self._readable)

    def send(self, data: bytes, destination: Address) -> None:
        """Send one datagram now.

        Raises:
            ValueError: the datagram is longer than UDP can carry.
        """
        try:
            self._sock.sendto(data, destination)
        except OSError as error:
            if error.errno == errno.EMSGSIZE:
                raise ValueError(f"a datagram of {len(data)} bytes is too long for this path") from error
            self.dropped += 1

    def close(self) -> None:
        """Stop reading and free the port; closing twice is harmless."""
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock.fileno())
            self._sock.close()

    def _readable(self) -> None:
        sock, buffer, view, received = self._sock, self._buffer, self._view, self._received
        for _ in range(BURST):
            try:
                size, source = sock.recvfrom_into(buffer)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                continue  # An ICMP error of an earlier send: the transactions notice by themselves.
            received(bytes(view[:size]), source if len(source) == 2 else (source[0], source[1]))
            if sock.fileno() < 0:
                return  # Closed by what was received.
