"""STUN and TURN servers that signaling gives, used beside those that the user has named."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from warren.ice.server_url import StunUrl, TurnUrl
from warren.messages import RelayInfo
from warren.session.node import NodeMachine

__all__ = ["MAX_GIVEN", "GivenRelays", "servers_of"]

MAX_GIVEN: Final = 8
"""So many servers, one after the other, a signaling server can make us ask: it may be hostile."""

ServerUrl = StunUrl | TurnUrl

logger = logging.getLogger("warren")


class GivenRelays:
    """Tells a node's machine of the servers that signaling gives, and of other credentials for them.

    Args:
        named: the servers that the user has named: what he says of them counts.
        resolve: finds the addresses of a server and gives them to the machine.
        settle: called after the machine was given something.
        clock: seconds, monotonic: the machine's.
    """

    def __init__(
        self,
        machine: NodeMachine,
        *,
        named: Iterable[ServerUrl],
        resolve: Callable[[ServerUrl], object],
        settle: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self._machine = machine
        self._named = frozenset(map(str, named))
        self._resolve = resolve
        self._settle = settle
        self._clock = clock
        self._given: set[str] = set()

    def use(self, relays: Iterable[RelayInfo]) -> None:
        """Use these, beside what was given before: a server that is named no more may live on."""
        for url in servers_of(relays):
            if str(url) in self._given:
                if isinstance(url, TurnUrl):
                    self._machine.renew_relay(url, self._clock())
            elif str(url) not in self._named and len(self._given) < MAX_GIVEN:
                self._begin(url)
        self._settle()

    def _begin(self, url: ServerUrl) -> None:
        self._given.add(str(url))
        if isinstance(url, TurnUrl):
            self._machine.expect_relay(url, self._clock())
        else:
            self._machine.expect_server(str(url), self._clock())
        self._resolve(url)


def servers_of(relays: Iterable[RelayInfo]) -> list[ServerUrl]:
    """Read the servers that signaling names, the first word on each; what cannot be used is left out."""
    found: dict[str, ServerUrl] = {}
    for relay in relays:
        try:
            url = _server(relay)
        except ValueError:
            # Not shown: a URL may hold a password.
            logger.info("signaling names a relay that is none")
        else:
            found.setdefault(str(url), url)
    return list(found.values())


def _server(relay: RelayInfo) -> ServerUrl:
    url = StunUrl.parse(relay.url) if relay.url.lower().startswith("stun:") else TurnUrl.parse(relay.url)
    # The system's resolver raises what it likes for what can be no name (RFC 1035, 2.3.4).
    if not url.host.isascii() or not url.host.isprintable() or len(url.host.encode("idna")) > 253:
        raise ValueError("no host has such a name")
    if isinstance(url, StunUrl) or not relay.username:
        return url
    return replace(url, username=relay.username, password=relay.password)
