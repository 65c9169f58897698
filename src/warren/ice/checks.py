"""Checks under way: connectivity checks as transactions with the peer (RFC 8445, 7.2)."""

from collections.abc import Callable
from typing import Final

from warren.ice import stun
from warren.ice.checklist import Pair
from warren.ice.side import Side
from warren.ice.timing import PATIENCE
from warren.ice.transaction import Transaction
from warren.ice.transport import Base, Transmit
from warren.messages import Credentials

__all__ = ["MAX_CHECKS", "Check", "Checks"]

MAX_CHECKS: Final = 128
LATE: Final = 2.0  # ours: what is not answered by then makes room for others.


class Check:
    """What one check asks, to be remembered until it is answered."""

    __slots__ = ("controlling", "nomination", "pair")

    def __init__(self, pair: Pair, nomination: int | None, controlling: bool) -> None:
        self.pair = pair
        self.nomination = nomination
        """The value that it nominates the pair with, or None."""
        self.controlling = controlling
        """The role that it was sent in."""


class Checks:
    """Sends checks with one pair of credentials; keeps the newest 128 until they are answered or too old."""

    __slots__ = ("_key", "_side", "_under_way", "_username")

    def __init__(self, side: Side, remote: Credentials) -> None:
        self._side = side
        self._key = stun.prepare_key(remote.pwd)
        self._username = f"{remote.ufrag}:{side.ufrag}"
        self._under_way: dict[bytes, Transaction] = {}

    def __len__(self) -> int:
        return len(self._under_way)

    @property
    def key(self) -> stun.Key:
        """That of the peer's password."""
        return self._key

    def plain(self, pair: Pair) -> stun.Stun:
        """A check that does not nominate the pair, as it would be sent."""
        id = self._side.transactions.draw()
        return stun.parse(stun.binding_request(id, self._attributes(pair, None), self._key))

    def send(self, pair: Pair, now: float, nomination: int | None = None) -> None:
        """Check a pair now, each time by a new transaction, so that each answer tells its own round trip.

        Where 128 are under way, none of them late, this one is left out: their answers tell as much.
        """
        side = self._side
        under_way = self._under_way
        if len(under_way) >= MAX_CHECKS:
            oldest = next(iter(under_way.values()))
            if now - oldest.sent_at < LATE:
                side.drops["checks-full"] += 1
                return
            self._end(oldest)
        pair.sent += 1
        pair.sent_at = now
        transaction = self._begin(pair, nomination)
        data = stun.binding_request(transaction.id, self._attributes(pair, nomination), self._key)
        side.outputs.append(Transmit(pair.base, pair.destination, data))

    def resume(self, pair: Pair, id: bytes) -> None:
        """The check that was sent last over this pair, plain and under this id, is ours from now on."""
        self._begin(pair, None, id)

    def _begin(self, pair: Pair, nomination: int | None, id: bytes = b"") -> Transaction:
        side = self._side
        transaction = side.transactions.begin(
            side.owner,
            pair.base,
            pair.destination,
            pair.sent_at,
            Check(pair, nomination, side.controlling),
            self._key,
            id=id,
        )
        self._under_way[transaction.id] = transaction
        return transaction

    def _attributes(self, pair: Pair, nomination: int | None) -> bytes:
        if nomination is None and pair.plain_check is not None:
            return pair.plain_check
        side = self._side
        attributes = stun.check_attributes(
            username=self._username,
            priority=pair.check_priority,
            controlling=side.controlling,
            tie_breaker=side.tie_breaker,
            use_candidate=nomination is not None,
            nomination=nomination if side.renomination else None,
        )
        if nomination is None:
            pair.plain_check = attributes
        return attributes

    def finish(self, transaction: Transaction) -> Check:
        """A check was answered: end its transaction and say what it was."""
        self._end(transaction)
        check = transaction.purpose
        assert isinstance(check, Check)
        return check

    def settle(self, pair: Pair) -> None:
        """The pair works: what else is under way over it matters only if it nominates."""
        self._end_where(lambda check: check.pair is pair and check.nomination is None)

    def forget_base(self, base: Base) -> None:
        """The base is gone: nothing can be answered there."""
        self._end_where(lambda check: check.pair.base is base)

    def forget_old(self, now: float) -> None:
        """End what nobody will answer any more."""
        while self._under_way:
            oldest = next(iter(self._under_way.values()))
            if oldest.sent_at + PATIENCE > now:
                return
            self._end(oldest)

    def forget_all(self) -> None:
        """End everything."""
        self._end_where(lambda check: True)

    def _end(self, transaction: Transaction) -> None:
        self._under_way.pop(transaction.id, None)
        self._side.transactions.end(transaction)

    def _end_where(self, matches: Callable[[Check], bool]) -> None:
        for transaction in list(self._under_way.values()):
            check = transaction.purpose
            assert isinstance(check, Check)
            if matches(check):
                self._end(transaction)
