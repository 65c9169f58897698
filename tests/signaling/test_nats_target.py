"""Tests of what a `nats://` URL says."""

from pathlib import Path

import pytest
import trustme

from tests.signaling.nats_keys import Operator, seed
from warren.errors import ConfigurationError
from warren.signaling.nats_target import NatsServer, NatsTarget
from warren.signaling.url import BackendUrl

SECRET = "hunter2"


def parse(text: str) -> NatsTarget:
    return NatsTarget.parse(BackendUrl.parse(text))


def test_servers_are_listed_in_order() -> None:
    assert parse("nats://b:4222,a:4223,[::1]:4224").servers == (
        NatsServer("b", 4222),
        NatsServer("a", 4223),
        NatsServer("::1", 4224),
    )


def test_server_is_written_as_in_a_url() -> None:
    assert [str(server) for server in parse("nats://A.example:1,[::1]:2").servers] == [
        "nats://a.example:1",
        "nats://[::1]:2",
    ]


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.2", True), ("::1", True), ("localhost", True), ("192.0.2.1", False), ("nats.example", False)],
)
def test_loopback_is_local(host: str, local: bool) -> None:
    assert NatsServer(host, 4222).local is local


def test_prefix_is_warren_v1_unless_told() -> None:
    assert parse("nats://h:1").prefix == "warren.v1"
    assert parse("nats://h:1?prefix=acme.prod-2.warren_v1").prefix == "acme.prod-2.warren_v1"


@pytest.mark.parametrize(
    "prefix", ["", ".", "a.", ".a", "a..b", "a.*", ">", "a%20b", "a%0D%0Ab", "ä", "a" * 129]
)
def test_prefix_that_is_no_subject_is_refused(prefix: str) -> None:
    with pytest.raises(ConfigurationError, match=r"\?prefix= must be words of letters"):
        parse(f"nats://h:1?prefix={prefix}")


def test_user_and_password_stand_before_the_first_host() -> None:
    target = parse("nats://us%40er:pass%3Aw%2Cord@h:1,i:2")
    assert (target.user, target.password, target.token) == ("us@er", "pass:w,ord", "")
    assert target.servers == (NatsServer("h", 1), NatsServer("i", 2))


def test_lone_word_before_the_host_is_a_token() -> None:
    assert parse("nats://tok%2Fen@h:1").token == "tok/en"


@pytest.mark.parametrize(
    "url", [f"nats://u:{SECRET}@h:1", f"nats://{SECRET}@h:1", f"nats://h:1?token={SECRET}"]
)
def test_secrets_are_not_printed(url: str) -> None:
    assert SECRET not in repr(parse(url))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nats://h", "lacks a host or a port"),
        ("nats://", "lacks a host or a port"),
        ("nats:h:1", "lacks a host or a port|no place for a path"),
        ("nats://h:1,", "lacks a host or a port"),
        ("nats://h:1/path", "no place for a path"),
        ("nats://h:99999", "port must be a number"),
        (f"nats://u:{SECRET}@h:1,v:{SECRET}@i:2", "write the user once"),
        (f"nats://h:1?password={SECRET}", r"unknown option 'password'; nats knows \?prefix=, \?tls=, \?ca=,"),
        (f"nats://u:{SECRET}@h:1?token={SECRET}", "only one of user:password@"),
        (f"nats://{SECRET}@h:1?token={SECRET}", "only one of user:password@"),
        ("nats://h:1?tls=maybe", r"\?tls= must be true or false"),
        ("nats://h:1?tls=false&ca=x.pem", r"\?tls=false does not go with"),
        ("nats://h:1?key=x.pem", r"\?key= needs \?cert="),
        ("nats://h:1?ca=/nowhere", r"cannot use \?ca=/nowhere: No such file"),
        ("nats://h:1?cert=/nowhere", r"cannot use \?cert=/nowhere: No such file"),
        ("nats://h:1?creds=/nowhere", r"cannot use \?creds=/nowhere: No such file"),
        ("nats://h:1?nkey=/nowhere", r"cannot use \?nkey=/nowhere: No such file"),
        ("nats://" + ",".join(f"h:{n}" for n in range(1, 18)), "more than 16 servers"),
    ],
)
def test_what_is_wrong_is_said_without_secrets(url: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        parse(url)
    assert SECRET not in str(caught.value)


def test_same_server_twice_counts_once() -> None:
    assert len(parse("nats://h:1,h:1").servers) == 1


@pytest.mark.parametrize("option", ["ca", "cert", "creds", "nkey"])
@pytest.mark.parametrize("content", [b"", SECRET.encode(), b"\xff\x00", b"-----BEGIN NATS USER JWT-----\n"])
def test_file_that_is_something_else_is_refused_and_not_shown(
    tmp_path: Path, option: str, content: bytes
) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ConfigurationError, match=rf"cannot use \?{option}=.*: it holds no ") as caught:
        parse(f"nats://h:1?{option}={tmp_path}/file")
    assert SECRET not in str(caught.value)


def test_key_that_needs_a_password_is_refused_without_asking(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    made = trustme.CA().issue_cert("h")
    made.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    locked = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(SECRET.encode()),
    )
    (tmp_path / "key.pem").write_bytes(locked)
    with pytest.raises(ConfigurationError, match=r"cannot use \?cert="):
        parse(f"nats://h:1?cert={tmp_path}/cert.pem&key={tmp_path}/key.pem")


@pytest.mark.parametrize(
    ("kind", "prefix"),
    [("account", ""), ("operator", ""), ("user", "x")],
    ids=["account", "operator", "broken"],
)
def test_seed_of_somebody_else_than_a_user_is_refused(tmp_path: Path, kind: str, prefix: str) -> None:
    (tmp_path / "nk").write_text(prefix + seed(kind))
    with pytest.raises(ConfigurationError, match="it holds no nkey seed of a user"):
        parse(f"nats://h:1?nkey={tmp_path}/nk")


def test_files_are_read_again_for_each_connection(tmp_path: Path) -> None:
    path = tmp_path / "user.creds"
    Operator().write_creds(path)
    target = parse(f"nats://h:1?creds={path}")
    before = str(target.credentials()["user_credentials"])
    Operator().write_creds(path)
    assert str(target.credentials()["user_credentials"]) == path.read_text() != before
