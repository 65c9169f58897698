"""Tests of the rights in what `warren k8s manifests` prints: users and verbs, on a real API server."""

from typing import Any, Final

import pytest

from tests.kube.installed import make_mailbox, write_mailbox
from tests.kube.server import APPLY, MERGE, KubeServer
from tests.needs import needs
from tests.signaling.people import ALICE, BOB, CAROL
from warren.signaling.kubernetes_mailbox import GROUP, PLURAL, Mailbox, collection_path, mailbox_path
from warren.signaling.kubernetes_manifests import PEER, SWEEPER

pytestmark = needs("etcd", "kube-apiserver")

RIGHTS: Final = {
    "alice": "apply create get list patch watch",
    "bob": "apply create get list patch watch",
    f"account {PEER}": "apply create get list patch watch",
    "sweeper": "delete list",
    f"account {SWEEPER}": "delete list",
    "account other": "",
    "nobody": "",
}
"""Who may do what with mailboxes in their namespace; a service account is one of that namespace."""

OTHERS: Final = {
    "mailboxes of another namespace": ("GET", "/apis/signaling.warren.dev/v1/namespaces/default/mailboxes"),
    "mailboxes of all namespaces": ("GET", "/apis/signaling.warren.dev/v1/mailboxes"),
    "secrets": ("GET", "/api/v1/namespaces/{}/secrets"),
    "config maps": ("GET", "/api/v1/namespaces/{}/configmaps"),
    "pods": ("GET", "/api/v1/namespaces/{}/pods"),
    "service accounts": ("GET", "/api/v1/namespaces/{}/serviceaccounts"),
    "a token of the sweeper": ("POST", "/api/v1/namespaces/{}/serviceaccounts/warren-sweeper/token"),
    "its own role": ("GET", "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles/warren-peer"),
    "role bindings": ("GET", "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings"),
    "the quota": ("DELETE", "/api/v1/namespaces/{}/resourcequotas/warren-mailboxes"),
    "the cron job": ("GET", "/apis/batch/v1/namespaces/{}/cronjobs/warren-sweeper"),
    "the definition": (
        "DELETE",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/mailboxes.signaling.warren.dev",
    ),
    "namespaces": ("GET", "/api/v1/namespaces"),
    "nodes": ("GET", "/api/v1/nodes"),
}
"""What nobody here may touch."""


@pytest.mark.parametrize("user", RIGHTS)
def test_a_user_may_do_this_with_mailboxes_and_no_more(kube: KubeServer, installed: str, user: str) -> None:
    token = token_of(kube, installed, user)
    allowed = {verb for verb in requests(installed) if may(kube, installed, token, verb)}
    assert allowed == set(RIGHTS[user].split())


@pytest.mark.parametrize("user", RIGHTS)
def test_nobody_may_touch_anything_else(kube: KubeServer, installed: str, user: str) -> None:
    token = token_of(kube, installed, user)
    said = {
        what: kube.request(method, path.format(installed), token=token).status
        for what, (method, path) in OTHERS.items()
    }
    assert said == dict.fromkeys(OTHERS, 403)


@pytest.mark.parametrize("user", ["alice", "sweeper"])
def test_beyond_what_everybody_may_the_server_knows_of_one_right(
    kube: KubeServer, installed: str, user: str
) -> None:
    everybody = rules(kube, installed, token_of(kube, installed, "nobody"))
    own = [each for each in rules(kube, installed, token_of(kube, installed, user)) if each not in everybody]
    verbs = {"alice": ["get", "list", "watch", "create", "patch"], "sweeper": ["list", "delete"]}[user]
    assert own == [{"verbs": verbs, "apiGroups": [GROUP], "resources": [PLURAL]}]


def test_a_refusal_names_the_right(kube: KubeServer, installed: str) -> None:
    path = mailbox_path(installed, make_mailbox(ALICE, BOB).name)
    said = kube.request("DELETE", path, user="alice").body["message"]
    assert 'User "alice" cannot delete resource "mailboxes"' in said


def requests(namespace: str) -> dict[str, tuple[str, str, Any, str]]:
    """One request for each verb, where there is a mailbox from Alice to Bob."""
    there, new = make_mailbox(ALICE, BOB), make_mailbox(ALICE, CAROL)
    empty = Mailbox(ALICE.public, BOB.public, ()).document()
    one, all_of_them = mailbox_path(namespace, there.name), collection_path(namespace)
    json = "application/json"
    apply_new = f"{mailbox_path(namespace, new.name)}?fieldManager=test&force=true"
    return {
        "get": ("GET", one, None, json),
        "list": ("GET", all_of_them, None, json),
        "watch": ("GET", f"{all_of_them}?watch=1&timeoutSeconds=1", None, json),
        "create": ("POST", all_of_them, new.document(), json),
        "apply": ("PATCH", apply_new, new.document(), APPLY),
        "patch": ("PATCH", one, {"spec": empty["spec"]}, MERGE),
        "update": ("PUT", one, empty, json),
        "delete": ("DELETE", one, None, json),
        "deletecollection": ("DELETE", all_of_them, None, json),
    }


def may(kube: KubeServer, namespace: str, token: str, verb: str) -> bool:
    """Try it, with the mailboxes as they were at first."""
    kube.request("DELETE", collection_path(namespace))
    write_mailbox(kube, namespace, make_mailbox(ALICE, BOB), user="admin")
    method, path, body, content_type = requests(namespace)[verb]
    said = kube.request(method, path, body, token=token, content_type=content_type)
    assert said.status in (200, 201, 403), said
    return said.status != 403


def token_of(kube: KubeServer, namespace: str, user: str) -> str:
    """The token of a user of the rig, or of a service account."""
    if not user.startswith("account "):
        return f"{user}-token"
    account = user.removeprefix("account ")
    if account == "other":
        made = kube.request(
            "POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": account}}
        )
        assert made.status == 201
    return kube.service_token(namespace, account)


def rules(kube: KubeServer, namespace: str, token: str) -> list[dict[str, Any]]:
    """What the server itself says that one may do there."""
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview"}
    path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    said = kube.request("POST", path, {**review, "spec": {"namespace": namespace}}, token=token)
    found: list[dict[str, Any]] = said.body["status"]["resourceRules"]
    return found
