"""Servers in the internet of a lab: our signaling server and coturn, as processes."""

import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.needs import program
from warren.cli.children import warren_command
from warren.cli.lab import Lab
from warren.ice import stun

__all__ = ["Servers", "run_coturn", "run_signaling"]


@dataclass(frozen=True, slots=True)
class Servers:
    """What the peers of a lab are told to use."""

    signaling: str
    stun: tuple[str, ...] = ()

    @property
    def options(self) -> list[str]:
        """The options of `warren` for them."""
        return [f"--signaling={self.signaling}", *(f"--stun={url}" for url in self.stun)]


@contextmanager
def run_signaling(lab: Lab, host: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run `warren signal` in the internet; gives its URL and its process."""
    command = warren_command("signal", "--listen", f"{host}:0", "--insecure", "--json")
    with _server(lab, command, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("{") and (event := json.loads(line))["event"] == "listening":
                yield f"grpc://{host}:{event['port']}?insecure=true", process
                return
        raise AssertionError("the signaling server ended before it listened")


@contextmanager
def run_coturn(lab: Lab, folder: Path, ask: Callable[[], socket.socket]) -> Iterator[tuple[str, ...]]:
    """Run coturn on both addresses of the internet; gives its URLs.

    Args:
        ask: makes a socket in the internet's namespace, by which it is asked whether it is there.
    """
    listening = [f"--listening-ip={address}" for address in lab.server_addresses]
    files = [f"--pidfile={folder / 'pid'}", f"--db={folder / 'db'}", "--log-file=stdout", "--simple-log"]
    options = ["-n", "--stun-only", "--no-tls", "--no-dtls", "--no-cli", *listening, *files]
    with _server(lab, [program("turnserver") or "turnserver", *options], stderr=subprocess.DEVNULL):
        for address in lab.server_addresses:
            with ask() as asking:
                asking.settimeout(0.1)
                _until_answered(asking, (address, 3478))
        yield tuple(f"stun:{address}:3478" for address in lab.server_addresses)


@contextmanager
def _server(lab: Lab, command: Sequence[str], stderr: int) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        lab.command(None, *command),
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _until_answered(asking: socket.socket, server: tuple[str, int]) -> None:
    for _ in range(100):
        asking.sendto(stun.server_request(os.urandom(12)), server)
        try:
            asking.recv(1500)
        except TimeoutError:
            continue
        return
    raise AssertionError(f"no STUN answer from {server} in 10 s")
