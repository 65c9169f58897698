"""`warren k8s manifests`: print what an API server must be given before peers can use it."""

import importlib.metadata
import json
import re
from collections.abc import Iterable
from typing import Annotated, Any, Final

import typer
import yaml

from warren.signaling.kubernetes_manifests import Subject, SubjectKind
from warren.signaling.kubernetes_manifests import manifests as make_manifests

__all__ = ["EXAMPLES", "manifests"]

EXAMPLES: Final = (
    "warren k8s manifests | kubectl apply -f -",
    "warren k8s manifests --namespace vpn --group vpn-peers --image registry.example.org/warren:1 "
    "| kubectl apply -f -",
)

QUOTA: Final = 4000
"""Some 60 peers that all talk to each other; full to the last byte, less than the 2 GB that etcd holds."""

# RFC 1123: what may be the name of a namespace.
NAMESPACE: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
# RFC 1123: what may be the name of a service account.
ACCOUNT: Final = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def _namespace(text: str) -> str:
    if not NAMESPACE.fullmatch(text):
        raise typer.BadParameter("a namespace has at most 63 lower-case letters, digits and inner dashes")
    return text


def _account(text: str) -> Subject:
    namespace, colon, name = text.partition(":")
    if not (colon and NAMESPACE.fullmatch(namespace) and ACCOUNT.fullmatch(name)):
        raise typer.BadParameter(f"{text!r} is not like NAMESPACE:NAME")
    return Subject(SubjectKind.SERVICE_ACCOUNT, name, namespace)


def _image(text: str | None) -> str | None:
    if text is not None and (not text or len(text) > 1024 or not text.isprintable() or " " in text):
        raise typer.BadParameter(f"{text!r} cannot be the name of an image")
    return text


def _names(names: list[str] | None) -> list[str] | None:
    if any(not name.strip() or not name.isprintable() for name in names or ()):
        raise typer.BadParameter("a name may not be empty")
    return names


def manifests(
    namespace: Annotated[
        str,
        typer.Option(
            "--namespace",
            "-n",
            metavar="NAME",
            callback=_namespace,
            help="Where mailboxes are; it must exist.",
        ),
    ] = "default",
    user: Annotated[
        list[str] | None,
        typer.Option(
            "--user", metavar="NAME", callback=_names, help="Give this user the rights of a peer; repeatable."
        ),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(
            "--group",
            metavar="NAME",
            callback=_names,
            help="Give this group the rights of a peer; repeatable.",
        ),
    ] = None,
    serviceaccount: Annotated[
        list[Subject] | None,
        typer.Option(
            "--serviceaccount",
            metavar="NAMESPACE:NAME",
            parser=_account,
            help="Give this service account the rights of a peer; repeatable.",
        ),
    ] = None,
    image: Annotated[
        str | None,
        typer.Option(
            "--image",
            metavar="IMAGE",
            callback=_image,
            help="A container image with a `warren` command, for the sweeper (default: warren:VERSION).",
        ),
    ] = None,
    quota: Annotated[
        int, typer.Option("--quota", metavar="N", min=1, help="How many mailboxes there may be at the most.")
    ] = QUOTA,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list instead of YAML.")] = False,
) -> None:
    """Print what an API server must be given before peers can use it, for `kubectl apply -f -`.

    That is the resource in which mailboxes are kept, with its sizes bounded; a quota; a role for peers, who
    may not delete; and a cron job that alone may, and deletes mailboxes which nobody has written for
    10 minutes.

    Pods that run as the service account warren-peer are peers; who else is one, --user, --group and
    --serviceaccount say.
    """
    documents = make_manifests(
        namespace=namespace,
        image=image or f"warren:{importlib.metadata.version('warren')}",
        peers=_peers(user or (), group or (), serviceaccount or ()),
        quota=quota,
    )
    _print(documents, as_json=as_json)


def _peers(users: Iterable[str], groups: Iterable[str], accounts: Iterable[Subject]) -> list[Subject]:
    named = ((SubjectKind.USER, users), (SubjectKind.GROUP, groups))
    return [*(Subject(kind, name) for kind, names in named for name in names), *accounts]


def _print(documents: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"apiVersion": "v1", "kind": "List", "items": documents}, indent=2))
    else:
        print(yaml.dump_all(documents, Dumper=_Plain, sort_keys=False), end="")


class _Plain(yaml.SafeDumper):
    """Writes what occurs twice twice: people read it."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
