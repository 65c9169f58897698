"""What `warren signal` makes of its options; that it serves is shown in tests/server/test_process.py."""

import socket
import time
from pathlib import Path

import pytest
import trustme
from grpc import StatusCode

from tests.server.certificates import issue
from tests.server.client import Ending, connected
from tests.server.process import signal_process
from warren import wire
from warren.cli.commands import run
from warren.keys import PrivateKey
from warren.server.turn import TurnRelays
from warren.signaling.carrier import Identity
from warren.signaling.proof import prove

ALICE = Identity(PrivateKey(bytes(31) + b"\1"))


def complaint(capsys: pytest.CaptureFixture[str], code: int, *options: str) -> str:
    """Run it, expect this exit code and one line on standard error, and return the line."""
    assert run(["signal", *options]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("warren: ")
    assert said.err.count("\n") == 1
    return said.err


def test_without_a_certificate_it_refuses_and_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    line = complaint(capsys, 2, "--listen=127.0.0.1:0")
    assert "--tls-cert FILE and --tls-key FILE" in line
    assert "--insecure" in line


@pytest.mark.parametrize("option", ["--tls-cert", "--tls-key"])
def test_one_file_of_two_is_not_enough(capsys: pytest.CaptureFixture[str], option: str) -> None:
    assert "needs --tls-cert FILE and" in complaint(capsys, 2, "--listen=127.0.0.1:0", f"{option}=file")


def test_insecure_and_a_certificate_contradict_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert "give either" in complaint(capsys, 2, "--listen=127.0.0.1:0", "--insecure", "--tls-cert=file")


def test_without_an_address_it_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--listen" in complaint(capsys, 2, "--insecure")


def test_an_address_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "'8080' is no address to listen at" in complaint(capsys, 2, "--listen=8080", "--insecure")


def test_a_port_in_use_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"--listen=127.0.0.1:{taken.getsockname()[1]}"
        assert "another program listens there" in complaint(capsys, 1, listen, "--insecure")


def test_files_that_are_not_there_are_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    files = f"--tls-cert={tmp_path / 'cert.pem'}", f"--tls-key={tmp_path / 'key.pem'}"
    assert f"{tmp_path / 'cert.pem'}: no such file" in complaint(capsys, 2, "--listen=127.0.0.1:0", *files)


def test_a_key_that_does_not_fit_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    one, other = issue(trustme.CA(), tmp_path), issue(trustme.CA(), tmp_path / "other")
    files = f"--tls-cert={one.certificate}", f"--tls-key={other.key}"
    assert "does not belong to" in complaint(capsys, 2, "--listen=127.0.0.1:0", *files)


# Proofs and relays


def secret_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "secret"
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--auth=maybe"], "'maybe' is not one of"),
        (["--name=grpc://host"], "is no name of a server: write HOST or HOST:PORT"),
        (["--auth=off", "--name=host"], "--auth off asks for no proofs"),
        (["--relay=turn:host"], "--relay URL and --relay-secret FILE belong together"),
        (["--relay-secret=file"], "--relay URL and --relay-secret FILE belong together"),
        (["--auth=off", "--relay=turn:host", "--relay-secret=file"], "leave out --auth off"),
        (["--relay=turn:host", "--relay-secret=/nowhere/file"], "there is no relay secret file"),
        (["--auth-secret=/nowhere/file"], "there is no key file"),
    ],
)
def test_options_of_proofs_that_cannot_be_are_refused_with_what_to_do(
    capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    assert words in complaint(capsys, 2, "--listen=127.0.0.1:0", "--insecure", *options)


def test_a_relay_that_is_none_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = secret_file(tmp_path, "a secret of sixteen letters")
    options = ("--relay=stun:host", f"--relay-secret={file}")
    line = complaint(capsys, 2, "--listen=127.0.0.1:0", "--insecure", *options)
    assert "'stun:host' is no TURN server to give out" in line


@pytest.mark.parametrize("option", ["--auth-secret", "--relay-secret"])
def test_a_secret_that_others_can_read_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, option: str
) -> None:
    file = secret_file(tmp_path, PrivateKey.generate().encode(), 0o644)
    options = (f"{option}={file}", "--relay=turn:host") if "relay" in option else (f"{option}={file}",)
    line = complaint(capsys, 2, "--listen=127.0.0.1:0", "--insecure", *options)
    assert f"run chmod 600 {file}" in line


async def test_a_process_that_requires_proofs_serves_only_those_who_give_one() -> None:
    async with signal_process("--insecure", "--auth=require") as server, connected(server.port) as client:
        ending = await client.open(wire.encode_subscribe_params(ALICE.public)).read()
        assert isinstance(ending, Ending)
        assert ending.code is StatusCode.UNAUTHENTICATED
        _, ack = await client.prove(ALICE, f"127.0.0.1:{server.port}")
        assert ack.authenticated


async def test_a_process_prefers_proofs_and_serves_all() -> None:
    async with signal_process() as server, connected(server.port) as client:
        await client.subscribe(ALICE.public)
        await client.prove(ALICE, f"localhost:{server.port}")


async def test_processes_that_share_a_secret_take_one_anothers_challenges_by_their_name(
    tmp_path: Path,
) -> None:
    file = secret_file(tmp_path, PrivateKey.generate().encode())
    options = ("--insecure", f"--auth-secret={file}", "--name=signal.example.org")
    async with (
        signal_process(*options) as one,
        signal_process(*options) as other,
        connected(one.port) as at_one,
        connected(other.port) as at_other,
    ):
        challenge = await at_one.challenge(ALICE.public)
        proof = prove(ALICE, challenge, authority="signal.example.org:443", session=bytes(16))
        first = await at_other.open(wire.encode_subscribe_params(ALICE.public, proof)).read()
        assert isinstance(first, bytes)
        assert wire.decode_ack(first) is not None


async def test_a_process_gives_relays_to_those_who_prove_it(tmp_path: Path) -> None:
    file = secret_file(tmp_path, "a secret of sixteen letters\n")
    relays = ("--relay=turn:a.example.org:3478", "--relay=turns:b.example.org")
    async with (
        signal_process("--insecure", *relays, f"--relay-secret={file}") as server,
        connected(server.port) as client,
    ):
        _, ack = await client.prove(ALICE, f"127.0.0.1:{server.port}")
        before = time.time()
        answer = await client.call(
            "/cunicu.signaling.RelayRegistry/GetRelays",
            wire.encode_relays_params(ALICE.public),
            token=ack.token,
        )
        assert isinstance(answer, bytes)
        expected = TurnRelays(["turn:a.example.org:3478", "turns:b.example.org"], file.read_bytes().strip())
        assert wire.decode_relays(answer) in [
            expected.credentials(ALICE.public, now) for now in (before, time.time())
        ]


async def test_it_tells_where_it_listens() -> None:
    async with signal_process() as server:
        url = f"grpc://127.0.0.1:{server.port}?insecure=true"
        assert server.said == [{"event": "listening", "url": url, "host": "127.0.0.1", "port": server.port}]


async def test_with_v_it_tells_of_its_certificate(tmp_path: Path) -> None:
    files = issue(trustme.CA(), tmp_path, "signal.example.org")
    async with signal_process(f"--tls-cert={files.certificate}", f"--tls-key={files.key}", "-v") as server:
        told = await server.until("certificate")
    assert told["names"] == ["signal.example.org"]
    assert told["fingerprint"].startswith("sha256:")
