"""`warren k8s sweep`: delete mailboxes that nobody has written for 10 minutes."""

from typing import Annotated, Final

import typer

from warren.cli.loop import run
from warren.cli.terminal import Terminal
from warren.errors import ConfigurationError, SignalingError
from warren.signaling.kubernetes_api import KubernetesApi
from warren.signaling.kubernetes_sweep import Tally
from warren.signaling.kubernetes_sweep import sweep as sweep_mailboxes
from warren.signaling.kubernetes_target import KubernetesTarget
from warren.signaling.url import BackendUrl

__all__ = ["EXAMPLES", "sweep"]

EXAMPLES: Final = (
    "warren k8s sweep",
    "warren k8s sweep --dry-run 'k8s:///home/jane/.kube/config?namespace=vpn'",
)


def sweep(
    url: Annotated[
        str,
        typer.Argument(
            metavar="URL",
            help="The API server, as --signaling names it: k8s:, or k8s:///path/to/kubeconfig?namespace=NAME.",
        ),
    ] = "k8s:",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print what would be deleted; delete nothing.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write events to standard error as JSON objects, one a line.")
    ] = False,
    verbose: Annotated[
        int, typer.Option("--verbose", "-v", count=True, show_default=False, help="Name what is deleted.")
    ] = 0,
) -> int:
    """Delete mailboxes that nobody has written for 10 minutes, by the API server's clock.

    A mailbox that is written meanwhile stays. The cron job that `warren k8s manifests` prints runs this
    every 5 minutes; it needs the rights to list and to delete mailboxes, and no other.
    """
    parsed = BackendUrl.parse(url)
    if parsed.scheme != "k8s":
        raise ConfigurationError(f"{parsed} is not a Kubernetes API server: write k8s: or k8s:///path")
    target = KubernetesTarget.parse(parsed)
    run(_sweep(target, Terminal(as_json=as_json, verbose=verbose), dry_run=dry_run))
    return 0


async def _sweep(target: KubernetesTarget, terminal: Terminal, *, dry_run: bool) -> None:
    api, tally = KubernetesApi(target), Tally()

    def found(name: str, idle: float) -> None:
        tell = terminal.result if dry_run else terminal.detail
        tell(f"{name}: idle for {idle:.0f} s", event="idle", mailbox=name, idle=round(idle))

    try:
        await sweep_mailboxes(api, tally, found=found, dry_run=dry_run)
    except SignalingError:
        if tally.seen:
            _tell(terminal, tally, target.namespace, dry_run=dry_run)
        raise
    finally:
        await api.aclose()
    _tell(terminal, tally, target.namespace, dry_run=dry_run)


def _tell(terminal: Terminal, tally: Tally, namespace: str, *, dry_run: bool) -> None:
    done = f"would delete {tally.idle}" if dry_run else f"deleted {tally.deleted}"
    text = f"{done} of {tally.seen} mailboxes in namespace {namespace}"
    if tally.written:
        text += f"; {tally.written} had been written meanwhile and stay"
    terminal.result(
        text,
        event="swept",
        namespace=namespace,
        dry_run=dry_run,
        seen=tally.seen,
        idle=tally.idle,
        deleted=tally.deleted,
        written=tally.written,
    )
