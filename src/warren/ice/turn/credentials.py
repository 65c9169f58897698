"""Long-term credentials (RFC 8489, 9.2): who we are at a server, proved as the server asks for it."""

import base64
import binascii
import hashlib
import unicodedata
from collections.abc import Sequence
from struct import pack, unpack_from
from typing import Final

from warren.ice.stun import Attribute, Key, Sha256Key, Stun

__all__ = ["ChallengeRefused", "LongTerm", "key_of", "userhash"]

MD5: Final = 1
SHA256: Final = 2  # RFC 8489, 18.5.
_DIGESTS: Final = {MD5: "md5", SHA256: "sha256"}

_NONCE_COOKIE: Final = b"obMatJos2"
# RFC 8489, 9.2 and 18.1, with erratum 6290: bits of 24, counted from the least.
_PASSWORD_ALGORITHMS: Final = 1
_USERNAME_ANONYMITY: Final = 2
_MAX_TEXT: Final = 763  # RFC 8489, 14.9 and 14.10: bytes of REALM and NONCE.


class ChallengeRefused(Exception):
    """What the server asks for cannot be given; the text says why, without secrets."""


class LongTerm:
    """A user name and password, and the realm and nonce that the server has named last. Never prints.

    Before the server has named any, requests go out without a proof, which makes it do so (RFC 8489, 9.2.3).
    """

    __slots__ = ("_algorithm", "_features", "_offered", "_password", "_username", "key", "nonce", "realm")

    def __init__(self, username: str, password: str) -> None:
        self._username = _opaque(username)
        self._password = _opaque(password)
        self._offered: bytes | None = None
        self._algorithm = MD5
        self._features = 0
        self.realm: bytes | None = None
        """For whom the server knows users, as it has said last."""
        self.nonce: bytes | None = None
        self.key: Key | Sha256Key | None = None
        """What requests and responses are proved with; None before the server has asked for it."""

    def attributes(self) -> list[tuple[int, bytes]]:
        """What a request carries beside its proof."""
        if self.realm is None or self.nonce is None:
            return []
        if self._features & _USERNAME_ANONYMITY:
            found = [(int(Attribute.USERHASH), userhash(self._username, self.realm))]
        else:
            found = [(int(Attribute.USERNAME), self._username)]
        found += [(int(Attribute.REALM), self.realm), (int(Attribute.NONCE), self.nonce)]
        if self._offered is not None:
            found.append((int(Attribute.PASSWORD_ALGORITHMS), self._offered))
            found.append((int(Attribute.PASSWORD_ALGORITHM), pack(">HH", self._algorithm, 0)))
        return found

    def take_challenge(self, response: Stun, *, key: Key | Sha256Key | None) -> None:
        """Take a 401: what the request lacked; `key` is what the request was proved with.

        Raises:
            ChallengeRefused: the same would be refused again, or the server asks for what we cannot give.
        """
        realm, nonce = response.value(Attribute.REALM), response.value(Attribute.NONCE)
        if not realm or not nonce or max(len(realm), len(nonce)) > _MAX_TEXT:
            raise ChallengeRefused("asks for a proof without a realm and a nonce")
        if not self._username:
            raise ChallengeRefused("asks for a user name and a password, and none is given")
        if key is not None and key is self.key and realm == self.realm:
            raise ChallengeRefused("does not accept the user name or the password")
        features = _features(nonce)
        offered = response.value(Attribute.PASSWORD_ALGORITHMS)
        # RFC 8489, 9.2.5: somebody on the way may have taken the better algorithms out.
        if bool(features & _PASSWORD_ALGORITHMS) != (offered is not None):
            raise ChallengeRefused("has its offer of password algorithms altered on the way")
        algorithm = MD5 if offered is None else _first_known(offered)
        self.realm, self.nonce = realm, nonce
        self._features, self._offered, self._algorithm = features, offered, algorithm
        secret = key_of(self._username, realm, self._password, algorithm)
        self.key = Key(secret) if offered is None else Sha256Key(secret)

    def take_nonce(self, response: Stun, *, used: bytes | None) -> None:
        """Take a 438: the nonce that the request `used` was too old.

        Raises:
            ChallengeRefused: there is no new one.
        """
        nonce = response.value(Attribute.NONCE)
        if not nonce or len(nonce) > _MAX_TEXT or nonce == used:
            raise ChallengeRefused("calls the nonce stale and gives no other")
        self.nonce = nonce


def userhash(username: bytes, realm: bytes) -> bytes:
    """What stands for a user name where the server knows users by it (RFC 8489, 14.4)."""
    return hashlib.sha256(username + b":" + realm).digest()


def key_of(username: bytes, realm: bytes, password: bytes, algorithm: int = MD5) -> bytes:
    """The key that long-term credentials give (RFC 8489, 18.5.1)."""
    return hashlib.new(_DIGESTS[algorithm], b":".join((username, realm, password))).digest()


def _opaque(text: str) -> bytes:
    # RFC 8265, 4.2.2, as far as it changes anything: other spaces become spaces, then NFC.
    spaced = "".join(" " if unicodedata.category(char) == "Zs" else char for char in text)
    return unicodedata.normalize("NFC", spaced).encode()


def _features(nonce: bytes) -> int:
    if not nonce.startswith(_NONCE_COOKIE) or len(nonce) < len(_NONCE_COOKIE) + 4:
        return 0
    try:
        return int.from_bytes(base64.b64decode(nonce[len(_NONCE_COOKIE) :][:4], validate=True), "big")
    except binascii.Error:
        return 0


def _first_known(offered: bytes) -> int:
    for algorithm in _listed(offered):
        if algorithm in _DIGESTS:
            return algorithm
    raise ChallengeRefused("offers no password algorithm that is known here")


def _listed(offered: bytes) -> Sequence[int]:
    """The numbers in PASSWORD-ALGORITHMS (RFC 8489, 14.11); what is malformed ends the list."""
    found, at = [], 0
    while at + 4 <= len(offered):
        number, length = unpack_from(">HH", offered, at)
        found.append(number)
        at += 4 + length + (-length & 3)
    return found
