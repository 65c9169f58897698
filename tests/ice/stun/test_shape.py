import pytest

from tests.ice.stun.vectors import LONG_TERM_REQUEST, REQUEST, RESPONSE_IPV4
from warren.ice.stun.format import Class, Method, StunError
from warren.ice.stun.shape import Shape

HEADER = bytes.fromhex("000100002112a442") + bytes(range(12))


def message(*attributes: str, start: str = "0001", length: int | None = None) -> bytes:
    body = bytes.fromhex("".join(attributes))
    size = len(body) if length is None else length
    return bytes.fromhex(start) + size.to_bytes(2, "big") + HEADER[4:] + body


def test_shape_knows_method_and_class() -> None:
    shape = Shape(RESPONSE_IPV4)
    assert (shape.method, shape.cls) == (Method.BINDING, Class.SUCCESS)


def test_shape_knows_where_values_lie() -> None:
    data = message("00240004 01020304", "80220003 61626300")
    assert {kind: data[where] for kind, where in Shape(data).where.items()} == {
        0x0024: b"\1\2\3\4",
        0x8022: b"abc",
    }


def test_padding_may_hold_anything() -> None:
    assert Shape(message("80220001 61ffffff")).fits(message("80220001 62010203"))


def test_message_with_other_values_fits() -> None:
    assert Shape(message("00240004 01020304")).fits(message("00240004 05060708"))


@pytest.mark.parametrize(
    "other",
    [
        message("00250004 01020304"),
        message("00240003 01020300"),
        message("00240000", "00250000"),
        message("00240004 01020304", "00250000"),
        message(),
        b"",
    ],
)
def test_message_of_another_shape_does_not_fit(other: bytes) -> None:
    assert not Shape(message("00240004 01020304")).fits(other)


def test_message_with_another_cookie_does_not_fit() -> None:
    data = message("00240004 01020304")
    assert not Shape(data).fits(data[:4] + bytes(4) + data[8:])


def test_first_of_several_attributes_of_a_type_counts() -> None:
    data = message("00240004 00000001", "00240004 00000002")
    assert data[Shape(data).where[0x24]] == b"\0\0\0\1"


def test_what_follows_message_integrity_does_not_count() -> None:
    shape = Shape(message("00080014" + "00" * 20, "00250000", "001c0004 00000000"))
    assert list(shape.where) == [0x08]


def test_fingerprint_counts_after_message_integrity() -> None:
    shape = Shape(REQUEST)
    assert shape.fingerprinted
    assert 0x8028 in shape.where


def test_integrity_covers_a_length_that_ends_with_it() -> None:
    shape = Shape(REQUEST)
    assert shape.covered_head == bytes.fromhex("00010050")
    assert REQUEST[shape.integrity_at : shape.integrity_at + 4] == bytes.fromhex("00080014")


def test_message_without_fingerprint_says_so() -> None:
    assert not Shape(LONG_TERM_REQUEST).fingerprinted


def test_message_without_integrity_says_so() -> None:
    assert Shape(message()).integrity_at == 0


def test_unknown_attributes_that_must_be_understood_are_named() -> None:
    shape = Shape(message("00070000", "7fff0000", "80ff0000", "00240004 00000000"))
    assert shape.unknown_required == (0x0007, 0x7FFF)


def test_old_renomination_need_not_be_understood() -> None:
    assert Shape(message("00300004 00000001")).unknown_required == ()


def test_unknown_attribute_behind_message_integrity_is_not_named() -> None:
    assert Shape(message("00080014" + "00" * 20, "7fff0000")).unknown_required == ()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (HEADER[:19], "length"),
        (message(length=4), "length"),
        (message("80220000", length=0), "length"),
        (message("8022"), "length"),
        (message("80220000 0000"), "length"),
        (HEADER[:4] + b"\x21\x12\xa4\x43" + HEADER[8:], "cookie"),
        (message(start="0002"), "method"),
        (message(start="4001"), "method"),
        (message("80220001"), "overrun"),
        (message("80220008 00000000"), "overrun"),
        (message("8022ffff 00000000"), "overrun"),
        (message("80280004 00000000", "80220000"), "fingerprint"),
        (message("80280000"), "fingerprint"),
        (message("80280008 0000000000000000"), "fingerprint"),
    ],
)
def test_malformed_message_has_no_shape(data: bytes, reason: str) -> None:
    with pytest.raises(StunError) as caught:
        Shape(data)
    assert caught.value.reason == reason
