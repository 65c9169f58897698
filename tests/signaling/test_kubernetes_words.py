import json
import socket
import ssl

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from warren.signaling.kubernetes_words import ApiError, refusal, route_words

HOST = "https://kube:6443"
KEY = ConnectionKey("kube", 6443, True, True, None, None, None)


def said(status: int, message: str = "", verb: str = "patch", **details: object) -> ApiError:
    body = json.dumps({"message": message, "details": details}).encode()
    return refusal(HOST, "kubeconfig k", status, body, verb=verb, path="/", namespace="ns")


def test_missing_right_is_named_with_the_command_that_gives_it() -> None:
    assert str(said(403, verb="watch")) == (
        "API server https://kube:6443 does not let us watch mailboxes.signaling.warren.dev in namespace ns "
        "(403): kubeconfig k needs that right; its Role comes by "
        "warren k8s manifests | kubectl apply -f -"
    )


def test_right_that_the_server_names_is_the_missing_one() -> None:
    assert "let us create " in str(said(403, 'User "u" cannot create resource "mailboxes"'))


def test_full_quota_says_how_to_get_room() -> None:
    assert "warren k8s sweep" in str(said(403, "exceeded quota: warren-mailboxes"))


def test_missing_namespace_is_told_from_a_missing_definition() -> None:
    assert "has no namespace ns" in str(said(404, kind="namespaces"))
    assert "install it by warren k8s manifests" in str(said(404))


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "are the credentials of kubeconfig k still valid?"),
        (413, "too large"),
        (422, "is the mailboxes.signaling.warren.dev of this version installed there?"),
        (429, "is busy and asks to wait"),
        (500, "are it and its etcd well?"),
        (503, "is it just starting?"),
        (302, "answered with status 302"),
    ],
)
def test_status_is_told_with_what_to_do(status: int, words: str) -> None:
    error = said(status)
    assert words in str(error)
    assert error.status == status


def test_fields_that_are_not_taken_can_be_asked_for() -> None:
    assert said(422, causes=[{"field": "spec.entries"}, 3]).fields == {"spec.entries", "None"}
    assert said(422, causes=3).fields == frozenset()


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"[]", b"3", b"[" * 100_000, b'{"details": 3, "message": null}']
)
def test_refusal_may_have_any_body(body: bytes) -> None:
    error = refusal(HOST, "k", 500, body, verb="list", path="/", namespace="ns")
    assert str(error) == "API server https://kube:6443 failed (500): are it and its etcd well?"


def test_what_the_server_says_is_bounded_and_printable() -> None:
    text = str(said(500, "\x1b[31m" + "x" * 1000))
    assert text.isprintable()
    assert len(text) < 500


def route(error: Exception) -> str:
    return route_words(HOST, error)


def test_unknown_name_is_told() -> None:
    error = aiohttp.ClientConnectorDNSError(KEY, OSError(socket.EAI_NONAME, "Name or service not known"))
    assert "its name is not known" in route(error)
    other = aiohttp.ClientConnectorError(KEY, socket.gaierror(socket.EAI_NONAME, "no name"))
    assert "its name is not known" in route(other)


def test_broken_tls_is_told() -> None:
    assert "does not speak TLS as we do" in route(ssl.SSLError(1, "wrong version number"))


def test_other_trouble_is_named() -> None:
    assert route(aiohttp.ServerDisconnectedError()) == (
        "API server https://kube:6443 closed the connection (ServerDisconnectedError)"
    )
