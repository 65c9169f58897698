"""Connections: opens the streams that a node's machine asks for, and tells it what becomes of them."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from warren.aio.network import Network
from warren.aio.stream import Stream
from warren.ice.transport import Base, OpenStream
from warren.session.machine import SessionMachine
from warren.session.node import NodeMachine

__all__ = ["Connections"]

Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]


class Connections:
    """The streams of one node by base.

    Args:
        network: what they are opened on.
        machine: who wants them.
        settle: called after each input of the machine.
        deliver: takes data of a session.
        spawn: runs what must be waited for; its owner cancels what is left.
    """

    def __init__(
        self,
        *,
        network: Network,
        machine: NodeMachine,
        settle: Callable[[], None],
        deliver: Callable[[SessionMachine, bytes], None],
        spawn: Spawn,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._network = network
        self._machine = machine
        self._settle = settle
        self._deliver = deliver
        self._spawn = spawn
        self._loop = loop
        self._streams: dict[Base, Stream] = {}
        self._opening: dict[Base, asyncio.Task[None]] = {}

    def open(self, order: OpenStream) -> None:
        """Begin to connect; the machine is told how it went."""
        self._opening[order.base] = self._spawn(self._open(order))

    def write(self, base: Base, data: bytes) -> None:
        """Write to a stream; what is not open takes nothing."""
        if (stream := self._streams.get(base)) is not None:
            dropped = stream.dropped
            stream.write(data)
            self._machine.drops["stream-reads-slowly"] += stream.dropped - dropped

    def close(self, base: Base) -> None:
        """Close a stream, or stop connecting; an unknown one is closed already."""
        if (task := self._opening.pop(base, None)) is not None:
            task.cancel()
        if (stream := self._streams.pop(base, None)) is not None:
            stream.close()

    def close_all(self) -> None:
        """Close everything; the machine is told nothing."""
        for base in (*self._opening, *self._streams):
            self.close(base)

    async def _open(self, order: OpenStream) -> None:
        base = order.base
        try:
            stream = await self._network.open_stream(
                base.address, order.destination, _Ear(self, base), tls=order.tls
            )
        except OSError as error:
            self._opening.pop(base, None)
            self._closed(base, _words(error))
            return
        self._opening.pop(base, None)
        self._streams[base] = stream
        self._machine.stream_opened(base, stream.local, self._loop.time())
        self._settle()

    def _received(self, base: Base, data: bytes) -> None:
        heard = self._machine.stream_received(base, data, self._loop.time())
        self._settle()
        for session, datagram in heard:
            self._deliver(session, datagram)

    def _closed(self, base: Base, reason: str) -> None:
        self._streams.pop(base, None)
        self._machine.stream_closed(base, reason, self._loop.time())
        self._settle()


class _Ear:
    """Hears one stream."""

    __slots__ = ("_base", "_connections")

    def __init__(self, connections: Connections, base: Base) -> None:
        self._connections = connections
        self._base = base

    def received(self, data: bytes) -> None:
        """Bytes came."""
        self._connections._received(self._base, data)

    def closed(self, reason: str) -> None:
        """It has ended."""
        self._connections._closed(self._base, reason)


def _words(error: OSError) -> str:
    """What went wrong, without the address, which whoever reads it knows."""
    return error.strerror or str(error)
