"""What went wrong with a NATS server, in words that say what to do."""

import ssl
from typing import Final

from warren.errors import WarrenError
from warren.signaling.nats_target import NatsServer, NatsTarget
from warren.signaling.system_words import SILENT, SYSTEM, harmless, system_text

__all__ = ["dial_words", "lost_words"]

_STRANGE: Final = "something is there that does not speak NATS; check the port"
_CLOSED: Final = "it closed the connection; its log may say why"
_WAYS_IN: Final = "user:password@ before the host, ?token=, ?creds=FILE or ?nkey=FILE"

# Text of the system, OpenSSL, a server or the client library, and what it means; the first that fits.
_WORDS: Final = (
    ("connection refused", 'connection refused; is "nats-server" running there?'),
    *SYSTEM,
    ("mismatch", "its certificate is for another name; use the name that it is for"),
    ("certificate_verify_failed", "its certificate is not trusted; one of your own authority is by ?ca=FILE"),
    ("connection lost", _CLOSED),
    ("connection reset", _CLOSED),
    ("broken pipe", _CLOSED),
    ("unexpected eof", _CLOSED),
    ("maximum connections", "it has as many connections as it may have"),
    ("expecting info", _STRANGE),
    ("json parse error", _STRANGE),
)
_OUR_CERTIFICATE: Final = ("bad certificate", "bad_certificate", "unknown_ca")
_REFUSED: Final = ("authorization violation", "authentication timeout", "authentication expired")


def dial_words(server: NatsServer, target: NatsTarget, error: Exception) -> str:
    """Say why a server could not be reached or did not let us in."""
    return f"no route to NATS server {server}: {_dial_reason(target, error)}"


def lost_words(server: NatsServer, error: Exception, said: str) -> str:
    """Say why a connection is lost; `said` is what the server said last, if anything."""
    text = f"it said {said}" if said else _system_text(error)
    return f"lost NATS server {server}: {_known(text) or harmless(text)}"


def _dial_reason(target: NatsTarget, error: Exception) -> str:
    if isinstance(error, WarrenError):
        return str(error)
    if isinstance(error, TimeoutError):
        return SILENT
    text = _system_text(error)
    low = text.lower()
    if any(sign in low for sign in _REFUSED):
        return f"it refused {target.shown}" if target.shown else f"it wants to know who we are: {_WAYS_IN}"
    if any(sign in low for sign in _OUR_CERTIFICATE):
        return (
            "it refused our certificate"
            if target.cert
            else "it wants a certificate of ours: ?cert= and ?key="
        )
    return _known(low) or (harmless(text) if isinstance(error, OSError) else f"{_STRANGE} ({harmless(text)})")


def _known(text: str) -> str | None:
    low = text.lower()
    return next((words for sign, words in _WORDS if sign in low), None)


def _system_text(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"{error.verify_message} {error.reason}"
    if isinstance(error, OSError):
        return system_text(error) or "it closed the connection"
    return str(error)
