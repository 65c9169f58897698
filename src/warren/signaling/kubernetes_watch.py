"""Listing and watching the mailboxes to one recipient on a Kubernetes API server."""

import asyncio
import json
from collections import Counter, deque
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import aiohttp

from warren.errors import SignalingError
from warren.keys import PublicKey
from warren.sansio import Dice
from warren.signaling.carrier import Received
from warren.signaling.kubernetes_api import ApiError, KubernetesApi, ServerClock
from warren.signaling.kubernetes_mailbox import collection_path, recipient_selector
from warren.signaling.kubernetes_reader import MailReader

__all__ = ["LARGEST_EVENT", "PAGE", "Watch"]

PAGE: Final = 50
"""Objects in one answer to a list: full ones have 350 KB."""

LARGEST_EVENT: Final = 2 * 1024 * 1024
"""Bytes of one event of a watch at the most; etcd takes objects of 1.5 MB."""

# A watch from a resourceVersion that lies in the future is silent, and nothing but its end tells.
SHORTEST, LONGEST = 240, 300
"""After so many seconds the server ends a watch."""

BEYOND: Final = 10.0
"""So much later we end it, if the server did not."""

LISTINGS: Final = 3
"""How often a list is begun anew whose pages the server forgot meanwhile."""

STEADY: Final = 1.0
"""A watch that lasts so long is one; seconds."""

IN_VAIN: Final = 3
"""So many that did not last, with nothing said, one after another: the server does not let us watch."""

GONE: Final = 410


class Watch(AsyncIterator[Received]):
    """The mail to one recipient from `begin` on, read as it is asked for: no task of its own.

    A watch that ends, in whatever way, is continued where it was. Where the server does not know that place
    any more, all is listed anew, and what is new there comes.

    Args:
        api: the server.
        recipient: whose mail.
        drops: what was dropped, by reason.
        dice: for how long each watch shall be.
    """

    def __init__(self, api: KubernetesApi, recipient: PublicKey, *, drops: Counter[str], dice: Dice) -> None:
        self._api = api
        self._selector = recipient_selector(recipient)
        self._path = collection_path(api.namespace)
        self._reader = MailReader(recipient, drops)
        self._drops = drops
        self._dice = dice
        self._version = ""
        self._events: _Events | None = None
        self._in_vain = 0
        self._waiting: deque[Received] = deque()

    async def begin(self) -> None:
        """Become live: whatever is written later comes.

        Raises:
            SignalingError: it cannot be listed or watched; the text says why.
        """
        objects, _, self._version = await self._list()
        self._reader.begin(objects)
        self._events = await self._open()

    def close(self) -> None:
        """End the watch."""
        if self._events is not None:
            self._events.close()
            self._events = None

    async def __anext__(self) -> Received:
        while not self._waiting:
            if self._api.closed:
                raise StopAsyncIteration
            # Cancelled anywhere in here, the next call goes on at the same place.
            if not self._version:
                await self._look_again()
            elif self._events is None:
                self._events = await self._open()
            elif (event := await self._events.read()) is not None:
                self._take(event, self._events)
            else:
                self._ended(self._events)
        return self._waiting.popleft()

    async def _look_again(self) -> None:
        objects, clock, version = await self._list()
        self._waiting += self._reader.again(objects, clock.time(asyncio.get_running_loop().time()))
        self._version = version

    async def _list(self) -> tuple[list[Mapping[str, Any]], ServerClock, str]:
        """List all, page by page; also says how late it was and where to watch from."""
        for _ in range(LISTINGS):
            try:
                return await self._pages()
            except ApiError as error:
                if error.status != GONE:
                    raise
        raise SignalingError("the API server forgets the pages of a list faster than they are read")

    async def _pages(self) -> tuple[list[Mapping[str, Any]], ServerClock, str]:
        objects: list[Mapping[str, Any]] = []
        query = {"labelSelector": self._selector, "limit": str(PAGE)}
        while True:
            answer = await self._api.ask("list", self._path, query=query)
            items, metadata = answer.data.get("items"), answer.data.get("metadata")
            if not isinstance(items, list) or not isinstance(metadata, dict):
                raise SignalingError("what the API server gave is no list")
            objects += [item for item in items if isinstance(item, dict)]
            if not (version := _version(metadata)):
                raise SignalingError("the API server gave a list without its version")
            if not (more := metadata.get("continue")):
                return objects, answer.clock, version
            query = {**query, "continue": str(more)}

    async def _open(self) -> "_Events | None":
        """Watch from where we were; None where the server does not know that place any more."""
        seconds = self._dice.uniform(SHORTEST, LONGEST)
        query = {
            "watch": "true",
            "labelSelector": self._selector,
            "resourceVersion": self._version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(int(seconds)),
        }
        try:
            response, clock = await self._api.open(self._path, query=query)
        except ApiError as error:
            if error.status != GONE:
                raise
            self._lost_place()
            return None
        return _Events(self._api, response, clock, seconds + BEYOND)

    def _take(self, event: Mapping[str, Any], events: "_Events") -> None:
        kind, document = event.get("type"), event.get("object")
        if not isinstance(document, dict):
            self._drops["event-malformed"] += 1
            return
        if kind == "ERROR":
            self._refused(document)
            return
        self._in_vain = 0
        metadata = document.get("metadata")
        if kind in ("ADDED", "MODIFIED"):
            self._waiting += self._reader.look(document, events.time())
        elif kind == "DELETED":
            self._reader.forget(document)
        elif kind != "BOOKMARK":
            self._drops["event-unknown"] += 1
            return
        if isinstance(metadata, dict) and (version := _version(metadata)):
            self._version = version

    def _refused(self, status: Mapping[str, Any]) -> None:
        self.close()
        if status.get("code") != GONE:
            code, reason = status.get("code"), str(status.get("reason"))[:40]
            raise SignalingError(f"the API server ended the watch: {code} {reason!r}")
        self._lost_place()

    def _ended(self, events: "_Events") -> None:
        self.close()
        lived = events.lived()
        if lived >= STEADY:
            self._in_vain = 0
        else:
            self._count_vain()
        if not events.heard and lived >= SHORTEST:
            # Not even a bookmark, which comes once a minute: our place may be one that is yet to come.
            self._version = ""

    def _lost_place(self) -> None:
        self._version = ""
        self._count_vain()

    def _count_vain(self) -> None:
        self._in_vain += 1
        if self._in_vain > IN_VAIN:
            raise SignalingError("the API server ends each watch at once")


