"""Carrier: what moves envelopes from key to key and knows nothing else; what a plug-in writes."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from warren.envelope import Envelope
from warren.keys import PrivateKey, PublicKey
from warren.messages import BackendType, RelayInfo

__all__ = ["Carrier", "CountsDrops", "Gap", "GivesRelays", "Identity", "Received"]


@dataclass(frozen=True, slots=True)
class Gap:
    """Comes in place of envelopes: something may be missing here."""


Received = Envelope | Gap
"""What a subscription yields."""


class Identity:
    """Who subscribes, as a carrier may know it: the public key, and proofs made with the private one."""

    __slots__ = ("_private", "public")

    def __init__(self, private: PrivateKey) -> None:
        self._private = private
        self.public: PublicKey = private.public

    def agree(self, server_key: PublicKey) -> bytes:
        """Compute the X25519 shared secret with a key of a server, to prove possession of our own."""
        return self._private.agree(server_key)

    def __repr__(self) -> str:
        return f"Identity({self.public})"


class Carrier(Protocol):
    """Moves envelopes; `warren.testing.carrier` has the checks that every one must pass.

    To a subscriber that is live and reads, every envelope comes at least once, in any order, or a `Gap` comes
    instead. It never retries, seals, opens or keeps anything: `subscription.py` enters again for all of them.
    Everything is called in one event loop.
    """

    @property
    def type(self) -> BackendType:
        """What kind of backend this makes."""
        ...

    @property
    def max_envelope(self) -> int:
        """The largest serialized envelope that it takes, in bytes."""
        ...

    async def publish(self, envelope: Envelope) -> int | None:
        """Hand the envelope over; return how many subscriptions took it, where that is known.

        Nobody being there is no error.

        Raises:
            SignalingError: it was not handed over; the text says why and what to do.
        """
        ...

    def subscribe(self, identity: Identity) -> AbstractAsyncContextManager[AsyncIterator[Received]]:
        """Receive what is sent to `identity.public`, beside all others who do.

        *Entered* means live; entering raises SignalingError when that cannot be. *Left* means gone.
        The iterator ends, or raises SignalingError, when the subscription is lost.
        """
        ...

    async def aclose(self) -> None:
        """End all subscriptions and free everything; a second call does nothing."""
        ...


@runtime_checkable
class CountsDrops(Protocol):
    """A carrier that itself drops what is no envelope; its backend counts in the same counter."""

    drops: Counter[str]
    """How much was dropped, by reason."""


@runtime_checkable
class GivesRelays(Protocol):
    """A carrier that knows where to get relays."""

    async def relays(self, key: PublicKey) -> tuple[RelayInfo, ...]:
        """Ask for TURN servers and credentials, for a key that is subscribed here; there may be none.

        Raises:
            SignalingError: they were not given; the text says why.
        """
        ...
