"""Tests of how kube-apiserver is built: once, whole or not at all."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.kube.build import build, main
from tests.needs import kubernetes_program, missing


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where it shall be."""
    return tmp_path / "cache" / "kube-apiserver"


@pytest.fixture
def builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The log of a `go` that builds in no time: the real one takes minutes."""
    log = tmp_path / "log"
    write_go(
        tmp_path,
        monkeypatch,
        f'echo built >> {log}; for a; do case $a in -o=*) touch "${{a#-o=}}";; esac; done',
    )
    return log


def write_go(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a program of this name before all others."""
    go = folder / "go"
    go.write_text(f"#!/bin/sh\n{script}\n")
    go.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def test_what_is_there_is_not_built_again(target: Path, builds: Path) -> None:
    assert build(target)
    assert build(target)
    assert builds.read_text() == "built\n"


def test_two_that_come_at_once_build_once(target: Path, builds: Path) -> None:
    with ThreadPoolExecutor() as threads:
        assert list(threads.map(build, [target, target])) == [True, True]
    assert builds.read_text() == "built\n"


def test_a_build_that_fails_leaves_nothing_and_says_why(
    target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_go(tmp_path, monkeypatch, "echo no network >&2; exit 1")
    assert not build(target)
    assert not target.exists()
    assert "cannot be built:\nno network" in capsys.readouterr().err


def test_without_go_it_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("tests.kube.build.missing", lambda name: "Go 1.24" if name == "go" else None)
    assert main() == 1
    assert "kube-apiserver is not built: without Go 1.24" in capsys.readouterr().err


def test_it_is_looked_for_in_the_folder_of_the_field_s_convention(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    assert kubernetes_program("etcd") == tmp_path / "etcd"
    assert main() == 0


def test_what_that_folder_lacks_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    missing.cache_clear()
    try:
        assert missing("etcd") == f"etcd at {tmp_path / 'etcd'} (package etcd-server)"
    finally:
        missing.cache_clear()
