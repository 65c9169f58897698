"""The gRPC carrier: a client of `warren signal` or of cunīcu's signaling server."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Final

import grpc.aio

from warren import wire
from warren.envelope import MAX_ENVELOPE, Envelope, EnvelopeError
from warren.errors import SignalingError
from warren.keys import PublicKey
from warren.messages import BackendType, RelayInfo
from warren.signaling.carrier import Gap, Identity, Received
from warren.signaling.grpc_entry import GET_CHALLENGE, SUBSCRIBE, Entrance
from warren.signaling.grpc_line import Line, Lines, Unknown
from warren.signaling.grpc_target import GrpcTarget
from warren.signaling.proof import SESSION_SIZE
from warren.signaling.token import Token, Tokens
from warren.signaling.trust import system_roots
from warren.signaling.url import BackendUrl

__all__ = ["GET_CHALLENGE", "GET_RELAYS", "PUBLISH", "SUBSCRIBE", "GrpcCarrier", "open_carrier"]

PUBLISH: Final = "/cunicu.signaling.Signaling/Publish"
GET_RELAYS: Final = "/cunicu.signaling.RelayRegistry/GetRelays"
DELIVERED: Final = "x-warren-delivered"
"""Trailing metadata of Publish: how many queues took the envelope."""

ENTER_TIMEOUT = 8.0
PUBLISH_TIMEOUT = 8.0


class GrpcCarrier:
    """Moves envelopes by way of a signaling server.

    It shows the server that it holds the keys that it subscribes to, where the server knows such a thing.

    Args:
        target: the server.
        enter_timeout: how long the server may take to confirm a subscription; seconds.
        publish_timeout: how long it may take to accept an envelope, or to give relays; seconds.
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
        self._publish_timeout = publish_timeout
        self._lines = Lines(target, dial_timeout=enter_timeout)
        self._entrance = Entrance(self._lines, timeout=enter_timeout)
        self._tokens = Tokens()

    async def publish(self, envelope: Envelope) -> int | None:
        """Give the envelope to the server; only one of ours says how many took it, to who is proven there."""
        data = envelope.serialize()
        if len(data) > self.max_envelope:
            raise SignalingError(
                f"an envelope of {len(data)} bytes is too large: at most {self.max_envelope}"
            )
        _, metadata = await self._ask(PUBLISH, data, envelope.sender)
        return _delivered(metadata)

    @asynccontextmanager
    async def subscribe(self, identity: Identity) -> AsyncIterator[AsyncIterator[Received]]:
        """Receive what is sent to the key; entered once the server has confirmed it by its first envelope."""
        async with self._lines.using() as line:
            line.streams += 1
            try:
                session = os.urandom(SESSION_SIZE)
                entry = await self._entrance.enter(line, identity, session)
                try:
                    async with self._keeping(line, identity, session, entry.token):
                        yield _Stream(entry.read, entry.first, self.drops)
                finally:
                    entry.call.cancel()
            finally:
                line.streams -= 1
                if not line.streams:
                    self._lines.retire(line)

    async def relays(self, key: PublicKey) -> tuple[RelayInfo, ...]:
        """Ask the server for TURN servers and credentials; there are none where it knows of none."""
        try:
            data, _ = await self._ask(GET_RELAYS, wire.encode_relays_params(key), key)
            return wire.decode_relays(data)
        except Unknown:
            return ()
        except wire.WireError as error:
            raise SignalingError(
                f"signaling server {self._lines.target} gave relays that are {error}"
            ) from None

    async def aclose(self) -> None:
        """Hang up; whoever reads learns that the subscription is lost."""
        await self._lines.aclose()

    async def _ask(self, method: str, data: bytes, key: PublicKey) -> tuple[bytes, grpc.aio.Metadata]:
        async with self._lines.using() as line:
            if self._tokens.of(key) is None:  # With a token there is a subscription already.
                await self._entrance.wait_until_sent(key)
            token = self._tokens.of(key)
            return await self._lines.call(line, method, data, timeout=self._publish_timeout, token=token)

    @asynccontextmanager
    async def _keeping(
        self, line: Line, identity: Identity, session: bytes, token: Token | None
    ) -> AsyncIterator[None]:
        """Let calls use the token of a subscription while it lives, and renew it."""
        if token is None:
            yield
            return
        self._tokens.put(identity.public, session, token)
        renewing = asyncio.create_task(self._renew(line, identity, session, token))
        try:
            yield
        finally:
            self._tokens.forget(identity.public, session)
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)

    async def _renew(self, line: Line, identity: Identity, session: bytes, token: Token) -> None:
        """Prove again by a short subscription of the same session, before the token expires."""
        delay = token.renew_after
        while True:
            await asyncio.sleep(delay)
            delay = token.try_again_after
            with suppress(SignalingError):  # Whatever ails the server, the subscription will tell.
                entry = await self._entrance.enter(line, identity, session)
                entry.call.cancel()
                if entry.token is not None:
                    token, delay = entry.token, entry.token.renew_after
                    self._tokens.put(identity.public, session, token)


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
