"""What the system says of a connection that failed, and what it means to a user."""

import os
import re
import socket
import ssl
from typing import Final

__all__ = ["SILENT", "SYSTEM", "harmless", "system_text"]

_NO_NAME: Final = "its name is not known; check the host in the URL"

# Text of the system and of OpenSSL, and what it means; the first that fits.
SYSTEM: Final = (
    ("name or service not known", _NO_NAME),
    ("nodename nor servname", _NO_NAME),
    ("no address associated", _NO_NAME),
    ("temporary failure in name resolution", "names cannot be resolved; is this machine online?"),
    ("network is unreachable", "the network is unreachable; is this machine online?"),
    ("no route to host", "nobody has that address; check the host in the URL"),
    ("certificate has expired", "its certificate has expired"),
)
SILENT: Final = "it does not answer; check the address and the firewalls between"

_ERRNO: Final = re.compile(r"\[Errno (\d+)\]")


def system_text(error: OSError) -> str:
    """Give the system's own words for an error; empty where it has none."""
    if isinstance(error, ssl.SSLError | socket.gaierror):
        return str(error)
    # asyncio puts several attempts into one text and its own words before the system's.
    numbers = [error.errno] if error.errno else [int(found) for found in _ERRNO.findall(str(error))]
    return os.strerror(numbers[0]) if numbers else str(error)


def harmless(text: str) -> str:
    """Make text from outside fit for a terminal: one line, no control characters, not long."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text[:200])
    return shown.strip() or "no reason given"
