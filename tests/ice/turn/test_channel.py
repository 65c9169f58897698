from hypothesis import given
from hypothesis import strategies as st

from tests.ice.turn.rig import PEER
from warren.ice.turn.channel import Channels, is_channel_data, read_channel_data


def test_peers_get_numbers_from_4000_up() -> None:
    channels = Channels()
    first, second = channels.give(PEER), channels.give(("198.51.100.3", 1))
    assert first is not None
    assert second is not None
    assert (first.number, second.number) == (0x4000, 0x4001)


def test_a_peer_is_found_by_its_number_before_it_is_bound() -> None:
    channels = Channels()
    channels.give(PEER)
    assert (channels.peer(0x4000), channels.peer(0x4001)) == (PEER, None)


def test_a_peer_keeps_its_channel() -> None:
    channels = Channels()
    channel = channels.give(PEER)
    assert channels.of(PEER) is channel
    assert channels.of(("198.51.100.3", 1)) is None


def test_there_are_4096_channels() -> None:
    channels = Channels()
    given_out = [channels.give(("198.51.100.2", port)) for port in range(1, 4098)]
    assert all(given_out[:4096])
    assert given_out[4096] is None


def test_a_binding_lasts_ten_minutes_and_is_renewed_within_the_permission_s_five() -> None:
    channel = Channels().give(PEER)
    assert channel is not None
    channel.bound(100.0)
    assert (channel.until, channel.refresh_at) == (700.0, 340.0)


def test_a_refused_channel_is_asked_for_again_minutes_later() -> None:
    channel = Channels().give(PEER)
    assert channel is not None
    channel.refused(100.0)
    assert (channel.until, channel.refresh_at) == (0.0, 340.0)


def test_channel_data_is_told_by_its_first_byte() -> None:
    assert is_channel_data(b"\x40\0\0\0")
    assert is_channel_data(b"\x4f\xff\0\0")
    assert not is_channel_data(b"\x50\0\0\0")
    assert not is_channel_data(b"\x3f\0\0\0")
    assert not is_channel_data(b"\x40\0\0")


def test_channel_data_is_read_without_its_padding() -> None:
    assert read_channel_data(b"\x40\x01\0\3abc\0") == (0x4001, b"abc")


def test_channel_data_that_is_cut_short_is_none() -> None:
    assert read_channel_data(b"\x40\x01\0\4abc") is None
    assert read_channel_data(b"\x40\x01\0") is None


@given(st.binary(max_size=64))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    read = read_channel_data(data)
    assert read is None or data[4:].startswith(read[1])
