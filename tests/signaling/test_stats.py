"""Tests of how each backend does."""

from collections import Counter

import pytest

from tests.signaling.people import ALICE, BOB
from warren.errors import SignalingError
from warren.keys import KeyPair, PublicKeyPair
from warren.messages import Message
from warren.signaling import connect
from warren.signaling.inprocess import InProcessCarrier
from warren.signaling.stats import Tally
from warren.signaling.subscription import GAP

KEY, OTHER = ALICE.public, BOB.public


class Junky(InProcessCarrier):
    def __init__(self) -> None:
        super().__init__()
        self.drops = Counter({"junk": 3})


@pytest.fixture
def tally() -> Tally:
    return Tally("dir:///spool", InProcessCarrier())


def test_what_never_was_live_is_so_since_no_time(tally: Tally) -> None:
    stats = tally.stats()
    assert (stats.live, stats.since, stats.losses, stats.reason) == (False, None, 0, "")


def test_what_never_became_live_says_why_and_was_not_lost(tally: Tally) -> None:
    tally.changed(KEY, False, "connection refused", 1.0)
    stats = tally.stats()
    assert (stats.live, stats.since, stats.losses, stats.reason) == (False, None, 0, "connection refused")


def test_what_is_live_is_so_since_it_became_live(tally: Tally) -> None:
    tally.changed(KEY, False, "connection refused", 1.0)
    tally.changed(KEY, True, "subscribed", 2.0)
    tally.changed(OTHER, True, "subscribed", 3.0)
    stats = tally.stats()
    assert (stats.live, stats.since, stats.reason) == (True, 2.0, "")


def test_what_is_lost_for_the_last_key_is_not_live(tally: Tally) -> None:
    tally.changed(KEY, True, "subscribed", 2.0)
    tally.changed(OTHER, True, "subscribed", 3.0)
    tally.changed(KEY, False, "server closed", 4.0)
    assert tally.stats().live
    tally.changed(OTHER, False, "server closed", 5.0)
    stats = tally.stats()
    assert (stats.live, stats.since, stats.losses, stats.reason) == (False, 5.0, 2, "server closed")


def test_a_key_that_was_left_is_no_loss(tally: Tally) -> None:
    tally.changed(KEY, True, "subscribed", 2.0)
    tally.left(KEY)
    assert (tally.stats().live, tally.stats().losses) == (False, 0)


def test_a_gap_is_counted_and_loses_nothing(tally: Tally) -> None:
    tally.changed(KEY, True, "subscribed", 2.0)
    tally.changed(KEY, True, GAP, 3.0)
    stats = tally.stats()
    assert (stats.live, stats.since, stats.gaps) == (True, 2.0, 1)


def test_what_the_carrier_drops_is_told_too() -> None:
    assert Tally("junk", Junky()).stats().drops == {"junk": 3}


async def test_each_backend_of_several_is_counted_on_its_own() -> None:
    dead, alive = "grpc://127.0.0.1:9?insecure=true", "inprocess:stats"
    backend = connect(dead, alive)
    other = connect(alive)
    try:
        heard: list[Message] = []

        def handler(_: PublicKeyPair, message: Message) -> None:
            heard.append(message)

        await other.subscribe(KeyPair(BOB, ALICE.public), handler)
        await other.wait_live(BOB.public)
        await backend.subscribe(KeyPair(ALICE, BOB.public), handler)
        await backend.wait_live(ALICE.public)
        await backend.publish(KeyPair(ALICE, BOB.public), Message())
        lame, well = backend.stats
        assert (lame.name, well.name) == ("grpc://127.0.0.1:9", alive)
        assert (lame.live, well.live) == (False, True)
        assert (well.published, well.refused) == (1, 0)
        assert (other.stats[0].received, other.stats[0].live) == (1, True)
    finally:
        await backend.aclose()
        await other.aclose()


async def test_why_an_envelope_was_not_taken_is_told() -> None:
    backend = connect("grpc://127.0.0.1:9?insecure=true")
    try:
        with pytest.raises(SignalingError):
            await backend.publish(KeyPair(ALICE, BOB.public), Message())
        [stats] = backend.stats
        assert stats.refused == 1
        assert "connection refused" in stats.refusal
    finally:
        await backend.aclose()
