"""Requests to a Kubernetes API server: each with a time limit, and no sooner than the server wants."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp

from warren.errors import SignalingError
from warren.signaling.kubernetes_connections import Connections, Line
from warren.signaling.kubernetes_target import KubernetesTarget
from warren.signaling.kubernetes_words import ApiError, refusal

__all__ = ["Answer", "ApiError", "KubernetesApi", "ServerClock"]

TIMEOUT: Final = 8.0
"""How long the server may take to answer; seconds."""

LARGEST: Final = 32 * 1024 * 1024
"""Bytes of an answer at the most."""

LARGEST_REFUSAL: Final = 64 * 1024
LONGEST_WAIT: Final = 60.0
"""So long at the most we wait when told to; seconds."""

_METHODS: Final = {
    "get": "GET",
    "list": "GET",
    "watch": "GET",
    "patch": "PATCH",
    "create": "POST",
    "delete": "DELETE",
}
"""The verbs of RBAC, so that a refusal can name the right that is missing."""

APPLY: Final = "application/apply-patch+yaml"

# The limits are ours: asyncio.timeout ends the whole of a request, and what reads a stream.
_UNLIMITED: Final = aiohttp.ClientTimeout(total=None)


@dataclass(frozen=True, slots=True)
class ServerClock:
    """The server's clock, read off an answer's Date header; our own clock only counts the seconds since."""

    date: float
    """Seconds since 1970 when it was read."""
    at: float
    """The event loop's time when it was read."""

    def time(self, now: float) -> float:
        """Say how late it is there when it is `now` by the event loop; seconds since 1970."""
        return self.date + now - self.at


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server gave: a JSON object."""

    data: Mapping[str, Any]
    clock: ServerClock


class KubernetesApi:
    """One API server, for one namespace; nothing is sent before the first request.

    Credentials are loaded on first use, and once more when the server does not accept them.
    When it asks to wait (`Retry-After`), all later requests do.

    Args:
        target: which server, and who we are there.
        timeout: how long it may take to answer; seconds.
    """

    def __init__(self, target: KubernetesTarget, *, timeout: float = TIMEOUT) -> None:
        self.target = target
        self.namespace = target.namespace
        self.timeout = timeout
        self._connections = Connections(target)
        self._quiet_until = 0.0

    async def ask(
        self, verb: str, path: str, *, query: Mapping[str, str] | None = None, body: object = None
    ) -> Answer:
        """Ask for something once, and read the answer.

        Args:
            verb: a verb of RBAC: get, list, patch (apply), create, delete.
            path: of the resource.
            query: what stands behind the question mark.
            body: is sent as JSON.

        Raises:
            ApiError: the server refused; `status` says how, the text what to do.
            SignalingError: it could not be asked, did not answer in time, or not with a JSON object.
        """
        async with self._limited():
            response = await self._send(verb, path, query or {}, body)
            try:
                content = await self._read(response, LARGEST)
                return Answer(self._parse(content), self._clock(response))
            finally:
                response.close()

    async def open(
        self, path: str, *, query: Mapping[str, str]
    ) -> tuple[aiohttp.ClientResponse, ServerClock]:
        """Begin to watch; whoever gets the response closes it, and limits the time of each reading.

        Raises:
            ApiError, SignalingError: as `ask`.
        """
        async with self._limited():
            response = await self._send("watch", path, query, None)
            self._connections.watch(response)
            try:
                return response, self._clock(response)
            except BaseException:
                response.close()
                raise

    def lost(self, error: Exception) -> SignalingError:
        """Say in words why a connection broke."""
        return self._connections.lost(error)

    async def aclose(self) -> None:
        """Close all connections; who waits for something learns it."""
        await self._connections.aclose()

    @property
    def closed(self) -> bool:
        """Whether it has been closed."""
        return self._connections.closed

    @property
    def _host(self) -> str:
        return self._connections.host

    @asynccontextmanager
    async def _limited(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self.timeout):
                yield
        except TimeoutError:
            raise SignalingError(
                f"API server {self._host} did not answer within {self.timeout:g} s"
            ) from None

    async def _send(
        self, verb: str, path: str, query: Mapping[str, str], body: object
    ) -> aiohttp.ClientResponse:
        """Send a request; returns the answer if it is a success."""
        await self._wait_as_told()
        line = await self._connections.line()
        response = await self._request(line, verb, path, query, body)
        if response.status == 401:
            response.close()
            line = await self._connections.line(refused=line)
            response = await self._request(line, verb, path, query, body)
        if response.status < 300:
            return response
        try:
            told = await self._read(response, LARGEST_REFUSAL)
        finally:
            response.close()
        self._note_wait(response)
        host = str(line.configuration.host)
        raise refusal(
            host, self.target, response.status, told, verb=verb, path=path, namespace=self.namespace
        )

    async def _request(
        self, line: Line, verb: str, path: str, query: Mapping[str, str], body: object
    ) -> aiohttp.ClientResponse:
        url = f"{line.configuration.host}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": "application/json"}
        if verb == "patch":
            headers["Content-Type"] = APPLY
        try:
            token = await line.configuration.get_api_key_with_prefix("BearerToken")
            if token:
                headers["Authorization"] = token.strip()
            answer = await line.rest.request(
                _METHODS[verb], url, headers=headers, body=body, _request_timeout=_UNLIMITED
            )
        except (aiohttp.ClientError, OSError, RuntimeError, AssertionError, ValueError) as error:
            # RuntimeError and AssertionError: the session was closed meanwhile.
            # ValueError: there is a line break in the token.
            raise self.lost(error) from None
        response: aiohttp.ClientResponse = answer.response
        return response

    async def _read(self, response: aiohttp.ClientResponse, limit: int) -> bytes:
        content = bytearray()
        try:
            async for chunk in response.content.iter_any():
                content += chunk
                if len(content) > limit:
                    raise SignalingError(
                        f"API server {self._host} sent more than {limit} bytes in one answer"
                    )
        except (aiohttp.ClientError, OSError) as error:
            raise self.lost(error) from None
        return bytes(content)

    def _parse(self, content: bytes) -> Mapping[str, Any]:
        try:
            data = json.loads(content)
        except (ValueError, RecursionError):
            data = None
        if not isinstance(data, dict):
            raise SignalingError(f"{self._host} did not answer with a JSON object: is it an API server?")
        return data

    def _clock(self, response: aiohttp.ClientResponse) -> ServerClock:
        try:
            date = parsedate_to_datetime(response.headers["Date"]).timestamp()
        except (KeyError, ValueError):
            raise SignalingError(f"{self._host} did not say how late it is: is it an API server?") from None
        return ServerClock(date, asyncio.get_running_loop().time())

    async def _wait_as_told(self) -> None:
        loop = asyncio.get_running_loop()
        wait = self._quiet_until - loop.time()
        if wait >= self.timeout:
            raise SignalingError(f"API server {self._host} asks to wait {wait:.0f} s more before any request")
        if wait > 0:
            await asyncio.sleep(wait)

    def _note_wait(self, response: aiohttp.ClientResponse) -> None:
        text = response.headers.get("Retry-After", "")
        told = text.isascii() and text.isdigit()
        if told or response.status == 429:
            wait = min(float(text[:9]), LONGEST_WAIT) if told else 1.0
            now = asyncio.get_running_loop().time()
            self._quiet_until = max(self._quiet_until, now + wait)
