"""Keys and JWTs as NATS operators make them, for tests."""

import base64
import json
import os
from pathlib import Path
from typing import Any, Final

import nkeys

__all__ = ["Operator", "public", "seed"]

_KINDS: Final = {
    "user": nkeys.PREFIX_BYTE_USER,
    "account": nkeys.PREFIX_BYTE_ACCOUNT,
    "operator": nkeys.PREFIX_BYTE_OPERATOR,
}


def seed(kind: str) -> str:
    """Make an nkey seed of a kind of owner."""
    return str(nkeys.encode_seed(os.urandom(32), _KINDS[kind]).decode())


def public(of: str) -> str:
    """Name the public key of a seed."""
    return str(nkeys.from_seed(bytearray(of.encode())).public_key.decode())


class Operator:
    """An operator with one account; `config` is what a server needs to believe their JWTs."""

    def __init__(self) -> None:
        self._seed, self._account = seed("operator"), seed("account")

    @property
    def config(self) -> str:
        """A part of a server's configuration."""
        operator = _jwt(self._seed, public(self._seed), {"type": "operator"})
        limits = {"subs": -1, "data": -1, "payload": -1, "conn": -1, "imports": -1, "exports": -1, "leaf": -1}
        account = _jwt(self._seed, public(self._account), {"type": "account", "limits": limits})
        preload = f"resolver_preload: {{ {public(self._account)}: {account} }}"
        return f"operator: {operator}\nresolver: MEMORY\n{preload}\n"

    def write_creds(self, path: Path) -> None:
        """Write the credentials file of a new user of the account."""
        mine = seed("user")
        limits = {"subs": -1, "data": -1, "payload": -1}
        jwt = _jwt(self._account, public(mine), {"type": "user", **limits})
        path.write_text(
            f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
            f"-----BEGIN USER NKEY SEED-----\n{mine}\n------END USER NKEY SEED------\n"
        )


def _jwt(issuer: str, subject: str, claims: dict[str, Any]) -> str:
    body = {
        "jti": os.urandom(16).hex(),
        "iat": 1_700_000_000,
        "iss": public(issuer),
        "sub": subject,
        "name": "test",
        "nats": {**claims, "version": 2},
    }
    text = ".".join(
        map(_base64, (json.dumps({"typ": "JWT", "alg": "ed25519-nkey"}).encode(), json.dumps(body).encode()))
    )
    signature = nkeys.from_seed(bytearray(issuer.encode())).sign(text.encode())
    return f"{text}.{_base64(signature)}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
