import socket
import ssl

import pytest
from grpc import StatusCode

from warren.signaling.grpc_target import GrpcTarget
from warren.signaling.grpc_words import route_words, status_words

TARGET = GrpcTarget(host="host", port=443)
PLAIN = GrpcTarget(host="host", port=443, insecure=True)
TO = "failed to connect to all addresses; last error: UNKNOWN: ipv4:192.0.2.1:443: "


@pytest.mark.parametrize(
    ("details", "words"),
    [
        (
            TO + "Failed to connect to remote host: Connection refused",
            'refused; is "warren signal" running there',
        ),
        ("errors resolving host:443: [Domain name not found]", "its name is not known"),
        (TO + "Network is unreachable", "is this machine online?"),
        (TO + "No route to host", "nobody has that address"),
        (TO + "SSL_ERROR_SSL: CERTIFICATE_VERIFY_FAILED: certificate has expired", "certificate has expired"),
        (TO + "SSL_ERROR_SSL: CERTIFICATE_VERIFY_FAILED: self-signed", r"not trusted; .*\?pin=sha256:"),
        (
            TO + "UNAUTHENTICATED: Hostname Verification Check failed.",
            "for another name; use the name that it is for",
        ),
        (TO + "SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER", r"does not speak TLS; .*\?insecure=true"),
        (
            TO + "Failed parsing HTTP/2 (Expected SETTINGS frame as the first frame)",
            "does not speak gRPC; check",
        ),
        (TO + "connection attempt timed out before receiving SETTINGS frame", "does not speak gRPC"),
        (TO + "connection timed out", "does not answer"),
        (TO + "Socket closed", "while TLS was set up"),
        (TO + "something new", "last error: UNKNOWN: ipv4:192.0.2.1:443: something new"),
    ],
)
def test_server_that_cannot_be_reached_is_told_in_words(details: str, words: str) -> None:
    text = status_words(TARGET, StatusCode.UNAVAILABLE, details)
    assert text.startswith("no route to signaling server grpc://host:443: ")
    with pytest.raises(ValueError, match=words):
        raise ValueError(text)


def test_plaintext_to_a_server_that_closes_hints_at_tls() -> None:
    text = status_words(PLAIN, StatusCode.UNAVAILABLE, TO + "Socket closed")
    assert text == (
        "no route to signaling server grpc://host:443: it closed the connection; "
        "does it want TLS? then leave out ?insecure=true"
    )


def test_connection_that_breaks_later_is_told_as_lost() -> None:
    text = status_words(TARGET, StatusCode.UNAVAILABLE, "Socket closed")
    assert text == "lost signaling server grpc://host:443: Socket closed"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (StatusCode.UNIMPLEMENTED, "speaks gRPC, but is no signaling server: why"),
        (StatusCode.RESOURCE_EXHAUSTED, "is at its limit: why"),
        (StatusCode.UNAUTHENTICATED, "refused us: why"),
        (StatusCode.PERMISSION_DENIED, "refused us: why"),
        (StatusCode.DEADLINE_EXCEEDED, "did not answer in time: why"),
        (StatusCode.INVALID_ARGUMENT, "did not understand us: why"),
        (StatusCode.DATA_LOSS, "answered DATA_LOSS: why"),
    ],
)
def test_status_of_a_server_is_told_in_words(code: StatusCode, words: str) -> None:
    assert status_words(TARGET, code, "why") == f"signaling server grpc://host:443 {words}"


def test_what_a_server_says_cannot_harm_a_terminal() -> None:
    text = status_words(TARGET, StatusCode.INTERNAL, "\x1b[31m" + "long\n" * 100)
    assert text.isprintable()
    assert len(text) < 260


def test_server_that_says_nothing_is_told_so() -> None:
    assert status_words(TARGET, StatusCode.INTERNAL, "").endswith("answered INTERNAL: no reason given")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 1)"), "connection refused; is"),
        (
            OSError("Multiple exceptions: [Errno 111] Connect call failed, [Errno 101] x"),
            "connection refused; is",
        ),
        (socket.gaierror(-2, "Name or service not known"), "its name is not known"),
        (
            ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)"),
            "does not speak TLS",
        ),
        (ConnectionResetError(), "it closed the connection"),
        (OSError("odd"), "odd"),
    ],
)
def test_error_of_the_system_is_told_in_words(error: OSError, words: str) -> None:
    assert words in route_words(TARGET, error)
