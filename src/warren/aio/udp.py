"""UDP sockets on the event loop, without a transport between: read and written in batches.

What is sent in one turn of the loop to one address goes out as one call (UDP_SEGMENT), and what the kernel
has put together is read as one (UDP_GRO), where it can (Linux since 5.0); elsewhere they go one by one.
"""

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Final

from warren.ice.transport import Address

__all__ = ["SystemUdpSocket", "open_udp_socket"]

BURST: Final = 256
"""Datagrams read in one turn of the loop, or a few more: a flood must not starve timers."""

BUFFER: Final = 4 * 1024 * 1024
"""Bytes of kernel buffer asked for in each direction; the kernel gives what its limits allow."""

Received = Callable[[Sequence[bytes], Address], None]

MAX_DATAGRAM: Final = 65507  # 65535 less the headers of UDP and IPv4
MAX_SEGMENTS: Final = 64  # UDP_MAX_SEGMENTS of Linux up to 6.8
MAX_BATCH: Final = 61440  # Bytes; the kernel's limit is 65535 with all headers.

# include/uapi/linux/udp.h
_UDP_SEGMENT: Final = 103
_UDP_GRO: Final = 104


def open_udp_socket(
    loop: asyncio.AbstractEventLoop, address: str, port: int, received: Received
) -> "SystemUdpSocket":
    """Bind a UDP socket and call `received(datagrams, source)` in `loop` with what came together.

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

    __slots__ = (
        "_batch",
        "_batch_to",
        "_buffer",
        "_flushing",
        "_loop",
        "_received",
        "_room",
        "_segment",
        "_segment_limit",
        "_sock",
        "_view",
        "dropped",
        "local",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, received: Received) -> None:
        self.dropped = 0
        """Datagrams that the system did not take."""
        host, port = sock.getsockname()[:2]
        self.local: Address = (host, port)
        self._loop = loop
        self._sock = sock
        self._received = received
        self._buffer = bytearray(65536)
        self._view = memoryview(self._buffer)
        self._batch: list[bytes] = []
        self._batch_to: Address = ("", 0)
        self._segment = 0
        self._room = 0
        """How many more datagrams, of a segment's length, the batch takes."""
        self._flushing = False
        self._segment_limit = MAX_BATCH if _join_segments(sock) else 0
        """Datagrams longer than this are not sent as segments; 0 where the kernel knows none."""
        loop.add_reader(sock.fileno(), self._readable)

    def send(self, data: bytes, destination: Address) -> None:
        """Send one datagram in this turn of the loop.

        Raises:
            ValueError: the datagram is longer than UDP can carry.
        """
        size = len(data)
        if self._room and size == self._segment and destination == self._batch_to:
            self._room -= 1
            self._batch.append(data)
            return
        if size > MAX_DATAGRAM:
            raise ValueError(f"a datagram of {size} bytes is too long for UDP")
        if self._room and 0 < size < self._segment and destination == self._batch_to:
            self._room = 0  # All segments are as long as the first; only the last may be shorter.
            self._batch.append(data)
        else:
            if self._batch:
                self.flush()
            self._begin(data, size, destination)

    def _begin(self, data: bytes, size: int, destination: Address) -> None:
        self._batch.append(data)
        self._batch_to = destination
        self._segment = size
        if 0 < size <= self._segment_limit:
            self._room = (MAX_SEGMENTS if size <= MAX_BATCH // MAX_SEGMENTS else MAX_BATCH // size) - 1
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush_soon)

    def flush(self) -> None:
        """Send now what would else wait for the end of this turn of the loop."""
        batch, destination = self._batch, self._batch_to
        if len(batch) > 1:
            self._send_segments(batch, destination)
        elif batch:
            self._send_one(batch[0], destination)
        batch.clear()
        self._room = 0

    def close(self) -> None:
        """Send what waits, stop reading and free the port; closing twice is harmless."""
        if self._sock.fileno() >= 0:
            self.flush()
            self._loop.remove_reader(self._sock.fileno())
            self._sock.close()

    def _flush_soon(self) -> None:
        self._flushing = False
        if self._sock.fileno() >= 0:
            self.flush()

    def _send_segments(self, batch: list[bytes], destination: Address) -> None:
        size = len(batch[0])
        control = [(socket.IPPROTO_UDP, _UDP_SEGMENT, size.to_bytes(2, sys.byteorder))]
        try:
            self._sock.sendmsg(batch, control, 0, destination)
        except BlockingIOError:
            self.dropped += len(batch)
        except OSError:
            # Segments must fit the path's MTU, whole datagrams may be cut into fragments.
            self._segment_limit = size - 1
            for data in batch:
                self._send_one(data, destination)

    def _send_one(self, data: bytes, destination: Address) -> None:
        try:
            self._sock.sendto(data, destination)
        except OSError:
            self.dropped += 1

    def _readable(self) -> None:
        """Read what has come, and hand over in one piece what came from one source in a row."""
        row: list[bytes] = []
        since: Address = ("", 0)
        left = BURST
        while left > 0:
            try:
                datagrams, source = self._read()
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                left -= 1  # An ICMP error of an earlier send: the transactions notice by themselves.
                continue
            left -= len(datagrams)
            if source != since and row:
                self._received(row, since)
                if self._sock.fileno() < 0:
                    return  # It was closed by what was received.
                row = []
            row += datagrams
            since = source
        if row:
            self._received(row, since)

    def _read(self) -> tuple[list[bytes], Address]:
        """Read one datagram, or several that the kernel has put together."""
        size, control, _, source = self._sock.recvmsg_into([self._buffer], 32)
        data = bytes(self._view[:size])
        if not control:
            return [data], source[:2]
        step = int.from_bytes(control[0][2], sys.byteorder)
        return [data[start : start + step] for start in range(0, size, step)], source[:2]


def _join_segments(sock: socket.socket) -> bool:
    """Ask the kernel for segments in both directions; says whether it knows them."""
    if sys.platform != "linux":
        return False
    try:
        sock.setsockopt(socket.IPPROTO_UDP, _UDP_GRO, 1)
    except OSError:
        return False
    return True
