"""Tests of what the node's machine does with streams, by numbers."""

from collections.abc import Iterable
from random import Random

from tests.ice.link import stream
from tests.session.partner import Partner
from tests.session.side import ALICE, BOB
from warren.ice import stun
from warren.ice.framing import frame
from warren.ice.timing import STREAM_HOLD
from warren.ice.transport import Address, Base, CloseStream, Datagram, OpenStream, Transmit
from warren.keys import PrivateKey
from warren.session.config import Config
from warren.session.framed import STRANGER_SECONDS
from warren.session.machine import SessionMachine
from warren.session.node import NodeMachine, PublishTo
from warren.session.state import State

BASE = Base("192.0.2.1", 0, "tcp")


class Owner:
    """Takes every byte for a datagram, and writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def stream_opened(self, base: Base, local: Address, now: float) -> None:
        self.heard.append((base, local, now))

    def stream_received(self, base: Base, data: bytes, now: float) -> Iterable[Datagram]:
        return [Datagram(base, ("192.0.2.9", 80), bytes([byte])) for byte in data]

    def stream_closed(self, base: Base, reason: str, now: float) -> None:
        self.heard.append((base, reason, now))


def machine_with(owner: Owner) -> NodeMachine:
    machine = NodeMachine(ours=PrivateKey(bytes(range(32))).public, dice=Random(1), config=Config())
    machine.streams.enter(BASE, owner)
    return machine


def test_the_owner_of_a_stream_hears_of_it() -> None:
    owner = Owner()
    machine = machine_with(owner)
    machine.stream_opened(BASE, ("192.0.2.1", 4711), 1.0)
    machine.stream_closed(BASE, "reset", 2.0)
    assert owner.heard == [(BASE, ("192.0.2.1", 4711), 1.0), (BASE, "reset", 2.0)]


def test_a_closed_stream_is_told_nothing_more() -> None:
    owner = Owner()
    machine = machine_with(owner)
    machine.stream_closed(BASE, "reset", 1.0)
    machine.stream_opened(BASE, ("192.0.2.1", 4711), 2.0)
    machine.stream_closed(BASE, "reset", 3.0)
    assert machine.stream_received(BASE, b"x", 4.0) == []
    assert owner.heard == [(BASE, "reset", 1.0)]
    assert machine.drops["stream-closed"] == 1


def test_what_is_in_a_stream_is_treated_as_datagrams() -> None:
    machine = machine_with(Owner())
    assert machine.stream_received(BASE, b"abc", 1.0) == []
    assert machine.drops["data-from-stranger"] == 3


# Connections of strangers and sessions

LISTENER = Base("192.0.2.1", 8000, "tcp")
GUEST = ("198.51.100.7", 50000)


def node() -> NodeMachine:
    machine = NodeMachine(ours=PrivateKey(bytes(range(32))).public, dice=Random(1), config=Config())
    machine.add_base(LISTENER, 0.0)
    machine.outputs()
    return machine


def test_a_connection_over_which_nothing_comes_is_ended_by_time() -> None:
    machine = node()
    base = machine.stream_accepted(LISTENER, GUEST, 1.0)
    assert base is not None
    assert machine.deadline == 1.0 + STRANGER_SECONDS
    machine.tick(1.0 + STRANGER_SECONDS)
    assert machine.outputs() == [CloseStream(base)]
    assert machine.deadline is None


def test_a_connection_over_which_nonsense_comes_is_ended_at_once() -> None:
    machine = node()
    base = machine.stream_accepted(LISTENER, GUEST, 1.0)
    assert base is not None
    assert machine.stream_received(base, frame(b"EHLO example.org"), 1.1) == []
    assert machine.outputs() == [CloseStream(base)]


def test_a_check_that_names_nobody_is_met_with_silence() -> None:
    machine = node()
    base = machine.stream_accepted(LISTENER, GUEST, 1.0)
    assert base is not None
    machine.stream_received(base, frame(stun.server_request(bytes(12))), 1.1)
    assert machine.outputs() == []
    assert machine.drops == {"stun-unknown-ufrag": 1}


# Connections of sessions

HOST = ("198.51.100.2", 8000)
LOCAL = ("192.0.2.1", 50000)


def opening() -> tuple[NodeMachine, Partner, Base]:
    """A node that opens a connection to a peer that has no other address; with the connection's base."""
    machine = NodeMachine(ours=ALICE, dice=Random(1), config=Config())
    machine.add_base(BASE, 0.0)
    machine.open(BOB, 0.0)
    (said,) = [output.message for output in machine.outputs() if isinstance(output, PublishTo)]
    assert said.session is not None
    partner = Partner(7, address=HOST)
    candidates = (stream(Base(*HOST, "tcp")).candidate,)
    machine.message_received(BOB, partner.says(said.session.session_id, candidates=candidates), 0.0)
    machine.tick(STREAM_HOLD)
    (order,) = [output for output in machine.outputs() if isinstance(output, OpenStream)]
    assert order == OpenStream(order.base, HOST)
    return machine, partner, order.base


def checks(machine: NodeMachine) -> list[bytes]:
    """What was sent, as the peer takes it out of the connection."""
    packets = [output for output in machine.outputs() if isinstance(output, Transmit)]
    assert all(packet.data[:2] == len(packet.data[2:]).to_bytes(2, "big") for packet in packets)
    return [packet.data[2:] for packet in packets]


def connected() -> tuple[NodeMachine, SessionMachine, Base]:
    machine, partner, base = opening()
    machine.stream_opened(base, LOCAL, STREAM_HOLD)
    key = stun.prepare_key(partner.credentials.pwd)
    for check in checks(machine):
        answer = frame(stun.success(stun.parse(check), LOCAL, key))
        assert machine.stream_received(base, answer, STREAM_HOLD) == []
    session = machine.sessions[BOB]
    assert session.state is State.COMPLETED
    return machine, session, base


def test_a_check_leaves_in_a_frame_as_soon_as_the_connection_stands() -> None:
    machine, _, base = opening()
    machine.stream_opened(base, LOCAL, STREAM_HOLD)
    (check,) = checks(machine)
    assert stun.parse(check).cls is stun.Class.REQUEST


def test_data_that_comes_over_a_session_s_connection_is_its() -> None:
    machine, session, base = connected()
    data = machine.stream_received(base, frame(b"one") + frame(b"two"), 1.0)
    assert data == [(session, b"one"), (session, b"two")]


def test_closing_a_session_ends_its_connection() -> None:
    machine, _, base = connected()
    machine.outputs()
    machine.close(BOB, 1.0)
    assert CloseStream(base) in machine.outputs()
    assert machine.streams.owner(base) is None


def test_closing_a_session_ends_a_connection_that_is_still_being_opened() -> None:
    machine, _, base = opening()
    machine.close(BOB, 1.0)
    assert CloseStream(base) in machine.outputs()
    assert machine.streams.owner(base) is None
