"""Tests of what wrong use gets: one clear line, exit code 1 or 2, no traceback."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_keys import one_line
from warren.cli.commands import run
from warren.cli.genkey import write_key_file
from warren.keys import PrivateKey

SIGNALING = "--signaling=inprocess:test"
PEER = str(PrivateKey(b"\x07" * 32).public)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    write_key_file(tmp_path / "key", PrivateKey(b"\x01" * 32))
    return tmp_path / "key"


@pytest.fixture
def no_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 2) -> str:
    """Run a command that must fail; returns its one line."""
    assert run(arguments) == code
    return one_line(capsys)


def test_without_a_key_file_it_says_how_to_make_one(
    no_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = no_home / "warren" / "key"
    expected = f"warren: there is no key file {path}: make one with `warren genkey --out {path}`\n"
    assert complaint(capsys, "ping", PEER, SIGNALING) == expected


def test_a_key_file_that_others_can_read_is_refused(key: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key.chmod(0o644)
    line = complaint(capsys, "ping", PEER, SIGNALING, f"--key={key}")
    assert f"key file {key} can be read by others: run chmod 600 {key}" in line


def test_a_malformed_key_file_is_refused_and_not_shown(key: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key.write_text("secret\n")
    line = complaint(capsys, "ping", PEER, SIGNALING, f"--key={key}")
    assert f"key file {key} holds no private key" in line
    assert "secret" not in line


def test_a_folder_is_no_key_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = complaint(capsys, "ping", PEER, SIGNALING, f"--key={tmp_path}")
    assert f"cannot read key file {tmp_path}: Is a directory" in line


def test_the_key_file_can_be_named_by_the_environment(
    key: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WARREN_KEY_FILE", str(key))
    assert "no signaling server given" in complaint(capsys, "ping", PEER)


def test_without_signaling_it_says_how_to_give_it(key: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = (
        "warren: no signaling server given: say --signaling grpc://host:port, or set WARREN_SIGNALING\n"
    )
    assert complaint(capsys, "ping", PEER, f"--key={key}") == expected


def test_several_servers_can_be_named_by_the_environment(
    key: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WARREN_SIGNALING", "inprocess:one pigeon:two")
    assert "unknown backend scheme 'pigeon'" in complaint(capsys, "ping", PEER, f"--key={key}")


def test_an_unknown_scheme_names_the_known_ones(key: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = complaint(capsys, "ping", PEER, f"--key={key}", "--signaling=pigeon:loft")
    assert "unknown backend scheme 'pigeon'; known: grpc, " in line


def test_a_malformed_stun_url_is_refused(key: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = complaint(capsys, "ping", PEER, f"--key={key}", SIGNALING, "--stun=example.org")
    assert "'example.org' is not the URL of a STUN server: expected stun:HOST[:PORT]" in line


def test_our_own_key_is_no_peer(key: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = str(PrivateKey.load(key).public)
    line = complaint(capsys, "ping", own, f"--key={key}", SIGNALING, "--loopback")
    assert "our own" in line


def test_our_own_key_is_nobody_to_allow(key: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = str(PrivateKey.load(key).public)
    line = complaint(capsys, "listen", f"--allow={own}", f"--key={key}", SIGNALING, "--loopback")
    assert f"{own} is our own public key: --allow names the keys of others" in line


@pytest.fixture
def used_port() -> Iterator[int]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as used:
        used.bind(("127.0.0.1", 0))
        yield used.getsockname()[1]


def test_a_port_in_use_is_named(key: Path, used_port: int, capsys: pytest.CaptureFixture[str]) -> None:
    options = (f"--key={key}", SIGNALING, "--loopback", "--interface=lo", f"--port={used_port}")
    assert f"UDP port {used_port} of 127.0.0.1 cannot be used" in complaint(capsys, "ping", PEER, *options)


def test_interfaces_that_are_not_there_are_said(key: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = complaint(capsys, "ping", PEER, f"--key={key}", SIGNALING, "--interface=nosuch*")
    assert "no address of this machine can be offered to peers" in line


def test_listen_wants_to_know_who_may_connect(key: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "who may connect?" in complaint(capsys, "listen", f"--key={key}", SIGNALING)


def test_listen_refuses_a_list_and_everybody_together(key: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = complaint(capsys, "listen", f"--key={key}", SIGNALING, f"--allow={PEER}", "--allow-any")
    assert "who may connect?" in line


def test_a_server_without_certificate_refuses_to_start(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--insecure" in complaint(capsys, "signal", "--listen=127.0.0.1:0")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("turn:ann:s3cret@host:99999", "turn:host:99999: 99999 is not a port"),
        ("turn:ann:s3cret", "the URL of a TURN server: expected turn:[USER:PASSWORD@]HOST"),
        ("ann:s3cret@host", "not the URL of a TURN server"),
        ("turns:ann:s3cret@host?transport=udp", "TLS over UDP"),
    ],
)
def test_a_wrong_turn_url_is_told_without_who_we_are(
    url: str, says: str, key: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = complaint(capsys, "ping", PEER, SIGNALING, f"--key={key}", f"--turn={url}")
    assert says in line
    assert "s3cret" not in line
    assert "ann" not in line.replace("cannot", "")


def test_a_turn_url_in_the_environment_is_read_and_not_shown(
    key: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WARREN_TURN", "turn:ann:s3cret@host:0")
    line = complaint(capsys, "ping", PEER, SIGNALING, f"--key={key}")
    assert "turn:host:0: 0 is not a port" in line
    assert "s3cret" not in line
