"""Connections: opens the streams that a node's machine asks for, and tells it what becomes of them."""

import asyncio
import logging
import os
import ssl
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from warren.aio.network import Network, Sender
from warren.aio.stream import Listener, Stream, StreamEar
from warren.ice.framing import frame
from warren.ice.transport import Address, Base, OpenStream
from warren.session.machine import SessionMachine
from warren.session.node import NodeMachine

__all__ = ["Connections"]

logger = logging.getLogger("warren")

Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]


class Connections:
    """The streams of one node by base.

    Args:
        network: what they are opened on.
        machine: who wants them.
        lend: gets what sessions send their data by while a stream is open.
        take_back: told when it is open no more.
        settle: called after each input of the machine.
        deliver: takes data of a session.
        spawn: runs what must be waited for; its owner cancels what is left.
    """

    def __init__(
        self,
        *,
        network: Network,
        machine: NodeMachine,
        lend: Callable[[Base, Sender], None],
        take_back: Callable[[Base], None],
        settle: Callable[[], None],
        deliver: Callable[[SessionMachine, bytes], None],
        spawn: Spawn,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._network = network
        self._machine = machine
        self._lend = lend
        self._take_back = take_back
        self._settle = settle
        self._deliver = deliver
        self._spawn = spawn
        self._loop = loop
        self._streams: dict[Base, Stream] = {}
        self._homes: dict[str, Base] = {}
        """Where connections are opened from, by address."""
        self._listeners: dict[Base, Listener] = {}
        self._opening: dict[Base, asyncio.Task[None]] = {}

    def open(self, order: OpenStream) -> None:
        """Begin to connect; the machine is told how it went."""
        self._opening[order.base] = self._spawn(self._open(order))

    async def follow(self, bases: Iterable[Base], *, own_port: bool) -> None:
        """Offer connections from and to the addresses of these bases, and no others.

        They come to a port that the system chooses (`own_port`), else to that of the base.
        """
        wanted = {base.address: base for base in bases}
        for base in [*self._homes.values(), *self._listeners]:
            if base.address not in wanted:
                self._leave(base)
        listening = {base.address for base in self._listeners}
        for address, udp in wanted.items():
            port = 0 if own_port else udp.port
            if address not in self._homes:
                home = self._homes[address] = Base(address, 0, "tcp", udp.interface)
                self._machine.add_base(home, self._loop.time())
            if address not in listening:
                try:
                    await self._listen(address, port, udp.interface)
                except OSError as error:
                    # Another program may have the port, which for UDP is ours all the same.
                    logger.info("no connections are taken at %s port %d: %s", address, port, error)

    def _leave(self, base: Base) -> None:
        if (listener := self._listeners.pop(base, None)) is not None:
            listener.close()
        else:
            del self._homes[base.address]
        self._machine.remove_base(base, self._loop.time())

    async def _listen(self, address: str, port: int, interface: str) -> None:
        bases: list[Base] = []  # The base needs the port; nobody is accepted before there is one.

        def accepted(stream: Stream, source: Address) -> StreamEar | None:
            return self._accepted(bases[0], stream, source)

        listener = await self._network.listen(address, port, accepted)
        bases.append(Base(listener.local[0], listener.local[1], "tcp", interface))
        self._listeners[bases[0]] = listener
        self._machine.add_base(bases[0], self._loop.time())

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
            self._take_back(base)
            stream.close()

    def close_all(self) -> None:
        """Close everything; the machine is told nothing."""
        for listener in self._listeners.values():
            listener.close()
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
        self._enter(base, stream)
        self._machine.stream_opened(base, stream.local, self._loop.time())
        self._settle()

    def _accepted(self, listener: Base, stream: Stream, source: Address) -> StreamEar | None:
        base = self._machine.stream_accepted(listener, source, self._loop.time())
        if base is not None:
            self._enter(base, stream)
        self._settle()
        return None if base is None else _Ear(self, base)

    def _enter(self, base: Base, stream: Stream) -> None:
        self._streams[base] = stream
        self._lend(base, _Framer(self, base))

    def _received(self, base: Base, data: bytes) -> None:
        heard = self._machine.stream_received(base, data, self._loop.time())
        self._settle()
        for session, datagram in heard:
            self._deliver(session, datagram)

    def _closed(self, base: Base, reason: str) -> None:
        self._streams.pop(base, None)
        self._take_back(base)
        self._machine.stream_closed(base, reason, self._loop.time())
        self._settle()


class _Framer:
    """Sends the data of sessions over a stream."""

    __slots__ = ("_base", "_connections")

    def __init__(self, connections: Connections, base: Base) -> None:
        self._connections = connections
        self._base = base

    def send(self, data: bytes, destination: Address) -> None:
        """Send one datagram, or drop it where the other end reads too slowly."""
        self._connections.write(self._base, frame(data))


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
    if error.errno is None or isinstance(error, ssl.SSLError):
        return error.strerror or str(error)
    return os.strerror(error.errno).lower()
