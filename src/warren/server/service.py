"""The gRPC service of cunīcu over a relay: three methods, raw bytes in and out."""

import asyncio
import importlib.metadata
import logging
import platform
import sys
from typing import Final, Never, TypeAlias

import grpc

from warren import wire
from warren.messages import BuildInfo
from warren.server.relay import GREETING, Refusal, Refused, Relay, Subscription
from warren.signaling.quiet import QuietLog

__all__ = ["DELIVERED", "SERVICE", "SignalingService"]

SERVICE: Final = "cunicu.signaling.Signaling"

DELIVERED: Final = "x-warren-delivered"
"""Trailing metadata of `Publish`: how many subscriptions took the envelope."""

STATUS: Final = {
    Refusal.MALFORMED: grpc.StatusCode.INVALID_ARGUMENT,
    Refusal.KEY: grpc.StatusCode.INVALID_ARGUMENT,
    Refusal.OVERSIZED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Refusal.KEY_FULL: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Refusal.CONNECTION_FULL: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Refusal.CLOSED: grpc.StatusCode.UNAVAILABLE,
}

# Strings, because these classes are generic only to type checkers.
Context: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"
Method: TypeAlias = "grpc.RpcMethodHandler[bytes, bytes]"

_log: Final = logging.getLogger(__name__)


class SignalingService(grpc.GenericRpcHandler):
    """Answers `GetBuildInfo`, `Subscribe` and `Publish`.

    Args:
        write_timeout: for how many seconds a reader may let a write wait until its stream ends.
    """

    def __init__(self, relay: Relay, *, write_timeout: float) -> None:
        self._relay = relay
        self._write_timeout = write_timeout
        self._quiet = QuietLog(_log)
        self._build_info = _build_info()
        self._methods: dict[str, Method] = {
            f"/{SERVICE}/GetBuildInfo": grpc.unary_unary_rpc_method_handler(self._get_build_info),
            f"/{SERVICE}/Subscribe": grpc.unary_stream_rpc_method_handler(self._subscribe),
            f"/{SERVICE}/Publish": grpc.unary_unary_rpc_method_handler(self._publish),
        }

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "Method | None":
        """Find the method that is called; gRPC asks this."""
        return self._methods.get(handler_call_details.method)

    async def _get_build_info(self, request: bytes, context: Context) -> bytes:
        return self._build_info

    async def _publish(self, request: bytes, context: Context) -> bytes:
        try:
            delivered = self._relay.publish(request)
        except Refused as refused:
            await self._refuse(context, refused)
        context.set_trailing_metadata(((DELIVERED, str(delivered)),))
        return b""  # Empty, serialized.

    async def _subscribe(self, request: bytes, context: Context) -> None:
        bell = _Bell()
        try:
            key = self._relay.wanted_key(request)
            subscription = self._relay.subscribe(key, connection=context.peer(), wake=bell.ring)
        except Refused as refused:
            await self._refuse(context, refused)
        try:
            await self._feed(subscription, bell, context)
            ending = Refusal.CLOSED.value
        except TimeoutError:
            ending = f"a write was blocked for {self._write_timeout:g} s: this client does not read"
            self._complain("blocked", context, ending)
        finally:
            # First of all: what waits for a reader that does not read is memory.
            self._relay.unsubscribe(subscription)
        await context.abort(grpc.StatusCode.UNAVAILABLE, ending)

    async def _feed(self, subscription: Subscription, bell: "_Bell", context: Context) -> None:
        """Write what comes until the subscription is closed and empty."""
        await self._write(context, GREETING)
        while True:
            while (data := subscription.take()) is not None:
                await self._write(context, data)
            if subscription.closed:
                return
            await bell.wait()

    async def _write(self, context: Context, data: bytes) -> None:
        async with asyncio.timeout(self._write_timeout):
            await context.write(data)

    async def _refuse(self, context: Context, refused: Refused) -> Never:
        if refused.refusal is not Refusal.CLOSED:
            self._complain(refused.refusal.name, context, str(refused))
        await context.abort(STATUS[refused.refusal], str(refused))

    def _complain(self, kind: str, context: Context, text: str) -> None:
        now = asyncio.get_running_loop().time()
        self._quiet.log(logging.WARNING, kind, f"{context.peer()}: {text}", now=now)


class _Bell:
    """Wakes one waiting coroutine; ringing while nobody waits does nothing: look for work before you wait."""

    __slots__ = ("_waiter",)

    def __init__(self) -> None:
        self._waiter: asyncio.Future[None] | None = None

    def ring(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None


def _build_info() -> bytes:
    version = importlib.metadata.version("warren")
    return wire.encode_build_info(BuildInfo(version=version, os=sys.platform, arch=platform.machine()))
