"""What a test needs of the machine: `@needs("netns", "coturn")` skips it by name where that is missing.

At the end of a run the skips are counted by what was missing; with `WARREN_REQUIRE_ALL=1` each is a failure.
"""

import functools
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

__all__ = ["KUBERNETES", "PREFIX", "kubernetes_program", "missing", "needs", "program", "require_all"]

PREFIX: Final = "this machine lacks "
"""How the reason of every such skip begins; the summary finds them by it."""

KUBERNETES: Final = "v1.34.1"
"""Which kube-apiserver is built: what `tests/kube/apiserver/go.mod` asks for."""

SYSTEM_FOLDERS: Final = ("/usr/local/go/bin", "/usr/local/sbin", "/usr/sbin", "/sbin")


def needs(*names: str) -> pytest.MarkDecorator:
    """Mark a test (or, as `pytestmark`, a module) with what it cannot run without: names of `CHECKS`.

    Raises:
        ValueError: a name that nobody knows how to check.
    """
    if unknown := [name for name in names if name not in CHECKS]:
        raise ValueError(f"nobody knows how to check for {', '.join(unknown)}; known are {', '.join(CHECKS)}")
    return pytest.mark.needs(*names)


@functools.cache
def missing(name: str) -> str | None:
    """Say what is missing and how to get it, in words, or None where it is there."""
    return CHECKS[name]()


def require_all() -> bool:
    """Whether a skip for something missing counts as a failure."""
    return os.environ.get("WARREN_REQUIRE_ALL", "") not in ("", "0")


def program(name: str) -> str | None:
    """Find a program by `PATH` and by the folders where system programs are kept."""
    return shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), *SYSTEM_FOLDERS)))


def kubernetes_program(name: str) -> Path:
    """Say where kube-apiserver, etcd or kubectl is: in the folder `KUBEBUILDER_ASSETS` where that is set.

    Otherwise etcd and kubectl are the system's, and kube-apiserver, which no distribution has, is built by
    `tests/kube/build.py` into a cache outside the checkout.
    """
    if folder := os.environ.get("KUBEBUILDER_ASSETS"):
        return Path(folder) / name
    if name == "kube-apiserver":
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return cache / "warren" / f"{name}-{KUBERNETES}"
    return Path(program(name) or name)


def _root() -> str | None:
    return None if hasattr(os, "geteuid") and os.geteuid() == 0 else "root rights"


def _programs(*names: str, package: str) -> Callable[[], str | None]:
    def check() -> str | None:
        absent = [name for name in names if program(name) is None]
        return f"{' and '.join(absent)} (package {package})" if absent else None

    return check


def _network_namespaces() -> str | None:
    if reason := _root() or _programs("ip", package="iproute2")():
        return reason
    name = f"warren-{os.getpid()}-probe"
    ip = program("ip") or "ip"
    made = subprocess.run([ip, "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode:
        return f"network namespaces: {made.stderr.strip()}"
    subprocess.run([ip, "netns", "del", name], capture_output=True, check=False)
    return None


def _go() -> str | None:
    path = program("go")
    if path is None:
        return "Go 1.24 or newer (https://go.dev/dl, or package golang-go where that is new enough)"
    # What `tests/interop/pion/newest.mod` asks for.
    text = subprocess.run([path, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout
    version = re.match(r"go(\d+)\.(\d+)", text)
    if version is None or (int(version[1]), int(version[2])) < (1, 24):
        return f"Go 1.24 or newer (https://go.dev/dl); {path} is {text.strip() or 'none'}"
    return None


def _kubernetes(name: str, advice: str) -> Callable[[], str | None]:
    def check() -> str | None:
        path = kubernetes_program(name)
        return None if shutil.which(path) else f"{name} at {path} ({advice})"

    return check


def _ipv6() -> str | None:
    return None if Path("/proc/sys/net/ipv6").exists() else "IPv6 in its kernel"


def _atheris() -> str | None:
    return (
        None if importlib.util.find_spec("atheris") else "atheris (there is none for this Python or machine)"
    )


CHECKS: Final[dict[str, Callable[[], str | None]]] = {
    "atheris": _atheris,
    "root": _root,
    "netns": _network_namespaces,
    "nft": _programs("nft", package="nftables"),
    "conntrack": _programs("conntrack", package="conntrack"),
    "coturn": _programs("turnserver", package="coturn"),
    "nats": _programs("nats-server", package="nats-server"),
    "ipv6": _ipv6,
    "go": _go,
    "etcd": _kubernetes("etcd", "package etcd-server"),
    "kubectl": _kubernetes("kubectl", "package kubernetes-client"),
    "kube-apiserver": _kubernetes(
        "kube-apiserver", "`make kube-apiserver` builds it, with Go and etcd there"
    ),
}
