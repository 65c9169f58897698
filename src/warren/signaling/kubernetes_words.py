"""What went wrong with a Kubernetes API server, in words that say what to do."""

import json
import os
import re
import socket
import ssl
from collections.abc import Mapping
from typing import Any, Final

import aiohttp

from warren.errors import SignalingError
from warren.signaling.kubernetes_mailbox import CRD_NAME

__all__ = ["ApiError", "refusal", "route_words"]

INSTALL: Final = "warren k8s manifests | kubectl apply -f -"
"""The command that brings what a cluster needs."""

_LONGEST: Final = 300
_RIGHT: Final = re.compile(r"cannot ([a-z]{1,20}) resource")

_STATUS: Final = {
    401: "does not know us (401): are the credentials of {target} still valid?",
    408: "did not serve us in time (408)",
    409: "says that somebody else wrote at the same time (409)",
    410: "no longer has what was asked for (410)",
    413: "says that this is too large (413)",
    422: f"does not take what we write (422): is the {CRD_NAME} of this version installed there? {INSTALL}",
    429: "is busy and asks to wait (429)",
    500: "failed (500): are it and its etcd well?",
    503: "is not ready (503): is it just starting?",
    504: "did not get it done in time (504): are it and its etcd well?",
}


class ApiError(SignalingError):
    """The API server answered, but not as was asked.

    Args:
        text: in words.
        status: that of HTTP.
        fields: of the object that was sent, which it does not take.
    """

    def __init__(self, text: str, status: int, fields: frozenset[str] = frozenset()) -> None:
        super().__init__(text)
        self.status = status
        self.fields = fields


def refusal(
    host: str, target: object, status: int, body: bytes, *, verb: str, path: str, namespace: str
) -> ApiError:
    """Say what an answer that is no success means.

    Args:
        host: the server's URL.
        target: whose credentials were used.
        status: of HTTP.
        body: what was sent with it; it may be anything.
        verb: what was asked for: a verb of RBAC.
        path: of what.
        namespace: in which.
    """
    told = _mapping(_parsed(body))
    message = str(told.get("message") or "")
    details = _mapping(told.get("details"))
    kind, causes = details.get("kind"), details.get("causes")
    causes = causes if isinstance(causes, list) else []
    fields = frozenset(str(_mapping(cause).get("field")) for cause in causes)
    words = _STATUS.get(status, f"answered with status {status}").format(target=target)
    if status == 403 and "exceeded quota" in message:
        words = "has no room for a mailbox (403, quota exceeded): run `warren k8s sweep`, or raise the quota"
    elif status == 403:
        # Who may patch but not create is refused by the second name.
        right = match[1] if (match := _RIGHT.search(message)) else verb
        words = (
            f"does not let us {right} {CRD_NAME} in namespace {namespace} (403): "
            f"{target} needs that right; its Role comes by {INSTALL}"
        )
    elif status == 404 and kind == "namespaces":
        words = f"has no namespace {namespace} (404): create it, or name another by ?namespace="
    elif status == 404:
        words = f"has no {CRD_NAME} (404): install it by {INSTALL}"
    said = f"; it said: {_harmless(message)}" if message else ""
    return ApiError(f"API server {host} {words}{said}", status, fields)


def route_words(host: str, error: Exception) -> str:
    """Say why there is no talking to the server."""
    where = f"no route to API server {host}: "
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        inner = error.__cause__ or error
        return f"{where}{_tls_words(inner)}"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"{where}its name is not known; check the server in the kubeconfig"
    if isinstance(error, aiohttp.ClientConnectorError):
        inner = error.os_error
        if isinstance(inner, socket.gaierror):
            return f"{where}its name is not known; check the server in the kubeconfig"
        # The text of such an error is asyncio's, and names the address once more.
        reason = (os.strerror(inner.errno) if inner.errno else str(inner)).lower()
        return f"{where}{reason}; is it running there?"
    if isinstance(error, aiohttp.InvalidURL):
        return f"{where}that is no URL; check the server in the kubeconfig"
    if isinstance(error, ssl.SSLError):
        return f"{where}{_tls_words(error)}"
    return f"API server {host} closed the connection ({type(error).__name__})"


def _tls_words(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not trusted ({error.verify_message}); "
            "check certificate-authority in the kubeconfig"
        )
    return "it does not speak TLS as we do; check the server in the kubeconfig"


def _parsed(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _harmless(message: str) -> str:
    """Bound what comes from outside."""
    text = "".join(each if each.isprintable() else " " for each in message)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
