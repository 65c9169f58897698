"""Who has proved to hold a key: challenges, proofs and tokens; bytes and times only.

Nothing is kept for a challenge: it is its own witness, by a MAC under the server's secret. Servers that share
the secret take one another's challenges.
"""

import hashlib
import hmac
import os
from collections import Counter
from collections.abc import Callable
from enum import Enum
from typing import Final

from warren.keys import PrivateKey, PublicKey
from warren.messages import Challenge, SubscribeAck, SubscribeProof
from warren.sansio import RandomBytes
from warren.signaling.carrier import Identity
from warren.signaling.proof import SESSION_SIZE, Holder, derive_key, sign

__all__ = ["SECRET_SIZE", "TOKEN_LIFETIME", "Authenticator", "Fault", "NotProven", "Policy", "key_pair"]

SECRET_SIZE: Final = 32
TOKEN_LIFETIME: Final = 3600.0
CHALLENGE_LIFETIME: Final = 30.0
CLOCK_SKEW: Final = 5.0
"""By how much the clocks of servers that share a secret may differ."""

_TIME_SIZE: Final = 8
_RANDOM_SIZE: Final = 24
_HASH_SIZE: Final = 32
_CHALLENGE_SIZE: Final = _TIME_SIZE + _RANDOM_SIZE + _HASH_SIZE
_MAX_AUTHORITY: Final = 261  # A host name of 255 letters, a colon, and a port.
_TOKEN_VERSION: Final = b"\x01"
_TOKEN_SIZE: Final = 1 + 32 + _TIME_SIZE + SESSION_SIZE + _HASH_SIZE


class Policy(Enum):
    """What a server makes of proofs."""

    OFF = "off"
    """Ask for none: all are taken alike."""
    PREFER = "prefer"
    """Whoever proves to hold the key is served first; nobody is put out."""
    REQUIRE = "require"
    """A key is subscribed to only with a proof."""


class Fault(Enum):
    """Why a proof or a token is not believed; the value says it in words."""

    MISSING = "this server wants a proof that you hold the key"
    MALFORMED = "a part of the proof has a wrong length"
    VERSION = "the proof is of a version that this server does not know"
    CHALLENGE = "the challenge is none of this server's for this key"
    STALE = "the challenge is too old"
    SERVER_KEY = "the proof is for the key of another server"
    AUTHORITY = "the proof is for another server's name; whoever runs this one adds the name by --name"
    MAC = "the proof does not fit the key"
    TOKEN = "there is no token of this server's"
    EXPIRED = "the token has expired"
    ENDED = "the subscription of the token has ended"
    OTHER_KEY = "the token is another key's"


