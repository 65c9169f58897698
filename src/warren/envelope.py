"""Envelopes: sealed bytes from key to key (the NaCl box: X25519, XSalsa20, Poly1305)."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

import nacl.bindings
from nacl.exceptions import CryptoError

from warren import wire
from warren.keys import PrivateKey, PublicKey
from warren.messages import Message
from warren.sansio import RandomBytes

__all__ = ["MAX_ENVELOPE", "Envelope", "EnvelopeError", "Sealer"]

MAX_ENVELOPE: Final = 16 * 1024
"""Bytes of a serialized envelope at the most."""

NONCE_SIZE: Final = 24
SHARED_KEYS: Final = 4096


class EnvelopeError(ValueError):
    """This envelope says nothing to us; `reason` is one word for the counters."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"unusable envelope: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Envelope:
    """A sealed message; who sent it is claimed, and proven only by opening it."""

    sender: PublicKey
    recipient: PublicKey
    body: bytes = field(repr=False)
    nonce: bytes = field(repr=False)

    @classmethod
    def parse(cls, data: bytes) -> "Envelope":
        """Read an envelope.

        Raises:
            EnvelopeError: `oversized`, `malformed`, `key` (not canonical) or `nonce` (not 24 bytes).
        """
        if len(data) > MAX_ENVELOPE:
            raise EnvelopeError("oversized")
        try:
            sender, recipient, body, nonce = wire.decode_envelope(data)
        except wire.WireError:
            raise EnvelopeError("malformed") from None
        if len(nonce) != NONCE_SIZE:
            raise EnvelopeError("nonce")
        try:
            return cls(PublicKey(sender), PublicKey(recipient), body, nonce)
        except ValueError:
            raise EnvelopeError("key") from None

    def serialize(self) -> bytes:
        """Write it as it goes over the wire."""
        return wire.encode_envelope(self.sender.raw, self.recipient.raw, self.body, self.nonce)


class Sealer:
    """Seals and opens in the name of one private key; keeps shared keys (one costs ten times a seal)."""

    def __init__(self, private: PrivateKey, *, random_bytes: RandomBytes) -> None:
        self._private = private
        self._random_bytes = random_bytes
        self._shared: OrderedDict[PublicKey, bytes] = OrderedDict()

    def knows(self, peer: PublicKey) -> bool:
        """True where no Diffie-Hellman would be needed for this peer."""
        return peer in self._shared

    def seal(self, recipient: PublicKey, message: Message) -> Envelope:
        """Seal a message to a peer.

        Raises:
            EnvelopeError: `oversized`: the message does not fit into an envelope.
        """
        plaintext = wire.encode_message(message)
        if len(plaintext) > MAX_ENVELOPE - 256:
            raise EnvelopeError("oversized")
        nonce = self._random_bytes(NONCE_SIZE)
        body = nacl.bindings.crypto_box_afternm(plaintext, nonce, self._shared_key(recipient))
        return Envelope(self._private.public, recipient, body, nonce)

    def open(self, envelope: Envelope) -> Message:
        """Open an envelope; what it returns is authenticated and was meant for us.

        Raises:
            EnvelopeError: `not-for-us`, `reflected` (our own), `seal` (not by this sender for us), `message`
                (malformed inside) or `misdirected` (its description names other ends).
        """
        ours = self._private.public
        if envelope.recipient != ours:
            raise EnvelopeError("not-for-us")
        # The box opens on both sides alike: our own words must not come back as the peer's.
        if envelope.sender == ours:
            raise EnvelopeError("reflected")
        try:
            plaintext = nacl.bindings.crypto_box_open_afternm(
                envelope.body, envelope.nonce, self._shared_key(envelope.sender)
            )
        except (CryptoError, ValueError):
            raise EnvelopeError("seal") from None
        try:
            message = wire.decode_message(plaintext)
        except wire.WireError:
            raise EnvelopeError("message") from None
        session = message.session
        if session is not None and (session.sender != envelope.sender or session.recipient != ours):
            raise EnvelopeError("misdirected")
        return message

    def _shared_key(self, peer: PublicKey) -> bytes:
        shared = self._shared.get(peer)
        if shared is None:
            shared = nacl.bindings.crypto_box_beforenm(peer.raw, self._private.raw)
            self._shared[peer] = shared
            if len(self._shared) > SHARED_KEYS:
                self._shared.popitem(last=False)
        else:
            self._shared.move_to_end(peer)
        return shared
