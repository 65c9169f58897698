"""Where each kind of backend runs for real: tests and benchmarks do the same work over all of them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.kube.installed import install
from tests.kube.server import kube_server
from tests.server.process import signal_process
from tests.signaling.nats_server import free_port, nats_server
from warren.signaling.kubernetes_mailbox import collection_path

__all__ = ["PLACES", "OpenPlace", "Place"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A backend that runs: its URL, and the processes that serve it."""

    url: str
    pids: tuple[int, ...] = ()
    writes: Callable[[], Awaitable[int]] | None = None
    """How often the server was written to so far, where that is limited."""


OpenPlace = Callable[[], AbstractAsyncContextManager[Place]]


@asynccontextmanager
async def _inprocess() -> AsyncIterator[Place]:
    yield Place(url="inprocess:places")


@asynccontextmanager
async def _grpc() -> AsyncIterator[Place]:
    async with signal_process() as server:
        yield Place(url=f"grpc://127.0.0.1:{server.port}?insecure=true", pids=(server.pid,))


@asynccontextmanager
async def _multicast() -> AsyncIterator[Place]:
    yield Place(url=f"multicast://239.77.1.3:{free_port()}?interface=lo&ttl=0")


@asynccontextmanager
async def _nats() -> AsyncIterator[Place]:
    async with nats_server() as server:
        yield Place(url=server.url, pids=(server.pid,))


@asynccontextmanager
async def _kubernetes() -> AsyncIterator[Place]:
    with TemporaryDirectory() as folder, kube_server(Path(folder)) as kube:
        namespace = kube.make_namespace()
        install(kube, namespace)

        async def writes() -> int:
            found = await asyncio.to_thread(kube.request, "GET", collection_path(namespace))
            return sum(item["metadata"]["generation"] for item in found.body["items"])

        pids = (kube.etcd.pid, kube.apiserver.pid)
        yield Place(url=f"k8s://{kube.kubeconfig('alice', namespace)}", pids=pids, writes=writes)


PLACES: Final[Mapping[str, tuple[OpenPlace, tuple[str, ...]]]] = {
    "inprocess": (_inprocess, ()),
    "multicast": (_multicast, ()),
    "nats": (_nats, ("nats",)),
    "grpc": (_grpc, ()),
    "k8s": (_kubernetes, ("etcd", "kube-apiserver")),
}
"""Each kind of backend: where it runs, and what that needs of the machine (`tests.needs`)."""
