"""Tests of `warren k8s manifests` as text; `tests/kube/test_manifests.py` gives it to an API server."""

import importlib.metadata
import json
import re
from typing import Any

import pytest
import yaml

from tests.cli.test_commands import warren
from tests.cli.test_keys import one_line
from warren.cli.commands import run
from warren.signaling.kubernetes_mailbox import CRD_NAME


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    """What it prints with these options, by kind and name."""

    def run_with(*options: str) -> dict[tuple[str, str], Any]:
        assert run(["k8s", "manifests", *options]) == 0
        documents = list(yaml.safe_load_all(capsys.readouterr().out))
        return {(each["kind"], each["metadata"]["name"]): each for each in documents}

    return run_with


def test_the_definition_comes_first(capsys: pytest.CaptureFixture[str]) -> None:
    run(["k8s", "manifests"])
    first = next(yaml.safe_load_all(capsys.readouterr().out))
    assert (first["kind"], first["metadata"]["name"]) == ("CustomResourceDefinition", CRD_NAME)


def test_nothing_is_abbreviated_by_aliases(capsys: pytest.CaptureFixture[str]) -> None:
    run(["k8s", "manifests"])
    assert not re.search(r"[&*]id\d", capsys.readouterr().out)


def test_all_but_the_definition_is_in_the_namespace(printed: Any) -> None:
    documents = printed("--namespace", "vpn")
    namespaces = {kind: each["metadata"].get("namespace") for (kind, _), each in documents.items()}
    assert namespaces.pop("CustomResourceDefinition") is None
    assert set(namespaces.values()) == {"vpn"}


def test_peers_may_not_delete_and_the_sweeper_may_not_write(printed: Any) -> None:
    documents = printed()
    verbs = {name: documents["Role", name]["rules"][0]["verbs"] for name in ("warren-peer", "warren-sweeper")}
    assert verbs == {
        "warren-peer": ["get", "list", "watch", "create", "patch"],
        "warren-sweeper": ["list", "delete"],
    }


def test_users_groups_and_service_accounts_become_peers(printed: Any) -> None:
    options = ("--user", "jane", "--group", "staff", "--serviceaccount", "apps:web", "--group", "ops")
    subjects = printed("-n", "vpn", *options)["RoleBinding", "warren-peer"]["subjects"]
    assert [(each["kind"], each["name"], each.get("namespace")) for each in subjects] == [
        ("ServiceAccount", "warren-peer", "vpn"),
        ("User", "jane", None),
        ("Group", "staff", None),
        ("Group", "ops", None),
        ("ServiceAccount", "web", "apps"),
    ]


@pytest.mark.parametrize(
    ("options", "image"),
    [
        ((), f"warren:{importlib.metadata.version('warren')}"),
        (("--image", "registry.example.org/warren:1"), "registry.example.org/warren:1"),
    ],
)
def test_the_sweeper_runs_this_image(printed: Any, options: tuple[str, ...], image: str) -> None:
    job = printed(*options)["CronJob", "warren-sweeper"]["spec"]["jobTemplate"]["spec"]
    (container,) = job["template"]["spec"]["containers"]
    assert (container["image"], container["command"]) == (image, ["warren", "k8s", "sweep"])


def test_the_quota_is_that_of_the_option(printed: Any) -> None:
    quota = printed("--quota", "12")["ResourceQuota", "warren-mailboxes"]
    assert quota["spec"] == {"hard": {f"count/{CRD_NAME}": "12"}}


def test_json_is_one_list_of_the_same(capsys: pytest.CaptureFixture[str], printed: Any) -> None:
    documents = list(printed().values())
    run(["k8s", "manifests", "--json"])
    assert json.loads(capsys.readouterr().out) == {"apiVersion": "v1", "kind": "List", "items": documents}


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--namespace", "My Space", "a namespace has at most 63"),
        ("--namespace", "x\n", "a namespace has at most 63"),
        ("--namespace", "", "a namespace has at most 63"),
        ("--serviceaccount", "web", "is not like NAMESPACE:NAME"),
        ("--serviceaccount", "apps:", "is not like NAMESPACE:NAME"),
        ("--serviceaccount", "apps:" + "x" * 254, "is not like NAMESPACE:NAME"),
        ("--image", "", "cannot be the name of an image"),
        ("--image", "a b", "cannot be the name of an image"),
        ("--quota", "0", "greater than or equal to 1"),
        ("--user", "", "may not be empty"),
        ("--group", " ", "may not be empty"),
    ],
)
def test_what_the_server_would_not_take_is_refused(
    capsys: pytest.CaptureFixture[str], option: str, value: str, words: str
) -> None:
    assert run(["k8s", "manifests", option, value]) == 2
    line = one_line(capsys)
    assert words in line
    assert option in line


def test_without_the_extra_it_says_which_to_install() -> None:
    done = warren("k8s", "manifests", without="yaml")
    assert (done.returncode, done.stderr) == (
        2,
        "warren: yaml is not installed: this needs pip install 'warren[k8s]'\n",
    )


def test_without_a_command_it_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["k8s"]) == 2
    assert "Missing command. (`warren k8s --help` tells more)" in one_line(capsys)


def test_an_unknown_command_of_it_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["k8s", "manifest"]) == 2
    assert "No such command 'manifest'. Did you mean 'manifests'?" in one_line(capsys)
