"""Entering a subscription at a gRPC server: with a proof that we hold the key, if it knows proofs."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

from warren import wire
from warren.errors import SignalingError
from warren.keys import PublicKey
from warren.signaling.carrier import Identity
from warren.signaling.grpc_line import Line, Lines, StreamCall, Unknown, Unproven
from warren.signaling.proof import prove, told_at
from warren.signaling.quiet import QuietLog
from warren.signaling.token import Proof, Token

__all__ = ["GET_CHALLENGE", "SUBSCRIBE", "Entrance", "Entry"]

SUBSCRIBE: Final = "/cunicu.signaling.Signaling/Subscribe"
GET_CHALLENGE: Final = "/warren.v1.Relay/GetChallenge"

PROOFS: Final = 2
"""How often to prove: the first challenge may have become old, or its server another."""

HOLD_BACK: Final = 1.0
"""So long an envelope waits for the subscription of its sender; seconds."""

_log: Final = logging.getLogger("warren.signaling")


@dataclass(frozen=True, slots=True)
class Entry:
    """A subscription that is live: how to read it, what came first, and the token if it was proven."""

    call: StreamCall
    read: Callable[[], Awaitable[bytes | None]]
    first: bytes
    token: Token | None


class Entrance:
    """Opens subscriptions.

    Args:
        lines: to the server.
        timeout: how long the server may take to confirm a subscription; seconds.
    """

    def __init__(self, lines: Lines, *, timeout: float) -> None:
        self._lines = lines
        self._timeout = timeout
        self._quiet = QuietLog(_log)
        self._unsent: dict[PublicKey, asyncio.Event] = {}

    async def enter(self, line: Line, identity: Identity, session: bytes) -> Entry:
        """Subscribe; returns when the server has confirmed it by its first envelope.

        A server that does not believe the first proof gets a second one, to a new challenge.
        One that believes neither may still serve who shows none.

        Raises:
            SignalingError: it was not confirmed; the text says why.
        """
        sent = self._unsent.setdefault(identity.public, asyncio.Event())
        try:
            async with asyncio.timeout(self._timeout):
                return await self._enter(line, identity, session)
        except TimeoutError:
            raise SignalingError(self._not_confirmed()) from None
        finally:
            sent.set()
            self._unsent.pop(identity.public, None)

    async def wait_until_sent(self, key: PublicKey) -> None:
        """Wait while a proof for this key is made, but not long.

        What is published before the server knows the subscription is answered into the void.
        """
        if (sent := self._unsent.get(key)) is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(HOLD_BACK):
                    await sent.wait()

    async def _enter(self, line: Line, identity: Identity, session: bytes) -> Entry:
        refused: Unproven | None = None
        for _ in range(PROOFS):
            proof = await self._prove(line, identity, session)
            if proof is None:
                break
            try:
                return await self._open(line, identity.public, proof)
            except Unproven as error:
                refused = error
        try:
            entry = await self._open(line, identity.public, None)
        except Unproven as error:
            raise refused or error from None
        if refused is not None:
            now = asyncio.get_running_loop().time()
            self._quiet.log(logging.WARNING, "proof", f"{refused}; subscribed without a proof", now=now)
        return entry

    async def _prove(self, line: Line, identity: Identity, session: bytes) -> Proof | None:
        """Ask for a challenge and answer it; None where the server knows none."""
        if not line.knows_proofs:
            return None
        params = wire.encode_challenge_params(identity.public)
        target = self._lines.target
        try:
            data, _ = await self._lines.call(line, GET_CHALLENGE, params)
            challenge = wire.decode_challenge(data)
        except Unknown:
            line.knows_proofs = False
            return None
        except wire.WireError as error:
            raise SignalingError(f"signaling server {target} gave a challenge that is {error}") from None
        answer = prove(identity, challenge, authority=target.address, session=session)
        return Proof(answer, told_at(challenge))

    async def _open(self, line: Line, key: PublicKey, proof: Proof | None) -> Entry:
        params = wire.encode_subscribe_params(key, proof.answer if proof else None)
        call = self._lines.stream(line, SUBSCRIBE, params)
        if (sent := self._unsent.get(key)) is not None:
            sent.set()
        read = partial(self._lines.read, line, call)
        try:
            first = await read()
            if first is None:
                raise SignalingError(self._not_confirmed())
        except BaseException:
            call.cancel()
            raise
        return Entry(call, read, first, proof.token(first) if proof else None)

    def _not_confirmed(self) -> str:
        return (
            f"signaling server {self._lines.target} did not confirm the subscription "
            f"within {self._timeout:g} s; is it one?"
        )
