"""Credentials for TURN servers, by the secret that we share with them (coturn's `use-auth-secret`).

Nothing is kept: a credential is a time and a name, and a MAC of both that the TURN server makes again.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from warren.errors import ConfigurationError
from warren.keys import PublicKey, read_secret_file
from warren.messages import RelayInfo

__all__ = ["PERIOD", "TurnRelays", "read_relay_secret"]

PERIOD: Final = 1800
"""Seconds. A credential is given for what is left of this period and for the next one: an hour at most."""

_URL: Final = re.compile(r"turns?:(\[[0-9A-Fa-f:.]+\]|[^\s:\[\]/@?#]+)(:[0-9]{1,5})?(\?transport=(udp|tcp))?")


@dataclass(frozen=True, slots=True)
class TurnRelays:
    """The TURN servers of an operator.

    A key gets the same credential however often it asks within a period, and so has two that are valid at
    most: what one user may allocate at the TURN server (coturn's `user-quota`) is its quota.

    Args:
        urls: `turn:host[:port][?transport=udp|tcp]`, or `turns:…`.
        secret: what the TURN servers know too.

    Raises:
        ConfigurationError: a URL is something else.
    """

    urls: Sequence[str]
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        for url in self.urls:
            if not _URL.fullmatch(url):
                raise ConfigurationError(
                    f"{url.rpartition('@')[2]!r} is no TURN server to give out: write turn:HOST:PORT, "
                    "turn:HOST:PORT?transport=tcp or turns:HOST:PORT, without user and password"
                )

    def credentials(self, key: PublicKey, now: float) -> tuple[RelayInfo, ...]:
        """Make the credentials of a key, one for each server; `now` in seconds since 1970."""
        expires = (int(now) // PERIOD + 2) * PERIOD
        username = f"{expires}:{self._name(key)}"
        mac = hmac.digest(self.secret, username.encode(), "sha1")
        password = base64.b64encode(mac).decode()
        return tuple(RelayInfo(url, username, password, expires) for url in self.urls)

    def _name(self, key: PublicKey) -> str:
        # The user name of TURN can be seen on the way: whose it is, only the operator can tell.
        digest = hashlib.blake2b(key.raw, digest_size=12, key=self.secret[:64], person=b"warren-turn-user")
        return base64.urlsafe_b64encode(digest.digest()).decode()


def read_relay_secret(path: Path) -> bytes:
    """Read the secret that is shared with the TURN servers: one line of text.

    Raises:
        ConfigurationError: the file cannot be read, can be read by others, or holds no such line.
    """
    secret = read_secret_file(path, "relay secret", "put the static-auth-secret of coturn into it").strip()
    if len(secret) < 16 or b"\n" in secret:
        raise ConfigurationError(
            f"relay secret file {path} holds no secret: expected one line of 16 letters or more, "
            "the static-auth-secret of the TURN servers"
        )
    return secret
