"""Signaling between two processes by a stream of envelopes, each with its length before it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from warren.envelope import Envelope
from warren.messages import BackendType
from warren.signaling.carrier import Identity, Received

__all__ = ["Pipe", "PipeCarrier"]

LENGTH: Final = 4


class Pipe:
    """One end; an async iterator of what comes out of it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def over(cls, sock: socket.socket) -> "Pipe":
        """Use one socket of a pair."""
        return cls(*await asyncio.open_unix_connection(sock=sock))

    def send(self, data: bytes) -> None:
        """Put something in; what the other end does not take yet waits in memory."""
        self._writer.write(len(data).to_bytes(LENGTH, "big") + data)

    def close(self) -> None:
        """Let the other end know that nothing more comes."""
        self._writer.close()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            length = int.from_bytes(await self._reader.readexactly(LENGTH), "big")
            return await self._reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            raise StopAsyncIteration from None


class PipeCarrier:
    """A carrier for the one key at this end; everybody else is at the other."""

    type = BackendType.INPROCESS
    max_envelope = 16 * 1024

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe

    async def publish(self, envelope: Envelope) -> None:
        """Put it into the pipe."""
        self._pipe.send(envelope.serialize())

    @asynccontextmanager
    async def subscribe(self, identity: Identity) -> AsyncIterator[AsyncIterator[Received]]:
        """Read the pipe."""
        yield (Envelope.parse(data) async for data in self._pipe)

    async def aclose(self) -> None:
        """Close this end."""
        self._pipe.close()
