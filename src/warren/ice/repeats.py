"""Repeats: checks of the peer that say what the one before them said."""

from warren.ice.checklist import Pair
from warren.ice.stun import Stun
from warren.ice.transport import Address, Base

__all__ = ["LastCheck"]


class LastCheck:
    """The check of the peer that was taken last: what it said, and over which pair it came.

    Nearly all that come over a path which works say the same: they keep the peer's consent, need an answer
    and change nothing here.
    """

    __slots__ = ("_content", "_pair")

    def __init__(self) -> None:
        self._pair: Pair | None = None
        self._content = b""

    def keep(self, pair: Pair | None, request: Stun) -> None:
        """It has been taken, over this pair if there is one."""
        self._pair, self._content = pair, request.content

    def forget(self) -> None:
        """What it said would mean something else now."""
        self._pair = None

    def is_repeated(self, request: Stun, base: Base, source: Address, selected: Pair | None) -> bool:
        """Whether this check says the same over the selected pair, and that works: it changes nothing."""
        pair = self._pair
        return (
            pair is not None
            and pair is selected
            and pair.fresh
            and pair.base is base
            and pair.destination == source
            and request.content == self._content
        )
