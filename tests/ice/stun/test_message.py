import gc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ice.stun.vectors import (
    KEY,
    LONG_TERM_KEY,
    LONG_TERM_REQUEST,
    LONG_TERM_USERNAME,
    REQUEST,
    RESPONSE_IPV4,
    RESPONSE_IPV6,
    TRANSACTION_ID,
)
from warren.ice import stun
from warren.ice.stun import Attribute, Class, Method, Stun, StunError
from warren.ice.stun.shape import Shape

VECTORS = (REQUEST, RESPONSE_IPV4, RESPONSE_IPV6, LONG_TERM_REQUEST)
each_vector = pytest.mark.parametrize("data", VECTORS, ids=["request", "ipv4", "ipv6", "long-term"])
each_short_term_vector = pytest.mark.parametrize("data", VECTORS[:3], ids=["request", "ipv4", "ipv6"])
READERS = (
    "username",
    "username_parts",
    "priority",
    "use_candidate",
    "controlling",
    "controlled",
    "nomination",
    "mapped_address",
    "error",
    "has_integrity",
    "has_fingerprint",
    "unknown_required",
    "attributes",
)


def with_attributes(
    *attributes: tuple[int, bytes], cls: Class = Class.REQUEST, key: stun.Key | None = None
) -> Stun:
    return stun.parse(stun.build(Method.BINDING, cls, TRANSACTION_ID, attributes, key))


def read_everything(message: Stun) -> dict[str, object]:
    return {name: getattr(message, name) for name in READERS}


# RFC 5769


def test_request_of_rfc_5769_is_read() -> None:
    request = stun.parse(REQUEST)
    assert (request.method, request.cls) == (Method.BINDING, Class.REQUEST)
    assert request.transaction_id == TRANSACTION_ID
    assert request.username == "evtj:h6vY"
    assert request.username_parts == ("evtj", "h6vY")
    assert request.priority == 0x6E0001FF
    assert request.controlled == 0x932FF9B151263B36
    assert request.controlling is None
    assert not request.use_candidate
    assert request.unknown_required == ()
    assert request.has_fingerprint
    assert request.has_integrity


def test_ipv4_response_of_rfc_5769_is_read() -> None:
    response = stun.parse(RESPONSE_IPV4)
    assert response.cls == Class.SUCCESS
    assert response.mapped_address == ("192.0.2.1", 32853)


def test_ipv6_response_of_rfc_5769_is_read() -> None:
    assert stun.parse(RESPONSE_IPV6).mapped_address == ("2001:db8:1234:5678:11:2233:4455:6677", 32853)


def test_long_term_request_of_rfc_5769_is_read() -> None:
    request = stun.parse(LONG_TERM_REQUEST)
    assert request.username == LONG_TERM_USERNAME
    assert request.attributes[Attribute.REALM] == b"example.org"
    assert request.attributes[Attribute.NONCE] == b"f//499k954d6OL34oL9FSTvy64sA"


@each_short_term_vector
def test_short_term_vectors_of_rfc_5769_are_verified(data: bytes) -> None:
    assert stun.verify(stun.parse(data), KEY)


def test_long_term_vector_of_rfc_5769_is_verified() -> None:
    assert stun.verify(stun.parse(LONG_TERM_REQUEST), LONG_TERM_KEY)


# What is wrong


@each_vector
def test_every_cut_message_is_refused(data: bytes) -> None:
    for end in range(len(data)):
        with pytest.raises(StunError):
            stun.parse(data[:end])


@each_short_term_vector
def test_every_flipped_bit_is_noticed_by_the_fingerprint_or_hides_it(data: bytes) -> None:
    # A flip in the heads may make the fingerprint another attribute, or part of the one before.
    hidden = 0
    for flipped in flips(data):
        try:
            message = stun.parse(flipped)
        except StunError:
            continue
        assert not message.has_fingerprint
        hidden += 1
    assert hidden <= 2 * 16


def test_fingerprint_of_another_type_is_none() -> None:
    other = REQUEST[:-8] + bytes.fromhex("80290004") + REQUEST[-4:]
    assert not stun.parse(other).has_fingerprint


