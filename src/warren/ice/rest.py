"""Rest: a path on which nothing happens but that both sides keep consent (RFC 7675)."""

from collections.abc import Callable, Sequence

from warren.ice import stun
from warren.ice.checklist import Pair
from warren.ice.consent import Consent
from warren.ice.stun import Key, Stun, Template
from warren.ice.transaction import Owner, Transactions

__all__ = ["Rest"]


class Rest:
    """Does for the agent what is the same each time: sends checks, takes the answers, answers the peer's.

    Nearly all paths of a node are at rest nearly all the time, so this decides what a thousand of them cost.
    Whatever else comes is not taken here; if it is for the agent, that wakes, and the rest is over.

    Args:
        owner: whose path it is, as the owner of a transaction.
        pair: the selected one; it answers, and packets over it are datagrams.
        consent: that of the pair, just renewed.
        transactions: those of the node; of a check that is under way they hear when the agent wakes.
        local: the key of our password.
        remote: that of the peer's.
        check: a check of ours over the pair.
        answered: the answer to it.
        asked: a check of the peer over the pair.
        hasty_within: the peer is in haste if it asks again so soon (seconds); 0 where that tells nothing.
        wake: wakes the agent.
    """

    __slots__ = (
        "_answer",
        "_answered",
        "_asked",
        "_check",
        "_consent",
        "_hasty_within",
        "_local",
        "_remote",
        "_transactions",
        "due",
        "heard_at",
        "id",
        "over",
        "owner",
        "pair",
        "wake",
    )

    def __init__(
        self,
        *,
        owner: Owner,
        pair: Pair,
        consent: Consent,
        transactions: Transactions,
        local: Key,
        remote: Key,
        check: Stun,
        answered: Stun,
        asked: Stun,
        heard_at: float,
        hasty_within: float,
        wake: Callable[[], object],
    ) -> None:
        self.owner = owner
        self.pair = pair
        self.over = False
        """Whether the agent is awake again, and this is of no use any more."""
        self.due = _due(consent)
        """When `tick` has something to do."""
        self.id = b""
        """The transaction id of the check that is under way, empty while there is none."""
        self.heard_at = heard_at
        """When the peer's newest check came."""
        self._consent = consent
        self._transactions = transactions
        self._local = local
        self._remote = remote
        self._check = Template(check)
        self._answered = Template(answered)
        self._asked = Template(asked)
        self._answer = Template(stun.parse(stun.success(asked, pair.destination, local)))
        self._hasty_within = hasty_within
        self.wake = wake
        """Wakes the agent."""

    def tick(self, now: float) -> bytes | None:
        """The check that is due now; None where that is not all there is to do, and the agent is awake."""
        if self.id:
            self.wake()
            return None
        self._consent.tick(now, self.pair.rtt)
        return self._ask(now)

    def datagram_received(self, data: bytes, now: float) -> Sequence[bytes] | None:
        """Take what came over the pair; returns what is to be sent over it, or None if it is not for us."""
        if self._asked.matches(data):
            if now < self.heard_at + self._hasty_within or not self._asked.proves(data, self._local):
                return None
            self.heard_at = now
            answer = self._answer.write(data[8:20], self._local)
            return (self._ask(now), answer) if self._consent.join(now, self.pair.rtt) else (answer,)
        if not self.id or not data.startswith(self.id, 8):
            return None
        if not self._answered.matches(data):
            self.wake()  # An error, or the peer sees us elsewhere.
            return None
        if not self._answered.proves(data, self._remote):
            return None
        self._renew(now)
        return ()

    def _ask(self, now: float) -> bytes:
        pair = self.pair
        pair.sent += 1
        pair.sent_at = now
        self.id = self._transactions.draw()
        self.due = _due(self._consent)
        return self._check.write(self.id, self._remote)

    def _renew(self, now: float) -> None:
        pair = self.pair
        pair.answered += 1
        pair.rtt = now - pair.sent_at
        self.id = b""
        self._consent.rest(now)
        self.due = _due(self._consent)


def _due(consent: Consent) -> float:
    assert consent.due is not None  # It goes on for ever; what misses answers is not at rest.
    return consent.due
