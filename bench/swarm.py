"""Many subscribers of a signaling server in one process: what `bench.server` loads a server with."""

import asyncio
import hashlib
import itertools
import random
import time
from collections import Counter
from typing import Final, TypeAlias

import grpc
from grpc.aio import AioRpcError

from warren import wire
from warren.keys import PublicKey

__all__ = ["Swarm"]

BODY: Final = 600
"""Bytes of a sealed message with a session description, about."""

# Strings, because these classes are generic only to type checkers.
Call: TypeAlias = "grpc.aio.UnaryStreamCall[bytes, bytes]"
Subscribe: TypeAlias = "grpc.aio.UnaryStreamMultiCallable[bytes, bytes]"
Publish: TypeAlias = "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]"

_numbers = itertools.count()


class Swarm:
    """Subscriptions, evenly over connections, each to a key of its own.

    Attributes:
        failures: how many calls ended with which status; there should be none.
        latencies: from publishing to reading, of each envelope since the last `latencies.clear()`; seconds.
    """

    def __init__(
        self, port: int, *, connections: int, subscriptions: int, roots: bytes | None = None
    ) -> None:
        self.failures: Counter[str] = Counter()
        self.latencies: list[float] = []
        self._channels = [_channel(port, roots) for _ in range(connections)]
        self._subscribe: list[Subscribe] = [
            channel.unary_stream("/cunicu.signaling.Signaling/Subscribe") for channel in self._channels
        ]
        self._publish: list[Publish] = [
            channel.unary_unary("/cunicu.signaling.Signaling/Publish") for channel in self._channels
        ]
        self._keys = [_new_key() for _ in range(subscriptions)]
        self._readers: list[asyncio.Task[None]] = []

    async def open(self) -> float:
        """Subscribe all at the same moment; returns the seconds until the last is live."""
        begun = time.perf_counter()
        live = [asyncio.Event() for _ in self._keys]
        for number, (key, event) in enumerate(zip(self._keys, live, strict=True)):
            subscribe = self._subscribe[number % len(self._subscribe)]
            self._readers.append(asyncio.create_task(self._read(subscribe, key, event)))
        for event in live:
            await event.wait()
        return time.perf_counter() - begun

    async def flood(self, publishers: int, seconds: float) -> int:
        """Publish as fast as so many publishers can who each wait for an answer; returns the number."""
        end = time.perf_counter() + seconds
        sent = 0

        async def publisher(number: int) -> None:
            nonlocal sent
            while time.perf_counter() < end:
                await self._send(number)
                sent += 1

        await asyncio.gather(*(publisher(number) for number in range(publishers)))
        return sent

    async def stream(self, rate: float, seconds: float) -> None:
        """Publish at a rate, whether or not the server keeps up."""
        begun = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(int(rate * seconds)):
                wait = begun + number / rate - time.perf_counter()
                if wait > 0:
                    await asyncio.sleep(wait)
                group.create_task(self._send(number))

    async def pairs(self, count: int, envelopes: int) -> None:
        """Let pairs meet one after the other: both subscribe, each sends so many envelopes, both leave."""
        for number in range(count):
            keys = _new_key(), _new_key()
            events = asyncio.Event(), asyncio.Event()
            readers = [
                asyncio.create_task(self._read(self._subscribe[(number + n) % len(self._subscribe)], *one))
                for n, one in enumerate(zip(keys, events, strict=True))
            ]
            for event in events:
                await event.wait()
            for key in keys * envelopes:
                await self._send(number, key)
            for reader in readers:
                reader.cancel()
            await asyncio.gather(*readers, return_exceptions=True)

    async def close(self) -> None:
        """Leave."""
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        for channel in self._channels:
            await channel.close()

    async def _read(self, subscribe: Subscribe, key: PublicKey, live: asyncio.Event) -> None:
        call: Call = subscribe(wire.encode_subscribe_params(key))
        try:
            while isinstance(data := await call.read(), bytes):
                if data:
                    sent_at = int.from_bytes(wire.decode_envelope(data)[2][:8], "big")
                    self.latencies.append((time.perf_counter_ns() - sent_at) / 1e9)
                live.set()
            self.failures["ended"] += 1
        except AioRpcError as error:
            self.failures[error.code().name] += 1
        finally:
            live.set()
            call.cancel()

    async def _send(self, number: int, key: PublicKey | None = None) -> None:
        recipient = key or random.choice(self._keys)
        body = time.perf_counter_ns().to_bytes(8, "big") + bytes(BODY - 8)
        data = wire.encode_envelope(self._keys[0].raw, recipient.raw, body, bytes(24))
        try:
            await self._publish[number % len(self._publish)](data)
        except AioRpcError as error:
            self.failures[error.code().name] += 1


def _channel(port: int, roots: bytes | None) -> grpc.aio.Channel:
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
    if roots is None:
        return grpc.aio.insecure_channel(f"127.0.0.1:{port}", options)
    return grpc.aio.secure_channel(f"127.0.0.1:{port}", grpc.ssl_channel_credentials(roots), options)


def _new_key() -> PublicKey:
    raw = bytearray(hashlib.sha256(next(_numbers).to_bytes(8, "big")).digest())
    raw[31] &= 0x3F
    return PublicKey(bytes(raw))
