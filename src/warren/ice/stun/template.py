"""Template: a message that is sent again and again, with another id each time.

The checks that keep consent say the same for hours, and so do their answers: to read the next one is to
compare bytes, to write it is to fill in id, proof and checksum.
"""

from functools import lru_cache
from hmac import compare_digest
from typing import Final

from warren.ice.stun.format import FINGERPRINT_SIZE, HEAD, HEADER_SIZE, fingerprint_of
from warren.ice.stun.integrity import Key
from warren.ice.stun.message import Stun
from warren.ice.stun.shape import covered_head

__all__ = ["Template"]

_PROOF_HEAD: Final = HEAD.pack(Key.attribute, Key.size)
_END: Final = HEAD.size + Key.size + FINGERPRINT_SIZE
"""So many bytes are MESSAGE-INTEGRITY and FINGERPRINT."""


class Template:
    """All of a message but its transaction id, and MESSAGE-INTEGRITY and FINGERPRINT, which end it."""

    __slots__ = ("_body", "_covered", "_size", "_start")

    def __init__(self, message: Stun) -> None:
        """Take what comes again from a message for which `fits` is true."""
        raw = message.raw
        self._size = len(raw)
        self._start = _shared(raw[:8])
        self._covered = _shared(covered_head(raw, len(raw) - _END, Key.size) + raw[4:8])
        self._body = raw[HEADER_SIZE:-_END]

    @staticmethod
    def fits(message: Stun) -> bool:
        """Whether a message ends with these two, as RFC 8445, 7.1 wants it of every check."""
        return message.has_fingerprint and HEADER_SIZE + len(message.content) + _END == len(message.raw)

    def matches(self, data: bytes) -> bool:
        """Whether these bytes say the same; who says it is for `proves` to see."""
        return (
            data.startswith(self._body, HEADER_SIZE)
            and data.startswith(self._start)
            and len(data) == self._size
        )

    def proves(self, data: bytes, key: Key) -> bool:
        """Whether bytes that match were made with this key, and have come whole."""
        proof = _PROOF_HEAD + key.mac(self._covered + data[8:-_END])
        return compare_digest(proof + fingerprint_of(data[:-FINGERPRINT_SIZE]), data[-_END:])

    def write(self, transaction_id: bytes, key: Key) -> bytes:
        """The message with this id, proved with this key."""
        rest = transaction_id + self._body
        message = self._start + rest + _PROOF_HEAD + key.mac(self._covered + rest)
        return message + fingerprint_of(message)


@lru_cache(maxsize=256)  # Thousands of peers begin their messages alike: that is kept once.
def _shared(start: bytes) -> bytes:
    return start
