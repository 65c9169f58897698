"""A server that passes calls on to another one: it sees all, and can change, hold back and refuse."""

import asyncio
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, Self

import grpc
import grpc.aio

__all__ = ["Proxy"]


class Proxy(grpc.GenericRpcHandler):
    """An async context manager; `port` is its port on loopback."""

    def __init__(self, port: int) -> None:
        self.port = 0
        self.calls: list[str] = []
        """The methods that were called, in order."""
        self.tokens: list[bytes | None] = []
        """The token of each call that is answered once, in order."""
        self.answers: dict[str, Callable[[bytes], bytes]] = {}
        """By method: what to answer in place of the other server."""
        self.refusals: Counter[str] = Counter()
        """By method: how many calls to refuse as UNAUTHENTICATED."""
        self.held: str | None = None
        """A method that gets no answer."""
        options = [("grpc.use_local_subchannel_pool", 1)]
        # Any, because these classes are generic only to type checkers.
        self._channel: Any = grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options)
        self._server = grpc.aio.server()

    async def __aenter__(self) -> Self:
        self._server.add_generic_rpc_handlers((self,))
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._server.stop(None)
        await self._channel.close()

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        """Find the handler of a method (called by gRPC)."""
        method = details.method
        self.calls.append(method)
        if method.endswith("/Subscribe"):
            return grpc.unary_stream_rpc_method_handler(partial(self._stream, method))
        return grpc.unary_unary_rpc_method_handler(partial(self._once, method))

    async def _once(self, method: str, request: bytes, context: Any) -> bytes:
        if method == self.held:
            await asyncio.Event().wait()
        if method in self.answers:
            return self.answers[method](request)
        self.tokens.append(dict(context.invocation_metadata()).get("x-warren-token-bin"))
        metadata = [item for item in context.invocation_metadata() if item[0].startswith("x-")]
        call = self._channel.unary_unary(method)(request, metadata=metadata)
        try:
            data: bytes = await call
        except grpc.aio.AioRpcError as error:
            await context.abort(error.code(), error.details())
        context.set_trailing_metadata(tuple(await call.trailing_metadata()))
        return data

    async def _stream(self, method: str, request: bytes, context: Any) -> Any:
        if self.refusals[method]:
            self.refusals[method] -= 1
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "not now")
        call = self._channel.unary_stream(method)(request)
        try:
            async for data in call:
                yield data
        except grpc.aio.AioRpcError as error:
            await context.abort(error.code(), error.details())
        finally:
            call.cancel()
