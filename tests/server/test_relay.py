"""The relay: to whom envelopes come, who makes room for whom, and what is refused."""

import pytest

from tests.server.keys import SENDER, envelope, key
from warren import wire
from warren.messages import SubscribeParams
from warren.server.relay import GAP, Limits, Refusal, Refused, Relay, Subscription

ALICE, BOB = key(1), key(2)


def subscribe(relay: Relay, to: int = 1, *, connection: str = "c") -> Subscription:
    return relay.subscribe(key(to), connection=connection, wake=lambda: None)


def taken(subscription: Subscription) -> list[bytes]:
    return list(iter(subscription.take, None))


def refusal(relay: Relay, data: bytes) -> Refusal:
    with pytest.raises(Refused) as caught:
        relay.publish(data)
    return caught.value.refusal


# Routing


def test_an_envelope_comes_to_the_subscription_of_its_recipient_byte_by_byte() -> None:
    relay = Relay()
    alice = subscribe(relay, 1)
    data = envelope(ALICE) + b"\xc2\x0c\x03new"  # A field 200, which this version does not know.
    relay.publish(data)
    assert taken(alice) == [data]


def test_an_envelope_comes_to_nobody_else() -> None:
    relay = Relay()
    bob = subscribe(relay, 2)
    relay.publish(envelope(ALICE))
    assert taken(bob) == []


def test_all_subscriptions_of_a_key_get_an_envelope_also_those_of_one_connection() -> None:
    relay = Relay()
    group = [
        subscribe(relay, connection="c1"),
        subscribe(relay, connection="c1"),
        subscribe(relay, connection="c2"),
    ]
    data = envelope(ALICE)
    assert relay.publish(data) == 3
    assert [taken(member) for member in group] == [[data]] * 3


def test_envelopes_come_in_the_order_in_which_they_were_published() -> None:
    relay = Relay()
    alice = subscribe(relay)
    sent = [envelope(ALICE, bytes([n])) for n in range(10)]
    for data in sent:
        relay.publish(data)
    assert taken(alice) == sent


def test_an_envelope_to_nobody_is_forgotten() -> None:
    relay = Relay()
    assert relay.publish(envelope(ALICE)) == 0
    assert taken(subscribe(relay)) == []


def test_publishing_to_oneself_works() -> None:
    relay = Relay()
    own = subscribe(relay)
    relay.publish(envelope(ALICE, sender=ALICE))
    assert taken(own) == [envelope(ALICE, sender=ALICE)]


# Waking


def test_a_reader_is_woken_once_for_many_envelopes() -> None:
    relay, woken = Relay(), []
    relay.subscribe(ALICE, connection="c", wake=lambda: woken.append(1))
    relay.publish(envelope(ALICE))
    relay.publish(envelope(ALICE))
    assert len(woken) == 1


def test_a_reader_that_took_everything_is_woken_again() -> None:
    relay, woken = Relay(), []
    subscription = relay.subscribe(ALICE, connection="c", wake=lambda: woken.append(1))
    for _ in range(2):
        relay.publish(envelope(ALICE))
        taken(subscription)
    assert len(woken) == 2


# Leaving


def test_a_subscription_that_left_gets_nothing() -> None:
    relay = Relay()
    alice = subscribe(relay)
    relay.unsubscribe(alice)
    assert relay.publish(envelope(ALICE)) == 0
    assert taken(alice) == []


def test_those_who_stay_are_not_touched_by_one_who_leaves() -> None:
    relay = Relay()
    goes, stays = subscribe(relay), subscribe(relay)
    relay.unsubscribe(goes)
    assert relay.publish(envelope(ALICE)) == 1
    assert len(taken(stays)) == 1


def test_leaving_twice_is_leaving_once() -> None:
    relay = Relay()
    goes, _ = subscribe(relay), subscribe(relay)
    relay.unsubscribe(goes)
    relay.unsubscribe(goes)
    assert (relay.subscriptions, relay.connections) == (1, 1)


def test_nothing_is_kept_for_a_key_without_subscriptions() -> None:
    relay = Relay()
    relay.unsubscribe(subscribe(relay))
    relay.publish(envelope(ALICE))
    assert (relay.keys, relay.connections, relay.subscriptions) == (0, 0, 0)


# Slow readers


def test_the_oldest_envelope_makes_room_for_the_65th() -> None:
    relay = Relay()
    alice = subscribe(relay)
    sent = [envelope(ALICE, bytes([n])) for n in range(65)]
    for data in sent:
        relay.publish(data)
    assert taken(alice) == [GAP, *sent[1:]]
    assert relay.counts["dropped"] == 1


def test_a_gap_is_told_once_for_all_that_was_dropped_there() -> None:
    relay = Relay()
    alice = subscribe(relay)
    for n in range(100):
        relay.publish(envelope(ALICE, bytes([n])))
    assert taken(alice).count(GAP) == 1


