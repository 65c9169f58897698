import pytest

from tests.ice.stun.vectors import LONG_TERM_REQUEST, LONG_TERM_USERNAME
from warren.ice import stun
from warren.ice.stun import Attribute, Class, Key, Method, Sha256Key, Stun
from warren.ice.turn.credentials import SHA256, ChallengeRefused, LongTerm, key_of, userhash

REALM, NONCE = b"example.org", b"f//499k954d6OL34oL9FSTvy64sA"
BOTH = b"\0\2\0\0\0\1\0\0"
COOKIE = b"obMatJos2"

# RFC 8489, B.1, as erratum 6268 has it: USERHASH, SHA-256 for the password, MESSAGE-INTEGRITY-SHA256.
HASHED_REQUEST = bytes.fromhex(
    "00010090 2112a442 78ad3433c6ad72c029da412e"
    "001e0020 4a3cf38fef6992bda952c6780417da0f24819415569e60b205c46e41407f1704"
    "00150029 6f624d61744a6f73324141414366 2f2f3439396b39353464364f4c33346f4c3946535476793634734 1000000"
    "0014000b 6578616d706c652e6f7267 00"
    "001d0004 00020000"
    "001c0020 b5c7bf005b6c52a21c51c5e892f81924136296cb927c43149309278cc6518e65".replace(" ", "")
)


