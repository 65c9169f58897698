"""A real kube-apiserver with its etcd: processes that can be killed, frozen and started again."""

import base64
import json
import secrets
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import trustme
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.needs import kubernetes_program

__all__ = ["APPLY", "MERGE", "PEERS", "USERS", "Daemon", "KubeServer", "Reply", "kube_server"]

PEERS: Final = "peers"
"""The group of the users that are peers."""

USERS: Final[Mapping[str, str]] = {
    "admin": "system:masters",
    "alice": PEERS,
    "bob": PEERS,
    "sweeper": "",
    "nobody": "",
}
"""Who has a token, and their group: the tokens are `USER-token`."""

APPLY: Final = "application/apply-patch+yaml"
MERGE: Final = "application/merge-patch+json"
START: Final = 60.0
"""Seconds until a process must be ready; it takes about three."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server answered."""

    status: int
    headers: Mapping[str, str]
    body: Any
    """The JSON of it, or its text where it is none."""


class Daemon:
    """A process that listens on ports of its own, and may be ended and begun again on the same ones.

    Args:
        command: its program and arguments.
        log: where it writes.
        ready: whether it serves; asked again and again after its start.
    """

    def __init__(self, command: list[str], log: Path, ready: Callable[[], bool]) -> None:
        self._command = command
        self._log = log
        self._ready = ready
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The number of the process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, unless it runs, and wait until it serves.

        Raises:
            RuntimeError: it ended, or the time was over; the text is the end of its log.
        """
        if not self.alive:
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    self._command, stdout=log, stderr=log, stdin=subprocess.DEVNULL
                )
        deadline = time.monotonic() + START
        while not self._ready():
            if not self.alive or time.monotonic() > deadline:
                tail = self._log.read_text(errors="replace")[-4000:]
                self.kill()
                raise RuntimeError(f"{self._command[0]} does not serve:\n{tail}")
            time.sleep(0.02)

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        """Stop it in the middle of what it does: its connections stay open, and silent."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)


@dataclass(frozen=True, slots=True, kw_only=True)
class KubeServer:
    """An API server and its etcd. All calls block: in a coroutine, `await asyncio.to_thread(…)`."""

    url: str
    ca: Path
    """Whom to trust about its certificate."""
    folder: Path
    apiserver: Daemon
    etcd: Daemon
    etcd_url: str

    def start(self) -> None:
        """Start, or thaw, what does not run, and wait until all of it serves."""
        for daemon in (self.etcd, self.apiserver):
            if daemon.alive:
                daemon.thaw()
            daemon.start()

    def kill(self) -> None:
        """End both as a crash would."""
        self.apiserver.kill()
        self.etcd.kill()

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        user: str = "admin",
        token: str = "",
        content_type: str = "application/json",
    ) -> Reply:
        """Ask the server something, as one of `USERS` or with a token; every status is a reply."""
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {token or f'{user}-token'}", "Content-Type": content_type},
        )
        trust = ssl.create_default_context(cafile=str(self.ca))
        try:
            answer = urllib.request.urlopen(request, timeout=30, context=trust)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            text = answer.read().decode()
        is_json = (answer.headers["Content-Type"] or "").startswith("application/json")
        return Reply(answer.status, dict(answer.headers), json.loads(text) if is_json else text)

    def apply(self, path: str, document: Mapping[str, Any], *, user: str = "admin") -> Reply:
        """Apply a document on the server's side under its name in the collection at this path."""
        name = document["metadata"]["name"]
        query = "?fieldManager=test&force=true"
        return self.request("PATCH", f"{path}/{name}{query}", document, user=user, content_type=APPLY)

    def age(self, key: str, seconds: float) -> None:
        """Make a custom object as old as if all that was done to it had been done so much earlier.

        Args:
            key: its path below `/registry/` in etcd, where such objects are JSON.
            seconds: how much.
        """

        def earlier(time: str) -> str:
            moment = datetime.fromisoformat(time) - timedelta(seconds=seconds)
            return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

        place = base64.b64encode(f"/registry/{key}".encode()).decode()
        (found,) = self._etcd("range", key=place)["kvs"]
        document = json.loads(base64.b64decode(found["value"]))
        metadata = document["metadata"]
        metadata["creationTimestamp"] = earlier(metadata["creationTimestamp"])
        for writer in metadata["managedFields"]:
            writer["time"] = earlier(writer["time"])
        self._etcd("put", key=place, value=base64.b64encode(json.dumps(document).encode()).decode())

    def forget(self) -> None:
        """Lose all versions but the newest: etcd drops them, and a new API server remembers none."""
        revision = self._etcd("range", key=base64.b64encode(b"/").decode())["header"]["revision"]
        self._etcd("compaction", revision=revision)
        self.apiserver.kill()
        self.start()

    def _etcd(self, call: str, **values: str) -> Any:
        url = f"{self.etcd_url}/v3/kv/{call}"
        with urllib.request.urlopen(url, json.dumps(values).encode(), timeout=30) as answer:
            return json.load(answer)

    def make_namespace(self) -> str:
        """Make a namespace of a new name."""
        name = f"test-{secrets.token_hex(4)}"
        made = self.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        assert made.status == 201, made
        return name

    def service_token(self, namespace: str, account: str, seconds: int = 3600) -> str:
        """Get a token of a service account, as it gets them in a pod.

        The server issues none for less than 10 minutes: a shorter one is signed here, with its key. Who shows
        one may be believed for 10 s after its end: so long the server remembers what it has checked.
        """
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}"
        if seconds < 600:
            found = self.request("GET", path)
            assert found.status == 200, found
            return _sign(self.folder / "accounts.key", self.url, found.body["metadata"], seconds)
        made = self.request("POST", f"{path}/token", {"spec": {"expirationSeconds": seconds}})
        assert made.status == 201, made
        token: str = made.body["status"]["token"]
        return token

    def kubeconfig(self, user: str, namespace: str = "default", *, token: str = "") -> Path:
        """Write a kubeconfig for one of `USERS`, or with a token, to a new file."""
        cluster = {"server": self.url, "certificate-authority": str(self.ca)}
        context = {"cluster": "test", "user": user, "namespace": namespace}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": cluster}],
            "contexts": [{"name": "test", "context": context}],
            "users": [{"name": user, "user": {"token": token or f"{user}-token"}}],
        }
        path = self.folder / f"kubeconfig-{user}-{secrets.token_hex(4)}"
        # JSON is YAML.
        path.write_text(json.dumps(content))
        return path


