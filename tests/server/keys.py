"""Keys and envelopes for the tests of the server, which looks only at addresses."""

import hashlib

from warren import wire
from warren.keys import PublicKey

__all__ = ["SENDER", "envelope", "key"]


def key(number: int) -> PublicKey:
    """Make one of many different canonical keys, always the same for a number."""
    raw = bytearray(hashlib.sha256(number.to_bytes(8, "big")).digest())
    raw[31] &= 0x3F
    return PublicKey(bytes(raw))


SENDER = key(2**63)


def envelope(recipient: PublicKey, body: bytes = b"sealed", *, sender: PublicKey = SENDER) -> bytes:
    """Serialize an envelope as nobody could open it."""
    return wire.encode_envelope(sender.raw, recipient.raw, body, bytes(24))
