"""Tests of `warren demo`: it works, it is told, and nothing is left of it."""

import asyncio
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.needs import needs
from warren.cli.children import warren_command
from warren.cli.stage import set_up


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    return subprocess.run(
        warren_command("demo", *arguments), capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture(scope="module")
def on_loopback() -> subprocess.CompletedProcess[str]:
    return demo("--loopback")


@pytest.fixture(scope="module")
def behind_nats() -> subprocess.CompletedProcess[str]:
    return demo()


def test_it_works_on_loopback(on_loopback: subprocess.CompletedProcess[str]) -> None:
    assert (on_loopback.returncode, on_loopback.stderr) == (0, "")
    assert "It works: connected 0." in on_loopback.stdout


def test_it_says_in_one_line_that_it_does_without_namespaces(
    on_loopback: subprocess.CompletedProcess[str],
) -> None:
    assert on_loopback.stdout.count("Without network namespaces") == 1


def test_the_states_of_both_sides_are_shown(on_loopback: subprocess.CompletedProcess[str]) -> None:
    words = [line.split() for line in on_loopback.stdout.splitlines()]
    told = {tuple(line[2:4]) for line in words if line[1:2] == ["s"]}
    for name in ("alice", "bob"):
        assert {(name, "IDLE"), (name, "NEW"), (name, "CHECKING"), (name, "CONNECTED")} <= told


def test_data_goes_there_and_back(on_loopback: subprocess.CompletedProcess[str]) -> None:
    words = [line.split(maxsplit=2) for line in on_loopback.stdout.splitlines()]
    received = [line for line in words if line[1:2] == ["received"]]
    assert received == [["bob", "received", "'hello, bob'"], ["alice", "received", "'hello, bob'"]]


@needs("netns", "nft")
def test_it_works_behind_nats(behind_nats: subprocess.CompletedProcess[str]) -> None:
    assert (behind_nats.returncode, behind_nats.stderr) == (0, "")
    assert "behind a port-restricted NAT that the internet sees as 203.0.113.10" in behind_nats.stdout
    assert "It works: connected 0." in behind_nats.stdout


@needs("netns", "nft")
def test_behind_nats_the_path_is_between_the_addresses_that_the_internet_sees(
    behind_nats: subprocess.CompletedProcess[str],
) -> None:
    (path, *_) = (line for line in behind_nats.stdout.splitlines() if line.split()[:2] == ["alice", "path"])
    assert "203.0.113.11" in path
    assert "direct" in path


@needs("netns", "nft")
async def test_nothing_is_left_when_it_is_ended_half_way() -> None:
    process = await asyncio.create_subprocess_exec(
        *warren_command("demo"), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    while b"alice" not in await process.stdout.readline():
        pass
    process.send_signal(signal.SIGTERM)
    await process.communicate()
    assert process.returncode == 130
    assert not namespaces(f"warren-{process.pid}-")


def test_without_root_there_are_no_namespaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with set_up(loopback=False) as stage:
        assert stage.words.startswith("Without network namespaces (it takes root)")


def test_without_nft_there_are_no_namespaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", lambda name, path: None if name == "nft" else f"/sbin/{name}")
    with set_up(loopback=False) as stage:
        assert "nft is not installed (package nftables)" in stage.words


def namespaces(prefix: str) -> list[Path]:
    return list(Path("/run/netns").glob(f"{prefix}*"))
