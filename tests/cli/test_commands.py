"""Tests of the command line as a whole: help, completion, and wrong use in one clear line."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.test_keys import one_line
from warren.cli.commands import COMMANDS, run
from warren.cli.genkey import write_key_file
from warren.keys import PrivateKey

NAMED_SHELL = os.environ | {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
"""Here the shell is named; otherwise typer looks for it among the parents of the process."""


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_an_example_for_every_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == 0
    _, _, examples = capsys.readouterr().out.rpartition("Example")
    assert f"warren {name}" in examples


@pytest.mark.parametrize("name", COMMANDS)
def test_help_lists_every_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    assert re.search(rf"│ {name} +\S", capsys.readouterr().out)


@pytest.mark.parametrize("name", ["connect", "listen"])
def test_help_says_that_the_payload_is_not_encrypted(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    run([name, "--help"])
    assert "NOT encrypted" in " ".join(capsys.readouterr().out.split())


def test_without_arguments_help_is_shown_as_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    assert "genkey" in capsys.readouterr().out


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert re.fullmatch(r"warren \d+\.\d+\.\d+\n", capsys.readouterr().out)


def test_an_unknown_command_gets_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["pingg"]) == 2
    assert "No such command 'pingg'. Did you mean 'ping'?" in one_line(capsys)


def test_an_unknown_option_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["genkey", "--colour"]) == 2
    line = one_line(capsys)
    assert "No such option: --colour" in line
    assert "(`warren genkey --help` tells more)" in line


def test_a_missing_argument_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["connect"]) == 2
    assert "Missing argument 'PEER'" in one_line(capsys)


def test_a_malformed_peer_key_is_refused_and_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["connect", "abcdef"]) == 2
    line = one_line(capsys)
    assert "not a public key: expected 44 characters of base64" in line
    assert "abcdef" not in line


def test_completion_offers_the_commands() -> None:
    environment = os.environ | {
        "_WARREN_COMPLETE": "complete_bash",
        "COMP_WORDS": "warren p",
        "COMP_CWORD": "1",
    }
    assert warren(env=environment).stdout.split() == ["pubkey", "ping"]


def test_completion_offers_the_options_of_a_command() -> None:
    environment = os.environ | {
        "_WARREN_COMPLETE": "complete_bash",
        "COMP_WORDS": "warren ping --stu",
        "COMP_CWORD": "2",
    }
    assert warren(env=environment).stdout.split() == ["--stun"]


def test_completion_is_installed_for_the_shell_of_the_user(tmp_path: Path) -> None:
    done = warren("--install-completion", "bash", env=NAMED_SHELL | {"HOME": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    (script,) = tmp_path.glob(".bash_completions/*")
    assert str(script) in (tmp_path / ".bashrc").read_text()


def test_the_completion_of_a_shell_can_be_shown() -> None:
    assert "_WARREN_COMPLETE=complete_zsh" in warren("--show-completion", "zsh", env=NAMED_SHELL).stdout


def test_without_the_extra_it_says_which_to_install() -> None:
    done = warren("genkey", without="typer")
    assert done.returncode == 2
    assert done.stderr == (
        "warren: typer is not installed: the command line needs pip install 'warren[cli]'\n"
    )


def test_without_rich_help_says_which_extra_to_install() -> None:
    done = warren("--help", without="rich")
    assert done.returncode == 2
    assert done.stderr == "warren: rich is not installed: this needs pip install 'warren[cli]'\n"


@pytest.mark.parametrize("library", ["grpc", "cryptography"])
def test_without_a_library_of_its_backend_ping_says_which_extra_to_install(
    library: str, tmp_path: Path
) -> None:
    write_key_file(tmp_path / "key", PrivateKey.generate())
    peer, url = str(PrivateKey.generate().public), "grpc://127.0.0.1:9?insecure=true"
    done = warren("ping", peer, f"--key={tmp_path / 'key'}", f"--signaling={url}", without=library)
    assert done.returncode == 2
    assert done.stderr == (
        f"warren: grpc://127.0.0.1:9 cannot be used: {library} is not installed; pip install 'warren[grpc]'\n"
    )


def test_without_grpc_the_server_says_which_extra_to_install() -> None:
    done = warren("signal", "--listen", "127.0.0.1:0", "--insecure", without="grpc")
    assert done.returncode == 2
    assert done.stderr == "warren: grpc is not installed: this needs pip install 'warren[grpc]'\n"


def test_a_reader_that_leaves_is_no_error() -> None:
    done = subprocess.run(
        f"{sys.executable} -m warren.cli.main --help | true", shell=True, capture_output=True, check=False
    )
    assert done.stderr == b""


def warren(
    *arguments: str, without: str | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run it as a process, where a library may be made to look as if it were not installed."""
    code = f"import sys; sys.argv[0] = 'warren'; sys.modules[{without!r}] = None; " if without else ""
    code += "from warren.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, env=env
    )