@contextmanager
def kube_server(folder: Path) -> Iterator[KubeServer]:
    """Run an API server and its etcd on the loopback address, with their files in a folder."""
    etcd_port, etcd_peer_port, port = _free_ports(3)
    server = KubeServer(
        url=f"https://127.0.0.1:{port}",
        etcd_url=f"http://127.0.0.1:{etcd_port}",
        ca=_write_secrets(folder),
        folder=folder,
        etcd=_etcd(folder, etcd_port, etcd_peer_port),
        apiserver=_apiserver(folder, port, etcd_port),
    )
    try:
        server.start()
        yield server
    finally:
        server.kill()


def _etcd(folder: Path, port: int, peer_port: int) -> Daemon:
    client, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer_port}"
    command = [
        str(kubernetes_program("etcd")),
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        # A crash of the machine may cost what it holds; a crash of the process does not.
        "--unsafe-no-fsync",
    ]
    return Daemon(command, folder / "etcd.log", lambda: _serves(f"{client}/health", None, ""))


def _apiserver(folder: Path, port: int, etcd_port: int) -> Daemon:
    command = [
        str(kubernetes_program("kube-apiserver")),
        f"--etcd-servers=http://127.0.0.1:{etcd_port}",
        f"--cert-dir={folder}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        "--advertise-address=127.0.0.1",
        f"--tls-cert-file={folder / 'server.crt'}",
        f"--tls-private-key-file={folder / 'server.key'}",
        "--service-cluster-ip-range=10.0.0.0/24",
        f"--service-account-issuer=https://127.0.0.1:{port}/",
        f"--service-account-key-file={folder / 'accounts.key'}",
        f"--service-account-signing-key-file={folder / 'accounts.key'}",
        "--api-audiences=api",
        "--authorization-mode=RBAC",
        f"--token-auth-file={folder / 'tokens.csv'}",
        "--disable-admission-plugins=ServiceAccount",
        # Old resource versions are gone soon: a watcher that asks for one gets a 410.
        "--etcd-compaction-interval=5s",
        "--min-request-timeout=30",
    ]
    ca, url = folder / "ca.crt", f"https://127.0.0.1:{port}/readyz"
    return Daemon(command, folder / "kube-apiserver.log", lambda: _serves(url, ca, "admin-token"))


def _write_secrets(folder: Path) -> Path:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.crt")
    made = authority.issue_cert("127.0.0.1", "localhost")
    (folder / "server.crt").write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
    made.private_key_pem.write_to_path(folder / "server.key")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    (folder / "accounts.key").write_bytes(pem)
    lines = [f'{user}-token,{user},{user},"{group}"' for user, group in USERS.items()]
    (folder / "tokens.csv").write_text("\n".join(lines) + "\n")
    return folder / "ca.crt"


def _sign(key: Path, url: str, account: Mapping[str, str], seconds: int) -> str:
    # The server forgives a clock that is a minute wrong.
    end = int(time.time()) - 60 + seconds
    name = {"name": account["name"], "uid": account["uid"]}
    claims = {
        "iss": f"{url}/",
        "aud": ["api"],
        "exp": end,
        "nbf": end - 3600,
        "iat": end - 3600,
        "sub": f"system:serviceaccount:{account['namespace']}:{account['name']}",
        "kubernetes.io": {"namespace": account["namespace"], "serviceaccount": name},
    }
    parts = [_base64url(json.dumps(part).encode()) for part in ({"alg": "RS256", "typ": "JWT"}, claims)]
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    assert isinstance(private, rsa.RSAPrivateKey)
    signature = private.sign(".".join(parts).encode(), padding.PKCS1v15(), hashes.SHA256())
    return ".".join((*parts, _base64url(signature)))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _serves(url: str, ca: Path | None, token: str) -> bool:
    trust = ssl.create_default_context(cafile=str(ca)) if ca else None
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=5, context=trust) as answer:
            return bool(answer.status == 200)
    except OSError:  # Refused, reset, or not ready yet (URLError and HTTPError are of this kind).
        return False


def _free_ports(count: int) -> list[int]:
    with_ports = [socket.socket() for _ in range(count)]
    try:
        for each in with_ports:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in with_ports]
    finally:
        for each in with_ports:
            each.close()
