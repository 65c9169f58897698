"""Our side of one generation: what lasts, whatever becomes known of the peer."""

from collections import Counter
from collections.abc import Container
from typing import Final

from warren.ice import stun
from warren.ice.addresses import LocalAddresses
from warren.ice.budget import Budget
from warren.ice.outputs import AgentOutput
from warren.ice.timing import Pacer
from warren.ice.transaction import Owner, Transactions
from warren.messages import Credentials
from warren.sansio import Dice

__all__ = ["MAX_DIALS", "Side"]

MAX_DIALS: Final = 5  # ours: of 4 packets each in 10 s that makes the 20 that a silent address may get.


class Side:
    """Our credentials, role, addresses and means; shared by the agent and its attempts."""

    __slots__ = (
        "addresses",
        "budget",
        "consent_timeout",
        "controlling",
        "dials",
        "dice",
        "drops",
        "ended",
        "excluded",
        "key",
        "loopback",
        "outputs",
        "owner",
        "pacer",
        "patience",
        "patience_at",
        "renomination",
        "tie_breaker",
        "transactions",
        "ufrag",
    )

    def __init__(
        self,
        *,
        controlling: bool,
        local: Credentials,
        tie_breaker: int,
        transactions: Transactions,
        pacer: Pacer,
        dice: Dice,
        owner: Owner,
        loopback: bool,
        patience: float,
        consent_timeout: float,
        renomination: bool,
        excluded: Container[str] = (),
        drops: Counter[str],
    ) -> None:
        self.controlling = controlling
        self.ufrag = local.ufrag
        self.key = stun.prepare_key(local.pwd)
        self.tie_breaker = tie_breaker
        self.transactions = transactions
        self.pacer = pacer
        self.dice = dice
        self.owner = owner
        self.loopback = loopback
        self.patience = patience
        self.patience_at: float | None = None
        """When patience is over: it runs from the first pair on, whatever credentials the peer changes to."""
        self.consent_timeout = consent_timeout
        self.renomination = renomination
        """Whether the peer knows nominations with values."""
        self.excluded = excluded
        """Addresses that are never spoken to."""
        self.addresses = LocalAddresses()
        self.ended = False
        """Whether no more addresses of ours will come."""
        self.budget = Budget()
        self.dials = Budget(early=MAX_DIALS, until_selected=MAX_DIALS)
        """Connections: fewer than checks, since the kernel repeats by itself what is not answered."""
        self.drops = drops
        self.outputs: list[AgentOutput] = []
