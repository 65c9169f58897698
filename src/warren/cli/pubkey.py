"""`warren pubkey`: the public key of a private key."""

import sys
from typing import Final

from warren.errors import ConfigurationError
from warren.keys import PrivateKey

__all__ = ["EXAMPLES", "pubkey"]

EXAMPLES: Final = ("warren pubkey < ~/.config/warren/key",)


def pubkey() -> None:
    """Read a private key from standard input and print its public key, the one to give to peers."""
    try:
        key = PrivateKey.parse(sys.stdin.readline().strip())
    except ValueError as error:
        raise ConfigurationError(f"standard input: {error}; `warren genkey` makes one") from None
    print(key.public)
