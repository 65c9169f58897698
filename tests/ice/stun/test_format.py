import pytest

from warren.ice.stun.format import Class, Method, StunError, is_stun, message_type

HEADER = bytes.fromhex("000100002112a442") + bytes(12)


def test_header_alone_is_stun() -> None:
    assert is_stun(HEADER)


def test_less_than_a_header_is_data() -> None:
    assert not is_stun(HEADER[:-1])


@pytest.mark.parametrize("first", [0x40, 0x80, 0xFF])
def test_set_top_bit_makes_it_data(first: int) -> None:
    assert not is_stun(bytes((first,)) + HEADER[1:])


@pytest.mark.parametrize("at", [4, 5, 6, 7])
def test_wrong_cookie_makes_it_data(at: int) -> None:
    assert not is_stun(HEADER[:at] + b"\0" + HEADER[at + 1 :])


@pytest.mark.parametrize(
    ("method", "cls", "number"),
    [
        (Method.BINDING, Class.REQUEST, 0x0001),
        (Method.BINDING, Class.INDICATION, 0x0011),
        (Method.BINDING, Class.SUCCESS, 0x0101),
        (Method.BINDING, Class.ERROR, 0x0111),
        (Method.SEND, Class.INDICATION, 0x0016),
        (Method.CHANNEL_BIND, Class.ERROR, 0x0119),
    ],
)
def test_message_type_mixes_method_and_class(method: Method, cls: Class, number: int) -> None:
    assert message_type(method, cls) == number


def test_class_bits_lie_between_the_method_bits() -> None:
    # RFC 8489, figure 3: M11 … M7, C1, M6 … M4, C0, M3 … M0.
    every_bit = 0xFFF
    assert message_type(every_bit, Class.REQUEST) == 0b11111011101111  # type: ignore[arg-type]  # no such method


def test_error_tells_its_reason() -> None:
    assert StunError("overrun").reason == "overrun"
    assert "overrun" in str(StunError("overrun"))
