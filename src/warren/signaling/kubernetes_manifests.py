"""What an API server must be given before peers can use it, each with least rights: as documents."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from warren.signaling.kubernetes_mailbox import (
    CRD_NAME,
    GROUP,
    KIND,
    MAX_ENTRIES,
    MAX_ENVELOPE_TEXT,
    NAME_PATTERN,
    PLURAL,
    VERSION,
)

__all__ = ["PEER", "SWEEPER", "Subject", "SubjectKind", "manifests"]

PEER: Final = "warren-peer"
"""The name of what peers get: role, binding, service account."""

SWEEPER: Final = "warren-sweeper"
"""The name of what removes old mailboxes: role, binding, service account, cron job."""

PEER_VERBS: Final = ("get", "list", "watch", "create", "patch")
# Who removes mailboxes need not read or write one.
SWEEPER_VERBS: Final = ("list", "delete")

RBAC: Final = "rbac.authorization.k8s.io"
SCHEDULE: Final = "*/5 * * * *"
SWEEP_TIME: Final = 240
"""Seconds after which a sweep is ended: the next is due."""

NOBODY: Final = 65534
KEY_LENGTH: Final = 44

Document = dict[str, Any]


class SubjectKind(Enum):
    """Who may be given the rights of a peer, in the words of RBAC."""

    USER = "User"
    GROUP = "Group"
    SERVICE_ACCOUNT = "ServiceAccount"


@dataclass(frozen=True, slots=True)
class Subject:
    """A user, a group or a service account."""

    kind: SubjectKind
    name: str
    namespace: str = ""
    """Of a service account."""

    def document(self) -> Document:
        """Write it as a role binding names it."""
        if self.kind is SubjectKind.SERVICE_ACCOUNT:
            return {"kind": self.kind.value, "name": self.name, "namespace": self.namespace}
        return {"kind": self.kind.value, "name": self.name, "apiGroup": RBAC}


def manifests(*, namespace: str, image: str, peers: Sequence[Subject], quota: int) -> list[Document]:
    """Write all documents, in the order in which they are needed.

    Args:
        namespace: where the mailboxes will be; it must exist.
        image: of the container that sweeps; it has a `warren` command.
        peers: who may use it, beside the pods that run as the service account `PEER`.
        quota: how many mailboxes there may be: one for each ordered pair of peers that talk.
    """
    own = Subject(SubjectKind.SERVICE_ACCOUNT, PEER, namespace)
    sweeper = Subject(SubjectKind.SERVICE_ACCOUNT, SWEEPER, namespace)
    return [
        _definition(),
        {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": _metadata("warren-mailboxes", namespace),
            "spec": {"hard": {f"count/{CRD_NAME}": str(quota)}},
        },
        *_rights(PEER, namespace, PEER_VERBS, [own, *peers]),
        *_rights(SWEEPER, namespace, SWEEPER_VERBS, [sweeper]),
        _cron_job(namespace, image),
    ]


def _definition() -> Document:
    columns = [
        {"name": "Sender", "type": "string", "jsonPath": ".spec.sender"},
        {"name": "Recipient", "type": "string", "jsonPath": ".spec.recipient"},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ]
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": columns,
        "schema": {"openAPIV3Schema": _schema()},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": _metadata(CRD_NAME),
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"kind": KIND, "listKind": f"{KIND}List", "plural": PLURAL, "singular": KIND.lower()},
            "versions": [version],
        },
    }


def _schema() -> Document:
    key = {
        "type": "string",
        "minLength": KEY_LENGTH,
        "maxLength": KEY_LENGTH,
        "pattern": "^[A-Za-z0-9+/]{43}=$",
    }
    entry = _object(
        # Without a maximum: the server compares numbers as floats, and for 2^63 - 1 that ends below zero.
        seq={"type": "integer", "format": "int64", "minimum": 0},
        envelope={"type": "string", "format": "byte", "maxLength": MAX_ENVELOPE_TEXT},
    )
    entries = {
        "type": "array",
        "maxItems": MAX_ENTRIES,
        "items": entry,
        # Its one writer gives it whole each time.
        "x-kubernetes-list-type": "atomic",
    }
    return {
        "description": "What one peer says to another: sealed envelopes in flight, no record.",
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {
                "type": "object",
                "properties": {"name": {"type": "string", "pattern": NAME_PATTERN}},
            },
            "spec": _object(sender=key, recipient=key, entries=entries),
        },
    }


def _object(**properties: Document) -> Document:
    return {"type": "object", "required": list(properties), "properties": properties}


def _rights(
    name: str, namespace: str, verbs: Sequence[str], subjects: Sequence[Subject]
) -> tuple[Document, Document, Document]:
    """Make a service account, its role, and who else has that role."""
    return (
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _metadata(name, namespace)},
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "Role",
            "metadata": _metadata(name, namespace),
            "rules": [{"apiGroups": [GROUP], "resources": [PLURAL], "verbs": list(verbs)}],
        },
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": _metadata(name, namespace),
            "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": name},
            "subjects": [subject.document() for subject in subjects],
        },
    )


def _cron_job(namespace: str, image: str) -> Document:
    container = {
        "name": "sweep",
        "image": image,
        "command": ["warren", "k8s", "sweep"],
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    pod = {
        "serviceAccountName": SWEEPER,
        "restartPolicy": "Never",
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": NOBODY,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": _metadata(SWEEPER, namespace),
        "spec": {
            "schedule": SCHEDULE,
            "concurrencyPolicy": "Forbid",
            # What was missed while nothing was scheduled is made good by the next.
            "startingDeadlineSeconds": SWEEP_TIME,
            "successfulJobsHistoryLimit": 1,
            "failedJobsHistoryLimit": 1,
            "jobTemplate": {
                "spec": {
                    "backoffLimit": 0,
                    "activeDeadlineSeconds": SWEEP_TIME,
                    "template": {"metadata": {"labels": _LABELS}, "spec": pod},
                }
            },
        },
    }


_LABELS: Final = {"app.kubernetes.io/name": "warren"}


def _metadata(name: str, namespace: str = "") -> Document:
    return {"name": name, **({"namespace": namespace} if namespace else {}), "labels": _LABELS}
