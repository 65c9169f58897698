"""Dialer: the connections of an attempt, opened again where they failed or ended (RFC 6544, 6.2 and 7.1)."""

from typing import Final

from warren.ice.addresses import RemoteAddresses
from warren.ice.checklist import Checklist, Pair, PairState
from warren.ice.checks import Checks
from warren.ice.outputs import SourceLost
from warren.ice.side import Side
from warren.ice.transport import Base, CloseStream, OpenStream

__all__ = ["MAX_TRIES", "STEADY", "Dialer"]

MAX_TRIES: Final = 5  # ours: so often in a row; from then on it is tried when silent pairs are asked.
FIRST_WAIT: Final = 1.0  # ours: doubled after each try; the first try after a loss is at once.
STEADY: Final = 5.0
"""How long a connection must work until its end is worth a new one at once."""


class Dialer:
    """Opens, replaces and ends connections; each of ours has a base of its own while it stands.

    A connection that was accepted ends with its pair: only the peer can open it again, and that is another.
    """

    __slots__ = ("_checks", "_pairs", "_remotes", "_side", "busy")

    def __init__(self, side: Side, pairs: Checklist, checks: Checks, remotes: RemoteAddresses) -> None:
        self._side = side
        self._pairs = pairs
        self._checks = checks
        self._remotes = remotes
        self.busy = False
        """Whether a connection was begun since this was last set to False."""

    def dial(self, pair: Pair, now: float) -> None:
        """Begin to connect, unless that is being done; one that stands goes on until the new one does."""
        if pair.dialed is not None:
            return
        home = pair.home
        pair.dialed = Base(home.address, 0, "tcp", home.interface)
        pair.tries += 1
        self.busy = True
        self._side.dials.spend(pair.destination, now)
        self._side.outputs.append(OpenStream(pair.dialed, pair.destination))
        if not pair.connected:
            self._pairs.move(pair, PairState.IN_PROGRESS)

    def earliest(self, pair: Pair, now: float, *, selected: bool) -> float | None:
        """When it may be connected: `now`, later, or None while nothing changes (`Budget.earliest`)."""
        at = self._side.dials.earliest(pair.destination, now, selected=selected)
        return None if at is None else max(at, pair.dial_at)

    def opened(self, pair: Pair, now: float) -> None:
        """The connection that was begun stands; one that it replaces is ended."""
        base, pair.dialed = pair.dialed, None
        assert base is not None
        self.hang_up(pair)
        self._pairs.rebase(pair, base)
        pair.connected, pair.connected_at = True, now

    def answered(self, pair: Pair, now: float) -> None:
        """The peer has answered over it: nothing needs to take its place."""
        if pair.dialed is not None:
            self._side.outputs.append(CloseStream(pair.dialed))
            pair.dialed = None
        self._forgive(pair, now)

    def broken(self, pair: Pair, now: float) -> None:
        """A connection of it has ended or did not come about: the next one waits, longer each time."""
        if pair.fresh:
            self._forgive(pair, now)
        tries = min(pair.tries, MAX_TRIES)
        pair.dial_at = now + FIRST_WAIT * 2 ** (tries - 1) if tries else now

    def _forgive(self, pair: Pair, now: float) -> None:
        """It answers: if it has done so for a while, the next one is the first again."""
        if now >= pair.connected_at + STEADY:
            pair.tries, pair.dial_at = 0, now

    def again_at(self, pair: Pair, now: float) -> float | None:
        """When to connect it again; None where that is not worth it."""
        if pair.tries >= MAX_TRIES or not self._pairs.is_wanted(pair):
            return None
        return self.earliest(pair, now, selected=False)

    def ended(self, pair: Pair) -> None:
        """Its connection is no more: forget what belonged to it."""
        self._checks.forget_base(pair.base)
        if pair.proved:
            self._side.outputs.append(SourceLost(pair.base, pair.destination))
        if pair.is_ours:
            self._pairs.rebase(pair, pair.home)
        else:
            self._pairs.remove(pair)
            self._remotes.forget(pair.base, pair.destination)
        pair.connected = pair.fresh = False

    def hang_up(self, pair: Pair) -> None:
        """End what it has of connections, standing or on their way."""
        if pair.dialed is not None:
            self._side.outputs.append(CloseStream(pair.dialed))
            pair.dialed = None
        if pair.is_stream and pair.connected:
            self._side.outputs.append(CloseStream(pair.base))
            self.ended(pair)