class NotProven(Exception):
    """A proof or a token is not believed; `fault` says why."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.value)
        self.fault: Final = fault


class Authenticator:
    """Makes challenges, verifies proofs, gives and reads tokens. Times are seconds since 1970.

    Args:
        secret: 32 bytes, the same at all servers that stand for one another.
        server: the key pair that proofs are made with.
        is_own_name: whether `host:port` is a name of this server.
        random_bytes: what challenges are made of.
        token_lifetime: for how long a token is good at most; seconds.

    Attributes:
        counts: how many were "proven", and "unproven-…" by `Fault`.
    """

    def __init__(
        self,
        secret: bytes,
        server: Holder,
        *,
        is_own_name: Callable[[str], bool],
        random_bytes: RandomBytes = os.urandom,
        token_lifetime: float = TOKEN_LIFETIME,
    ) -> None:
        self.counts: Final[Counter[str]] = Counter()
        self._secret = secret
        self._server = server
        self._is_own_name = is_own_name
        self._random_bytes = random_bytes
        self._token_lifetime = token_lifetime
        self._live: Counter[bytes] = Counter()

    # Proofs

    def challenge(self, key: PublicKey, now: float) -> Challenge:
        """Make a challenge for who wants to prove that it holds the key."""
        body = _milliseconds(now).to_bytes(_TIME_SIZE, "big") + self._random_bytes(_RANDOM_SIZE)
        return Challenge(
            server_key=self._server.public,
            challenge=body + self._challenge_mac(key, body),
            ttl_ms=_milliseconds(CHALLENGE_LIFETIME),
        )

    def verify(self, key: PublicKey, proof: SubscribeProof | None, now: float) -> bytes:
        """Believe that the proof is of who holds the key, and return its session.

        The one costly step comes last.

        Raises:
            NotProven: it is not.
        """
        if proof is None:
            raise self._not_proven(Fault.MISSING)
        if (fault := self._fault(key, proof, now)) is not None:
            raise self._not_proven(fault)
        self.counts["proven"] += 1
        return proof.session

    def _fault(self, key: PublicKey, proof: SubscribeProof, now: float) -> Fault | None:
        if proof.version != 1:
            return Fault.VERSION
        if not _well_formed(proof):
            return Fault.MALFORMED
        body, mac = proof.challenge[:-_HASH_SIZE], proof.challenge[-_HASH_SIZE:]
        if not hmac.compare_digest(mac, self._challenge_mac(key, body)):
            return Fault.CHALLENGE
        age = _milliseconds(now) - int.from_bytes(body[:_TIME_SIZE], "big")
        if not -_milliseconds(CLOCK_SKEW) <= age <= _milliseconds(CHALLENGE_LIFETIME):
            return Fault.STALE
        if proof.server_key != self._server.public.raw:
            return Fault.SERVER_KEY
        if not self._is_own_name(proof.authority):
            return Fault.AUTHORITY
        return None if hmac.compare_digest(proof.mac, self._expected_mac(key, proof)) else Fault.MAC

    def _expected_mac(self, key: PublicKey, proof: SubscribeProof) -> bytes:
        server = self._server.public
        return sign(
            derive_key(self._server.agree(key), key, server),
            client=key,
            server=server,
            challenge=proof.challenge,
            session=proof.session,
            authority=proof.authority,
        )

    def _challenge_mac(self, key: PublicKey, body: bytes) -> bytes:
        return _mac(self._secret, b"cunicu-subauth-c", key.raw + body)

    # Tokens

    def begin(self, key: PublicKey, session: bytes, now: float) -> SubscribeAck:
        """Give the token of a proven subscription, which is good until `end`, for an hour at most.

        Another subscription of the same session renews it.
        """
        self._live[key.raw + session] += 1
        expires = _milliseconds(now + self._token_lifetime)
        body = _TOKEN_VERSION + key.raw + expires.to_bytes(_TIME_SIZE, "big") + session
        return SubscribeAck(authenticated=True, token=body + self._token_mac(body), token_expires_ms=expires)

    def end(self, key: PublicKey, session: bytes) -> None:
        """Say that a subscription which was begun has ended."""
        self._live[key.raw + session] -= 1
        if not self._live[key.raw + session]:
            del self._live[key.raw + session]

    def holder(self, token: bytes | None, now: float, *, claimed: PublicKey | None = None) -> PublicKey:
        """Read a token: who has proved to hold which key; `claimed` is which one it has to be.

        Raises:
            NotProven: nobody has, or not any more.
        """
        token = token or b""
        body, mac = token[:-_HASH_SIZE], token[-_HASH_SIZE:]
        if len(token) != _TOKEN_SIZE or not hmac.compare_digest(mac, self._token_mac(body)):
            raise self._not_proven(Fault.TOKEN)
        key, rest = body[1:33], body[33:]
        if _milliseconds(now) >= int.from_bytes(rest[:_TIME_SIZE], "big"):
            raise self._not_proven(Fault.EXPIRED)
        if key + rest[_TIME_SIZE:] not in self._live:
            raise self._not_proven(Fault.ENDED)
        if claimed is not None and claimed.raw != key:
            raise self._not_proven(Fault.OTHER_KEY)
        return PublicKey(key)

    def _token_mac(self, body: bytes) -> bytes:
        return _mac(self._secret, b"cunicu-subauth-t", body)

    def _not_proven(self, fault: Fault) -> NotProven:
        self.counts[f"unproven-{fault.name.lower().replace('_', '-')}"] += 1
        return NotProven(fault)


def key_pair(secret: bytes) -> Identity:
    """Derive the server's key pair from its secret, so that who shares the one shares the other."""
    return Identity(PrivateKey(_mac(secret, b"cunicu-subauth-s", b"")))


def _well_formed(proof: SubscribeProof) -> bool:
    return (
        len(proof.server_key) == 32
        and len(proof.challenge) == _CHALLENGE_SIZE
        and len(proof.session) == SESSION_SIZE
        and 0 < len(proof.authority) <= _MAX_AUTHORITY
        and len(proof.mac) == _HASH_SIZE
    )


def _mac(secret: bytes, person: bytes, data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_HASH_SIZE, key=secret, person=person).digest()


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
