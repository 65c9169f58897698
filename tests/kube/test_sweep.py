"""Tests of `warren k8s sweep` on a real API server: what goes, what stays, and what it says."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_keys import one_line
from tests.kube.installed import make_mailbox, uninstall, write_mailbox
from tests.kube.pod import Pod
from tests.kube.server import KubeServer
from tests.needs import needs
from tests.signaling.people import ALICE, BOB, private
from warren.cli.children import warren_command
from warren.cli.commands import run
from warren.errors import SignalingError
from warren.signaling.kubernetes_api import KubernetesApi
from warren.signaling.kubernetes_mailbox import GROUP, IDLE, PLURAL, Mailbox, collection_path, mailbox_path
from warren.signaling.kubernetes_manifests import SWEEPER
from warren.signaling.kubernetes_sweep import Tally, sweep
from warren.signaling.kubernetes_target import KubernetesTarget
from warren.signaling.url import BackendUrl

pytestmark = needs("etcd", "kube-apiserver")

OLD, YOUNG = IDLE + 5, IDLE - 60
HOUR = 3600.0


@pytest.fixture
def url(kube: KubeServer, installed: str) -> str:
    """The URL with which the sweeper sweeps its namespace."""
    return f"k8s://{kube.kubeconfig('sweeper', installed)}"


Names = Callable[[], set[str]]


@pytest.fixture
def left(kube: KubeServer, installed: str) -> Names:
    """Which mailboxes are there."""

    def names() -> set[str]:
        return {
            item["metadata"]["name"] for item in kube.request("GET", collection_path(installed)).body["items"]
        }

    return names


def crowd(count: int) -> list[Mailbox]:
    """Mailboxes from many to one."""
    return [make_mailbox(private(100 + number), BOB) for number in range(count)]


def nothing(name: str, idle: float) -> None:
    """Do nothing about an idle mailbox that was found."""


async def swept(url: str, found: Callable[[str, float], None] = nothing, **options: Any) -> Tally:
    """Sweep, and count."""
    api, tally = KubernetesApi(KubernetesTarget.parse(BackendUrl.parse(url))), Tally()
    try:
        await sweep(api, tally, found=found, **options)
    finally:
        await api.aclose()
    return tally


# what goes and what stays


def test_an_idle_mailbox_is_deleted_and_a_young_one_stays(
    kube: KubeServer,
    installed: str,
    url: str,
    left: Names,
    capsys: pytest.CaptureFixture[str],
) -> None:
    old, young = make_mailbox(ALICE, BOB), make_mailbox(BOB, ALICE)
    write_mailbox(kube, installed, old, idle=OLD)
    write_mailbox(kube, installed, young, idle=YOUNG)
    assert run(["k8s", "sweep", url]) == 0
    assert left() == {young.name}
    assert capsys.readouterr().out == f"deleted 1 of 2 mailboxes in namespace {installed}\n"


def test_an_old_mailbox_that_was_written_lately_stays(
    kube: KubeServer, installed: str, url: str, left: Names
) -> None:
    mailbox = make_mailbox(ALICE, BOB)
    write_mailbox(kube, installed, mailbox, idle=HOUR)
    write_mailbox(kube, installed, Mailbox(ALICE.public, BOB.public, ()))
    assert run(["k8s", "sweep", url]) == 0
    assert left() == {mailbox.name}


@pytest.mark.parametrize("skew", [HOUR, -HOUR])
def test_our_own_clock_does_not_matter(
    kube: KubeServer,
    installed: str,
    url: str,
    left: Names,
    monkeypatch: pytest.MonkeyPatch,
    skew: float,
) -> None:
    old, young = make_mailbox(ALICE, BOB), make_mailbox(BOB, ALICE)
    write_mailbox(kube, installed, old, idle=OLD)
    write_mailbox(kube, installed, young, idle=YOUNG)
    right = time.time
    monkeypatch.setattr("time.time", lambda: right() + skew)
    assert run(["k8s", "sweep", url]) == 0
    assert left() == {young.name}


async def test_a_mailbox_that_is_written_meanwhile_stays(
    kube: KubeServer, installed: str, url: str, left: Names
) -> None:
    mailbox = make_mailbox(ALICE, BOB)
    write_mailbox(kube, installed, mailbox, idle=OLD)

    def write_again(name: str, idle: float) -> None:
        write_mailbox(kube, installed, Mailbox(ALICE.public, BOB.public, ()))

    assert await swept(url, write_again) == Tally(seen=1, idle=1, written=1)
    assert left() == {mailbox.name}


async def test_a_mailbox_that_was_made_anew_meanwhile_stays(
    kube: KubeServer, installed: str, url: str, left: Names
) -> None:
    mailbox = make_mailbox(ALICE, BOB)
    write_mailbox(kube, installed, mailbox, idle=OLD)

    def make_again(name: str, idle: float) -> None:
        kube.request("DELETE", mailbox_path(installed, name))
        write_mailbox(kube, installed, mailbox)

    assert (await swept(url, make_again)).written == 1
    assert left() == {mailbox.name}


async def test_what_another_sweep_deleted_is_no_error(kube: KubeServer, installed: str, url: str) -> None:
    write_mailbox(kube, installed, make_mailbox(ALICE, BOB), idle=OLD)

    def delete(name: str, idle: float) -> None:
        kube.request("DELETE", mailbox_path(installed, name))

    assert await swept(url, delete) == Tally(seen=1, idle=1)


async def test_all_pages_are_swept(kube: KubeServer, installed: str, url: str, left: Names) -> None:
    for mailbox in crowd(7):
        write_mailbox(kube, installed, mailbox, idle=OLD)
    assert await swept(url, page=3) == Tally(seen=7, idle=7, deleted=7)
    assert left() == set()


def test_what_is_no_mailbox_but_lies_there_goes_too(
    kube: KubeServer, installed: str, url: str, left: Names
) -> None:
    document = make_mailbox(ALICE, BOB).document()
    document["metadata"] = {"name": f"m-{'a' * 32}"}
    kube.apply(collection_path(installed), document, user="alice")
    kube.age(f"{GROUP}/{PLURAL}/{installed}/m-{'a' * 32}", OLD)
    assert run(["k8s", "sweep", url]) == 0
    assert left() == set()


def test_only_its_own_namespace_is_swept(kube: KubeServer, installed: str, left: Names) -> None:
    write_mailbox(kube, installed, make_mailbox(ALICE, BOB), idle=OLD)
    assert run(["k8s", "sweep", f"k8s://{kube.kubeconfig('admin', kube.make_namespace())}"]) == 0
    assert len(left()) == 1


# a server that dies


async def test_a_list_that_the_server_has_forgotten_is_begun_again(
    kube: KubeServer, installed: str, url: str, left: Names
) -> None:
    for mailbox in crowd(5):
        write_mailbox(kube, installed, mailbox, idle=OLD)
    restarts = iter([True])

    def forget(name: str, idle: float) -> None:
        if next(restarts, False):
            write_mailbox(kube, installed, make_mailbox(BOB, ALICE))
            kube.forget()

    assert await swept(url, forget, page=2) == Tally(seen=6, idle=5, deleted=5)
    assert left() == {make_mailbox(BOB, ALICE).name}


async def test_what_was_done_before_an_error_is_counted(kube: KubeServer, installed: str, url: str) -> None:
    for mailbox in crowd(3):
        write_mailbox(kube, installed, mailbox, idle=OLD)
    names: list[str] = []

    def kill_at_the_second(name: str, idle: float) -> None:
        names.append(name)
        if len(names) == 2:
            kube.apiserver.kill()

    api, tally = KubernetesApi(KubernetesTarget.parse(BackendUrl.parse(url))), Tally()
    with pytest.raises(SignalingError):
        await sweep(api, tally, found=kill_at_the_second)
    await api.aclose()
    assert tally == Tally(seen=2, idle=2, deleted=1)


# what it says


def test_a_dry_run_names_what_it_would_delete_and_deletes_nothing(
    kube: KubeServer,
    installed: str,
    url: str,
    left: Names,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mailbox = make_mailbox(ALICE, BOB)
    write_mailbox(kube, installed, mailbox, idle=HOUR)
    assert run(["k8s", "sweep", "--dry-run", url]) == 0
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{mailbox.name}: idle for 360")
    assert last == f"would delete 1 of 1 mailboxes in namespace {installed}"
    assert left() == {mailbox.name}


def test_json_tells_the_same_in_events(
    kube: KubeServer, installed: str, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    mailbox = make_mailbox(ALICE, BOB)
    write_mailbox(kube, installed, mailbox, idle=OLD)
    assert run(["k8s", "sweep", "--json", "-v", url]) == 0
    idle, end = map(json.loads, capsys.readouterr().err.splitlines())
    assert (idle["event"], idle["mailbox"], idle["idle"] >= OLD) == ("idle", mailbox.name, True)
    assert end == {
        "event": "swept",
        "namespace": installed,
        "dry_run": False,
        "seen": 1,
        "idle": 1,
        "deleted": 1,
        "written": 0,
    }


def test_nothing_to_do_is_said(installed: str, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["k8s", "sweep", url]) == 0
    assert capsys.readouterr().out == f"deleted 0 of 0 mailboxes in namespace {installed}\n"


def test_without_the_right_to_list_it_says_which_right_is_missing(
    kube: KubeServer, installed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["k8s", "sweep", f"k8s://{kube.kubeconfig('nobody', installed)}"]) == 1
    line = one_line(capsys)
    assert f"does not let us list mailboxes.signaling.warren.dev in namespace {installed} (403)" in line
    assert "warren k8s manifests | kubectl apply -f -" in line


def test_without_the_right_to_delete_it_says_which_right_is_missing(
    kube: KubeServer, installed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_mailbox(kube, installed, make_mailbox(ALICE, BOB), idle=OLD)
    assert run(["k8s", "sweep", f"k8s://{kube.kubeconfig('alice', installed)}"]) == 1
    out, err = capsys.readouterr()
    assert out == f"deleted 0 of 1 mailboxes in namespace {installed}\n"
    assert "does not let us delete mailboxes.signaling.warren.dev" in err


def test_without_the_definition_it_says_which_command_installs_it(
    kube: KubeServer, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    uninstall(kube)
    assert run(["k8s", "sweep", url]) == 1
    line = one_line(capsys)
    assert "has no mailboxes.signaling.warren.dev (404)" in line
    assert "warren k8s manifests | kubectl apply -f -" in line


@needs("netns")
def test_in_a_pod_it_needs_no_option(kube: KubeServer, installed: str, tmp_path: Path) -> None:
    write_mailbox(kube, installed, make_mailbox(ALICE, BOB), idle=OLD)
    pod = Pod(kube, installed, SWEEPER, tmp_path)
    command = [*pod.prefix, *warren_command("k8s", "sweep")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"deleted 1 of 1 mailboxes in namespace {installed}\n"


def test_a_server_that_does_not_run_is_one_line(
    kube: KubeServer, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    kube.apiserver.kill()
    assert run(["k8s", "sweep", url]) == 1
    assert f"no route to API server {kube.url}: connection refused" in one_line(capsys)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("grpc://127.0.0.1:1", "is not a Kubernetes API server: write k8s:"),
        ("k8s:///nowhere/config", "there is no kubeconfig /nowhere/config"),
        ("k8s:?colour=red", "unknown option 'colour'"),
        ("nonsense", "is not a backend URL"),
    ],
)
def test_a_wrong_url_is_wrong_use(wrong: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["k8s", "sweep", wrong]) == 2
    assert words in one_line(capsys)
