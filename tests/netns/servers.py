"""Servers in the internet of a lab: our signaling server and coturn, as processes."""

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import trustme

from tests.needs import program
from tests.netns.namespaces import udp
from tests.server.certificates import issue
from warren.cli.children import warren_command
from warren.cli.lab import Lab
from warren.ice import stun

__all__ = ["PASSWORD", "REALM", "USER", "Servers", "Turn", "run_coturn", "run_signaling", "run_turn"]

USER, PASSWORD, REALM = "ann", "p@ss word", "example.org"


@dataclass(frozen=True, slots=True)
class Servers:
    """What the peers of a lab are told to use."""

    signaling: str
    stun: tuple[str, ...] = ()
    turn: tuple[str, ...] = ()

    @property
    def options(self) -> list[str]:
        """The options of `warren` for them."""
        urls = {"signaling": (self.signaling,), "stun": self.stun, "turn": self.turn}
        return [f"--{name}={url}" for name, values in urls.items() for url in values]


@dataclass(frozen=True, slots=True)
class Turn:
    """A coturn that relays for one user, by UDP, TCP and TLS."""

    host: str
    process: "subprocess.Popen[str]"
    log_file: Path
    trust: Path
    """The certificate of who vouches for its TLS."""

    def url(self, transport: str = "udp", user: str = USER, password: str = PASSWORD) -> str:
        """How this user is told of it; `transport` is udp, tcp or tls."""
        who = f"{quote(user)}:{quote(password, safe='')}@{self.host}"
        return f"turns:{who}" if transport == "tls" else f"turn:{who}?transport={transport}"

    @property
    def environment(self) -> list[str]:
        """What a command begins with, to believe its certificate."""
        return ["env", f"SSL_CERT_FILE={self.trust}"]

    def log(self) -> list[str]:
        """What it has written."""
        return self.log_file.read_text().splitlines()

    def count(self, words: str) -> int:
        """In how many lines it has written these words."""
        return sum(words in line for line in self.log())


@contextmanager
def run_signaling(lab: Lab, host: str, *options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run `warren signal` in the internet; gives its URL and its process."""
    command = warren_command("signal", "--listen", f"{host}:0", "--insecure", "--json", *options)
    with _server(lab, command, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("{") and (event := json.loads(line))["event"] == "listening":
                yield f"grpc://{host}:{event['port']}?insecure=true", process
                return
        raise AssertionError("the signaling server ended before it listened")


@contextmanager
def run_coturn(lab: Lab, folder: Path) -> Iterator[tuple[str, ...]]:
    """Run coturn on both addresses of the internet; gives its URLs."""
    listening = [f"--listening-ip={address}" for address in lab.server_addresses]
    files = [f"--pidfile={folder / 'pid'}", f"--db={folder / 'db'}", "--log-file=stdout", "--simple-log"]
    options = ["-n", "--stun-only", "--no-tls", "--no-dtls", "--no-cli", *listening, *files]
    with _server(lab, [program("turnserver") or "turnserver", *options], stderr=subprocess.DEVNULL):
        for address in lab.server_addresses:
            _until_answered(lab, (address, 3478))
        yield tuple(f"stun:{address}:3478" for address in lab.server_addresses)


@contextmanager
def run_turn(lab: Lab, folder: Path, *options: str, host: str | None = None) -> Iterator[Turn]:
    """Run a coturn that relays on the first address of the internet."""
    host = host or lab.server_addresses[0]
    authority = trustme.CA()
    files, trust = issue(authority, folder, host), folder / "authority.pem"
    authority.cert_pem.write_to_path(str(trust))
    command = [
        program("turnserver") or "turnserver", "-n", "-v", "--lt-cred-mech", f"--user={USER}:{PASSWORD}",
        f"--realm={REALM}", f"--listening-ip={host}", "--no-dtls", "--no-cli",
        f"--cert={files.certificate}", f"--pkey={files.key}", f"--pidfile={folder / 'turn-pid'}",
        f"--db={folder / 'turn-db'}", "--log-file=stdout", "--simple-log", *options,
    ]  # fmt: skip
    log = folder / "turn.log"
    with log.open("w") as output, _server(lab, command, subprocess.STDOUT, output.fileno()) as process:
        _until_answered(lab, (host, 3478))
        yield Turn(host, process, log, trust)


@contextmanager
def _server(
    lab: Lab, command: Sequence[str], stderr: int, stdout: int = subprocess.DEVNULL
) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        lab.command(None, *command),
        stdout=stdout,
        stderr=stderr,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _until_answered(lab: Lab, server: tuple[str, int]) -> None:
    with udp(lab.internet, lab.server_addresses[0]) as asking:
        asking.settimeout(0.1)
        for _ in range(100):
            asking.sendto(stun.server_request(os.urandom(12)), server)
            with suppress(TimeoutError):
                asking.recv(1500)
                return
    raise AssertionError(f"no STUN answer from {server} in 10 s")
