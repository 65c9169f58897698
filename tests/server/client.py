"""A gRPC client that knows only methods and bytes, as any program could be written."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias

import grpc
from grpc.aio import AioRpcError

from tests.server.keys import envelope
from warren import wire
from warren.keys import PublicKey
from warren.messages import Challenge, SubscribeAck
from warren.signaling.carrier import Identity
from warren.signaling.proof import prove

__all__ = ["Client", "Ending", "Stream", "connected", "until"]

SIGNALING = "/cunicu.signaling.Signaling/"

# Strings, because these classes are generic only to type checkers.
Call: TypeAlias = "grpc.aio.UnaryStreamCall[bytes, bytes]"
Subscribe: TypeAlias = "grpc.aio.UnaryStreamMultiCallable[bytes, bytes]"
Method: TypeAlias = "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a call ended."""

    code: grpc.StatusCode
    details: str


class Stream:
    """One subscription."""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def read(self) -> bytes | Ending:
        """Read the next message, or how the stream ended."""
        try:
            async with asyncio.timeout(20):
                data = await self._call.read()
        except AioRpcError as error:
            return Ending(error.code(), error.details() or "")
        return (
            data if isinstance(data, bytes) else Ending(await self._call.code(), await self._call.details())
        )

    async def ending(self) -> Ending:
        """Read until the stream ends."""
        while isinstance(found := await self.read(), bytes):
            pass
        return found

    def cancel(self) -> None:
        """Leave."""
        self._call.cancel()


class Client:
    """One connection to a server."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel

    def open(self, params: bytes) -> Stream:
        """Call Subscribe with any bytes."""
        subscribe: Subscribe = self.channel.unary_stream(f"{SIGNALING}Subscribe")
        return Stream(subscribe(params))

    async def subscribe(self, key: PublicKey) -> Stream:
        """Subscribe and see the subscription live."""
        stream = self.open(wire.encode_subscribe_params(key))
        assert await stream.read() == b""
        return stream

    async def send(self, data: bytes, *, token: bytes | None = None) -> int | Ending | None:
        """Call Publish with any bytes; returns how many took it if that is told, or how the call ended."""
        publish: Method = self.channel.unary_unary(f"{SIGNALING}Publish")
        call = publish(data, timeout=20, metadata=_metadata(token))
        try:
            assert await call == b""
        except AioRpcError as error:
            return Ending(error.code(), error.details() or "")
        told = (await call.trailing_metadata()).get("x-warren-delivered")
        return None if told is None else int(str(told))

    async def publish(
        self, key: PublicKey, body: bytes = b"sealed", *, token: bytes | None = None
    ) -> int | Ending | None:
        """Publish an envelope to a key."""
        return await self.send(envelope(key, body), token=token)

    async def challenge(self, key: PublicKey) -> Challenge:
        """Ask for a challenge."""
        answer = await self.call("/warren.v1.Relay/GetChallenge", wire.encode_challenge_params(key))
        assert isinstance(answer, bytes)
        return wire.decode_challenge(answer)

    async def prove(self, holder: Identity, authority: str) -> tuple[Stream, SubscribeAck]:
        """Subscribe with a proof and see it believed."""
        challenge = await self.challenge(holder.public)
        proof = prove(holder, challenge, authority=authority, session=bytes(16))
        stream = self.open(wire.encode_subscribe_params(holder.public, proof))
        first = await stream.read()
        assert isinstance(first, bytes), first
        ack = wire.decode_ack(first)
        assert ack is not None
        return stream, ack

    async def call(self, method: str, request: bytes = b"", *, token: bytes | None = None) -> bytes | Ending:
        """Call any method that answers once."""
        called: Method = self.channel.unary_unary(method)
        try:
            return await called(request, timeout=20, metadata=_metadata(token))
        except AioRpcError as error:
            return Ending(error.code(), error.details() or "")


def _metadata(token: bytes | None) -> grpc.aio.Metadata | None:
    return None if token is None else grpc.aio.Metadata(("x-warren-token-bin", token))


@asynccontextmanager
async def connected(
    port: int, *, credentials: grpc.ChannelCredentials | None = None
) -> AsyncIterator[Client]:
    """Use a connection of its own."""
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
    where = f"127.0.0.1:{port}"
    channel = (
        grpc.aio.secure_channel(where, credentials, options)
        if credentials
        else grpc.aio.insecure_channel(where, options)
    )
    async with channel:
        yield Client(channel)


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # what is waited for happens in the server, which tells nobody
            await asyncio.sleep(0.005)
