"""What `warren signal` makes of its options; that it serves is shown in tests/server/test_process.py."""

import socket
from pathlib import Path

import pytest
import trustme

from tests.server.certificates import issue
from tests.server.process import signal_process
from warren.cli.commands import run


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it set this variable here, and nowhere else."""
    monkeypatch.setenv("GRPC_VERBOSITY", "NONE")


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
