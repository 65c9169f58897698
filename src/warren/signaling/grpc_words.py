"""What went wrong with a gRPC server, in words that say what to do."""

import os
import re
import socket
import ssl
from typing import Final

import grpc

from warren.signaling.grpc_target import GrpcTarget

__all__ = ["route_words", "status_words"]

_PIN: Final = "trust it, whatever its name, by ?pin=sha256:…"
_PIN_OR_CA: Final = "a self-signed one is trusted by ?pin=sha256:…, one of your own authority by ?ca=FILE"
_NO_GRPC: Final = "something is there that takes connections but does not speak gRPC; check the port"

# Text that gRPC, the system or OpenSSL use, and what it means to a user; the first that fits.
_ROUTE: Final = (
    ("connection refused", 'connection refused; is "warren signal" running there?'),
    ("errors resolving", "its name is not known; check the host in the URL"),
    ("name or service not known", "its name is not known; check the host in the URL"),
    ("nodename nor servname", "its name is not known; check the host in the URL"),
    ("no address associated", "its name is not known; check the host in the URL"),
    ("temporary failure in name resolution", "names cannot be resolved; is this machine online?"),
    ("network is unreachable", "the network is unreachable; is this machine online?"),
    ("no route to host", "nobody has that address; check the host in the URL"),
    ("certificate has expired", "its certificate has expired"),
    ("certificate_verify_failed", f"its certificate is not trusted; {_PIN_OR_CA}"),
    (
        "hostname verification check failed",
        f"its certificate is for another name; use the name that it is for, or {_PIN}",
    ),
    ("wrong_version_number", "it does not speak TLS; plaintext is asked for by ?insecure=true"),
    ("wrong version number", "it does not speak TLS; plaintext is asked for by ?insecure=true"),
    ("before receiving settings", _NO_GRPC),
    ("failed parsing http/2", _NO_GRPC),
    ("timed out", "it does not answer; check the address and the firewalls between"),
    ("deadline exceeded", "it does not answer; check the address and the firewalls between"),
)
_CLOSED: Final = "it closed the connection"
_PLAINTEXT: Final = "; does it want TLS? then leave out ?insecure=true"
_TLS: Final = " while TLS was set up; does it speak TLS 1.2 or newer?"
_ERRNO: Final = re.compile(r"\[Errno (\d+)\]")
_NOT_CONNECTED: Final = ("failed to connect", "errors resolving", "resolution failed")

_STATUS: Final = {
    grpc.StatusCode.CANCELLED: "cancelled the call",
    grpc.StatusCode.DEADLINE_EXCEEDED: "did not answer in time",
    grpc.StatusCode.UNIMPLEMENTED: "speaks gRPC, but is no signaling server",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "is at its limit",
    grpc.StatusCode.UNAUTHENTICATED: "refused us",
    grpc.StatusCode.PERMISSION_DENIED: "refused us",
    grpc.StatusCode.INVALID_ARGUMENT: "did not understand us",
}


def status_words(target: GrpcTarget, code: grpc.StatusCode, details: str) -> str:
    """Say why a call failed, from its status; the details come from outside and may be anything."""
    if code is grpc.StatusCode.UNAVAILABLE:
        if any(sign in details for sign in _NOT_CONNECTED):
            return route_words(target, details)
        return f"lost signaling server {target}: {_harmless(details)}"
    said = _STATUS.get(code, f"answered {code.name}")
    return f"signaling server {target} {said}: {_harmless(details)}"


def route_words(target: GrpcTarget, trouble: str | OSError) -> str:
    """Say why a server could not be reached, from what gRPC or the system says."""
    text = _system_words(trouble) if isinstance(trouble, OSError) else trouble
    low = text.lower()
    words = next((words for sign, words in _ROUTE if sign in low), None)
    if words is None and "socket closed" in low:
        words = _CLOSED + _PLAINTEXT if target.insecure else _CLOSED + _TLS
    return f"no route to signaling server {target}: {words or _harmless(text)}"


def _system_words(error: OSError) -> str:
    if isinstance(error, ssl.SSLError | socket.gaierror):
        return str(error)
    # asyncio puts several attempts into one text and its own words before the system's.
    numbers = [error.errno] if error.errno else [int(found) for found in _ERRNO.findall(str(error))]
    if numbers:
        return os.strerror(numbers[0])
    return str(error) or "socket closed"


def _harmless(text: str) -> str:
    """Make text from outside fit for a terminal: one line, no control characters, not long."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text[:200])
    return shown.strip() or "no reason given"
