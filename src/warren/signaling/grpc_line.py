"""Lines to a gRPC server: dialled when needed, shared by all calls, given up when they fail."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final, TypeAlias

import grpc.aio

from warren.errors import SignalingError
from warren.signaling.grpc_channel import dial
from warren.signaling.grpc_target import GrpcTarget
from warren.signaling.grpc_words import route_words, status_words

__all__ = ["TOKEN", "Line", "Lines", "StreamCall", "Unknown", "Unproven"]

TOKEN: Final = "x-warren-token-bin"
"""Metadata of a call: what a server gave for a proof."""

# Strings, because these classes are generic only to type checkers.
_Unary: TypeAlias = "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]"
_Streaming: TypeAlias = "grpc.aio.UnaryStreamMultiCallable[bytes, bytes]"
StreamCall: TypeAlias = "grpc.aio.UnaryStreamCall[bytes, bytes]"


class Unknown(SignalingError):
    """The server does not know the method."""


class Unproven(SignalingError):
    """The server does not believe that we hold the key."""


_KINDS: Final[Mapping[grpc.StatusCode, type[SignalingError]]] = {
    grpc.StatusCode.UNIMPLEMENTED: Unknown,
    grpc.StatusCode.UNAUTHENTICATED: Unproven,
}


class Line:
    """A channel and who uses it; once retired it is closed as soon as nobody does."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.calls = 0
        self.streams = 0
        self.retired = False
        self.knows_proofs = True
        """Until the server says that it does not."""


class Lines:
    """All calls share one line. One that fails, or loses its last subscription, is given up.

    So who subscribes again dials anew: then only the subscriber decides how long to wait, not gRPC.

    Args:
        target: the server.
        dial_timeout: how long dialling may take; seconds.
    """

    def __init__(self, target: GrpcTarget, *, dial_timeout: float) -> None:
        self.target: Final = target
        self._dial_timeout = dial_timeout
        self._line: Line | None = None
        self._dialling = asyncio.Lock()
        self._lines: list[Line] = []
        self._closed = False

    @asynccontextmanager
    async def using(self) -> AsyncIterator[Line]:
        """Use the connection for one call; dial where there is none."""
        async with self._dialling:
            if self._closed:
                raise SignalingError(f"the connection to {self.target} is closed")
            if self._line is None:
                self._line = await self._dial()
            line = self._line
            line.calls += 1
        try:
            yield line
        finally:
            line.calls -= 1
            await self._close_unused(line)

    async def call(
        self,
        line: Line,
        method: str,
        data: bytes,
        *,
        timeout: float | None = None,
        token: bytes | None = None,
    ) -> tuple[bytes, grpc.aio.Metadata]:
        """Call a method that answers once; returns what it answers, and its trailing metadata.

        Raises:
            SignalingError: it failed; `Unknown` and `Unproven` are two kinds of it.
        """
        send: _Unary = line.channel.unary_unary(method)
        metadata = None if token is None else grpc.aio.Metadata((TOKEN, token))
        call = send(data, timeout=timeout, metadata=metadata)
        try:
            return await call, await call.trailing_metadata()
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNAVAILABLE and not line.streams:
                self.retire(line)
            trouble = self._trouble(error)
        except asyncio.CancelledError as error:
            trouble = self._cancelled(error)
        finally:
            call.cancel()
        # Out here, so that the cause, which holds on to the call and the connection, is not kept.
        raise trouble

    def stream(self, line: Line, method: str, data: bytes) -> StreamCall:
        """Call a method that answers many times."""
        streaming: _Streaming = line.channel.unary_stream(method)
        return streaming(data)

    async def read(self, line: Line, call: StreamCall) -> bytes | None:
        """Read one message of a stream, None at its end.

        Raises:
            SignalingError: the stream failed.
        """
        try:
            data = await call.read()
            return data if isinstance(data, bytes) else None
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                self.retire(line)
            trouble = self._trouble(error)
        except asyncio.CancelledError as error:
            trouble = self._cancelled(error)
        raise trouble

    def retire(self, line: Line) -> None:
        """Let nobody begin to use the line."""
        line.retired = True
        if self._line is line:
            self._line = None

    async def aclose(self) -> None:
        """Hang up."""
        self._closed = True
        async with self._dialling:
            self._line = None
            lines, self._lines = self._lines, []
        for line in lines:
            await line.channel.close()

    async def _dial(self) -> Line:
        try:
            async with asyncio.timeout(self._dial_timeout):
                line = Line(await dial(self.target))
        except TimeoutError:
            raise SignalingError(route_words(self.target, "timed out")) from None
        self._lines.append(line)
        return line

    async def _close_unused(self, line: Line) -> None:
        if line.retired and not line.calls and line in self._lines:
            self._lines.remove(line)
            await line.channel.close()

    def _trouble(self, error: grpc.aio.AioRpcError) -> SignalingError:
        kind = _KINDS.get(error.code(), SignalingError)
        return kind(status_words(self.target, error.code(), error.details() or ""))

    def _cancelled(self, error: asyncio.CancelledError) -> SignalingError:
        """Tell a call that was cancelled, there or by closing, from a task that is: the latter goes on."""
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise error
        return SignalingError(f"signaling server {self.target} cancelled the call")