def test_a_second_gap_is_told_again() -> None:
    relay = Relay(Limits(queue_length=1))
    alice = subscribe(relay)
    found = []
    for _ in range(2):
        relay.publish(envelope(ALICE))
        relay.publish(envelope(ALICE))
        found += taken(alice)
    assert found == [GAP, envelope(ALICE)] * 2


def test_what_waits_has_at_most_256_kib() -> None:
    relay = Relay()
    alice = subscribe(relay)
    large = envelope(ALICE, bytes(16_000))
    for _ in range(64):
        relay.publish(large)
    found = taken(alice)
    assert found[0] == GAP
    assert sum(map(len, found)) <= 256 * 1024 < sum(map(len, found)) + len(large)


def test_what_fills_the_queue_to_the_byte_fits() -> None:
    data = envelope(ALICE)
    relay = Relay(Limits(queue_bytes=2 * len(data)))
    alice = subscribe(relay)
    relay.publish(data)
    relay.publish(data)
    assert taken(alice) == [data, data]


def test_what_was_taken_makes_room() -> None:
    relay = Relay()
    alice = subscribe(relay)
    large = [envelope(ALICE, bytes([number]) * 16_000) for number in range(100)]
    found = []
    for number, data in enumerate(large):
        relay.publish(data)
        if number:
            found.append(alice.take())  # One always waits.
    assert found == large[:-1]


def test_one_envelope_may_always_wait() -> None:
    relay = Relay(Limits(queue_bytes=10))
    alice = subscribe(relay)
    relay.publish(envelope(ALICE))
    assert taken(alice) == [envelope(ALICE)]


def test_a_slow_reader_costs_others_of_its_key_nothing() -> None:
    relay = Relay()
    slow, quick = subscribe(relay), subscribe(relay)
    found = []
    sent = [envelope(ALICE, bytes([n])) for n in range(100)]
    for data in sent:
        relay.publish(data)
        found += taken(quick)
    assert found == sent
    assert len(taken(slow)) == 65


# Those who have proved to hold a key


def prove(relay: Relay, to: int = 1, *, connection: str = "c") -> Subscription:
    return relay.subscribe(key(to), connection=connection, wake=lambda: None, authenticated=True)


def test_a_proven_subscription_is_served_before_those_that_came_earlier() -> None:
    relay, woken = Relay(), []
    for number, authenticated in enumerate([False, True, False, True]):
        relay.subscribe(
            ALICE,
            connection="c",
            wake=lambda number=number: woken.append(number),  # type: ignore[misc]  # a default binds it
            authenticated=authenticated,
        )
    relay.publish(envelope(ALICE))
    assert woken == [1, 3, 0, 2]


def test_those_who_prove_nothing_cannot_take_the_room_of_who_does() -> None:
    relay = Relay(Limits(subscriptions_per_key=2))
    subscribe(relay), subscribe(relay)
    proven = prove(relay)
    assert relay.publish(envelope(ALICE)) == 3
    assert taken(proven) == [envelope(ALICE)]


def test_proven_subscriptions_of_a_key_have_a_limit_too_and_put_nobody_out() -> None:
    relay = Relay(Limits(subscriptions_per_key=2))
    prove(relay), prove(relay)
    with pytest.raises(Refused) as caught:
        prove(relay)
    assert caught.value.refusal is Refusal.KEY_FULL
    assert subscribe(relay) is not None


def test_what_a_proven_publisher_sends_goes_before_the_rest() -> None:
    relay = Relay()
    alice = subscribe(relay)
    for body, proven in ((b"1", False), (b"2", True), (b"3", False), (b"4", True)):
        relay.publish(envelope(ALICE, body), proven=proven)
    assert taken(alice) == [envelope(ALICE, body) for body in (b"2", b"4", b"1", b"3")]


def test_a_flood_of_strangers_pushes_out_nothing_that_a_proven_publisher_sent() -> None:
    relay = Relay()
    alice = subscribe(relay)
    peers = [envelope(ALICE, bytes([n])) for n in range(10)]
    for data in peers:
        relay.publish(data, proven=True)
    for n in range(1000):
        relay.publish(envelope(ALICE, n.to_bytes(2, "big")))
    found = taken(alice)
    assert found[:11] == [GAP, *peers]
    assert len(found) == 65


def test_a_stranger_finds_no_room_where_only_proven_envelopes_wait() -> None:
    relay = Relay(Limits(queue_length=2))
    alice = subscribe(relay)
    peers = [envelope(ALICE, bytes([n])) for n in range(2)]
    for data in peers:
        relay.publish(data, proven=True)
    assert relay.publish(envelope(ALICE, b"stranger")) == 0
    assert taken(alice) == [GAP, *peers]


def test_a_proven_publisher_finds_room_at_the_price_of_strangers_and_then_of_the_oldest() -> None:
    relay = Relay(Limits(queue_length=2))
    alice = subscribe(relay)
    relay.publish(envelope(ALICE, b"stranger"))
    peers = [envelope(ALICE, bytes([n])) for n in range(3)]
    for data in peers:
        relay.publish(data, proven=True)
    assert taken(alice) == [GAP, *peers[1:]]
    assert relay.counts["dropped"] == 2


