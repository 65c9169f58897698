"""What went wrong with a gRPC server, in words that say what to do."""

from typing import Final

import grpc

from warren.signaling.grpc_target import GrpcTarget
from warren.signaling.system_words import SILENT, SYSTEM, harmless, system_text

__all__ = ["route_words", "status_words"]

_PIN: Final = "trust it, whatever its name, by ?pin=sha256:…"
_PIN_OR_CA: Final = "a self-signed one is trusted by ?pin=sha256:…, one of your own authority by ?ca=FILE"
_NO_GRPC: Final = "something is there that takes connections but does not speak gRPC; check the port"

# Text that gRPC, the system or OpenSSL use, and what it means to a user; the first that fits.
_ROUTE: Final = (
    ("connection refused", 'connection refused; is "warren signal" running there?'),
    ("errors resolving", "its name is not known; check the host in the URL"),
    *SYSTEM,
    ("certificate_verify_failed", f"its certificate is not trusted; {_PIN_OR_CA}"),
    (
        "hostname verification check failed",
        f"its certificate is for another name; use the name that it is for, or {_PIN}",
    ),
    ("wrong_version_number", "it does not speak TLS; plaintext is asked for by ?insecure=true"),
    ("wrong version number", "it does not speak TLS; plaintext is asked for by ?insecure=true"),
    ("before receiving settings", _NO_GRPC),
    ("failed parsing http/2", _NO_GRPC),
    ("timed out", SILENT),
    ("deadline exceeded", SILENT),
)
_CLOSED: Final = "it closed the connection"
_PLAINTEXT: Final = "; does it want TLS? then leave out ?insecure=true"
_TLS: Final = " while TLS was set up; does it speak TLS 1.2 or newer?"
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
        return f"lost signaling server {target}: {harmless(details)}"
    said = _STATUS.get(code, f"answered {code.name}")
    return f"signaling server {target} {said}: {harmless(details)}"


def route_words(target: GrpcTarget, trouble: str | OSError) -> str:
    """Say why a server could not be reached, from what gRPC or the system says."""
    text = (system_text(trouble) or "socket closed") if isinstance(trouble, OSError) else trouble
    low = text.lower()
    words = next((words for sign, words in _ROUTE if sign in low), None)
    if words is None and "socket closed" in low:
        words = _CLOSED + _PLAINTEXT if target.insecure else _CLOSED + _TLS
    return f"no route to signaling server {target}: {words or harmless(text)}"