@each_vector
def test_every_flipped_bit_under_the_integrity_is_noticed_without_a_fingerprint(data: bytes) -> None:
    plain = without_fingerprint(data)
    key = LONG_TERM_KEY if data is LONG_TERM_REQUEST else KEY
    assert stun.verify(stun.parse(plain), key)
    for flipped in flips(plain):
        try:
            message = stun.parse(flipped)
        except StunError:
            continue
        read_everything(message)
        assert not stun.verify(message, key)


@given(st.sampled_from(VECTORS), st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=6))
def test_nothing_but_stun_error_comes_of_any_change(data: bytes, changes: list[tuple[int, int]]) -> None:
    mutable = bytearray(without_fingerprint(data))
    for at, value in changes:
        mutable[at % len(mutable)] = value
    try:
        message = stun.parse(bytes(mutable))
    except StunError:
        return
    read_everything(message)
    stun.verify(message, KEY)


@given(st.binary(max_size=80))
def test_nothing_but_stun_error_comes_of_any_attributes(body: bytes) -> None:
    body = body[: len(body) // 4 * 4]
    data = b"\0\1" + len(body).to_bytes(2, "big") + REQUEST[4:20] + body
    try:
        message = stun.parse(data)
    except StunError:
        return
    read_everything(message)
    stun.verify(message, KEY)


def flips(data: bytes) -> Iterator[bytes]:
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        yield bytes(flipped)


def without_fingerprint(data: bytes) -> bytes:
    if not stun.parse(data).has_fingerprint:
        return data
    return data[:2] + (len(data) - 28).to_bytes(2, "big") + data[4:-8]


# Proof


def test_wrong_password_does_not_verify() -> None:
    assert not stun.verify(stun.parse(REQUEST), stun.prepare_key("VOkJxbRl1RmTxUk/WvJxBu"))


def test_message_without_integrity_does_not_verify() -> None:
    request = stun.parse(stun.server_request(TRANSACTION_ID))
    assert not request.has_integrity
    assert not stun.verify(request, KEY)


def test_integrity_of_another_size_does_not_verify() -> None:
    assert not stun.verify(with_attributes((Attribute.MESSAGE_INTEGRITY, b"\0" * 16)), KEY)
    assert not stun.verify(with_attributes((Attribute.MESSAGE_INTEGRITY, b"")), KEY)


def test_attribute_behind_the_integrity_is_not_read() -> None:
    data = without_fingerprint(REQUEST)
    longer = data[:2] + (len(data) - 16).to_bytes(2, "big") + data[4:] + bytes.fromhex("00250000")
    request = stun.parse(longer)
    assert stun.verify(request, KEY)
    assert not request.use_candidate


def test_second_message_of_a_shape_reads_like_the_first() -> None:
    one = stun.build(Method.BINDING, Class.REQUEST, bytes(12), [(Attribute.PRIORITY, b"\0\0\0\1")], KEY)
    two = stun.build(Method.BINDING, Class.REQUEST, TRANSACTION_ID, [(Attribute.PRIORITY, b"\0\0\0\2")], KEY)
    assert stun.verify(stun.parse(one), KEY)
    request = stun.parse(two)
    assert (request.transaction_id, request.priority) == (TRANSACTION_ID, 2)
    assert stun.verify(request, KEY)


def test_messages_of_one_type_and_size_may_have_any_order() -> None:
    attributes = [(Attribute.PRIORITY, b"\0\0\0\1"), (Attribute.ERROR_CODE, b"\0\0\4\1")]
    for order in (attributes, attributes[::-1]) * 3:
        request = stun.parse(stun.build(Method.BINDING, Class.REQUEST, TRANSACTION_ID, order, KEY))
        assert stun.verify(request, KEY)
        assert (request.priority, request.error) == (1, (401, ""))


def test_more_shapes_than_are_kept_are_still_read() -> None:
    for _ in range(2):
        for size in range(0, 800, 4):
            data = stun.build(Method.BINDING, Class.REQUEST, TRANSACTION_ID, [(0x8022, bytes(size))], KEY)
            request = stun.parse(data)
            assert stun.verify(request, KEY)
            assert request.attributes[0x8022] == bytes(size)


def test_no_more_than_128_shapes_are_kept() -> None:
    of_others = len(shapes())  # Messages that other tests still hold.
    for size in range(0, 800, 4):
        for kind in range(0x8000, 0x8008):
            data = stun.build(Method.BINDING, Class.REQUEST, TRANSACTION_ID, [(kind, bytes(size))], KEY)
            assert stun.verify(stun.parse(data), KEY)
    assert len(shapes()) - of_others <= 128


def test_checks_of_both_roles_are_read_by_shapes_that_are_kept() -> None:
    requests = [with_attributes((kind, bytes(8)), key=KEY).raw for kind in (0x8029, 0x802A)]
    for data in requests:
        assert stun.verify(stun.parse(data), KEY)
    before = shapes()
    messages = [stun.parse(data) for data in requests]
    assert len(shapes()) == len(before)
    assert [message.controlled for message in messages] == [0, None]


def test_shape_of_a_message_that_nobody_proved_is_not_kept() -> None:
    before = shapes()
    for size in range(2, 800, 4):
        with_attributes((0x8022, bytes(size)))
    assert all(any(shape is known for known in before) for shape in shapes())


def shapes() -> list[Shape]:
    gc.collect()
    return [found for found in gc.get_objects() if isinstance(found, Shape)]


# Readers


def test_absent_attributes_read_as_none() -> None:
    read = read_everything(with_attributes())
    del read["attributes"]
    assert set(read.values()) <= {None, False, True, ()}
    assert read["has_fingerprint"] is True


@pytest.mark.parametrize("size", [0, 1, 3, 5, 7, 9])
def test_numbers_of_another_size_read_as_none(size: int) -> None:
    message = with_attributes(*((kind, bytes(size)) for kind in (0x0024, 0x8029, 0x802A, 0xC001)))
    assert (message.priority, message.controlled, message.controlling, message.nomination) == (None,) * 4


def test_role_and_tie_breaker_are_read() -> None:
    message = with_attributes((Attribute.ICE_CONTROLLING, bytes.fromhex("0102030405060708")))
    assert message.controlling == 0x0102030405060708
    assert message.controlled is None


def test_use_candidate_is_read() -> None:
    assert with_attributes((Attribute.USE_CANDIDATE, b"")).use_candidate


def test_nomination_has_24_bits() -> None:
    assert with_attributes((Attribute.NOMINATION, b"\xff\1\2\3")).nomination == 0x010203


@pytest.mark.parametrize("value", [b"\xff", b"x" * 514])
def test_unreadable_or_overlong_username_reads_as_none(value: bytes) -> None:
    message = with_attributes((Attribute.USERNAME, value))
    assert message.username is None
    assert message.username_parts is None


def test_content_is_what_lies_between_the_id_and_the_proof() -> None:
    content = b"\x00\x24\x00\x04\0\0\0\1"
    for key in (stun.prepare_key("a"), stun.prepare_key("b")):
        assert with_attributes((Attribute.PRIORITY, b"\0\0\0\1"), key=key).content == content


def test_longest_username_is_read() -> None:
    longest = f"{'a' * 256}:{'b' * 256}"
    assert with_attributes((Attribute.USERNAME, longest.encode())).username == longest


@pytest.mark.parametrize(
    ("username", "parts"),
    [("a:b", ("a", "b")), ("a:", ("a", "")), (":", ("", "")), ("a:b:c", ("a", "b:c")), ("ab", None)],
)
def test_username_is_parted_at_the_first_colon(username: str, parts: tuple[str, str] | None) -> None:
    assert with_attributes((Attribute.USERNAME, username.encode())).username_parts == parts


def test_mapped_address_in_the_clear_is_read_where_there_is_no_other() -> None:
    message = with_attributes((Attribute.MAPPED_ADDRESS, b"\0\1\x13\x88\xc0\0\2\7"), cls=Class.SUCCESS)
    assert message.mapped_address == ("192.0.2.7", 5000)


def test_malformed_xor_mapped_address_is_not_replaced() -> None:
    message = with_attributes(
        (Attribute.XOR_MAPPED_ADDRESS, b"\0\1"), (Attribute.MAPPED_ADDRESS, b"\0\1\x13\x88\xc0\0\2\7")
    )
    assert message.mapped_address is None


def test_error_code_and_reason_are_read() -> None:
    message = with_attributes((Attribute.ERROR_CODE, b"\0\0\4\x57Role Conflict"), cls=Class.ERROR)
    assert message.error == (487, "Role Conflict")


def test_reason_that_is_not_utf8_is_read_as_far_as_it_goes() -> None:
    message = with_attributes((Attribute.ERROR_CODE, b"\0\0\4\0Bad\xff"))
    assert message.error == (400, "Bad\ufffd")


@pytest.mark.parametrize("value", [b"", b"\0\0\4", b"\0\0\2\0", b"\0\0\7\0", b"\0\0\4\x64"])
def test_impossible_error_code_reads_as_none(value: bytes) -> None:
    assert with_attributes((Attribute.ERROR_CODE, value)).error is None


def test_repr_shows_types_and_no_values() -> None:
    text = repr(stun.parse(REQUEST))
    assert "BINDING REQUEST" in text
    assert "0x0006" in text
    assert "evtj" not in text


def test_message_keeps_its_bytes() -> None:
    assert stun.parse(REQUEST).raw == REQUEST


# Proofs by SHA-256, and what only TURN reads

SHA256_KEY = stun.Sha256Key(b"secret")


def proved_by_sha256() -> bytes:
    return stun.build(Method.BINDING, Class.REQUEST, TRANSACTION_ID, [(0x8022, b"abcd")], SHA256_KEY)


def test_message_proved_by_sha256_is_verified_by_that_key_alone() -> None:
    message = stun.parse(proved_by_sha256())
    assert message.has_integrity
    assert stun.verify(message, SHA256_KEY)
    assert not stun.verify(message, stun.Sha256Key(b"other"))
    assert not stun.verify(message, KEY)


def test_message_proved_by_sha1_is_not_verified_by_a_sha256_key() -> None:
    message = stun.parse(stun.build(Method.BINDING, Class.REQUEST, TRANSACTION_ID, [], KEY))
    assert not stun.verify(message, SHA256_KEY)


def test_shortened_sha256_proof_is_none() -> None:
    data = stun.build(
        Method.BINDING, Class.REQUEST, TRANSACTION_ID, [(Attribute.MESSAGE_INTEGRITY_SHA256, bytes(16))]
    )
    assert not stun.verify(stun.parse(data), SHA256_KEY)


def test_what_follows_a_sha256_proof_does_not_count() -> None:
    proved = stun.build(Method.BINDING, Class.REQUEST, TRANSACTION_ID, [], SHA256_KEY, fingerprint=False)
    more = bytes.fromhex("00240004 00000001")
    data = proved[:2] + (len(proved) + len(more) - 20).to_bytes(2, "big") + proved[4:] + more
    message = stun.parse(data)
    assert message.priority is None
    assert stun.verify(message, SHA256_KEY)


def test_secret_of_a_sha256_key_does_not_print() -> None:
    assert "secret" not in repr(SHA256_KEY)


def test_all_addresses_of_one_type_are_read() -> None:
    addresses = [("192.0.2.1", 1000), ("2001:db8::1", 2000)]
    attributes = [
        (int(Attribute.XOR_RELAYED_ADDRESS), stun.write_xor_address(address, TRANSACTION_ID))
        for address in addresses
    ]
    others = [(int(Attribute.LIFETIME), bytes(4)), (int(Attribute.XOR_RELAYED_ADDRESS), b"odd")]
    data = stun.build(Method.ALLOCATE, Class.SUCCESS, TRANSACTION_ID, [*attributes, *others], KEY)
    assert stun.parse(data).xor_addresses(Attribute.XOR_RELAYED_ADDRESS) == addresses


def test_addresses_behind_a_proof_are_not_read() -> None:
    for key in (KEY, SHA256_KEY):
        proved = stun.build(Method.ALLOCATE, Class.SUCCESS, TRANSACTION_ID, [], key, fingerprint=False)
        value = stun.write_xor_address(("192.0.2.1", 1000), TRANSACTION_ID)
        more = bytes.fromhex("00160008") + value
        data = proved[:2] + (len(proved) + len(more) - 20).to_bytes(2, "big") + proved[4:] + more
        assert stun.parse(data).xor_addresses(Attribute.XOR_RELAYED_ADDRESS) == []


def test_reason_of_an_error_shows_nothing_that_moves_a_terminal_and_has_an_end() -> None:
    value = b"\0\0\4\3" + b"\x1b[2JNo\0\n" + b"x" * 500
    error = with_attributes((Attribute.ERROR_CODE, value)).error
    assert error is not None
    assert error[1].startswith("[2JNoxx")
    assert len(error[1]) < 128
