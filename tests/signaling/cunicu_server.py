"""A signaling server that speaks only what cunīcu defines: no field from 100 up, no gaps, no more.

It can be made to misbehave as servers do: to stop passing on, to confirm nothing, to end or refuse streams.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Self

import grpc
import grpc.aio

from warren import wire
from warren.keys import PublicKey
from warren.messages import BuildInfo

__all__ = ["CunicuServer"]

SERVICE = "/cunicu.signaling.Signaling/"


class CunicuServer(grpc.GenericRpcHandler):
    """An async context manager; `port` is its port on loopback, the same again after `restart`."""

    def __init__(self, credentials: grpc.ServerCredentials | None = None) -> None:
        self.port = 0
        self.deaf = False
        """Take envelopes and pass none on, while streams stay open."""
        self.confirms = True
        """Send the empty first envelope."""
        self.refusal: tuple[grpc.StatusCode, str] | None = None
        """Answer every call with this status."""
        self.subscribed = 0
        """How often anybody has subscribed."""
        self.published = 0
        """How many envelopes came, held back or not."""
        self.overhear: Callable[[bytes], None] | None = None
        """Told of each envelope that comes."""
        self.peers: list[str] = []
        """Addresses of those who have subscribed, in order."""
        self.trailing: tuple[tuple[str, str], ...] = ()
        """What Publish sends as trailing metadata."""
        self.holds: asyncio.Event | None = None
        """Answer Publish only when this is set."""
        self._credentials = credentials
        self._queues: dict[PublicKey, list[asyncio.Queue[bytes | None]]] = {}
        self._changed = asyncio.Condition()
        self._server: grpc.aio.Server | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """Its URL without TLS."""
        return f"grpc://127.0.0.1:{self.port}?insecure=true"

    @property
    def subscriptions(self) -> int:
        """How many there are now."""
        return sum(map(len, self._queues.values()))

    async def start(self) -> None:
        """Listen, on the same port as before."""
        server = self._server = grpc.aio.server()
        server.add_generic_rpc_handlers((self,))
        address = f"127.0.0.1:{self.port}"
        if self._credentials is None:
            self.port = server.add_insecure_port(address)
        else:
            self.port = server.add_secure_port(address, self._credentials)
        await server.start()

    async def stop(self) -> None:
        """Die as after a kill: whatever is open breaks off."""
        if self._server is not None:
            server, self._server = self._server, None
            await server.stop(None)
            await server.wait_for_termination()

    async def wait_for_subscriptions(self, count: int) -> None:
        """Wait until so many are there."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.subscriptions == count)

    async def wait_for_published(self, count: int) -> None:
        """Wait until so many envelopes have come."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.published >= count)

    def end_streams(self) -> None:
        """End every stream cleanly, with status OK."""
        self.send_all(None)

    def send_all(self, data: bytes | None) -> None:
        """Put bytes into every stream, whatever they are."""
        for queues in self._queues.values():
            for queue in queues:
                queue.put_nowait(data)

    # gRPC's side

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        """Find the handler of a method (called by gRPC)."""
        match details.method.removeprefix(SERVICE):
            case "GetBuildInfo":
                return grpc.unary_unary_rpc_method_handler(self._get_build_info)
            case "Publish":
                return grpc.unary_unary_rpc_method_handler(self._publish)
            case "Subscribe":
                return grpc.unary_stream_rpc_method_handler(self._subscribe)
        return None

    async def _get_build_info(self, request: bytes, context: Any) -> bytes:
        return wire.encode_build_info(BuildInfo(version="0.9"))

    async def _publish(self, request: bytes, context: Any) -> bytes:
        await self._maybe_refuse(context)
        _, recipient, _, _ = wire.decode_envelope(request)
        self.published += 1
        if self.overhear is not None:
            self.overhear(request)
        await self._tell()
        if not self.deaf:
            for queue in self._queues.get(PublicKey(recipient), []):
                queue.put_nowait(request)
        if self.holds is not None:
            await self.holds.wait()
        context.set_trailing_metadata(self.trailing)
        return b""

    async def _subscribe(self, request: bytes, context: Any) -> Any:
        await self._maybe_refuse(context)
        key, queue = wire.decode_subscribe_params(request).key, asyncio.Queue[bytes | None]()
        self.subscribed += 1
        self.peers.append(context.peer())
        self._queues.setdefault(key, []).append(queue)
        await self._tell()
        try:
            if self.confirms:
                yield b""
            while (data := await queue.get()) is not None:
                yield data
        finally:
            self._queues[key].remove(queue)
            await self._tell()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _maybe_refuse(self, context: Any) -> None:
        if self.refusal is not None:
            await context.abort(*self.refusal)
