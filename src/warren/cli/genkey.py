"""`warren genkey`: make a private key."""

import os
import stat
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from warren.errors import ConfigurationError
from warren.keys import PrivateKey

__all__ = ["EXAMPLES", "genkey", "write_key_file"]

EXAMPLES: Final = (
    "warren genkey --out ~/.config/warren/key",
    "warren genkey | tee /dev/stderr | warren pubkey",
)


def genkey(
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write it to a new file that only we can read."),
    ] = None,
) -> None:
    """Make a private key and print it, in base64 as WireGuard writes it.

    With --out the key goes to a file, and what is printed is its public key, for the peers.
    """
    key = PrivateKey.generate()
    if out is None:
        _warn_if_others_can_read()
        print(key.encode())
        return
    write_key_file(out, key)
    print(key.public)


def write_key_file(path: Path, key: PrivateKey) -> None:
    """Write a key to a new file that only we can read.

    Raises:
        ConfigurationError: there is such a file already, or it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # O_EXCL: a key that is in use is never written over; the mode counts from the first byte on.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        what = "is there already and is not written over"
        if not os.path.lexists(path):
            what = f"cannot be written: {error.strerror}: {error.filename}"
        raise ConfigurationError(f"{path} {what}; choose another --out") from None
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{key.encode()}\n")


def _warn_if_others_can_read() -> None:
    try:
        status = os.fstat(sys.stdout.fileno())
    except (OSError, ValueError):  # Standard output may be no file at all.
        return
    if stat.S_ISREG(status.st_mode) and status.st_mode & 0o077:
        print("warren: others can read the file this key goes to: use --out, or `umask 077`", file=sys.stderr)
