"""The gRPC services over a relay: cunīcu's signaling and relay registry, and ours; raw bytes in and out."""

import asyncio
import importlib.metadata
import logging
import platform
import sys
from typing import Final, Never, TypeAlias

import grpc

from warren import wire
from warren.messages import BuildInfo
from warren.server.auth import NotProven, Policy
from warren.server.gate import Gate
from warren.server.relay import Refusal, Refused, Relay, Subscription
from warren.server.turn import TurnRelays
from warren.signaling.quiet import QuietLog

__all__ = ["DELIVERED", "SERVICE", "TOKEN", "SignalingService"]

SERVICE: Final = "cunicu.signaling.Signaling"

DELIVERED: Final = "x-warren-delivered"
"""Trailing metadata of `Publish`, for who has proved to hold a key: how many queues took the envelope."""

TOKEN: Final = "x-warren-token-bin"
"""Metadata of a call: the token of a subscription that was proven."""

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
    """Answers `GetBuildInfo`, `Subscribe`, `Publish`, and unless proofs are off `GetChallenge`, `GetRelays`.

    Args:
        relays: TURN servers whose credentials are given to those who have proved to hold a key.
        write_timeout: for how many seconds a reader may let a write wait until its stream ends.
    """

    def __init__(
        self, relay: Relay, gate: Gate, *, relays: TurnRelays | None = None, write_timeout: float
    ) -> None:
        self._relay = relay
        self._gate = gate
        self._relays = relays
        self._write_timeout = write_timeout
        self._quiet = QuietLog(_log)
        self._build_info = _build_info()
        self._methods: dict[str, Method] = {
            f"/{SERVICE}/GetBuildInfo": grpc.unary_unary_rpc_method_handler(self._get_build_info),
            f"/{SERVICE}/Subscribe": grpc.unary_stream_rpc_method_handler(self._subscribe),
            f"/{SERVICE}/Publish": grpc.unary_unary_rpc_method_handler(self._publish),
        }
        if gate.policy is not Policy.OFF:
            challenge: Method = grpc.unary_unary_rpc_method_handler(self._get_challenge)
            self._methods["/warren.v1.Relay/GetChallenge"] = challenge
            if relays is not None:
                handler: Method = grpc.unary_unary_rpc_method_handler(self._get_relays)
                self._methods["/cunicu.signaling.RelayRegistry/GetRelays"] = handler

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "Method | None":
        """Find the method that is called; gRPC asks this."""
        return self._methods.get(handler_call_details.method)

    async def _get_build_info(self, request: bytes, context: Context) -> bytes:
        return self._build_info

    async def _get_challenge(self, request: bytes, context: Context) -> bytes:
        try:
            key = self._relay.read(wire.decode_challenge_params, request)
        except Refused as refused:
            await self._refuse(context, refused)
        return wire.encode_challenge(self._gate.authenticator.challenge(key, self._gate.clock()))

    async def _get_relays(self, request: bytes, context: Context) -> bytes:
        assert self._relays is not None
        now = self._gate.clock()
        try:
            key = self._relay.read(wire.decode_relays_params, request)
            self._gate.authenticator.holder(_token(context), now, claimed=key)
        except Refused as refused:
            await self._refuse(context, refused)
        except NotProven as not_proven:
            await self._turn_away(context, not_proven)
        return wire.encode_relays(self._relays.credentials(key, now))

    async def _publish(self, request: bytes, context: Context) -> bytes:
        proven = self._gate.is_proven(_token(context))
        try:
            taken = self._relay.publish(request, proven=proven)
        except Refused as refused:
            await self._refuse(context, refused)
        # Who is there is nobody's business who has not said who he is.
        if proven or self._gate.policy is Policy.OFF:
            context.set_trailing_metadata(((DELIVERED, str(taken)),))
        return b""  # Empty, serialized.

    async def _subscribe(self, request: bytes, context: Context) -> None:
        bell = _Bell()
        try:
            params = self._relay.read(wire.decode_subscribe_params, request)
            key, session = params.key, self._gate.admit(params)
            subscription = self._relay.subscribe(
                key, connection=context.peer(), wake=bell.ring, authenticated=session is not None
            )
        except Refused as refused:
            await self._refuse(context, refused)
        except NotProven as not_proven:
            await self._turn_away(context, not_proven)
        del params  # Most of a proof is of no more use, and this may take days.
        try:
            with self._gate.subscribed(key, session) as greeting:
                await self._write(context, greeting)
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

    async def _turn_away(self, context: Context, not_proven: NotProven) -> Never:
        self._complain(not_proven.fault.name, context, str(not_proven))
        await context.abort(grpc.StatusCode.UNAUTHENTICATED, str(not_proven))

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


def _token(context: Context) -> bytes | None:
    for name, value in context.invocation_metadata() or ():
        if name == TOKEN and isinstance(value, bytes):
            return value
    return None


def _build_info() -> bytes:
    version = importlib.metadata.version("warren")
    return wire.encode_build_info(BuildInfo(version=version, os=sys.platform, arch=platform.machine()))
