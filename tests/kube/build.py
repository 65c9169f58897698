"""Builds kube-apiserver, which no distribution has, from its Go module: `python -m tests.kube.build`."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.needs import KUBERNETES, kubernetes_program, missing, program

__all__ = ["build", "main"]

SOURCE: Final = Path(__file__).with_name("apiserver")
PACKAGE: Final = "k8s.io/kubernetes/cmd/kube-apiserver"
PACKAGES: Final = 1_950
"""How many packages are compiled, about."""

# Without these names it would call itself v0.0.0; nobody debugs it here, and symbols are half of its size.
MAJOR, MINOR, _ = KUBERNETES.removeprefix("v").split(".")
NAMES: Final = {"gitVersion": KUBERNETES, "gitMajor": MAJOR, "gitMinor": MINOR}
LINK: Final = " ".join(
    ("-s -w", *(f"-X k8s.io/component-base/version.{name}={value}" for name, value in NAMES.items()))
)


def build(target: Path) -> bool:
    """Build it unless it is there, telling how far it is; false where it could not be built.

    Who comes while another builds waits for that one. The program appears whole or not at all.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_name(f"{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.exists():
            return True
        _tell(
            f"building kube-apiserver {KUBERNETES} for the tests, once, some five minutes; kept as {target}"
        )
        unfinished = target.with_name(f"{target.name}.unfinished")
        if done := _compile(unfinished):
            unfinished.replace(target)
        return done


def main() -> int:
    """Build it where the tests look for it; 1 where it is not there in the end."""
    if os.environ.get("KUBEBUILDER_ASSETS"):
        return 0
    target = kubernetes_program("kube-apiserver")
    if not target.exists() and (lacking := [reason for name in ("etcd", "go") if (reason := missing(name))]):
        _tell(f"kube-apiserver is not built: without {' and '.join(lacking)}")
        return 1
    return 0 if build(target) else 1


def _compile(target: Path) -> bool:
    command = ["nice", program("go") or "go", "build", "-v", "-trimpath", "-buildvcs=false"]
    with subprocess.Popen(
        [*command, f"-ldflags={LINK}", f"-o={target}", PACKAGE],
        cwd=SOURCE,
        env={**os.environ, "CGO_ENABLED": "0"},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as go:
        assert go.stderr is not None
        said: list[str] = []
        for number, line in enumerate(go.stderr, 1):
            said = [*said[-20:], line.rstrip()]
            if number % 200 == 0:
                _tell(f"  compiled {number} packages of about {PACKAGES}")
    if go.returncode:
        _tell("kube-apiserver cannot be built:", *said)
    return go.returncode == 0


def _tell(*lines: str) -> None:
    print(*lines, sep="\n", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
