"""How each backend does: whether it is live, since when, what it took and gave, and what went wrong last."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from warren.keys import PublicKey
from warren.signaling.carrier import Carrier, CountsDrops
from warren.signaling.subscription import GAP

__all__ = ["BackendStats", "Tally"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendStats:
    """One backend, of several perhaps, since it was opened; times in seconds on the event loop's clock."""

    name: str
    """Its URL without secrets."""
    live: bool
    """Whether envelopes to us can be received through it, as far as is known."""
    since: float | None
    """When that began, or ceased; None where it never was live."""
    losses: int
    """How often its subscription was lost."""
    gaps: int
    """How often something may have been missed while it was live."""
    reason: str
    """Why it is not live, in words; empty while it is."""
    published: int
    """Envelopes that it took."""
    refused: int
    """Envelopes that it did not take."""
    refusal: str
    """Why it did not take the last of those, in words."""
    received: int
    """Envelopes that came through it, copies of others and junk included."""
    drops: Mapping[str, int]
    """What it dropped itself, as none of our envelopes, by reason."""


class Tally:
    """Counts for one backend."""

    __slots__ = (
        "_carrier",
        "_gaps",
        "_live",
        "_losses",
        "_name",
        "_published",
        "_reason",
        "_received",
        "_refusal",
        "_refused",
        "_since",
    )

    def __init__(self, name: str, carrier: Carrier) -> None:
        self._name = name
        self._carrier = carrier
        self._live: set[PublicKey] = set()
        self._since: float | None = None
        self._losses = self._gaps = self._published = self._refused = self._received = 0
        self._reason = self._refusal = ""

    def took(self) -> None:
        """An envelope was published."""
        self._published += 1

    def did_not_take(self, why: str) -> None:
        """An envelope was not published."""
        self._refused += 1
        self._refusal = why

    def gave(self) -> None:
        """An envelope came."""
        self._received += 1

    def changed(self, key: PublicKey, live: bool, reason: str, now: float) -> None:
        """The subscription for a key of ours became live, was lost or has a gap."""
        was_live = bool(self._live)
        if live and reason == GAP:
            self._gaps += 1
        elif live:
            self._live.add(key)
        else:
            self._losses += key in self._live
            self._live.discard(key)
        self._reason = "" if self._live else reason
        if bool(self._live) != was_live:
            self._since = now

    def left(self, key: PublicKey) -> None:
        """Nobody subscribes for a key of ours any more."""
        self._live.discard(key)

    def stats(self) -> BackendStats:
        """What was counted so far."""
        drops = self._carrier.drops if isinstance(self._carrier, CountsDrops) else Counter[str]()
        return BackendStats(
            name=self._name,
            live=bool(self._live),
            since=self._since,
            losses=self._losses,
            gaps=self._gaps,
            reason=self._reason,
            published=self._published,
            refused=self._refused,
            refusal=self._refusal,
            received=self._received,
            drops=dict(drops),
        )