def challenge(*attributes: tuple[int, bytes], code: int = 401) -> Stun:
    value = bytes((0, 0, code // 100, code % 100))
    attributes = ((int(Attribute.ERROR_CODE), value), *attributes)
    return stun.parse(stun.build(Method.ALLOCATE, Class.ERROR, bytes(12), attributes))


def asked(realm: bytes = REALM, nonce: bytes = NONCE, offered: bytes | None = None) -> Stun:
    more = [] if offered is None else [(int(Attribute.PASSWORD_ALGORITHMS), offered)]
    return challenge((int(Attribute.REALM), realm), (int(Attribute.NONCE), nonce), *more)


def answering(response: Stun, username: str = LONG_TERM_USERNAME) -> LongTerm:
    credentials = LongTerm(username, "TheMatrIX")
    credentials.take_challenge(response, key=None)
    return credentials


def test_request_of_rfc_5769_is_proved_by_the_key() -> None:
    credentials = answering(asked())
    assert credentials.key is not None
    assert stun.verify(stun.parse(LONG_TERM_REQUEST), credentials.key)


def test_request_of_rfc_5769_is_what_is_built() -> None:
    credentials = answering(asked())
    request = stun.parse(LONG_TERM_REQUEST)
    assert dict(credentials.attributes()) == {
        kind: value for kind, value in request.attributes.items() if kind != Attribute.MESSAGE_INTEGRITY
    }


def test_request_of_rfc_8489_is_proved_by_the_key() -> None:
    key = Sha256Key(key_of(LONG_TERM_USERNAME.encode(), REALM, b"TheMatrIX", SHA256))
    assert stun.verify(stun.parse(HASHED_REQUEST), key)


def test_request_of_rfc_8489_names_the_user_by_a_hash() -> None:
    request = stun.parse(HASHED_REQUEST)
    assert request.value(Attribute.USERHASH) == userhash(LONG_TERM_USERNAME.encode(), REALM)


def test_nothing_is_said_before_the_server_asks() -> None:
    credentials = LongTerm("ann", "secret")
    assert credentials.attributes() == []
    assert credentials.key is None


def test_nothing_of_them_prints() -> None:
    credentials = answering(asked(), "ann")
    shown = f"{credentials!r} {credentials.key!r}"
    assert "ann" not in shown
    assert "TheMatrIX" not in shown


@pytest.mark.parametrize(
    "response", [challenge(), asked(realm=b""), asked(nonce=b""), asked(nonce=b"n" * 764)]
)
def test_challenge_without_realm_and_nonce_is_refused(response: Stun) -> None:
    with pytest.raises(ChallengeRefused, match="without a realm and a nonce"):
        answering(response)


def test_the_same_challenge_again_says_that_name_or_password_are_wrong() -> None:
    credentials = answering(asked())
    with pytest.raises(ChallengeRefused, match="does not accept"):
        credentials.take_challenge(asked(), key=credentials.key)


def test_challenge_for_another_realm_is_answered() -> None:
    credentials = answering(asked())
    credentials.take_challenge(asked(realm=b"example.net"), key=credentials.key)
    assert credentials.realm == b"example.net"


def test_challenge_to_a_request_with_older_credentials_is_answered() -> None:
    credentials = answering(asked())
    credentials.take_challenge(asked(nonce=b"new"), key=Key(b"older"))
    assert credentials.nonce == b"new"


def test_without_a_user_name_there_is_nothing_to_answer() -> None:
    with pytest.raises(ChallengeRefused, match="none is given"):
        answering(asked(), "")


def test_name_is_hashed_where_the_nonce_says_that_names_are_hidden() -> None:
    credentials = answering(asked(nonce=COOKIE + b"AAACxyz"))
    assert dict(credentials.attributes())[Attribute.USERHASH] == userhash(LONG_TERM_USERNAME.encode(), REALM)
    assert Attribute.USERNAME not in dict(credentials.attributes())


def test_first_known_algorithm_is_taken_and_the_offer_repeated() -> None:
    offered = b"\0\7\0\3abc\0" + BOTH
    credentials = answering(asked(nonce=COOKIE + b"AAABxyz", offered=offered))
    said = dict(credentials.attributes())
    assert said[Attribute.PASSWORD_ALGORITHM] == b"\0\2\0\0"
    assert said[Attribute.PASSWORD_ALGORITHMS] == offered
    assert isinstance(credentials.key, Sha256Key)


@pytest.mark.parametrize(
    ("nonce", "offered"), [(COOKIE + b"AAABxyz", None), (NONCE, BOTH), (COOKIE + b"AAACxyz", BOTH)]
)
def test_offer_and_nonce_must_agree(nonce: bytes, offered: bytes | None) -> None:
    with pytest.raises(ChallengeRefused, match="altered on the way"):
        answering(asked(nonce=nonce, offered=offered))


@pytest.mark.parametrize("offered", [b"", b"\0\7\0\0", b"\0\2"])
def test_offer_of_nothing_known_is_refused(offered: bytes) -> None:
    with pytest.raises(ChallengeRefused, match="no password algorithm"):
        answering(asked(nonce=COOKIE + b"AAABxyz", offered=offered))


@pytest.mark.parametrize(
    "nonce", [COOKIE, COOKIE + b"AA", COOKIE + b"!!!!xyz", COOKIE + b"\xff\xff\xff\xffx"]
)
def test_nonce_with_a_broken_cookie_promises_nothing(nonce: bytes) -> None:
    assert dict(answering(asked(nonce=nonce)).attributes())[Attribute.NONCE] == nonce


def test_new_nonce_takes_the_place_of_the_stale_one() -> None:
    credentials = answering(asked())
    credentials.take_nonce(challenge((int(Attribute.NONCE), b"new"), code=438), used=NONCE)
    assert credentials.nonce == b"new"


@pytest.mark.parametrize(
    "attributes", [(), ((int(Attribute.NONCE), NONCE),), ((int(Attribute.NONCE), b"n" * 764),)]
)
def test_stale_nonce_without_a_new_one_is_refused(attributes: tuple[tuple[int, bytes], ...]) -> None:
    with pytest.raises(ChallengeRefused, match="gives no other"):
        answering(asked()).take_nonce(challenge(*attributes, code=438), used=NONCE)


def test_other_spaces_are_spaces_and_accents_are_composed() -> None:
    plain, odd = LongTerm("a b\u00e9", "p"), LongTerm("a\u3000be\u0301", "p")
    for credentials in (plain, odd):
        credentials.take_challenge(asked(), key=None)
    assert plain.attributes() == odd.attributes()
