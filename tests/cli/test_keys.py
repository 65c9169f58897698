"""Tests of `warren genkey` and `warren pubkey`."""

import io
import stat
from pathlib import Path

import pytest

from warren.cli.commands import run
from warren.keys import PrivateKey


def test_genkey_prints_a_private_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["genkey"]) == 0
    PrivateKey.parse(capsys.readouterr().out.strip())


def test_genkey_draws_another_key_each_time(capsys: pytest.CaptureFixture[str]) -> None:
    run(["genkey"])
    run(["genkey"])
    assert len(set(capsys.readouterr().out.split())) == 2


def test_genkey_writes_a_file_that_only_we_can_read(tmp_path: Path) -> None:
    assert run(["genkey", "--out", str(tmp_path / "new" / "key")]) == 0
    assert stat.S_IMODE((tmp_path / "new" / "key").stat().st_mode) == 0o600


def test_genkey_prints_the_public_key_of_the_file_it_wrote(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["genkey", "--out", str(tmp_path / "key")])
    assert capsys.readouterr().out.strip() == str(PrivateKey.load(tmp_path / "key").public)


def test_genkey_does_not_write_over_a_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "key").write_text("precious")
    assert run(["genkey", "--out", str(tmp_path / "key")]) == 2
    assert (tmp_path / "key").read_text() == "precious"
    assert "is there already and is not written over" in one_line(capsys)


def test_genkey_refuses_a_name_that_is_too_long(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["genkey", "--out", "x" * 300]) == 2
    assert "cannot be written: File name too long" in one_line(capsys)


def test_genkey_says_why_it_cannot_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert run(["genkey", "--out", str(tmp_path / "file" / "key")]) == 2
    assert f"key cannot be written: File exists: {tmp_path / 'file'}; choose another --out" in one_line(
        capsys
    )


def test_pubkey_prints_the_public_key(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    key = PrivateKey.generate()
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{key.encode()}\n"))
    assert run(["pubkey"]) == 0
    assert capsys.readouterr().out == f"{key.public}\n"


def test_pubkey_refuses_what_is_no_key_and_does_not_show_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("secret\n"))
    assert run(["pubkey"]) == 2
    line = one_line(capsys)
    assert "standard input: not a private key" in line
    assert "secret" not in line


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    """Check that an error is one line on standard error and nothing else; returns it."""
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("warren: ")
    assert err.count("\n") == 1
    return err
