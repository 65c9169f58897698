import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.ice import stun
from warren.ice.stun import Class, Method
from warren.ice.turn.framing import NotFramed, TurnDeframer

STUN = stun.build(Method.DATA, Class.INDICATION, bytes(12), [(0x13, b"abc")])
PADDED = b"\x40\x01\0\3abc\0"


def test_packets_are_cut_apart() -> None:
    assert TurnDeframer().feed(STUN + PADDED + STUN) == [STUN, PADDED, STUN]


@given(st.lists(st.integers(1, 40), max_size=12))
def test_it_does_not_matter_where_the_bytes_are_cut(sizes: list[int]) -> None:
    deframer, data, packets = TurnDeframer(), STUN + PADDED + STUN, []
    for size in sizes:
        packets += deframer.feed(data[:size])
        data = data[size:]
    assert packets + deframer.feed(data) == [STUN, PADDED, STUN]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\x00\x01\0\0" + bytes(16), "magic cookie"),
        (b"\x00\x01\0\3" + bytes(20), "3 bytes"),
        (b"\x50\0\0\0", "0x5000"),
        (b"HTTP/1.1 200 OK", "0x4854|magic"),
        (b"\x16\x03\x01\x00", "magic cookie|bytes"),
    ],
)
def test_what_is_neither_stun_nor_channel_data_ends_it(data: bytes, says: str) -> None:
    with pytest.raises(NotFramed, match=says):
        TurnDeframer().feed(data + bytes(70000))


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_any_bytes_are_cut_or_refused_and_hold_one_packet_at_most(chunks: list[bytes]) -> None:
    deframer, fed, cut = TurnDeframer(), 0, 0
    try:
        for chunk in chunks:
            fed += len(chunk)
            cut += sum(map(len, deframer.feed(chunk)))
    except NotFramed:
        return
    assert fed - cut < 65536 + 20