# Limits and refusals


def test_the_1025th_subscription_of_a_connection_is_refused() -> None:
    relay = Relay()
    for number in range(1024):
        subscribe(relay, number)
    with pytest.raises(Refused) as caught:
        subscribe(relay, 2000)
    assert caught.value.refusal is Refusal.CONNECTION_FULL
    assert relay.keys == 1024


def test_the_1025th_subscription_of_a_key_is_refused() -> None:
    relay = Relay()
    for number in range(1024):
        subscribe(relay, connection=str(number))
    with pytest.raises(Refused) as caught:
        subscribe(relay, connection="another")
    assert caught.value.refusal is Refusal.KEY_FULL
    assert relay.connections == 1024


def test_who_leaves_makes_room() -> None:
    relay = Relay(Limits(subscriptions_per_key=1, subscriptions_per_connection=1))
    relay.unsubscribe(subscribe(relay))
    assert subscribe(relay) is not None


def test_an_envelope_of_16_kib_is_taken_and_one_byte_more_is_not() -> None:
    relay = Relay()
    fitting = envelope(ALICE, bytes(16 * 1024 - len(envelope(ALICE, bytes(16_000))) + 16_000))
    assert len(fitting) == 16 * 1024
    assert relay.publish(fitting) == 0
    assert refusal(relay, fitting + b"\0") is Refusal.OVERSIZED


def test_what_is_no_envelope_is_refused() -> None:
    assert refusal(Relay(), b"\xff\xff\xff") is Refusal.MALFORMED


@pytest.mark.parametrize(
    ("sender", "recipient"),
    [
        (SENDER.raw, b""),
        (SENDER.raw, bytes(31)),
        (SENDER.raw, bytes(32)),
        (SENDER.raw, ALICE.raw[:31] + bytes([ALICE.raw[31] | 0x80])),
        (SENDER.raw, b"\xff" * 31 + b"\x7f"),
        (b"", ALICE.raw),
        (SENDER.raw + b"\0", ALICE.raw),
    ],
    ids=["no recipient", "short", "low order", "alias", "not below the prime", "no sender", "long sender"],
)
def test_an_address_that_is_no_canonical_key_is_refused(sender: bytes, recipient: bytes) -> None:
    assert refusal(Relay(), wire.encode_envelope(sender, recipient, b"sealed", bytes(24))) is Refusal.KEY


def test_the_empty_envelope_that_means_live_or_gap_cannot_be_published() -> None:
    assert refusal(Relay(), b"") is Refusal.KEY


def test_what_a_subscriber_asks_for_is_read() -> None:
    params = wire.encode_subscribe_params(ALICE)
    assert Relay().read(wire.decode_subscribe_params, params) == SubscribeParams(ALICE)


@pytest.mark.parametrize(
    ("params", "expected"),
    [(b"", Refusal.KEY), (b"\x0a\x20" + bytes(32), Refusal.KEY), (b"\xff", Refusal.MALFORMED)],
    ids=["no key", "low order", "garbage"],
)
def test_params_without_a_canonical_key_are_refused(params: bytes, expected: Refusal) -> None:
    with pytest.raises(Refused) as caught:
        Relay().read(wire.decode_subscribe_params, params)
    assert caught.value.refusal is expected


def test_what_happened_is_counted() -> None:
    relay = Relay()
    subscribe(relay), subscribe(relay)
    relay.publish(envelope(ALICE))
    relay.publish(envelope(BOB))
    refusal(relay, b"")
    assert relay.counts == {"subscribed": 2, "published": 2, "delivered": 2, "unheard": 1, "refused-key": 1}


# The end


def test_closing_wakes_every_reader_once_and_leaves_what_waits() -> None:
    relay, woken = Relay(), []
    alice = relay.subscribe(ALICE, connection="c", wake=lambda: woken.append("alice"))
    relay.subscribe(BOB, connection="c", wake=lambda: woken.append("bob"))
    relay.publish(envelope(ALICE))
    woken.clear()
    relay.close()
    relay.close()
    assert woken == ["alice", "bob"]
    assert alice.closed
    assert taken(alice) == [envelope(ALICE)]


def test_a_closed_relay_takes_nothing_new() -> None:
    relay = Relay()
    relay.close()
    assert refusal(relay, envelope(ALICE)) is Refusal.CLOSED
    with pytest.raises(Refused) as caught:
        subscribe(relay)
    assert caught.value.refusal is Refusal.CLOSED


def test_a_subscription_says_whether_it_is_authenticated() -> None:
    relay = Relay()
    proven = relay.subscribe(ALICE, connection="c", wake=lambda: None, authenticated=True)
    assert (proven.authenticated, subscribe(relay).authenticated) == (True, False)
