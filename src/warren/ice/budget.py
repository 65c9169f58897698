"""How many checks an address gets that never answered: a peer's candidates may point at anybody."""

from typing import Final

from warren.ice.transport import Address

__all__ = ["Budget"]

EARLY: Final = 2.0
MAX_EARLY: Final = 13  # in the first EARLY seconds
MAX_UNTIL_SELECTED: Final = 20
MINUTE: Final = 60.0
MAX_ADDRESSES: Final = 256


class _Tally:
    __slots__ = ("first_at", "heard", "last_at", "sent")

    def __init__(self) -> None:
        self.first_at = 0.0
        self.last_at = 0.0
        self.sent = 0
        self.heard = False


class Budget:
    """The checks of one generation by address; other credentials of the peer renew nothing.

    Args:
        early: so many in the first 2 s.
        until_selected: so many until a path is selected.
    """

    __slots__ = ("_early", "_tallies", "_until_selected")

    def __init__(self, *, early: int = MAX_EARLY, until_selected: int = MAX_UNTIL_SELECTED) -> None:
        self._early, self._until_selected = early, until_selected
        self._tallies: dict[Address, _Tally] = {}

    def heard(self, address: Address) -> None:
        """An authenticated packet came from there: it is no stranger."""
        tally = self._tally(address)
        if tally is not None:
            tally.heard = True

    def spend(self, address: Address, now: float) -> None:
        """A check was sent there."""
        tally = self._tally(address)
        if tally is None:
            return
        if not tally.sent:
            tally.first_at = now
        tally.sent += 1
        tally.last_at = now

    def earliest(self, address: Address, now: float, *, selected: bool) -> float | None:
        """When the next check may be sent there: `now`, later, or None while nothing changes.

        `selected` says whether some path is selected: then silence costs a minute.
        """
        tally = self._tally(address)
        if tally is None:
            return None
        if tally.heard or not tally.sent:
            return now
        if selected:
            return max(now, tally.last_at + MINUTE)
        if tally.sent >= self._until_selected:
            return None
        if tally.sent >= self._early:
            return max(now, tally.first_at + EARLY)
        return now

    def _tally(self, address: Address) -> _Tally | None:
        tally = self._tallies.get(address)
        if tally is None and len(self._tallies) < MAX_ADDRESSES:
            tally = self._tallies[address] = _Tally()
        return tally
