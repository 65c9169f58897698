"""What a link does to datagrams: delay, jitter, bursts of loss, doubling, overtaking."""

from dataclasses import dataclass

from warren.sansio import Dice

__all__ = ["Line", "Link"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """How a host hangs on the network, the same for each direction. Times in seconds, chances 0 … 1."""

    delay: float = 0.01
    jitter: float = 0.0
    """Up to so much is added to the delay; datagrams keep their order all the same."""
    loss: float = 0.0
    """Mean share of datagrams lost."""
    burst: float = 1.0
    """Mean number of datagrams lost in a row (Gilbert's model)."""
    duplicate: float = 0.0
    """Share of datagrams that arrive twice, the second time up to `hold` later."""
    reorder: float = 0.0
    """Share of datagrams that are held back for up to `hold` and so overtaken."""
    hold: float = 0.2
    udp: bool = True
    """Whether it lets UDP pass, or TCP only."""


class Line:
    """One direction of a link, with what it must remember: whether it loses just now, and what left last."""

    __slots__ = ("_dice", "_last", "_losing", "link")

    def __init__(self, link: Link, dice: Dice) -> None:
        self.link = link
        self._dice = dice
        self._losing = False
        self._last = 0.0

    def draw(self, now: float) -> list[float]:
        """Draw when a datagram that enters now leaves: no time if it is lost, two if it is doubled."""
        link, dice = self.link, self._dice
        if link.loss and self._loses():
            return []
        at = now + link.delay + (dice.uniform(0.0, link.jitter) if link.jitter else 0.0)
        if link.reorder and dice.random() < link.reorder:
            at += dice.uniform(0.0, link.hold)
        else:
            at = self._last = max(at, self._last)
        if link.duplicate and dice.random() < link.duplicate:
            return [at, at + dice.uniform(0.0, link.hold)]
        return [at]

    def _loses(self) -> bool:
        link = self.link
        if self._losing:
            self._losing = self._dice.random() >= 1.0 / link.burst
        else:
            # So that the mean share is `loss`, however long a burst is.
            self._losing = self._dice.random() < link.loss / (link.burst * (1.0 - link.loss))
        return self._losing
