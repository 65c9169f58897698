"""Transactions: one STUN request with its retries, to a peer, a STUN server or a TURN server alike."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from warren.ice.stun import Key, Method, Sha256Key, Stun
from warren.ice.transport import Address, Base
from warren.sansio import Dice

__all__ = ["Owner", "Retransmission", "Transaction", "Transactions"]


class Owner(Protocol):
    """Who began a transaction and hears what comes back; verifying that is its own work."""

    def response_received(
        self, transaction: "Transaction", response: Stun, source: Address, base: Base, now: float
    ) -> None:
        """A success or error response with this transaction's id came from `source` to `base`."""
        ...


class Transaction:
    """One request that is under way."""

    __slots__ = ("base", "destination", "id", "key", "method", "owner", "purpose", "sent_at")

    def __init__(
        self,
        id: bytes,
        owner: Owner,
        base: Base,
        destination: Address,
        sent_at: float,
        purpose: object,
        key: Key | Sha256Key | None,
        method: Method,
    ) -> None:
        self.id = id
        self.owner = owner
        self.base = base
        self.destination = destination
        self.sent_at = sent_at
        """When it was sent first (seconds, monotonic)."""
        self.purpose = purpose
        """What the owner asks for: a pair, a server."""
        self.key = key
        """What a response is proved with; None where none can be (a STUN server)."""
        self.method = method
        """What the request is about, and the response with it."""

    def __repr__(self) -> str:
        host, port = self.destination
        return f"<Transaction {self.id.hex()} to {host} port {port}>"


class Transactions:
    """All transactions of a node by id; responses find their owner here before any HMAC is spent on them."""

    __slots__ = ("_by_id", "_dice")

    def __init__(self, dice: Dice) -> None:
        self._dice = dice
        self._by_id: dict[bytes, Transaction] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def begin(
        self,
        owner: Owner,
        base: Base,
        destination: Address,
        now: float,
        purpose: object,
        key: Key | Sha256Key | None = None,
        method: Method = Method.BINDING,
        id: bytes = b"",
    ) -> Transaction:
        """Enter a new transaction, under a random id if there is none that was drawn before."""
        id = id or self.draw()
        transaction = Transaction(id, owner, base, destination, now, purpose, key, method)
        self._by_id[id] = transaction
        return transaction

    def draw(self) -> bytes:
        """A random id that no transaction here has."""
        id = self._dice.randbytes(12)
        while id in self._by_id:
            id = self._dice.randbytes(12)
        return id

    def get(self, id: bytes) -> Transaction | None:
        """The transaction with this id, or None where it is unknown or has ended."""
        return self._by_id.get(id)

    def end(self, transaction: Transaction) -> None:
        """Forget a transaction; what still comes for it is unknown. Ending twice is harmless."""
        self._by_id.pop(transaction.id, None)


class Retransmission(Iterator[float]):
    """When to send a request, in seconds on the clock of `now`, beginning with `now` itself.

    It stops after the last time; what is not answered at `ends_at` has failed.
    """

    __slots__ = ("_now", "_offsets", "ends_at")

    def __init__(self, now: float, offsets: Sequence[float], ends_after: float) -> None:
        self._now = now
        self._offsets = iter(offsets)
        self.ends_at = now + ends_after

    def __next__(self) -> float:
        return self._now + next(self._offsets)

    @classmethod
    def doubling(
        cls, now: float, *, rto: float = 0.5, requests: int = 7, last_wait: float = 16.0
    ) -> "Retransmission":
        """RFC 8489, 6.2.1: `requests` in all (Rc), gaps that double from `rto`, then Rm times RTO."""
        offsets = [rto * (2**sent - 1) for sent in range(requests)]
        return cls(now, offsets, offsets[-1] + rto * last_wait)
