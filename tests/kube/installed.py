"""What `warren k8s manifests` prints, installed in a namespace for the users of the rig."""

import time
from collections.abc import Mapping
from typing import Any, Final

from tests.kube.server import PEERS, KubeServer, Reply
from tests.signaling.people import sealed
from warren.keys import PrivateKey
from warren.signaling.kubernetes_mailbox import CRD_NAME, GROUP, PLURAL, Entry, Mailbox, collection_path
from warren.signaling.kubernetes_manifests import SWEEPER, Subject, SubjectKind, manifests

__all__ = [
    "apply_document",
    "collection",
    "install",
    "limit_to",
    "make_mailbox",
    "uninstall",
    "wait_for_status",
    "wait_until_served",
    "write_mailbox",
]

CLUSTER_WIDE: Final = ("CustomResourceDefinition", "Namespace")
ESTABLISHED: Final = 20.0
"""Seconds until a new resource must be served; it takes less than one."""


def collection(document: Mapping[str, Any]) -> str:
    """Say where on the server a document belongs."""
    group, _, version = document["apiVersion"].rpartition("/")
    root = f"/apis/{group}/{version}" if group else f"/api/{version}"
    kind = document["kind"]
    place = "" if kind in CLUSTER_WIDE else f"/namespaces/{document['metadata']['namespace']}"
    return f"{root}{place}/{kind.lower()}s"


def apply_document(kube: KubeServer, document: Mapping[str, Any]) -> Reply:
    """Apply a document where it belongs."""
    return kube.apply(collection(document), document)


def install(kube: KubeServer, namespace: str) -> None:
    """Install everything in a namespace: for the rig's peers, and for its user `sweeper`."""
    peers = [Subject(SubjectKind.GROUP, PEERS)]
    for document in manifests(namespace=namespace, image="warren:test", peers=peers, quota=4000):
        made = apply_document(kube, document)
        assert made.status in (200, 201), made
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "sweeper", "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": SWEEPER},
        "subjects": [Subject(SubjectKind.USER, "sweeper").document()],
    }
    assert apply_document(kube, binding).status == 201
    wait_until_served(kube, namespace)


def limit_to(kube: KubeServer, namespace: str, mailboxes: int) -> None:
    """Do what the controller manager, which does not run here, does about a quota: count what is there."""
    path = f"/api/v1/namespaces/{namespace}/resourcequotas/warren-mailboxes"
    name = f"count/{CRD_NAME}"
    quota = kube.request("GET", path).body
    assert name in quota["spec"]["hard"]
    quota["spec"]["hard"] = {name: str(mailboxes)}
    quota = kube.request("PUT", path, quota).body
    quota["status"] = {"hard": {name: str(mailboxes)}, "used": {name: "0"}}
    assert kube.request("PUT", f"{path}/status", quota).status == 200


def wait_until_served(kube: KubeServer, namespace: str) -> None:
    """Wait until the server serves mailboxes: it takes a moment after it has taken the definition."""
    wait_for_status(kube, 200, collection_path(namespace), user="alice")


def wait_for_status(
    kube: KubeServer, status: int, path: str, *, user: str = "admin", token: str = ""
) -> None:
    """Wait until the server answers so to one who looks at a path."""
    deadline = time.monotonic() + ESTABLISHED
    while (found := kube.request("GET", path, user=user, token=token)).status != status:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


def uninstall(kube: KubeServer) -> None:
    """Take the definition away, and with it all mailboxes of all namespaces."""
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{CRD_NAME}"
    kube.request("DELETE", path)
    deadline = time.monotonic() + ESTABLISHED
    while any(kube.request("GET", each).status != 404 for each in (path, collection_path("default"))):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def make_mailbox(sender: PrivateKey, recipient: PrivateKey) -> Mailbox:
    """Make a mailbox with one envelope in it."""
    return Mailbox(sender.public, recipient.public, (Entry.of(1, sealed(sender, recipient.public)),))


def write_mailbox(
    kube: KubeServer, namespace: str, mailbox: Mailbox, *, user: str = "alice", idle: float = 0
) -> Reply:
    """Write a mailbox as its sender does.

    Args:
        idle: let that have been so many seconds ago.
    """
    written = kube.apply(collection_path(namespace), mailbox.document(), user=user)
    if idle:
        kube.age(f"{GROUP}/{PLURAL}/{namespace}/{mailbox.name}", idle)
    return written
