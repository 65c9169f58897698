"""The gRPC carrier: a client of `warren signal` or of cunīcu's signaling server."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Final, TypeAlias

import grpc.aio

from warren import wire
from warren.envelope import MAX_ENVELOPE, Envelope, EnvelopeError
from warren.errors import SignalingError
from warren.messages import BackendType
from warren.signaling.carrier import Gap, Identity, Received
from warren.signaling.grpc_channel import dial
from warren.signaling.grpc_target import GrpcTarget
from warren.signaling.grpc_words import route_words, status_words
from warren.signaling.trust import system_roots
from warren.signaling.url import BackendUrl

__all__ = ["PUBLISH", "SUBSCRIBE", "GrpcCarrier", "open_carrier"]

SUBSCRIBE: Final = "/cunicu.signaling.Signaling/Subscribe"
PUBLISH: Final = "/cunicu.signaling.Signaling/Publish"
DELIVERED: Final = "x-warren-delivered"
"""Trailing metadata of Publish: how many queues took the envelope."""

ENTER_TIMEOUT = 8.0
PUBLISH_TIMEOUT = 8.0

# Strings, because these classes are generic only to type checkers.
_Publish: TypeAlias = "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]"
_Subscribe: TypeAlias = "grpc.aio.UnaryStreamMultiCallable[bytes, bytes]"
_Call: TypeAlias = "grpc.aio.UnaryStreamCall[bytes, bytes]"


class _Line:
    """A channel and who uses it; once retired it is closed as soon as nobody does."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.calls = 0
        self.streams = 0
        self.retired = False


