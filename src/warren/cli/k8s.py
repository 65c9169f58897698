"""`warren k8s`: what a Kubernetes API server needs to carry signaling."""

from typing import Final

__all__ = ["EXAMPLES", "k8s"]

EXAMPLES: Final = ("warren k8s manifests --namespace vpn | kubectl apply -f -", "warren k8s sweep")


def k8s() -> None:
    """Prepare a Kubernetes API server for signaling, and remove what peers have left there.

    Peers then use it with --signaling k8s:, in a pod or with a kubeconfig.
    """
