from tests.signaling.people import ALICE, BOB
from warren.signaling.carrier import CountsDrops, Identity
from warren.signaling.inprocess import InProcessCarrier


def test_identity_shows_the_public_key() -> None:
    assert Identity(ALICE).public == ALICE.public


def test_identity_agrees_on_a_secret_as_the_key_itself_does() -> None:
    assert Identity(ALICE).agree(BOB.public) == BOB.agree(ALICE.public)


def test_identity_prints_no_secret() -> None:
    assert repr(Identity(ALICE)) == f"Identity({ALICE.public})"


def test_carrier_need_not_count_drops() -> None:
    assert not isinstance(InProcessCarrier(), CountsDrops)
