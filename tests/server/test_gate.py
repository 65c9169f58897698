from contextlib import suppress

import pytest

from tests.server.test_auth import NOW, PROOF, make
from tests.signaling.test_proof import CLIENT, SESSION
from warren import wire
from warren.messages import SubscribeParams
from warren.server.auth import NotProven, Policy
from warren.server.gate import Gate

UNPROVEN = SubscribeParams(CLIENT.public)
PROVEN = SubscribeParams(CLIENT.public, PROOF)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def gate(policy: Policy, clock: Clock | None = None) -> Gate:
    return Gate(policy, make(), clock=clock or Clock())


def token(gate: Gate, greeting: bytes) -> bytes:
    ack = wire.decode_ack(greeting)
    assert ack is not None
    return ack.token


@pytest.mark.parametrize("policy", [Policy.PREFER, Policy.REQUIRE])
def test_who_proves_it_is_let_in_as_proven(policy: Policy) -> None:
    assert gate(policy).admit(PROVEN) == SESSION


@pytest.mark.parametrize("policy", [Policy.PREFER, Policy.REQUIRE])
def test_a_wrong_proof_is_refused_by_those_who_look_at_it(policy: Policy) -> None:
    clock = Clock()
    clock.now += 60
    with pytest.raises(NotProven):
        gate(policy, clock).admit(PROVEN)


def test_where_a_proof_is_preferred_one_without_is_let_in_as_unproven() -> None:
    assert gate(Policy.PREFER).admit(UNPROVEN) is None


def test_where_a_proof_is_required_one_without_is_refused() -> None:
    with pytest.raises(NotProven):
        gate(Policy.REQUIRE).admit(UNPROVEN)


@pytest.mark.parametrize("params", [PROVEN, UNPROVEN])
def test_where_proofs_are_off_nobody_is_proven(params: SubscribeParams) -> None:
    assert gate(Policy.OFF).admit(params) is None


def test_the_first_envelope_of_an_unproven_subscription_is_empty() -> None:
    with gate(Policy.PREFER).subscribed(CLIENT.public, None) as greeting:
        assert greeting == b""


def test_the_token_of_a_proven_subscription_is_good_while_it_lasts() -> None:
    preferring = gate(Policy.PREFER)
    with preferring.subscribed(CLIENT.public, SESSION) as greeting:
        given = token(preferring, greeting)
        assert preferring.is_proven(given)
    assert not preferring.is_proven(given)


def test_a_token_expires_by_the_clock() -> None:
    clock = Clock()
    preferring = gate(Policy.PREFER, clock)
    with preferring.subscribed(CLIENT.public, SESSION) as greeting:
        given = token(preferring, greeting)
        clock.now += 3600
        assert not preferring.is_proven(given)


def test_a_subscription_that_breaks_off_ends_its_token() -> None:
    preferring = gate(Policy.PREFER)
    given = b""
    with suppress(ConnectionError), preferring.subscribed(CLIENT.public, SESSION) as greeting:
        given = token(preferring, greeting)
        raise ConnectionError
    assert not preferring.is_proven(given)


def test_a_publisher_without_a_token_is_unproven() -> None:
    assert not gate(Policy.PREFER).is_proven(None)


def test_where_proofs_are_off_no_token_is_looked_at() -> None:
    off = gate(Policy.OFF)
    assert not off.is_proven(b"anything")
    assert off.authenticator.counts == {}