class GrpcCarrier:
    """Moves envelopes by way of a signaling server.

    All calls share one connection. One that fails, or loses its last subscription, is given up, so that who
    subscribes again dials anew: then only the subscriber decides how long to wait, not gRPC.

    Args:
        target: the server.
        enter_timeout: how long the server may take to confirm a subscription; seconds.
        publish_timeout: how long it may take to accept an envelope; seconds.
    """

    type = BackendType.GRPC
    max_envelope = MAX_ENVELOPE

    def __init__(
        self,
        target: GrpcTarget,
        *,
        enter_timeout: float = ENTER_TIMEOUT,
        publish_timeout: float = PUBLISH_TIMEOUT,
    ) -> None:
        self.drops: Counter[str] = Counter()
        self._target = target
        self._enter_timeout = enter_timeout
        self._publish_timeout = publish_timeout
        self._line: _Line | None = None
        self._dialling = asyncio.Lock()
        self._lines: list[_Line] = []
        self._closed = False

    async def publish(self, envelope: Envelope) -> int | None:
        """Give the envelope to the server; only a server of ours says how many took it."""
        data = envelope.serialize()
        if len(data) > self.max_envelope:
            raise SignalingError(
                f"an envelope of {len(data)} bytes is too large: at most {self.max_envelope}"
            )
        async with self._using() as line:
            publish: _Publish = line.channel.unary_unary(PUBLISH)
            call = publish(data, timeout=self._publish_timeout)
            try:
                await call
                return _delivered(await call.trailing_metadata())
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.UNAVAILABLE and not line.streams:
                    self._retire(line)
                trouble = self._words(error)
            except asyncio.CancelledError as error:
                trouble = self._cancelled(error)
            finally:
                call.cancel()
        # Out here, so that the cause, which holds on to the call and the connection, is not kept.
        raise SignalingError(trouble)

    @asynccontextmanager
    async def subscribe(self, identity: Identity) -> AsyncIterator[AsyncIterator[Received]]:
        """Receive what is sent to the key; entered once the server has confirmed it by its first envelope."""
        async with self._using() as line:
            line.streams += 1
            subscribe: _Subscribe = line.channel.unary_stream(SUBSCRIBE)
            call = subscribe(wire.encode_subscribe_params(identity.public))
            read = partial(self._read, line, call)
            try:
                yield _Stream(read, await self._confirmation(read), self.drops)
            finally:
                call.cancel()
                line.streams -= 1
                if not line.streams:
                    self._retire(line)

    async def aclose(self) -> None:
        """Hang up; whoever reads learns that the subscription is lost."""
        self._closed = True
        async with self._dialling:
            self._line = None
            lines, self._lines = self._lines, []
        for line in lines:
            await line.channel.close()

    async def _confirmation(self, read: Callable[[], Awaitable[bytes | None]]) -> bytes:
        """Wait for the first envelope, which is empty unless the server knows no confirmation."""
        try:
            async with asyncio.timeout(self._enter_timeout):
                first = await read()
        except TimeoutError:
            first = None
        if first is None:
            raise SignalingError(
                f"signaling server {self._target} did not confirm the subscription "
                f"within {self._enter_timeout:g} s; is it one?"
            )
        return first

    async def _read(self, line: _Line, call: _Call) -> bytes | None:
        """Read one message of a stream, None at its end."""
        try:
            data = await call.read()
            return data if isinstance(data, bytes) else None
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                self._retire(line)
            trouble = self._words(error)
        except asyncio.CancelledError as error:
            trouble = self._cancelled(error)
        raise SignalingError(trouble)

    @asynccontextmanager
    async def _using(self) -> AsyncIterator[_Line]:
        """Use the connection for one call; dial where there is none."""
        async with self._dialling:
            if self._closed:
                raise SignalingError(f"the connection to {self._target} is closed")
            if self._line is None:
                self._line = await self._dial()
            line = self._line
            line.calls += 1
        try:
            yield line
        finally:
            line.calls -= 1
            await self._close_unused(line)

    async def _dial(self) -> _Line:
        try:
            async with asyncio.timeout(self._enter_timeout):
                line = _Line(await dial(self._target))
        except TimeoutError:
            raise SignalingError(route_words(self._target, "timed out")) from None
        self._lines.append(line)
        return line

    def _retire(self, line: _Line) -> None:
        line.retired = True
        if self._line is line:
            self._line = None

    async def _close_unused(self, line: _Line) -> None:
        if line.retired and not line.calls and line in self._lines:
            self._lines.remove(line)
            await line.channel.close()

    def _words(self, error: grpc.aio.AioRpcError) -> str:
        return status_words(self._target, error.code(), error.details() or "")

    def _cancelled(self, error: asyncio.CancelledError) -> str:
        """Tell a call that was cancelled, there or by closing, from a task that is: the latter goes on."""
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise error
        return f"signaling server {self._target} cancelled the call"


class _Stream(AsyncIterator[Received]):
    """The envelopes of one subscription."""

    def __init__(
        self, read: Callable[[], Awaitable[bytes | None]], first: bytes, drops: Counter[str]
    ) -> None:
        self._read = read
        self._first = first
        self._drops = drops

    async def __anext__(self) -> Received:
        first, self._first = self._first, b""
        while (data := first or await self._read()) is not None:
            if not data:
                return Gap()
            try:
                return Envelope.parse(data)
            except EnvelopeError as error:
                # The first may be a confirmation that says more than we know.
                if not first:
                    self._drops[f"envelope-{error.reason}"] += 1
            first = b""
        raise StopAsyncIteration


def open_carrier(url: BackendUrl) -> GrpcCarrier:
    """Make a carrier from `grpc://host:port` and its options; nothing is dialled yet.

    Raises:
        ConfigurationError: the URL is wrong, or the file that it names, or the system trusts no certificates.
    """
    target = GrpcTarget.parse(url)
    if target.roots is None and target.pin is None and not target.insecure:
        target = replace(target, roots=system_roots())
    return GrpcCarrier(target)


def _delivered(metadata: grpc.aio.Metadata) -> int | None:
    value = str(metadata.get(DELIVERED, ""))
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 6 else None
