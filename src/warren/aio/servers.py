"""Servers: the STUN and TURN servers of a node, found by their names, again and again while that fails."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

from warren.aio.network import Network
from warren.backoff import Backoff
from warren.errors import ConfigurationError
from warren.ice.server_url import StunUrl, TurnUrl
from warren.ice.transport import Address
from warren.sansio import Dice
from warren.session.config import Config
from warren.session.node import NodeMachine

__all__ = ["ServerUrl", "Servers", "server_urls"]

ServerUrl = StunUrl | TurnUrl

AGAIN: Final = Backoff(first=1.0, factor=2.0, limit=60.0, jitter=0.2)

logger = logging.getLogger("warren")


def server_urls(config: Config) -> list[ServerUrl]:
    """Read the servers that the user has named.

    Raises:
        ConfigurationError: a URL is wrong; the text says which and how, and shows no password.
    """
    try:
        return [*map(StunUrl.parse, config.stun), *map(TurnUrl.parse, config.turn)]
    except ValueError as error:
        raise ConfigurationError(str(error)) from error


class Servers:
    """Tells the machine where its servers are.

    Args:
        machine: what asks them.
        network: finds addresses by names.
        dice: for jitter.
        settle: called after the machine was told something.
        clock: gives the time of the loop.
    """

    def __init__(
        self,
        *,
        machine: NodeMachine,
        network: Network,
        dice: Dice,
        settle: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self._machine, self._network, self._dice = machine, network, dice
        self._settle, self._clock = settle, clock

    def expect(self, url: ServerUrl) -> None:
        """A server will be resolved: what we offer is not final before it has been asked."""
        if isinstance(url, StunUrl):
            self._machine.expect_server(str(url), self._clock())
        else:
            self._machine.expect_relay(url, self._clock())

    async def resolve(self, url: ServerUrl) -> None:
        """Find a server's addresses, however long it takes."""
        for attempt, delay in enumerate(AGAIN.delays(self._dice)):
            try:
                addresses = await self._network.resolve(url.host, url.port)
            except OSError as error:
                if attempt == 0:
                    why = error.strerror or str(error)
                    logger.warning("server %s cannot be resolved: %s; trying again", url, why)
                self._failed(url, f"cannot be resolved: {error}")
                await asyncio.sleep(delay)
            else:
                self._resolved(url, addresses)
                return

    def _resolved(self, url: ServerUrl, addresses: Sequence[Address]) -> None:
        if isinstance(url, StunUrl):
            self._machine.add_server(str(url), addresses, self._clock())
        else:
            self._machine.add_relay(url, addresses, self._clock())
        self._settle()

    def _failed(self, url: ServerUrl, reason: str) -> None:
        if isinstance(url, StunUrl):
            self._machine.server_failed(str(url), reason, self._clock())
        else:
            self._machine.relay_failed(url, reason, self._clock())
        self._settle()
