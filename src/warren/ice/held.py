"""Connections that may be worth a try: held back while UDP may do without them."""

from typing import Final

from warren.ice.candidate import LocalCandidate
from warren.ice.timing import STREAM_HOLD
from warren.ice.transport import Address, Base
from warren.messages import Candidate

__all__ = ["MAX_CONNECTIONS", "HeldStreams"]

MAX_CONNECTIONS: Final = 16  # ours: a peer's candidates may point at anybody.


class HeldStreams:
    """What could be connected with one description of the peer, each once and 16 in all."""

    __slots__ = ("_at", "_begun", "_held")

    def __init__(self) -> None:
        self._at: float | None = None
        self._held: dict[tuple[Base, Address], tuple[LocalCandidate, Candidate]] = {}
        self._begun = 0

    def __bool__(self) -> bool:
        return bool(self._held)

    @property
    def at(self) -> float | None:
        """From when on they may be tried; None while nothing is held."""
        return self._at if self._held else None

    def hold(self, local: LocalCandidate, remote: Candidate, now: float) -> bool:
        """Enter what could be connected; False where it is one too many."""
        if self._begun >= MAX_CONNECTIONS:
            return False
        if self._at is None:
            self._at = now + STREAM_HOLD
        self._begun += 1
        self._held[local.base, remote.transport] = local, remote
        return True

    def drop(self, base: Base) -> None:
        """The local address is gone."""
        self._held = {key: held for key, held in self._held.items() if key[0] is not base}

    def take(self) -> list[tuple[LocalCandidate, Candidate]]:
        """Hand over all that is held."""
        held, self._held = self._held, {}
        return list(held.values())
