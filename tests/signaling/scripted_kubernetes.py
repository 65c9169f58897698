"""A small HTTP server that answers as an API server does, or as a test tells it."""

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from warren.envelope import Envelope
from warren.signaling.kubernetes_api import KubernetesApi
from warren.signaling.kubernetes_mailbox import Entry, Mailbox
from warren.signaling.kubernetes_target import KubernetesTarget
from warren.signaling.url import BackendUrl

__all__ = [
    "Asked",
    "ScriptedKubernetes",
    "ScriptedWatch",
    "event",
    "mail",
    "refuse",
    "reply",
    "write_kubeconfig",
]

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the server was asked."""

    kind: str
    """get, list, watch or patch."""
    query: Mapping[str, str]
    token: str
    body: Any
    at: float
    """When, by the event loop's clock."""


class ScriptedKubernetes:
    """An async context manager; `script[kind]` holds the next answers, one for each request of that kind.

    Without any it has an empty list, no object, a watch that is silent, and takes what is written.
    """

    def __init__(self, folder: Path) -> None:
        self.asked: list[Asked] = []
        self.script: defaultdict[str, deque[Handler]] = defaultdict(deque)
        self.changed = asyncio.Condition()
        self._folder = folder
        self._version = 100
        self._runner: web.ServerRunner | None = None
        self.url = ""
        self.open = 0
        """Requests that are being answered."""

    async def __aenter__(self) -> Self:
        self._runner = web.ServerRunner(web.Server(self._serve, handler_cancellation=True))
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    def api(self, *, timeout: float = 5.0) -> KubernetesApi:
        """Make what asks this server."""
        path = write_kubeconfig(self._folder / "kubeconfig", self.url)
        return KubernetesApi(KubernetesTarget.parse(BackendUrl.parse(f"k8s://{path}")), timeout=timeout)

    def of(self, kind: str) -> list[Asked]:
        """All that was asked of a kind."""
        return [asked for asked in self.asked if asked.kind == kind]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something holds that requests change."""
        async with asyncio.timeout(10), self.changed:
            await self.changed.wait_for(condition)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        kind = _kind(request)
        body = json.loads(await request.read() or b"null")
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        now = asyncio.get_running_loop().time()
        self.asked.append(Asked(kind, dict(request.query), token, body, now))
        self.open += 1
        await self._tell()
        try:
            if self.script[kind]:
                return await self.script[kind].popleft()(request)
            return await self._usual(kind, body, request)
        finally:
            self.open -= 1
            await asyncio.shield(self._tell())

    async def _tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def _usual(self, kind: str, body: Any, request: web.BaseRequest) -> web.StreamResponse:
        if kind == "list":
            return web.json_response({"metadata": {"resourceVersion": "1"}, "items": []})
        if kind == "patch":
            self._version += 1
            metadata = body["metadata"] | {"resourceVersion": str(self._version)}
            return web.json_response(body | {"metadata": metadata})
        if kind == "watch":
            return await ScriptedWatch()(request)
        return web.json_response({"message": "not found"}, status=404)


class ScriptedWatch:
    """The answer to a watch: what a test sends, until it ends it."""

    def __init__(self) -> None:
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue()

    def send(self, kind: str, document: Document) -> None:
        """Send an event."""
        self.send_bytes(event(kind, document))

    def send_bytes(self, data: bytes) -> None:
        """Send what may be no event."""
        self._chunks.put_nowait(data)

    def end(self) -> None:
        """End the answer; whoever was in the middle of a line stays there."""
        self._chunks.put_nowait(None)

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer."""
        response = web.StreamResponse()
        await response.prepare(request)
        while (chunk := await self._chunks.get()) is not None:
            await response.write(chunk)
        return response


def event(kind: str, document: Document) -> bytes:
    """Write an event as a server does."""
    return json.dumps({"type": kind, "object": document}).encode() + b"\n"


def reply(document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Handler:
    """Make an answer of JSON."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response(document, status=status, headers=headers)

    return answer


def refuse(status: int, message: str = "", headers: Mapping[str, str] | None = None) -> Handler:
    """Make an answer that is a Status with a failure."""
    document = {"kind": "Status", "status": "Failure", "code": status, "message": message}
    return reply(document, status, headers)


def refuse_to_make(request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
    """Answer to a write that would make an object, where there is one."""
    details = {"causes": [{"field": "metadata.resourceVersion"}]}
    return reply({"code": 422, "message": "must be specified", "details": details}, 422)(request)


def mail(
    *envelopes: Envelope, first: int = 1, version: str = "2", uid: str = "u1", written: str = ""
) -> Document:
    """Make the object of the mailbox of these envelopes' pair, as a server gives it.

    Args:
        first: the number of the first.
        version: of the object.
        uid: of the object.
        written: when; by default in a time so far off that it counts as now.
    """
    entries = tuple(Entry.of(number, envelope) for number, envelope in enumerate(envelopes, start=first))
    document = Mailbox(envelopes[0].sender, envelopes[0].recipient, entries).document()
    document["metadata"] |= {
        "resourceVersion": version,
        "uid": uid,
        "creationTimestamp": written or "2100-01-01T00:00:00Z",
    }
    return document


def write_kubeconfig(path: Path, server: str, *, token: str = "token-1") -> Path:
    """Write a kubeconfig with a token."""
    content = {
        "current-context": "here",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "ns"}}],
        "users": [{"name": "u", "user": {"token": token}}],
    }
    path.write_text(json.dumps(content))  # JSON is YAML.
    return path


def _kind(request: web.BaseRequest) -> str:
    if request.method == "PATCH":
        return "patch"
    if "watch" in request.query:
        return "watch"
    return "list" if request.path.endswith("/mailboxes") else "get"
