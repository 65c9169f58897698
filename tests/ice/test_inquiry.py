from random import Random

import pytest

from warren.ice import stun
from warren.ice.inquiry import Inquiry
from warren.ice.stun import Class, Method, Stun
from warren.ice.transaction import Transaction, Transactions
from warren.ice.transport import Address, Base

BASE = Base("192.168.1.2", 4000)
SERVER = ("198.51.100.1", 3478)
PUBLIC = ("203.0.113.5", 61000)


class Asker:
    """Owns the transactions; answers are handed to the inquiry by the tests."""

    def response_received(
        self, transaction: Transaction, response: Stun, source: Address, base: Base, now: float
    ) -> None:
        raise AssertionError("the tests hand answers to the inquiry")


def inquiry(transactions: Transactions | None = None) -> Inquiry:
    dice = Random(1)
    if transactions is None:
        transactions = Transactions(dice)
    return Inquiry(BASE, SERVER, owner=Asker(), transactions=transactions, dice=dice)


def answer(request: bytes, mapped: Address = PUBLIC) -> Stun:
    return stun.parse(stun.success(stun.parse(request), mapped, None))


def test_nothing_is_due_before_it_begins() -> None:
    assert inquiry().due(refresh=True) is None


def test_round_begins_with_a_request_whose_transaction_leads_back_to_the_inquiry() -> None:
    transactions = Transactions(Random(1))
    asked = inquiry(transactions)
    transaction = transactions.get(stun.parse(asked.begin(0.0)).transaction_id)
    assert transaction is not None
    assert transaction.purpose is asked
    assert (transaction.base, transaction.destination) == (BASE, SERVER)


def test_round_ends_in_silence_after_five_requests() -> None:
    asked = inquiry()
    packets = {asked.begin(0.0)}
    for at in (0.2, 0.6, 1.4, 3.0):
        assert asked.due(refresh=False) == pytest.approx(at)
        packet = asked.advance(at)
        assert packet is not None
        packets.add(packet)
    assert asked.due(refresh=False) == pytest.approx(5.0)
    assert asked.advance(5.0) is None
    assert len(packets) == 1
    assert (asked.error, asked.done_once) == ("no answer", True)


def test_answer_ends_the_round() -> None:
    transactions = Transactions(Random(1))
    asked = inquiry(transactions)
    asked.answered(answer(asked.begin(0.0)))
    assert (asked.mapped, asked.error, asked.done_once) == (PUBLIC, None, True)
    assert len(transactions) == 0
    assert asked.due(refresh=False) is None


def test_next_round_is_due_before_a_nat_forgets_and_asks_anew() -> None:
    asked = inquiry()
    first = asked.begin(0.0)
    asked.answered(answer(first))
    due = asked.due(refresh=True)
    assert due is not None
    assert 18.0 <= due <= 20.0
    second = asked.advance(due)
    assert second is not None
    assert stun.parse(second).transaction_id != stun.parse(first).transaction_id


def test_error_keeps_the_mapping_that_was_told_before() -> None:
    asked = inquiry()
    asked.answered(answer(asked.begin(0.0)))
    request = stun.parse(asked.begin(20.0))
    asked.answered(stun.parse(stun.error(request, 500, "Server Error")))
    assert (asked.mapped, asked.error) == (PUBLIC, "answered 500 Server Error")


def test_error_without_code_is_an_error() -> None:
    asked = inquiry()
    request = stun.parse(asked.begin(0.0))
    asked.answered(stun.parse(stun.build(Method.BINDING, Class.ERROR, request.transaction_id, [])))
    assert asked.error == "answered with an error"


@pytest.mark.parametrize("mapped", [("0.0.0.0", 1), ("224.0.0.1", 1), ("203.0.113.5", 0), ("2001:db8::9", 1)])
def test_address_that_cannot_be_ours_is_no_mapping(mapped: Address) -> None:
    asked = inquiry()
    asked.answered(answer(asked.begin(0.0), mapped))
    assert (asked.mapped, asked.error) == (None, "answered without a usable address")


def test_stopped_inquiry_waits_for_nothing() -> None:
    transactions = Transactions(Random(1))
    asked = inquiry(transactions)
    asked.begin(0.0)
    asked.stop()
    asked.stop()
    assert len(transactions) == 0
    assert asked.due(refresh=False) is None


def test_report_names_the_server_and_what_it_said() -> None:
    asked = inquiry()
    asked.answered(answer(asked.begin(0.0)))
    report = asked.report("stun:one")
    assert (report.server, report.address, report.base) == ("stun:one", SERVER, BASE)
    assert (report.mapped, report.error) == (PUBLIC, None)
