import pytest

from tests.ice.turn.rig import PEER, RELAYED, RELAYED6, Rig, xor
from warren.ice import stun
from warren.ice.server_url import TurnUrl
from warren.ice.stun import Attribute, Class, Method, Stun
from warren.ice.transport import Address, Base
from warren.ice.turn.channel import read_channel_data
from warren.ice.turn.relay import Relay

OTHER = ("198.51.100.2", 5001)


def relay_of(rig: Rig) -> Relay:
    assert rig.allocation.relay is not None
    return rig.allocation.relay


def live(*relayed: Address) -> Rig:
    rig = Rig()
    rig.live(relayed=relayed or (RELAYED,))
    return rig


def permit(rig: Rig) -> None:
    """Grant the permission asked for last."""
    rig.answer(rig.server.success(rig.request(Method.CREATE_PERMISSION)))


def bind(rig: Rig) -> None:
    """Get a channel for the peer."""
    rig.allocation.expect(PEER, rig.now)
    permit(rig)
    rig.allocation.wrap(PEER, b"data", rig.now)
    rig.answer(rig.server.success(rig.request(Method.CHANNEL_BIND)))


def read(packet: bytes) -> tuple[Address, bytes | None]:
    """What a Send indication carries, and where to."""
    indication = stun.parse(packet)
    assert (indication.method, indication.cls) == (Method.SEND, Class.INDICATION)
    (peer,) = indication.xor_addresses(Attribute.XOR_PEER_ADDRESS)
    return peer, indication.value(Attribute.DATA)


def data_indication(peer: Address | None, data: bytes | None) -> Stun:
    request = stun.parse(stun.server_request(b"transaction!"))
    attributes = [] if peer is None else [xor(Attribute.XOR_PEER_ADDRESS, peer, request)]
    if data is not None:
        attributes.append((int(Attribute.DATA), data))
    return stun.parse(stun.build(Method.DATA, Class.INDICATION, request.transaction_id, attributes))


# Permissions


def test_expected_peer_gets_a_permission() -> None:
    rig = live()
    rig.allocation.expect(PEER, rig.now)
    request = rig.request()
    assert request.method is Method.CREATE_PERMISSION
    assert request.xor_addresses(Attribute.XOR_PEER_ADDRESS)[0][0] == PEER[0]


def test_permission_is_asked_for_once_for_all_ports_of_an_address() -> None:
    rig = live()
    rig.allocation.expect(PEER, rig.now)
    rig.allocation.expect(OTHER, rig.now)
    assert rig.requests() == [Method.CREATE_PERMISSION]


def test_first_packet_leaves_right_after_the_permission() -> None:
    rig = live()
    rig.allocation.send(PEER, b"check", rig.now)
    assert rig.requests() == [Method.CREATE_PERMISSION]
    permit(rig)
    (packet,) = rig.collect()
    assert read(packet.data) == (PEER, b"check")
    assert packet.destination == rig.allocation.server


def test_with_a_permission_packets_leave_at_once() -> None:
    rig = live()
    rig.allocation.expect(PEER, rig.now)
    permit(rig)
    rig.allocation.send(PEER, b"check", rig.now)
    assert [read(packet.data) for packet in rig.collect()] == [(PEER, b"check")]


def test_used_permission_is_renewed_in_time_and_used_meanwhile() -> None:
    rig = live()
    rig.allocation.expect(PEER, rig.now)
    permit(rig)
    rig.collect()
    rig.allocation.send(PEER, b"check", 240.0)
    packets = [stun.parse(packet.data).method for packet in rig.collect()]
    assert sorted(packets) == [Method.SEND, Method.CREATE_PERMISSION]


def test_permission_that_has_ended_must_come_again_first() -> None:
    rig = live()
    rig.allocation.expect(PEER, rig.now)
    permit(rig)
    rig.allocation.send(PEER, b"check", 300.0)
    assert rig.requests() == [Method.CREATE_PERMISSION]


def test_refused_permission_drops_packets_for_a_while() -> None:
    rig = live()
    rig.allocation.send(PEER, b"check", rig.now)
    rig.answer(rig.server.error(rig.request(), 403))
    rig.collect()
    rig.allocation.send(PEER, b"check", 59.0)
    assert rig.collect() == []
    assert (rig.drops["turn-permission-403"], rig.drops["turn-no-permission"]) == (1, 1)
    rig.allocation.send(PEER, b"check", 60.0)
    assert rig.requests() == [Method.CREATE_PERMISSION]


