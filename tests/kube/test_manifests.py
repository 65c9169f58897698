"""Tests of `warren k8s manifests`: a real API server takes it, twice, and holds every limit in it."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kube.installed import (
    apply_document,
    collection,
    limit_to,
    make_mailbox,
    wait_until_served,
    write_mailbox,
)
from tests.kube.server import MERGE, KubeServer
from tests.needs import kubernetes_program, needs
from tests.signaling.people import ALICE, BOB
from warren.cli.commands import run
from warren.signaling.kubernetes_mailbox import (
    CRD_NAME,
    MAX_ENTRIES,
    MAX_ENVELOPE_TEXT,
    MAX_SEQ,
    Mailbox,
    collection_path,
)

pytestmark = needs("etcd", "kube-apiserver")


@pytest.fixture
def printed(namespace: str, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """The documents for a namespace."""
    assert run(["k8s", "manifests", "--namespace", namespace, "--group", "peers"]) == 0
    return list(yaml.safe_load_all(capsys.readouterr().out))


def refusal(kube: KubeServer, namespace: str, **changes: Any) -> tuple[int, str]:
    """What the server says to a mailbox with something else in its spec."""
    document = make_mailbox(ALICE, BOB).document()
    document["spec"].update(changes)
    said = kube.request("POST", collection_path(namespace), document, user="alice")
    return said.status, said.body.get("message", "")


# installing


def test_the_server_takes_every_document(kube: KubeServer, printed: list[dict[str, Any]]) -> None:
    assert {apply_document(kube, document).status for document in printed} <= {200, 201}


def test_a_second_time_changes_nothing(kube: KubeServer, printed: list[dict[str, Any]]) -> None:
    for document in printed:
        apply_document(kube, document)
    wait_until_served(kube, printed[1]["metadata"]["namespace"])
    before = [kube.request("GET", place(document)).body for document in printed]
    for document in printed:
        assert apply_document(kube, document).status == 200
    assert [kube.request("GET", place(document)).body for document in printed] == before


def test_the_server_finds_no_unknown_field(kube: KubeServer, printed: list[dict[str, Any]]) -> None:
    for document in printed:
        made = kube.apply(collection(document), document)
        assert not [text for name, text in made.headers.items() if name.lower() == "warning"]


def test_the_definition_is_accepted_as_structural(kube: KubeServer, installed: str) -> None:
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{CRD_NAME}"
    conditions = kube.request("GET", path).body["status"]["conditions"]
    assert {item["type"]: item["status"] for item in conditions} == {
        "NamesAccepted": "True",
        "Established": "True",
    }


@needs("kubectl")
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_kubectl_applies_what_is_printed(
    kube: KubeServer, namespace: str, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    assert run(["k8s", "manifests", "--namespace", namespace, *options]) == 0
    kubeconfig = kube.kubeconfig("admin")
    done = kubectl(kubeconfig, "apply", "-f", "-", text=capsys.readouterr().out)
    assert done.returncode == 0, done.stderr
    assert "cronjob.batch/warren-sweeper created" in done.stdout


@needs("kubectl")
def test_kubectl_shows_who_writes_to_whom(kube: KubeServer, installed: str) -> None:
    write_mailbox(kube, installed, make_mailbox(ALICE, BOB))
    done = kubectl(kube.kubeconfig("alice", installed), "get", "mailboxes")
    assert [str(ALICE.public), str(BOB.public)] == done.stdout.splitlines()[1].split()[1:3]


def test_the_sweeper_s_pod_is_admitted_where_only_restricted_pods_are(
    kube: KubeServer, namespace: str, printed: list[dict[str, Any]]
) -> None:
    label = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    kube.request("PATCH", f"/api/v1/namespaces/{namespace}", label, content_type=MERGE)
    (job,) = (document for document in printed if document["kind"] == "CronJob")
    pod = job["spec"]["jobTemplate"]["spec"]["template"] | {"metadata": {"name": "sweep"}}
    assert kube.request("POST", f"/api/v1/namespaces/{namespace}/pods", pod).status == 201


# what a mailbox may be


def test_a_full_mailbox_of_the_largest_envelopes_is_taken(kube: KubeServer, installed: str) -> None:
    entries = [{"seq": MAX_SEQ, "envelope": "A" * MAX_ENVELOPE_TEXT}] * MAX_ENTRIES
    assert refusal(kube, installed, entries=entries) == (201, "")


def test_an_empty_mailbox_is_taken(kube: KubeServer, installed: str) -> None:
    assert write_mailbox(kube, installed, Mailbox(ALICE.public, BOB.public, ())).status == 201


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"entries": [{"seq": 1, "envelope": ""}] * (MAX_ENTRIES + 1)}, "Too many: 17"),
        ({"entries": [{"seq": 1, "envelope": "A" * (MAX_ENVELOPE_TEXT + 4)}]}, "may not be more than"),
        ({"entries": [{"seq": -1, "envelope": ""}]}, "greater than or equal to 0"),
        ({"entries": [{"seq": "1", "envelope": ""}]}, "must be of type integer"),
        ({"entries": [{"seq": MAX_SEQ + 1, "envelope": ""}]}, "seq"),
        ({"entries": [{"seq": 1, "envelope": "***"}]}, "byte"),
        ({"entries": [{"seq": 1}]}, "envelope: Required value"),
        ({"entries": None}, "entries"),
        ({"sender": "alice"}, "spec.sender"),
        ({"sender": "*" * 43 + "="}, "spec.sender"),
        ({"recipient": "A" * 10_000}, "spec.recipient"),
    ],
)
def test_the_schema_refuses_what_is_no_mailbox(
    kube: KubeServer, installed: str, changes: dict[str, Any], words: str
) -> None:
    status, message = refusal(kube, installed, **changes)
    assert (status, words in message) == (422, True), message


def test_what_the_schema_does_not_know_is_not_kept(kube: KubeServer, installed: str) -> None:
    document = make_mailbox(ALICE, BOB).document() | {"note": "x" * 1000}
    document["spec"]["note"] = "x" * 1000
    made = kube.request("POST", collection_path(installed), document, user="alice")
    assert (made.status, "note" in made.body, "note" in made.body["spec"]) == (201, False, False)


def test_the_name_must_be_one_of_ours(kube: KubeServer, installed: str) -> None:
    document = make_mailbox(ALICE, BOB).document()
    document["metadata"]["name"] = "m-hello"
    assert kube.apply(collection_path(installed), document, user="alice").status == 422


# the quota


def test_over_the_quota_a_new_mailbox_is_refused_with_its_name(kube: KubeServer, installed: str) -> None:
    limit_to(kube, installed, 1)
    assert write_mailbox(kube, installed, make_mailbox(ALICE, BOB)).status == 201
    refused = write_mailbox(kube, installed, make_mailbox(BOB, ALICE))
    assert refused.status == 403
    assert "exceeded quota: warren-mailboxes" in refused.body["message"]


def test_at_the_quota_a_mailbox_that_is_there_can_be_written(kube: KubeServer, installed: str) -> None:
    limit_to(kube, installed, 1)
    write_mailbox(kube, installed, make_mailbox(ALICE, BOB))
    assert write_mailbox(kube, installed, Mailbox(ALICE.public, BOB.public, ())).status == 200


def place(document: dict[str, Any]) -> str:
    return f"{collection(document)}/{document['metadata']['name']}"


def kubectl(kubeconfig: Path, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    command = [str(kubernetes_program("kubectl")), f"--kubeconfig={kubeconfig}", *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=60)
