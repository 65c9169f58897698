from random import Random

import pytest

from warren.ice.stun import Stun, prepare_key
from warren.ice.transaction import Retransmission, Transaction, Transactions
from warren.ice.transport import Address, Base

BASE = Base("192.168.1.2", 4000)
SERVER = ("198.51.100.1", 3478)


class Asker:
    """An owner that nobody answers."""

    def response_received(
        self, transaction: Transaction, response: Stun, source: Address, base: Base, now: float
    ) -> None:
        raise AssertionError("nobody answers here")


class LoadedDice(Random):
    """Draws what it was told to, then again and again the last."""

    def __init__(self, *draws: bytes) -> None:
        super().__init__()
        self.draws = list(draws)

    def randbytes(self, n: int) -> bytes:
        return self.draws.pop(0) if len(self.draws) > 1 else self.draws[0]


def begin(transactions: Transactions, owner: Asker) -> Transaction:
    return transactions.begin(owner, BASE, SERVER, 1.0, "purpose")


def test_transaction_knows_who_asks_whom_when_and_what_for() -> None:
    owner, key = Asker(), prepare_key("password")
    transaction = Transactions(Random(1)).begin(owner, BASE, SERVER, 1.0, "purpose", key)
    assert transaction.owner is owner
    assert transaction.base is BASE
    assert transaction.destination == SERVER
    assert transaction.sent_at == 1.0
    assert transaction.purpose == "purpose"
    assert transaction.key is key


def test_transaction_to_a_server_has_no_key() -> None:
    assert begin(Transactions(Random(1)), Asker()).key is None


def test_transaction_is_found_by_its_id() -> None:
    transactions = Transactions(Random(1))
    transaction = begin(transactions, Asker())
    assert len(transaction.id) == 12
    assert transactions.get(transaction.id) is transaction
    assert transactions.get(bytes(12)) is None


def test_ids_are_drawn_from_the_dice() -> None:
    ids = [begin(Transactions(Random(seed)), Asker()).id for seed in (1, 1, 2)]
    assert ids[0] == ids[1] != ids[2]


def test_id_that_is_in_use_is_not_given_again() -> None:
    taken, free = b"a" * 12, b"b" * 12
    transactions = Transactions(LoadedDice(taken, taken, taken, free))
    assert [begin(transactions, Asker()).id for _ in range(2)] == [taken, free]


def test_ended_transaction_is_unknown() -> None:
    transactions = Transactions(Random(1))
    transaction = begin(transactions, Asker())
    transactions.end(transaction)
    assert transactions.get(transaction.id) is None
    assert len(transactions) == 0


def test_ending_twice_is_harmless() -> None:
    transactions, owner = Transactions(Random(1)), Asker()
    transaction, other = begin(transactions, owner), begin(transactions, owner)
    transactions.end(transaction)
    transactions.end(transaction)
    assert transactions.get(other.id) is other
    transactions.end(other)
    transactions.end(other)
    assert len(transactions) == 0


def test_repr_tells_id_and_destination() -> None:
    transaction = begin(Transactions(LoadedDice(b"a" * 12)), Asker())
    assert repr(transaction) == f"<Transaction {'61' * 12} to 198.51.100.1 port 3478>"


def test_retransmission_is_that_of_rfc_8489() -> None:
    # RFC 8489, 6.2.1: 0, 500, 1500, 3500, 7500, 15500 and 31500 ms, and failed after 39500 ms.
    schedule = Retransmission.doubling(0.0)
    assert list(schedule) == [0.0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert schedule.ends_at == 39.5


def test_retransmission_begins_now() -> None:
    schedule = Retransmission.doubling(100.0, rto=0.2, requests=3, last_wait=2.0)
    assert list(schedule) == pytest.approx([100.0, 100.2, 100.6])
    assert schedule.ends_at == pytest.approx(101.0)


def test_retransmission_may_follow_any_offsets() -> None:
    schedule = Retransmission(10.0, (0.0, 0.25), 5.0)
    assert list(schedule) == [10.0, 10.25]
    assert schedule.ends_at == 15.0
