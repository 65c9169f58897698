"""What the agent's parts need to be tested without an agent."""

import random
from collections import Counter

from tests.ice.link import HOST, candidate, host
from warren.ice import stun
from warren.ice.checklist import Checklist, Pair
from warren.ice.side import Side
from warren.ice.timing import Pacer
from warren.ice.transaction import Transaction, Transactions
from warren.ice.transport import Address, Base, Transmit
from warren.messages import Credentials

BASE = Base("192.0.2.1", 4000)
OURS = Credentials("oursoursours", "password" * 4)
THEIRS = Credentials("theirstheirs", "PASSWORD" * 4)


class Nobody:
    """An owner of transactions that hears nothing."""

    def response_received(
        self, transaction: Transaction, response: stun.Stun, source: Address, base: Base, now: float
    ) -> None:
        raise AssertionError("nobody was asked")


def side(
    *, controlling: bool = True, renomination: bool = True, burst: int = 8, bases: tuple[Base, ...] = (BASE,)
) -> Side:
    """Our side with the host candidates of these bases."""
    dice = random.Random(7)
    made = Side(
        controlling=controlling,
        local=OURS,
        tie_breaker=99,
        transactions=Transactions(dice),
        pacer=Pacer(burst=burst),
        dice=dice,
        owner=Nobody(),
        loopback=False,
        patience=39.5,
        consent_timeout=5.0,
        renomination=renomination,
        drops=Counter(),
    )
    for base in bases:
        made.addresses.add(host(base))
    return made


def form(pairs: Checklist, port: int = 1000, *, index: int = 0, base: Base = BASE) -> Pair:
    """A pair from a base to a port of the peer; the higher the index the lower its priority."""
    remote = candidate(HOST, "198.51.100.1", port, index)
    pair = pairs.form(host(base), remote, remote.transport)
    assert pair is not None
    return pair


def sent(side: Side) -> list[stun.Stun]:
    """The packets sent since the last call."""
    packets = [stun.parse(output.data) for output in side.outputs if isinstance(output, Transmit)]
    side.outputs.clear()
    return packets


def ports(side: Side) -> list[int]:
    """Where packets went since the last call, by port."""
    found = [output.destination[1] for output in side.outputs if isinstance(output, Transmit)]
    side.outputs.clear()
    return found
