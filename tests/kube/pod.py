"""A command that finds itself in a pod: with a service account where pods have it, in a mount namespace."""

from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from tests.kube.server import KubeServer

__all__ = ["Pod"]

# Nothing outside sees the mounts; the files stay those of the folder, so that the token can be changed.
SCRIPT: Final = """
place=/var/run/secrets/kubernetes.io/serviceaccount
mount -t tmpfs none /var/run && mkdir -p $place && mount --bind "$1" $place && shift && exec "$@"
"""


class Pod:
    """What a pod has that runs as a service account.

    Args:
        kube: the API server.
        namespace: of the pod.
        account: its service account.
        folder: for its files.
        seconds: how long its first token is good for.
    """

    def __init__(
        self, kube: KubeServer, namespace: str, account: str, folder: Path, *, seconds: int = 3600
    ) -> None:
        self._kube = kube
        self._namespace = namespace
        self._account = account
        self._folder = folder / f"pod-{account}"
        self._folder.mkdir()
        (self._folder / "ca.crt").write_bytes(kube.ca.read_bytes())
        (self._folder / "namespace").write_text(namespace)
        self.renew(seconds)

    @property
    def prefix(self) -> tuple[str, ...]:
        """What a command begins with, to run in the pod."""
        port = urlsplit(self._kube.url).port
        variables = ("KUBERNETES_SERVICE_HOST=127.0.0.1", f"KUBERNETES_SERVICE_PORT={port}")
        return ("env", *variables, "unshare", "--mount", "sh", "-c", SCRIPT, "sh", str(self._folder))

    def renew(self, seconds: int = 3600) -> None:
        """Replace its token, as a node does before the old one expires."""
        fresh = self._folder / "token.fresh"
        fresh.write_text(self._kube.service_token(self._namespace, self._account, seconds))
        fresh.replace(self._folder / "token")
