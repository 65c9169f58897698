"""Messages that are sent again and again: reading and writing them by comparing bytes."""

import random

import pytest

from tests.ice.stun.vectors import REQUEST, RESPONSE_IPV4
from warren.ice import stun
from warren.ice.stun import Template

KEY = stun.prepare_key("password")
OTHER_KEY = stun.prepare_key("PASSWORD")
DICE = random.Random(1)
SAID = stun.check_attributes(username="theirs:ours", priority=1, controlling=True, tie_breaker=1)


def check(said: bytes = SAID, key: stun.Key = KEY) -> bytes:
    return stun.binding_request(DICE.randbytes(12), said, key)


def template() -> Template:
    return Template(stun.parse(check()))


@pytest.mark.parametrize("data", [check(), REQUEST, RESPONSE_IPV4])
def test_a_message_fits_that_ends_with_its_proof_and_its_fingerprint(data: bytes) -> None:
    assert Template.fits(stun.parse(data))


@pytest.mark.parametrize(
    "data",
    [
        stun.build(stun.Method.BINDING, stun.Class.REQUEST, bytes(12), [], KEY, fingerprint=False),
        stun.build(stun.Method.BINDING, stun.Class.REQUEST, bytes(12), []),
        stun.build(stun.Method.BINDING, stun.Class.REQUEST, bytes(12), [], stun.Sha256Key(b"k")),
    ],
)
def test_a_message_that_lacks_one_of_them_does_not(data: bytes) -> None:
    assert not Template.fits(stun.parse(data))


def test_a_message_with_something_between_the_two_does_not_fit() -> None:
    between = bytes.fromhex("80220000")
    data = check()[:-8] + between
    data = data[:2] + (len(data) + 8 - 20).to_bytes(2, "big") + data[4:]
    assert not Template.fits(stun.parse(data + stun.fingerprint_of(data)))


def test_the_same_message_with_another_id_matches_and_is_proved() -> None:
    data = check()
    assert template().matches(data)
    assert template().proves(data, KEY)


@pytest.mark.parametrize(
    "said",
    [
        stun.check_attributes(username="theirs:ours", priority=2, controlling=True, tie_breaker=1),
        stun.check_attributes(username="theirs:ours", priority=1, controlling=False, tie_breaker=1),
        SAID + bytes.fromhex("00250000"),
        SAID[:-12],
        b"",
    ],
)
def test_a_message_that_says_something_else_does_not_match(said: bytes) -> None:
    assert not template().matches(check(said))


def test_another_type_of_message_with_the_same_content_does_not_match() -> None:
    data = check()
    assert not template().matches(b"\x01\x01" + data[2:])


@pytest.mark.parametrize("data", [check() + b"x", check()[:-1], check()[:40], b""])
def test_a_message_of_another_length_does_not_match(data: bytes) -> None:
    assert not template().matches(data)


def test_a_message_that_another_key_has_proved_is_not_proved() -> None:
    assert not template().proves(check(key=OTHER_KEY), KEY)


@pytest.mark.parametrize("at", [8, 19, -32, -29, -28, -9, -8, -4, -1])
def test_a_message_that_was_changed_under_way_is_not_proved(at: int) -> None:
    data = bytearray(check())
    data[at] ^= 1
    assert template().matches(bytes(data))
    assert not template().proves(bytes(data), KEY)


@pytest.mark.parametrize("said", [SAID, SAID + bytes.fromhex("00250000"), b""])
def test_what_is_written_is_what_was_taken_but_for_its_id(said: bytes) -> None:
    data = check(said)
    assert Template(stun.parse(data)).write(data[8:20], KEY) == data
    assert Template(stun.parse(data)).write(bytes(12), KEY) == stun.binding_request(bytes(12), said, KEY)
