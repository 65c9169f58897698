import pytest

from tests.signaling.people import ALICE, BOB
from tests.signaling.test_proof import CHALLENGE, CLIENT
from warren import wire
from warren.messages import SubscribeAck
from warren.signaling.proof import prove
from warren.signaling.token import Proof, Token, Tokens

TOLD_AT = 1_800_000_000_000
PROOF = Proof(prove(CLIENT, CHALLENGE, authority="host:1", session=bytes(16)), TOLD_AT)


def token(*, authenticated: bool = True, data: bytes = b"token", lifetime: int = 3_600_000) -> Token | None:
    ack = SubscribeAck(authenticated=authenticated, token=data, token_expires_ms=max(0, TOLD_AT + lifetime))
    return PROOF.token(wire.encode_ack(ack))


def renewal(lifetime: int) -> float:
    found = token(lifetime=lifetime)
    assert found is not None
    return found.renew_after


def test_a_token_of_an_hour_is_renewed_after_54_minutes() -> None:
    assert token() == Token(b"token", 3240.0)


@pytest.mark.parametrize("lifetime", [-3_600_000, 0, 1000, -TOLD_AT])
def test_a_token_that_has_almost_expired_is_renewed_once_a_second_at_most(lifetime: int) -> None:
    assert renewal(lifetime) == 1.0


def test_a_token_that_lives_for_ever_is_renewed_every_hour() -> None:
    assert renewal(2**62) == 3600.0


def test_there_are_two_more_attempts_in_what_is_left_of_an_hour() -> None:
    assert Token(b"token", 3240.0).try_again_after == 162.0
    assert Token(b"token", 1.0).try_again_after == 1.0


@pytest.mark.parametrize(
    "first",
    [b"", b"\xff", wire.encode_envelope(ALICE.public.raw, BOB.public.raw, b"sealed", bytes(24))],
    ids=["empty", "garbage", "an envelope"],
)
def test_a_first_envelope_that_says_nothing_of_it_gives_no_token(first: bytes) -> None:
    assert PROOF.token(first) is None


def test_who_is_not_believed_has_no_token() -> None:
    assert token(authenticated=False) is None
    assert token(data=b"") is None


def test_a_token_that_no_metadata_could_carry_is_none() -> None:
    assert token(data=bytes(1025)) is None


def test_a_token_does_not_show() -> None:
    assert "token'" not in repr(token())


# Keeping them


def test_the_newest_token_of_a_key_is_found_until_its_session_ends() -> None:
    tokens = Tokens()
    tokens.put(ALICE.public, b"1", Token(b"first", 1.0))
    tokens.put(ALICE.public, b"2", Token(b"second", 1.0))
    assert tokens.of(ALICE.public) == b"second"
    tokens.forget(ALICE.public, b"2")
    assert tokens.of(ALICE.public) == b"first"
    tokens.forget(ALICE.public, b"1")
    assert tokens.of(ALICE.public) is None


def test_a_renewed_token_takes_the_place_of_the_one_before() -> None:
    tokens = Tokens()
    tokens.put(ALICE.public, b"1", Token(b"first", 1.0))
    tokens.put(ALICE.public, b"1", Token(b"renewed", 1.0))
    assert tokens.of(ALICE.public) == b"renewed"
    tokens.forget(ALICE.public, b"1")
    assert tokens.of(ALICE.public) is None


def test_a_key_without_a_token_has_none() -> None:
    tokens = Tokens()
    tokens.put(ALICE.public, b"1", Token(b"first", 1.0))
    assert tokens.of(BOB.public) is None
