"""TCP and TLS streams on the event loop, and listeners: bytes in, bytes out, bounded."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Final, Protocol

from warren.ice.transport import Address

__all__ = [
    "CONNECT_TIMEOUT",
    "DEAD_AFTER",
    "MAX_WAITING",
    "Accepted",
    "Listener",
    "Stream",
    "StreamEar",
    "SystemStream",
    "listen",
    "open_stream",
]

CONNECT_TIMEOUT: Final = 10.0
"""Seconds for a connection, with its TLS handshake."""

MAX_WAITING: Final = 256 * 1024
"""Bytes that wait to be written to one stream; what does not fit is dropped, as by a router."""

DEAD_AFTER: Final = 20
"""Seconds without an acknowledgement after which the kernel gives a connection up (RFC 5482).

Longer than six losses of a segment in a row take; by itself the kernel would go on for 15 minutes, and on a
connection that is idle for ever.
"""

# Only Linux has all of these; elsewhere consent alone finds what is dead.
KEEPING: Final = {
    "TCP_USER_TIMEOUT": DEAD_AFTER * 1000,
    "TCP_KEEPIDLE": DEAD_AFTER // 2,
    "TCP_KEEPINTVL": DEAD_AFTER // 4,
    "TCP_KEEPCNT": 2,
}

BACKLOG: Final = 128


class StreamEar(Protocol):
    """Who hears what a stream brings."""

    def received(self, data: bytes) -> None:
        """Bytes came."""
        ...

    def closed(self, reason: str) -> None:
        """It has ended, not by `Stream.close`; told once, and nothing after it."""
        ...


class Stream(Protocol):
    """A connected stream."""

    @property
    def local(self) -> Address:
        """Our end of it."""
        ...

    @property
    def dropped(self) -> int:
        """How many writes were dropped because the other end reads too slowly."""
        ...

    def write(self, data: bytes) -> None:
        """Write these bytes, or drop all of them where too many wait already."""
        ...

    def close(self) -> None:
        """End it; nothing more is heard. Closing twice is harmless."""
        ...


class Listener(Protocol):
    """A TCP port that takes connections."""

    @property
    def local(self) -> Address:
        """The address and port that it listens on."""
        ...

    def close(self) -> None:
        """Take no more connections; those that were taken stay."""
        ...


Accepted = Callable[[Stream, Address], StreamEar | None]
"""Told of each connection and where it comes from; who hears it, or None to refuse it."""


async def open_stream(
    address: str,
    destination: Address,
    ear: StreamEar,
    *,
    tls: str | None = None,
    context: ssl.SSLContext | None = None,
) -> "SystemStream":
    """Connect from an address of ours; with `tls` speak TLS and verify that the server has that name.

    `context` is how it is verified, by the system's trust store by default.

    Raises:
        OSError: it cannot be reached, took too long, or is not whom its certificate should name.
    """
    loop = asyncio.get_running_loop()
    stream = SystemStream()
    sock = _socket(address, 0)
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            await loop.sock_connect(sock, destination)
            await loop.create_connection(lambda: stream, sock=sock)
            if tls is not None:
                await stream.secure(tls, context or ssl.create_default_context())
            stream.hear(ear)
    except BaseException as error:
        stream.close()
        sock.close()
        if isinstance(error, TimeoutError):
            raise TimeoutError(f"no connection in {CONNECT_TIMEOUT:.0f} s") from None
        raise
    return stream


async def listen(address: str, port: int, accepted: Accepted) -> "SystemListener":
    """Take connections at an address of ours; port 0 lets the system choose.

    Raises:
        OSError: the address is not ours, or the port is in use.
    """
    sock = _socket(address, port)
    try:
        server = await asyncio.get_running_loop().create_server(
            lambda: SystemStream(accepted=accepted), sock=sock, backlog=BACKLOG
        )
    except BaseException:
        sock.close()
        raise
    return SystemListener(server, sock)


def _socket(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if port:
            # What is left of connections of an earlier process must not keep us from its port.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
    except BaseException:
        sock.close()
        raise
    return sock


def _keep(sock: socket.socket) -> None:
    """Let the kernel notice that the other end is gone, whether or not anything is sent to it."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPING.items():
        if (option := getattr(socket, name, None)) is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


class SystemStream(asyncio.Protocol):
    """A stream of the operating system.

    Args:
        accepted: asked who hears it, where it was not opened by us.
    """

    def __init__(self, accepted: Accepted | None = None) -> None:
        self.dropped = 0
        self.local: Address = ("", 0)
        self._accepted = accepted
        self._ear: StreamEar | None = None
        self._early: list[bytes] = []
        self._transport: asyncio.Transport | None = None

    async def secure(self, name: str, context: ssl.SSLContext) -> None:
        """Speak TLS from now on, to a server that must have this name."""
        assert self._transport is not None
        self._transport = await asyncio.get_running_loop().start_tls(
            self._transport, self, context, server_hostname=name
        )

    def hear(self, ear: StreamEar) -> None:
        """Say who hears what comes; what has come already follows in the next turn of the loop.

        Raises:
            ConnectionError: it has ended already.
        """
        if self._transport is None:
            raise ConnectionResetError("the other end closed the connection at once")
        self._ear = ear
        asyncio.get_running_loop().call_soon(self._tell)

    def write(self, data: bytes) -> None:
        """Write these bytes, or drop all of them where too many wait already."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() + len(data) > MAX_WAITING:
            self.dropped += 1
        else:
            transport.write(data)

    def close(self) -> None:
        """End it; nothing more is heard, and what waits for a slow reader is not written any more."""
        transport, self._transport, self._ear = self._transport, None, None
        if transport is not None:
            # What the system has taken is still sent. To wait for more, or for the other end's goodbye as
            # TLS does, would leave something behind that nobody owns.
            transport.abort()

    # What asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        _keep(transport.get_extra_info("socket"))
        host, port = transport.get_extra_info("sockname")[:2]
        self.local = (host, port)
        if self._accepted is None:
            return
        source = transport.get_extra_info("peername")
        # None where it was gone before it could be looked at.
        self._ear = self._accepted(self, (source[0], source[1])) if source else None
        if self._ear is None:
            self.close()

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self._transport is not None:
            self._early.append(data)
            if self._ear is not None:
                self._tell()

    def connection_lost(self, error: Exception | None) -> None:
        """The connection has ended."""
        ear = self._ear
        self._transport, self._ear = None, None
        if ear is not None:
            ear.closed(f"the connection broke: {error}" if error else "the other end closed the connection")

    def _tell(self) -> None:
        early, self._early = self._early, []
        for data in early:
            if self._ear is not None:
                self._ear.received(data)


class SystemListener:
    """A listening socket of the operating system."""

    def __init__(self, server: asyncio.Server, sock: socket.socket) -> None:
        host, port = sock.getsockname()[:2]
        self.local: Address = (host, port)
        self._server = server

    def close(self) -> None:
        """Take no more connections."""
        self._server.close()
