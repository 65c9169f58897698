"""Connections to a Kubernetes API server, with credentials that are read anew when they are refused."""

import asyncio
import os
from dataclasses import dataclass
from typing import Final
from weakref import WeakSet

import aiohttp
from kubernetes.aio.client import Configuration
from kubernetes.aio.client.rest import RESTClientObject

from warren.errors import ConfigurationError, SignalingError
from warren.signaling.kubernetes_target import KubernetesTarget
from warren.signaling.kubernetes_words import route_words

__all__ = ["Connections", "Line"]

_CLOSED: Final = "the Kubernetes carrier is closed"


@dataclass(frozen=True, slots=True)
class Line:
    """Connections to the server, and what they say who we are."""

    rest: RESTClientObject
    configuration: Configuration
    made_of: object
    """What the connections depend on; with the same they can stay."""


class Connections:
    """Those to one API server; none is made before it is needed."""

    def __init__(self, target: KubernetesTarget) -> None:
        self.closed = False
        self._target = target
        self._line: Line | None = None
        self._loading = asyncio.Lock()
        self._watched: WeakSet[aiohttp.ClientResponse] = WeakSet()

    @property
    def host(self) -> str:
        """The URL of the server, or what names it before that is known."""
        return str(self._line.configuration.host) if self._line else f"of {self._target}"

    async def line(self, *, refused: Line | None = None) -> Line:
        """Give the connections; read the credentials anew where those of `refused` were not accepted.

        Raises:
            SignalingError: they cannot be made; the text says why.
        """
        if self.closed:
            raise SignalingError(_CLOSED)
        if (line := self._line) is not None and line is not refused:
            return line
        async with self._loading:
            if (line := self._line) is not None and line is not refused:
                return line  # Somebody else was refused as well, and was quicker.
            try:
                configuration = await self._target.load()
                made_of = _made_of(configuration)
                if line is not None and line.made_of == made_of:
                    rest = line.rest
                else:
                    rest = RESTClientObject(configuration)
                    if line is not None:
                        # Whoever reads a stream there continues it with the new credentials.
                        await self._hang_up(line)
            except ConfigurationError as error:
                raise SignalingError(str(error)) from None
            except (OSError, ValueError) as error:  # Certificates that are none (ssl.SSLError too).
                raise SignalingError(
                    f"certificates of {self._target} cannot be used ({type(error).__name__})"
                ) from None
            if self.closed:
                await rest.close()
                raise SignalingError(_CLOSED)
            self._line = Line(rest, configuration, made_of)
            return self._line

    def watch(self, response: aiohttp.ClientResponse) -> None:
        """Close this response as well, should the connections be closed."""
        self._watched.add(response)

    def lost(self, error: Exception) -> SignalingError:
        """Say in words why a connection broke."""
        if self.closed:
            return SignalingError(_CLOSED)
        return SignalingError(route_words(self.host, error))

    async def aclose(self) -> None:
        """Close all connections; who waits for something learns it."""
        self.closed = True
        line, self._line = self._line, None
        if line is not None:
            await self._hang_up(line)

    async def _hang_up(self, line: Line) -> None:
        for response in list(self._watched):
            response.close()  # Closing a session does not wake who reads there.
        await line.rest.close()


def _made_of(configuration: Configuration) -> object:
    """What connections depend on: with another server or other certificates they must be new."""
    files = [configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file]
    stats = [os.stat(file) for file in files if file]
    versions = tuple((stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in stats)
    names = ("host", "verify_ssl", "tls_server_name", "proxy")
    return (*files, versions, *(getattr(configuration, name) for name in names))