def test_after_silence_the_next_packet_asks_again() -> None:
    rig = live()
    rig.allocation.send(PEER, b"check", rig.now)
    rig.collect()
    rig.pass_time(5.1)
    rig.allocation.send(PEER, b"check", rig.now)
    assert rig.requests() == [Method.CREATE_PERMISSION]


# Channels


def test_data_asks_for_a_channel_and_goes_without_one_meanwhile() -> None:
    rig = live()
    rig.allocation.expect(PEER, rig.now)
    permit(rig)
    packet = rig.allocation.wrap(PEER, b"data", rig.now)
    assert packet is not None
    assert read(packet) == (PEER, b"data")
    assert rig.allocation.busy
    request = rig.request()
    assert (request.method, request.number(Attribute.CHANNEL_NUMBER)) == (Method.CHANNEL_BIND, 0x40000000)
    assert request.xor_addresses(Attribute.XOR_PEER_ADDRESS) == [PEER]


def test_checks_ask_for_no_channel() -> None:
    rig = live()
    rig.allocation.expect(PEER, rig.now)
    permit(rig)
    rig.allocation.send(PEER, b"check", rig.now)
    assert rig.requests() == []


def test_bound_channel_carries_data_and_checks() -> None:
    rig = live()
    bind(rig)
    assert rig.allocation.wrap(PEER, b"data", rig.now) == b"\x40\0\0\4data"
    rig.allocation.send(PEER, b"check", rig.now)
    assert rig.collect()[-1].data == b"\x40\0\0\5check"


def test_other_peer_gets_another_channel() -> None:
    rig = live()
    bind(rig)
    rig.allocation.wrap(OTHER, b"data", rig.now)
    assert rig.request(Method.CHANNEL_BIND).number(Attribute.CHANNEL_NUMBER) == 0x40010000


def test_channel_is_asked_for_once() -> None:
    rig = live()
    rig.allocation.expect(PEER, rig.now)
    permit(rig)
    for _ in range(3):
        rig.allocation.wrap(PEER, b"data", rig.now)
    assert rig.requests() == [Method.CHANNEL_BIND]


def test_used_channel_is_bound_again_in_time_with_its_number() -> None:
    rig = live()
    bind(rig)
    rig.collect()
    assert rig.allocation.wrap(PEER, b"data", 240.0) == b"\x40\0\0\4data"
    assert rig.request(Method.CHANNEL_BIND).number(Attribute.CHANNEL_NUMBER) == 0x40000000


def test_channel_that_was_not_bound_again_is_used_no_more() -> None:
    rig = live()
    bind(rig)
    rig.allocation.wrap(PEER, b"data", 600.0)
    assert rig.requests() == [Method.CREATE_PERMISSION]


def test_binding_renews_the_permission_and_lets_go_what_waits() -> None:
    rig = live()
    bind(rig)
    rig.now = 290.0
    rig.allocation.wrap(PEER, b"data", rig.now)
    rig.answer(rig.server.success(rig.request(Method.CHANNEL_BIND)))
    rig.collect()
    rig.allocation.send(OTHER, b"check", 500.0)
    assert [read(packet.data) for packet in rig.collect()] == [(OTHER, b"check")]


def test_packet_that_waits_for_a_permission_leaves_with_a_channel_s() -> None:
    rig = live()
    bind(rig)
    rig.now = 310.0
    rig.allocation.wrap(PEER, b"data", rig.now)
    rig.allocation.send(OTHER, b"check", rig.now)
    rig.answer(rig.server.success(rig.request(Method.CHANNEL_BIND)))
    assert (OTHER, b"check") in [read(packet.data) for packet in rig.collect() if packet.data[0] == 0]


def test_refused_channel_leaves_data_to_indications() -> None:
    rig = live()
    rig.allocation.expect(PEER, rig.now)
    permit(rig)
    rig.allocation.wrap(PEER, b"data", rig.now)
    rig.answer(rig.server.error(rig.request(Method.CHANNEL_BIND), 508))
    rig.collect()
    packet = rig.allocation.wrap(PEER, b"data", rig.now)
    assert packet is not None
    assert read(packet) == (PEER, b"data")
    assert rig.requests() == []


def test_without_a_channel_left_data_goes_by_indications() -> None:
    rig = live()
    rig.allocation.expect(PEER, rig.now)
    permit(rig)
    for port in range(1, 4098):
        packet = rig.allocation.wrap((PEER[0], port), b"data", rig.now)
    assert packet is not None
    assert read(packet) == ((PEER[0], 4097), b"data")


