"""Just enough HTTP/2 (RFC 9113) for a client that does what no library would: not read, not answer."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from warren import wire
from warren.keys import PublicKey

__all__ = ["RawClient", "raw_client"]

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4
WINDOW = 65_535
"""How much may be sent to us on a stream until we say more, by the defaults of the RFC."""


@dataclass(slots=True)
class RawClient:
    """One connection with one Subscribe stream, whose window opens only when a test says so."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    answers_pings: bool = True
    received: bytearray = field(default_factory=bytearray)
    pings: int = 0
    ended: bool = False
    """Whether the server ended the stream."""
    reset: set[int] = field(default_factory=set)
    """Streams that the server reset."""
    gone: bool = False
    """Whether the server closed the connection."""
    _first: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def messages(self) -> list[bytes]:
        """What came whole on the stream: gRPC's messages (a flag and four bytes of length before each)."""
        found, rest = [], bytes(self.received)
        while len(rest) >= 5 and len(rest) >= 5 + (size := int.from_bytes(rest[1:5], "big")):
            found.append(rest[5 : 5 + size])
            rest = rest[5 + size :]
        return found

    def subscribe(self, key: PublicKey) -> None:
        """Call Subscribe on stream 1."""
        params = wire.encode_subscribe_params(key)
        self.begin("Subscribe", stream=1)
        self._send(DATA, END_STREAM, 1, struct.pack("!BI", 0, len(params)) + params)

    def begin(self, method: str, *, stream: int) -> None:
        """Begin to call a method, and say nothing yet."""
        headers = {
            b":method": b"POST",
            b":scheme": b"http",
            b":path": b"/cunicu.signaling.Signaling/" + method.encode(),
            b":authority": b"localhost",
            b"content-type": b"application/grpc",
            b"te": b"trailers",
        }
        # RFC 7541, 6.2.2: literal fields, not indexed, no Huffman code.
        block = b"".join(
            b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value
            for name, value in headers.items()
        )
        self._send(HEADERS, END_HEADERS, stream, block)

    def open_window(self, more: int = 1 << 24) -> None:
        """Allow the server to send more, on the stream and on the connection."""
        for stream in (0, 1):
            self._send(WINDOW_UPDATE, 0, stream, more.to_bytes(4, "big"))

    async def live(self) -> None:
        """Wait for the first message: the subscription is live."""
        async with asyncio.timeout(20):
            await self._first.wait()

    def freeze(self) -> None:
        """Read nothing more from the socket."""
        transport = self.writer.transport
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()

    async def listen(self) -> None:
        """Read frames until the connection ends."""
        try:
            while True:
                header = await self.reader.readexactly(9)
                payload = await self.reader.readexactly(int.from_bytes(header[:3], "big"))
                self._frame(header[3], header[4], int.from_bytes(header[5:], "big"), payload)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.gone = True

    def _frame(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == DATA:
            self.received += payload
            self._first.set()
        if kind == RST_STREAM or (kind in (DATA, HEADERS) and flags & END_STREAM):
            self.ended = True
        if kind == RST_STREAM:
            self.reset.add(stream)
        if kind == SETTINGS and not flags & ACK:
            self._send(SETTINGS, ACK, 0, b"")
        if kind == PING and not flags & ACK:
            self.pings += 1
            if self.answers_pings:
                self._send(PING, ACK, 0, payload)

    def _send(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        self.writer.write(
            len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload
        )


@asynccontextmanager
async def raw_client(port: int, *, answers_pings: bool = True) -> AsyncIterator[RawClient]:
    """Connect and say hello."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    client = RawClient(reader, writer, answers_pings)
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + bytes([SETTINGS, 0]) + bytes(4))
    listening = asyncio.get_running_loop().create_task(client.listen())
    try:
        yield client
    finally:
        writer.close()
        await listening
