import logging
from collections import Counter
from collections.abc import Callable
from typing import NoReturn

import pytest

from tests.signaling.people import ALICE, BOB, CAROL, hello, private, sealed
from warren.envelope import Envelope, Sealer
from warren.keys import PublicKey, PublicKeyPair
from warren.messages import Message
from warren.signaling import inbox as inbox_module
from warren.signaling.inbox import Inbox
from warren.signaling.quiet import QuietLog


class Bench:
    """Alice's inbox with a clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.drops: Counter[str] = Counter()
        self.got: list[tuple[PublicKeyPair, Message]] = []
        log = QuietLog(logging.getLogger("warren.signaling"))
        sealer = Sealer(ALICE, random_bytes=bytes)
        self.inbox = Inbox(ALICE.public, sealer, drops=self.drops, log=log, clock=lambda: self.now)

    def handler(self, pair: PublicKeyPair, message: Message) -> None:
        self.got.append((pair, message))


@pytest.fixture
def bench() -> Bench:
    return Bench()


def from_bob(word: str = "hello") -> Envelope:
    return sealed(BOB, ALICE.public, hello(word))


def refuse(sender: PublicKey) -> bool:
    return False


def fail(*args: object) -> NoReturn:
    raise RuntimeError("out of order")


def test_handler_gets_the_opened_message_and_who_sent_it(bench: Bench) -> None:
    bench.inbox.add(bench.handler, BOB.public, None)
    bench.inbox.receive(from_bob("one"))
    assert bench.got == [(PublicKeyPair(ALICE.public, BOB.public), hello("one"))]


def test_handler_for_one_sender_does_not_get_what_another_sends(bench: Bench) -> None:
    bench.inbox.add(bench.handler, CAROL.public, None)
    bench.inbox.receive(from_bob())
    assert (bench.got, bench.drops) == ([], {"sender-not-allowed": 1})


def test_handler_for_anyone_gets_what_anyone_sends(bench: Bench) -> None:
    bench.inbox.add(bench.handler, None, None)
    bench.inbox.receive(from_bob("bob"))
    bench.inbox.receive(sealed(CAROL, ALICE.public, hello("carol")))
    assert [message for _, message in bench.got] == [hello("bob"), hello("carol")]


def test_every_handler_gets_each_message(bench: Bench) -> None:
    others: list[Message] = []
    bench.inbox.add(bench.handler, BOB.public, None)
    bench.inbox.add(lambda pair, message: others.append(message), BOB.public, None)
    bench.inbox.add(lambda pair, message: others.append(message), None, None)
    bench.inbox.receive(from_bob("one"))
    assert (len(bench.got), others) == (1, [hello("one"), hello("one")])


def test_same_handler_for_the_same_sender_is_called_once(bench: Bench) -> None:
    bench.inbox.add(bench.handler, BOB.public, None)
    bench.inbox.add(bench.handler, BOB.public, None)
    bench.inbox.receive(from_bob())
    assert (len(bench.got), len(bench.inbox)) == (1, 1)


def test_adding_a_handler_again_changes_whom_it_admits(bench: Bench) -> None:
    bench.inbox.add(bench.handler, None, refuse)
    bench.inbox.add(bench.handler, None, None)
    bench.inbox.receive(from_bob())
    assert len(bench.got) == 1


def test_removed_handler_is_not_called(bench: Bench) -> None:
    bench.inbox.add(bench.handler, BOB.public, None)
    assert bench.inbox.remove(bench.handler, BOB.public)
    bench.inbox.receive(from_bob())
    assert (bench.got, len(bench.inbox)) == ([], 0)


def test_removing_a_handler_that_is_not_there_says_so(bench: Bench) -> None:
    bench.inbox.add(bench.handler, BOB.public, None)
    assert not bench.inbox.remove(bench.handler, None)
    assert len(bench.inbox) == 1


def test_handler_removed_by_the_one_before_it_is_not_called(bench: Bench) -> None:
    def remove_other(pair: PublicKeyPair, message: Message) -> None:
        bench.inbox.remove(bench.handler, BOB.public)

    bench.inbox.add(remove_other, BOB.public, None)
    bench.inbox.add(bench.handler, BOB.public, None)
    bench.inbox.receive(from_bob())
    assert bench.got == []


def test_sender_who_is_not_admitted_costs_no_diffie_hellman(bench: Bench) -> None:
    bench.inbox.add(bench.handler, None, refuse)
    bench.inbox.receive(from_bob())
    assert bench.drops == {"sender-not-allowed": 1}
    assert not bench.inbox.sealer.knows(BOB.public)


def test_admit_that_raises_admits_nobody_and_is_told_once(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.inbox.add(bench.handler, None, fail)
    bench.inbox.receive(from_bob())
    bench.inbox.receive(from_bob())
    assert bench.drops == {"admit-raised": 2, "sender-not-allowed": 2}
    assert [record.message for record in caplog.records] == [
        "a signaling subscriber failed to say whom it admits"
    ]


def test_handler_that_raises_hurts_no_other_and_is_told_once_a_minute(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.inbox.add(fail, BOB.public, None)
    bench.inbox.add(bench.handler, BOB.public, None)
    for _ in range(3):
        bench.inbox.receive(from_bob())
    bench.now += 60.0
    bench.inbox.receive(from_bob())
    assert (len(bench.got), bench.drops) == (4, {"handler-raised": 4})
    assert [record.message for record in caplog.records] == [
        "a signaling handler failed",
        "a signaling handler failed (and 2 more since)",
    ]
    assert caplog.records[0].exc_info is not None


def test_handler_that_holds_up_the_loop_is_told(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    def dawdle(pair: PublicKeyPair, message: Message) -> None:
        bench.now += 2.0

    bench.inbox.add(dawdle, BOB.public, None)
    bench.inbox.receive(from_bob())
    assert bench.drops == {"handler-slow": 1}
    assert caplog.records[0].message == "a signaling handler held up the event loop for 2.0 s"


def test_same_envelope_again_is_dropped(bench: Bench) -> None:
    bench.inbox.add(bench.handler, BOB.public, None)
    envelope = from_bob()
    bench.inbox.receive(envelope)
    bench.inbox.receive(envelope)
    assert (len(bench.got), bench.drops) == (1, {"envelope-repeated": 1})


def test_forged_envelope_does_not_make_the_true_one_a_repeat(bench: Bench) -> None:
    bench.inbox.add(bench.handler, BOB.public, None)
    true = from_bob()
    bench.inbox.receive(Envelope(true.sender, true.recipient, bytes(len(true.body)), true.nonce))
    bench.inbox.receive(true)
    assert (len(bench.got), bench.drops) == (1, {"envelope-seal": 1})


def test_4096_nonces_of_a_peer_are_remembered(bench: Bench) -> None:
    bench.inbox.add(bench.handler, BOB.public, None)
    envelopes = [from_bob() for _ in range(4097)]
    for envelope in envelopes:
        bench.inbox.receive(envelope)
        bench.now += 1.0
    bench.inbox.receive(envelopes[1])
    assert bench.drops == {"envelope-repeated": 1}
    bench.inbox.receive(envelopes[0])
    assert len(bench.got) == 4098


def test_who_was_silent_longest_is_forgotten_first(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox_module, "REMEMBERED_IN_ALL", 2)
    bench.inbox.add(bench.handler, None, None)
    envelopes = [sealed(private(number), ALICE.public) for number in (10, 11, 12)]
    for envelope in (*envelopes, *envelopes):
        bench.inbox.receive(envelope)
    # The first was forgotten for the third; taken again, it pushed out the second, and so on.
    assert len(bench.got) == 6


def test_our_own_words_to_a_peer_do_not_come_back_as_the_peers(bench: Bench) -> None:
    bench.inbox.add(bench.handler, BOB.public, None)
    ours = sealed(ALICE, BOB.public)
    bench.inbox.sent(ours)
    bench.inbox.receive(Envelope(BOB.public, ALICE.public, ours.body, ours.nonce))
    assert (bench.got, bench.drops) == ([], {"envelope-repeated": 1})


def test_envelope_that_claims_to_be_ours_is_dropped(bench: Bench) -> None:
    bench.inbox.add(bench.handler, None, None)
    bench.inbox.receive(sealed(ALICE, ALICE.public))
    assert (bench.got, bench.drops) == ([], {"envelope-from-ourselves": 1})


def test_envelope_for_another_key_is_dropped(bench: Bench) -> None:
    bench.inbox.add(bench.handler, None, None)
    bench.inbox.receive(sealed(BOB, CAROL.public))
    assert (bench.got, bench.drops) == ([], {"envelope-not-for-us": 1})


def strangers(numbers: range) -> list[Envelope]:
    return [sealed(private(number), ALICE.public) for number in numbers]


def test_a_hundred_strangers_a_second_cost_a_diffie_hellman(bench: Bench) -> None:
    bench.inbox.add(bench.handler, None, None)
    for envelope in strangers(range(100, 202)):
        bench.inbox.receive(envelope)
    assert (len(bench.got), bench.drops) == (100, {"strangers-too-many": 2})
    bench.now += 1.0
    bench.inbox.receive(from_bob())
    assert len(bench.got) == 101


@pytest.mark.parametrize("known", ["has proved itself", "is asked for by name", "was spoken to"])
def test_flood_of_strangers_does_not_stop_a_peer_that(known: str, bench: Bench) -> None:
    bench.inbox.add(bench.handler, None, None)
    introduce: dict[str, Callable[[], object]] = {
        "has proved itself": lambda: bench.inbox.receive(from_bob()),
        "is asked for by name": lambda: bench.inbox.add(fail, BOB.public, None),
        "was spoken to": lambda: bench.inbox.sent(sealed(ALICE, BOB.public)),
    }
    introduce[known]()
    bench.now += 1.0
    for envelope in strangers(range(100, 300)):
        bench.inbox.receive(envelope)
    bench.inbox.receive(from_bob("known"))
    assert bench.got[-1][1] == hello("known")


def test_peer_may_say_200_messages_at_once_and_then_50_a_second(bench: Bench) -> None:
    bench.inbox.add(bench.handler, BOB.public, None)
    for _ in range(250):
        bench.inbox.receive(from_bob())
    assert (len(bench.got), bench.drops) == (200, {"sender-too-fast": 50})
    bench.now += 1.0
    for _ in range(60):
        bench.inbox.receive(from_bob())
    assert len(bench.got) == 250


def test_forgers_do_not_use_up_what_a_peer_may_say(bench: Bench) -> None:
    bench.inbox.add(bench.handler, BOB.public, None)
    for _ in range(300):
        forged = sealed(CAROL, ALICE.public)
        bench.inbox.receive(Envelope(BOB.public, ALICE.public, forged.body, forged.nonce))
    bench.inbox.receive(from_bob())
    assert len(bench.got) == 1
