"""Incoming calls: peers that call this node and have no session with it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from typing import Protocol, Self

from warren.keys import PublicKey

__all__ = ["Allow", "Calls", "anyone"]

Allow = Collection[PublicKey] | Callable[[PublicKey], bool]
"""Who may call: keys, or a function of the key."""


def anyone(peer: PublicKey) -> bool:
    """Let everybody call who knows our public key."""
    return True


class Switchboard(Protocol):
    """What the calls need of their node."""

    def calls_begin(self, calls: "Calls") -> None:
        """Let callers wait."""
        ...

    def calls_end(self, calls: "Calls") -> None:
        """Let nobody wait any more."""
        ...


class Calls:
    """Callers as they come: an async context manager, and an async iterator of their public keys.

    A caller's newest message waits 60 s for `Node.open(peer)`; 64 callers wait at the most.
    """

    def __init__(self, switchboard: Switchboard, allow: Allow) -> None:
        self._switchboard = switchboard
        self._allow = allow
        self._callers: asyncio.Queue[PublicKey | None] = asyncio.Queue()

    def may_call(self, peer: PublicKey) -> bool:
        """Ask whether this key may call; asked before any Diffie-Hellman is done for it."""
        return self._allow(peer) if callable(self._allow) else peer in self._allow

    async def __aenter__(self) -> Self:
        self._switchboard.calls_begin(self)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._switchboard.calls_end(self)

    def __aiter__(self) -> AsyncIterator[PublicKey]:
        return self

    async def __anext__(self) -> PublicKey:
        peer = await self._callers.get()
        if peer is None:
            self._callers.put_nowait(None)
            raise StopAsyncIteration
        return peer

    def call_received(self, peer: PublicKey) -> None:
        """Queue a caller."""
        self._callers.put_nowait(peer)

    def end(self) -> None:
        """End the iteration: the node is gone."""
        self._callers.put_nowait(None)
