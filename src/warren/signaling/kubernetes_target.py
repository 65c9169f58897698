"""Which Kubernetes API server a URL means: a pod's own, or that of a kubeconfig; and how it knows us."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import yaml
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException
from kubernetes.aio.config.incluster_config import InClusterConfigLoader
from kubernetes.aio.config.kube_config import KubeConfigLoader, KubeConfigMerger

from warren.errors import ConfigurationError
from warren.signaling.url import BackendUrl

__all__ = ["SERVICE_ACCOUNT", "KubernetesTarget"]

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds its token, its namespace and the authority of its API server."""

DEFAULT_KUBECONFIG: Final = "~/.kube/config"
DEFAULT_NAMESPACE: Final = "default"

# RFC 1123: what may be the name of a namespace.
_NAMESPACE: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_HOW: Final = "write k8s: or k8s:///path/to/kubeconfig"
_POD_VARIABLES: Final = ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT")


@dataclass(frozen=True, slots=True, kw_only=True)
class KubernetesTarget:
    """An API server, the namespace of the mailboxes there, and where our credentials are."""

    namespace: str
    kubeconfig: str = ""
    """Files of a kubeconfig, as in `$KUBECONFIG`; empty: a pod's service account."""
    context: str | None = None
    """None: the current one."""
    service_account: Path = field(default=SERVICE_ACCOUNT, repr=False)
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    """Where a pod finds the address of its API server."""

    @classmethod
    def parse(
        cls,
        url: BackendUrl,
        *,
        environ: Mapping[str, str] = os.environ,
        service_account: Path = SERVICE_ACCOUNT,
    ) -> "KubernetesTarget":
        """Read `k8s:` or `k8s:///path/to/kubeconfig`, and the files that it names.

        Raises:
            ConfigurationError: the URL is wrong, or there is no usable configuration; the text says how.
        """
        url.refuse_options_but("namespace", "context")
        if url.authority:
            raise ConfigurationError(f"{url}: there is no place for a host; {_HOW}")
        if url.path and not url.path.startswith("/"):
            raise ConfigurationError(f"{url}: the path of a kubeconfig begins with a slash; {_HOW}")
        namespace, context = url.options.get("namespace"), url.options.get("context")
        if namespace is not None and not _NAMESPACE.fullmatch(namespace):
            raise ConfigurationError(f"{url}: ?namespace= must be the name of a namespace, like default")
        if not url.path and (service_account / "token").exists() and all(map(environ.get, _POD_VARIABLES)):
            if context is not None:
                raise ConfigurationError(f"{url}: in a pod there are no contexts; leave out ?context=")
            target = cls(
                namespace=namespace or _pod_namespace(service_account),
                service_account=service_account,
                environ=environ,
            )
            target.configuration_in_pod()
            return target
        kubeconfig = unquote(url.path) or environ.get("KUBECONFIG") or DEFAULT_KUBECONFIG
        found = _loader(kubeconfig, context).current_context["context"].get("namespace")
        return cls(namespace=namespace or found or DEFAULT_NAMESPACE, kubeconfig=kubeconfig, context=context)

    def __str__(self) -> str:
        """Name what the credentials are those of."""
        if not self.kubeconfig:
            return "the service account of this pod"
        return f"kubeconfig {self.kubeconfig}" + (f", context {self.context}" if self.context else "")

    async def load(self) -> Configuration:
        """Read everything anew, and let a program that the kubeconfig names give credentials.

        Raises:
            ConfigurationError: there is no usable configuration (any more).
        """
        if not self.kubeconfig:
            return self.configuration_in_pod()
        configuration = Configuration()
        loader = _loader(self.kubeconfig, self.context)
        try:
            await loader.load_and_set(configuration)
        except _UNUSABLE as error:
            raise ConfigurationError(f"{self} cannot be used: {_words(error)}") from None
        return configuration

    def configuration_in_pod(self) -> Configuration:
        """Read the pod's service account; its token is read again every minute.

        Raises:
            ConfigurationError: it is incomplete.
        """
        configuration = Configuration()
        files = [str(self.service_account / name) for name in ("token", "ca.crt")]
        try:
            InClusterConfigLoader(*files, environ=self.environ).load_and_set(configuration)
        except _UNUSABLE as error:
            raise ConfigurationError(
                f"{self} cannot be used: {_words(error)}; does the pod mount its token? or name a kubeconfig"
            ) from None
        return configuration


# What the client raises where a file is not what it should be: it looks only at what it happens to touch.
_UNUSABLE: Final = (
    ConfigException,
    OSError,
    yaml.YAMLError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
)


def _pod_namespace(service_account: Path) -> str:
    try:
        return (service_account / "namespace").read_text().strip() or DEFAULT_NAMESPACE
    except OSError:
        raise ConfigurationError(
            "the service account of this pod names no namespace: give one by ?namespace="
        ) from None


def _loader(kubeconfig: str, context: str | None) -> Any:
    """Read a kubeconfig as far as that needs no network."""
    files = [Path(file).expanduser() for file in kubeconfig.split(os.pathsep) if file]
    if not any(file.exists() for file in files):
        raise ConfigurationError(
            f"there is no kubeconfig {kubeconfig}: name one by k8s:///path/to/kubeconfig or $KUBECONFIG"
        )
    try:
        config = KubeConfigMerger(kubeconfig).config
        names = [item["name"] for item in config.value["contexts"]]
    except _UNUSABLE as error:
        raise ConfigurationError(
            f"kubeconfig {kubeconfig} cannot be read: {_words(error)}; does `kubectl config view` take it?"
        ) from None
    if context is not None and context not in names:
        known = ", ".join(map(str, names)) or "none"
        raise ConfigurationError(f"kubeconfig {kubeconfig} has no context {context!r}; it knows {known}")
    if context is None and not config.value.get("current-context"):
        raise ConfigurationError(f"kubeconfig {kubeconfig} has no current context: name one by ?context=")
    try:
        return KubeConfigLoader(config, active_context=context, config_base_path=None)
    except _UNUSABLE as error:
        raise ConfigurationError(
            f"kubeconfig {kubeconfig} is not usable: {_words(error)}; does `kubectl config view` take it?"
        ) from None


def _words(error: Exception) -> str:
    """Say what is wrong; a parser's own words may quote a secret."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"it is no YAML (line {error.problem_mark.line + 1})"
    if isinstance(error, OSError):
        return error.strerror or "it cannot be read"
    if isinstance(error, ConfigException):
        return str(error).partition("{")[0].strip()  # What follows may be a whole user, with a token.
    return "it is no kubeconfig"
