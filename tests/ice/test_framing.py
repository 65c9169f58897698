import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.ice.framing import MAX_FRAME, Deframer, FrameTooLong, frame


def test_a_datagram_travels_behind_its_length() -> None:
    assert frame(b"abc") == b"\x00\x03abc"


def test_the_longest_frame_is_what_two_bytes_can_say() -> None:
    assert frame(bytes(MAX_FRAME))[:2] == b"\xff\xff"
    with pytest.raises(ValueError, match="too long"):
        frame(bytes(MAX_FRAME + 1))


@given(st.lists(st.binary(max_size=300)), st.data())
def test_frames_come_out_as_they_went_in_wherever_the_stream_is_cut(
    datagrams: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(frame(datagram) for datagram in datagrams)
    deframer, got = Deframer(), list[bytes]()
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        got += deframer.feed(stream[:cut])
        stream = stream[cut:]
    assert got == datagrams


def test_an_unfinished_frame_waits_for_its_rest() -> None:
    deframer = Deframer()
    assert deframer.feed(b"\x00") == []
    assert deframer.feed(b"\x03ab") == []
    assert deframer.feed(b"c\x00") == [b"abc"]


def test_a_frame_over_the_limit_is_refused_by_its_head_alone() -> None:
    with pytest.raises(FrameTooLong, match="501 bytes where 500"):
        Deframer(limit=500).feed(b"\x01\xf5")


def test_a_frame_of_the_limit_is_taken() -> None:
    assert Deframer(limit=3).feed(b"\x00\x03abc") == [b"abc"]


def test_the_limit_can_be_raised_half_way() -> None:
    deframer = Deframer(limit=1)
    assert deframer.feed(b"\x00\x01a\x00") == [b"a"]
    deframer.limit = 2
    assert deframer.feed(b"\x02bc") == [b"bc"]
