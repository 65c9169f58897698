"""Tests of what the node's machine does with streams, by numbers."""

from collections.abc import Iterable
from random import Random

from warren.ice import stun
from warren.ice.framing import frame
from warren.ice.transport import Address, Base, CloseStream, Datagram
from warren.keys import PrivateKey
from warren.session.config import Config
from warren.session.framed import STRANGER_SECONDS
from warren.session.node import NodeMachine

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
