"""Proof of possession: showing a server that we hold the private key of what we subscribe to.

X25519 keys cannot sign, so it is a Diffie-Hellman with a key of the server and then a MAC. Never a box: one
to a key that the server chose would let the server use us under the very key that seals envelopes.
"""

import hashlib
from typing import Final, Protocol

from warren.keys import PublicKey
from warren.messages import Challenge, SubscribeProof

__all__ = ["SESSION_SIZE", "Holder", "derive_key", "prove", "sign", "told_at"]

SESSION_SIZE: Final = 16
_TITLE: Final = b"cunicu-signaling/subscribe/v1\0"


class Holder(Protocol):
    """Who holds a private key and can agree on secrets with it; `carrier.Identity` is one."""

    @property
    def public(self) -> PublicKey:
        """The public key."""
        ...

    def agree(self, server_key: PublicKey, /) -> bytes:
        """X25519 with the private key."""
        ...


def prove(holder: Holder, challenge: Challenge, *, authority: str, session: bytes) -> SubscribeProof:
    """Answer a server's challenge.

    Args:
        authority: `host:port` that was dialled: a server that passes on another's challenge gets a proof
            that names the wrong one.
        session: 16 random bytes that name the subscription.
    """
    authority = authority.lower()
    key = derive_key(holder.agree(challenge.server_key), holder.public, challenge.server_key)
    mac = sign(
        key,
        client=holder.public,
        server=challenge.server_key,
        challenge=challenge.challenge,
        session=session,
        authority=authority,
    )
    return SubscribeProof(
        server_key=challenge.server_key.raw,
        challenge=challenge.challenge,
        session=session,
        authority=authority,
        mac=mac,
    )


def derive_key(agreed: bytes, client: PublicKey, server: PublicKey) -> bytes:
    """Make the key of a proof from what client and server agreed on."""
    return hashlib.blake2b(
        client.raw + server.raw, digest_size=32, key=agreed, person=b"cunicu-subauth-1"
    ).digest()


def sign(
    key: bytes, *, client: PublicKey, server: PublicKey, challenge: bytes, session: bytes, authority: str
) -> bytes:
    """Make the MAC of a proof over all that it says."""
    name = authority.encode()
    transcript = b"".join(
        (
            _TITLE,
            client.raw,
            server.raw,
            len(challenge).to_bytes(2, "big"),
            challenge,
            session,
            len(name).to_bytes(2, "big"),
            name,
        )
    )
    return hashlib.blake2b(transcript, digest_size=32, key=key, person=b"cunicu-subauth-m").digest()


def told_at(challenge: Challenge) -> int:
    """Read the time of a challenge: milliseconds since 1970 by the server's clock."""
    return int.from_bytes(challenge.challenge[:8], "big")