@pytest.mark.parametrize(("data", "padding"), [(b"data", b""), (b"data+", b"\0\0\0"), (b"data+++", b"\0")])
def test_on_a_stream_channel_data_is_padded(data: bytes, padding: bytes) -> None:
    rig = Rig(url=TurnUrl(host="h", port=3478, transport="tcp", username="ann", password="p@ss"))
    rig.begin()
    rig.collect()
    rig.allocation.stream_opened(rig.allocation.carrier, ("192.0.2.1", 9), 0.0)
    rig.answer(rig.server.challenge(rig.request()))
    rig.answer(rig.server.allocated(rig.request()))
    bind(rig)
    packet = rig.allocation.wrap(PEER, data, rig.now)
    assert packet == b"\x40\0" + len(data).to_bytes(2, "big") + data + padding
    assert read_channel_data(packet) == (0x4000, data)


# Inwards


def test_channel_data_comes_to_the_relayed_address() -> None:
    rig = live()
    bind(rig)
    (base,) = rig.allocation.bases
    assert relay_of(rig).unwrap_channel(b"\x40\0\0\4data") == (base, PEER, b"data")


@pytest.mark.parametrize("data", [b"\x40\1\0\4data", b"\x40\0\0\5data"])
def test_channel_data_of_nobody_or_cut_short_is_dropped(data: bytes) -> None:
    rig = live()
    bind(rig)
    assert relay_of(rig).unwrap_channel(data) is None
    assert rig.drops["turn-channel"] == 1


def test_channel_data_that_came_together_is_sorted_by_peer_and_in_order() -> None:
    rig = live()
    bind(rig)
    rig.allocation.wrap(OTHER, b"data", rig.now)
    (base,) = rig.allocation.bases
    packets = [b"\x40\0\0\3one", b"\x40\1\0\3two", b"\x40\0\0\5three"]
    came = [(base, PEER, [b"one", b"three"]), (base, OTHER, [b"two"])]
    assert relay_of(rig).unwrap_channels(packets) == came


def test_of_channel_data_that_came_together_only_what_is_wrong_is_dropped() -> None:
    rig = live()
    bind(rig)
    (base,) = rig.allocation.bases
    packets = [b"\x40\1\0\4data", b"\x40\0\0\4data", b"\x40\1\0\4more", b"\x40\0\0\5data"]
    assert relay_of(rig).unwrap_channels(packets) == [(base, PEER, [b"data"])]
    assert rig.drops["turn-channel"] == 3


def test_channel_data_of_a_family_that_was_not_allocated_is_dropped() -> None:
    rig = live(RELAYED)
    relay_of(rig).use_channel(("2001:db8::2", 5000), rig.now)
    assert relay_of(rig).unwrap_channel(b"\x40\0\0\4data") is None
    assert rig.drops["turn-family"] == 1


def test_who_is_only_heard_can_have_a_channel_too() -> None:
    rig = live()
    relay_of(rig).use_channel(PEER, rig.now)
    relay_of(rig).use_channel(PEER, rig.now)
    assert rig.requests() == [Method.CHANNEL_BIND]
    rig.answer(rig.server.success(rig.request(Method.CHANNEL_BIND)))
    assert rig.allocation.wrap(PEER, b"data", rig.now) == b"\x40\0\0\4data"


def test_data_indication_comes_to_the_relayed_address() -> None:
    rig = live()
    rig.allocation.expect(PEER, rig.now)
    (base,) = rig.allocation.bases
    assert relay_of(rig).unwrap_indication(data_indication(PEER, b"data")) == (base, PEER, b"data")


@pytest.mark.parametrize(("peer", "data"), [(None, b"data"), (PEER, None), (("198.51.100.9", 1), b"data")])
def test_data_indication_that_is_incomplete_or_of_a_stranger_is_dropped(
    peer: Address | None, data: bytes | None
) -> None:
    rig = live()
    rig.allocation.expect(PEER, rig.now)
    assert relay_of(rig).unwrap_indication(data_indication(peer, data)) is None
    assert rig.drops["turn-indication"] == 1


def test_families_are_kept_apart() -> None:
    rig = live(RELAYED, RELAYED6)
    bases: dict[bool, Base] = {base.is_ipv6: base for base in rig.allocation.bases}
    for peer in (PEER, ("2001:db8::2", 5000)):
        rig.allocation.expect(peer, rig.now)
        came = relay_of(rig).unwrap_indication(data_indication(peer, b"data"))
        assert came == (bases[":" in peer[0]], peer, b"data")


def test_packet_of_a_family_that_was_not_allocated_is_dropped() -> None:
    rig = live(RELAYED)
    rig.allocation.expect(("2001:db8::2", 5000), rig.now)
    assert relay_of(rig).unwrap_indication(data_indication(("2001:db8::2", 5000), b"data")) is None
    assert rig.drops["turn-family"] == 1