class _Events:
    """The events of one watch, a JSON object a line."""

    def __init__(
        self, api: KubernetesApi, response: aiohttp.ClientResponse, clock: ServerClock, limit: float
    ) -> None:
        self.heard = False
        """Whether anything came."""
        self._loop = asyncio.get_running_loop()
        self._api = api
        self._response = response
        self._clock = clock
        self._began = self._loop.time()
        self._ends = self._began + limit
        self._buffer = bytearray()

    def time(self) -> float:
        """Say how late it is at the server."""
        return self._clock.time(self._loop.time())

    def lived(self) -> float:
        """Say how long it has been open; seconds."""
        return self._loop.time() - self._began

    def close(self) -> None:
        """Close its connection."""
        self._response.close()

    async def read(self) -> Mapping[str, Any] | None:
        """Read the next event; None at the end, which may be in the middle of a line.

        Raises:
            SignalingError: a line is too long, or no event.
        """
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > LARGEST_EVENT:
                raise SignalingError(f"the API server sent an event of more than {LARGEST_EVENT} bytes")
            try:
                async with asyncio.timeout_at(self._ends):
                    chunk = await self._response.content.readany()
            except (TimeoutError, aiohttp.ClientError, OSError):
                return None
            if not chunk:
                return None
            self._buffer += chunk
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self.heard = True
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            event = None
        if not isinstance(event, dict):
            raise SignalingError("the API server sent an event that is no JSON object")
        return event


def _version(metadata: Mapping[str, Any]) -> str:
    version = metadata.get("resourceVersion")
    return version if isinstance(version, str) else ""
