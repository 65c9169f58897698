"""An allocation at a TURN server that is reached over TCP or TLS."""

from tests.ice.turn.rig import BASE, OTHER, SERVER, Rig
from warren.ice.server_url import TurnUrl
from warren.ice.stun import Class, Method
from warren.ice.stun import build as build_stun
from warren.ice.transport import CloseStream, OpenStream
from warren.ice.turn.allocation import Phase

TLS = TurnUrl(host="turn.example.org", port=5349, transport="tcp", tls=True, username="ann", password="p@ss")


def stream() -> Rig:
    rig = Rig(SERVER, OTHER, url=TLS)
    rig.begin()
    rig.collect()
    return rig


def test_stream_is_opened_first_with_the_name_that_the_certificate_must_have() -> None:
    rig = stream()
    (order,) = rig.orders
    assert order == OpenStream(rig.allocation.carrier, SERVER, "turn.example.org")
    assert rig.allocation.carrier.protocol == "tcp"
    assert rig.sent == []
    assert rig.streams.owner(rig.allocation.carrier) is rig.allocation


def test_plain_tcp_needs_no_name() -> None:
    rig = Rig(url=TurnUrl(host="h", port=1, transport="tcp"))
    rig.begin()
    rig.collect()
    assert rig.orders == [OpenStream(rig.allocation.carrier, SERVER, None)]


def test_requests_go_over_the_stream() -> None:
    rig = stream()
    rig.allocation.stream_opened(rig.allocation.carrier, ("192.0.2.1", 5), 0.0)
    rig.answer(rig.server.allocated(rig.request()))
    assert rig.sent[-1].base is rig.allocation.carrier
    assert rig.allocation.phase is Phase.LIVE
    assert rig.allocation.mapped is None
    assert "relayed at" in str(rig.allocation.report)


def test_what_comes_by_the_stream_is_cut_into_packets() -> None:
    rig = stream()
    packet = build_stun(Method.DATA, Class.INDICATION, bytes(12), [])
    carrier = rig.allocation.carrier
    assert rig.allocation.stream_received(carrier, packet[:9], 0.0) == []
    (datagram,) = rig.allocation.stream_received(carrier, packet[9:], 0.0)
    assert (datagram.base, datagram.source, datagram.data) == (carrier, SERVER, packet)


def test_server_that_cannot_be_connected_leaves_it_to_the_next_address() -> None:
    rig = stream()
    first = rig.allocation.carrier
    rig.allocation.stream_closed(first, "connection refused", 0.0)
    rig.collect()
    assert rig.orders[1:] == [
        CloseStream(first),
        OpenStream(rig.allocation.carrier, OTHER, "turn.example.org"),
    ]
    rig.allocation.stream_closed(rig.allocation.carrier, "connection refused", 0.0)
    assert (rig.allocation.phase, rig.allocation.error) == (Phase.WAITING, "connection refused")
    assert rig.allocation.carrier is BASE


def test_stream_that_breaks_takes_the_allocation_with_it() -> None:
    rig = stream()
    rig.allocation.stream_opened(rig.allocation.carrier, ("192.0.2.1", 5), 0.0)
    rig.answer(rig.server.allocated(rig.request()))
    rig.allocation.stream_closed(rig.allocation.carrier, "reset", 1.0)
    assert (rig.allocation.bases, rig.allocation.error) == ((), "reset")


def test_stream_that_speaks_something_else_is_closed() -> None:
    rig = Rig(url=TLS)
    rig.begin()
    carrier = rig.allocation.carrier
    assert rig.allocation.stream_received(carrier, b"SSH-2.0-OpenSSH\r\n", 0.0) == []
    rig.collect()
    assert rig.orders[-1] == CloseStream(carrier)
    assert rig.drops["turn-not-framed"] == 1
    assert rig.allocation.error is not None
    assert rig.streams.owner(carrier) is None


def test_stream_that_ends_while_leaving_is_the_end() -> None:
    rig = stream()
    rig.allocation.stream_opened(rig.allocation.carrier, ("192.0.2.1", 5), 0.0)
    rig.answer(rig.server.allocated(rig.request()))
    rig.allocation.give_back(1.0)
    rig.allocation.stream_closed(rig.allocation.carrier, "closed", 1.0)
    assert rig.allocation.phase is Phase.OVER


def test_stopped_allocation_closes_its_stream() -> None:
    rig = stream()
    carrier = rig.allocation.carrier
    rig.allocation.stop()
    rig.collect()
    assert rig.orders[-1] == CloseStream(carrier)
