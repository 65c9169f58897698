"""Tokens: what a server gives for a proof, kept while the subscription lives that was proven."""

from dataclasses import dataclass, field
from typing import Final

from warren import wire
from warren.keys import PublicKey
from warren.messages import SubscribeProof

__all__ = ["Proof", "Token", "Tokens"]

RENEW_AT: Final = 0.9
"""The part of its life after which a token is renewed."""
SHORTEST: Final = 1.0
LONGEST: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Token:
    """What a server gave; `renew_after` so many seconds."""

    data: bytes = field(repr=False)
    renew_after: float

    @property
    def try_again_after(self) -> float:
        """How long to wait where renewing failed: there is time for two more attempts."""
        return max(SHORTEST, self.renew_after / 20)


@dataclass(frozen=True, slots=True)
class Proof:
    """Our answer to a challenge that a server gave at `told_at`, milliseconds by its clock."""

    answer: SubscribeProof
    told_at: int

    def token(self, first: bytes) -> Token | None:
        """Read the first envelope of the subscription; None where the server did not believe us."""
        try:
            ack = wire.decode_ack(first)
        except wire.WireError:
            return None
        if ack is None or not ack.authenticated or not ack.token:
            return None
        # Both times are the server's: our own clock may be any.
        lifetime = (ack.token_expires_ms - self.told_at) / 1000
        return Token(ack.token, max(SHORTEST, min(LONGEST, RENEW_AT * lifetime)))


class Tokens:
    """The tokens of live subscriptions, by key and session."""

    def __init__(self) -> None:
        self._tokens: dict[PublicKey, dict[bytes, bytes]] = {}

    def put(self, key: PublicKey, session: bytes, token: Token) -> None:
        """Keep a token, in place of the one that the session had."""
        self._tokens.setdefault(key, {})[session] = token.data

    def forget(self, key: PublicKey, session: bytes) -> None:
        """Forget the token of a session that has ended."""
        of_key = self._tokens[key]
        del of_key[session]
        if not of_key:
            del self._tokens[key]

    def of(self, key: PublicKey) -> bytes | None:
        """Find a token that shows that we hold the key."""
        return next(reversed(self._tokens.get(key, {}).values()), None)
