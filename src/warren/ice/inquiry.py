"""Inquiry: what one base asks one STUN server, again and again, and what came of it."""

import ipaddress

from warren.ice import stun
from warren.ice.nat_report import ServerReport
from warren.ice.timing import REFRESH
from warren.ice.transaction import Owner, Retransmission, Transaction, Transactions
from warren.ice.transport import Address, Base
from warren.sansio import Dice

__all__ = ["Inquiry", "is_mapping"]


class Inquiry:
    """Asks in rounds: a round ends by an answer or in silence, the next one begins a while later."""

    __slots__ = (
        "_dice",
        "_due",
        "_owner",
        "_refresh_at",
        "_resend",
        "_transaction",
        "_transactions",
        "address",
        "base",
        "begun_at",
        "done_once",
        "error",
        "mapped",
    )

    def __init__(
        self,
        base: Base,
        address: Address,
        *,
        owner: Owner,
        transactions: Transactions,
        dice: Dice,
    ) -> None:
        self.base = base
        self.address = address
        self.mapped: Address | None = None
        """Where our packets came from as the server saw it, when it last said so."""
        self.error: str | None = None
        """Why the last round brought nothing, in words."""
        self.done_once = False
        """Whether a first round is over."""
        self.begun_at = 0.0
        """When the last round began."""
        self._owner = owner
        self._transactions = transactions
        self._dice = dice
        self._transaction: Transaction | None = None
        self._due: float | None = None
        self._refresh_at: float | None = None

    def report(self, server: str) -> ServerReport:
        """What there is to tell of the server of this name."""
        return ServerReport(
            server=server, address=self.address, base=self.base, mapped=self.mapped, error=self.error
        )

    def due(self, *, refresh: bool) -> float | None:
        """When `advance` wants to be called; between two rounds only if the mapping is to be refreshed."""
        return self._refresh_at if self._transaction is None and refresh else self._due

    def begin(self, now: float) -> bytes:
        """Begin a round, also in the midst of another; returns the packet to send."""
        self.stop()
        self.begun_at = now
        self._transaction = self._transactions.begin(self._owner, self.base, self.address, now, self)
        # RFC 8489, 6.2.1, but from 0.2 s on and for 5 s in place of 0.5 and 39.5: end-of-candidates waits for
        # this, and a path by way of a server that slow would help nobody.
        self._resend = Retransmission.doubling(now, rto=0.2, requests=5, last_wait=10.0)
        # Drawn, so that many nodes that were started together do not ask together for ever.
        self._refresh_at = now + REFRESH * self._dice.uniform(0.9, 1.0)
        return self._send(now, self._transaction)

    def advance(self, now: float) -> bytes | None:
        """Do what is due; returns the packet to send, or None where the round ends in silence."""
        if self._transaction is None:
            return self.begin(now)
        if now < self._resend.ends_at:
            return self._send(now, self._transaction)
        # The mapping it told before stays: our asking kept it open in the NAT, answered or not.
        self._end("no answer")
        return None

    def answered(self, response: stun.Stun) -> None:
        """Take what came back."""
        if response.cls != stun.Class.SUCCESS:
            code, reason = response.error or ("with an error", "")
            self._end(f"answered {code} {reason}".rstrip())
            return
        mapped = response.mapped_address
        if mapped is None or not is_mapping(mapped, self.base):
            self._end("answered without a usable address")
            return
        self.mapped = mapped
        self._end(None)

    def stop(self) -> None:
        """Forget the round that is under way."""
        if self._transaction is not None:
            self._transactions.end(self._transaction)
            self._transaction = None
        self._due = None

    def _send(self, now: float, transaction: Transaction) -> bytes:
        # A driver that comes late sends once for all the times it has missed.
        self._due = next((at for at in self._resend if at > now), self._resend.ends_at)
        return stun.server_request(transaction.id)

    def _end(self, error: str | None) -> None:
        self.stop()
        self.error, self.done_once = error, True


def is_mapping(mapped: Address, base: Base) -> bool:
    """Whether it can be an address of ours; the other family is a NAT64's, and pairs with nothing."""
    address = ipaddress.ip_address(mapped[0])
    nowhere = address.is_unspecified or address.is_multicast or mapped[1] == 0
    return not nowhere and (address.version == 6) == base.is_ipv6
