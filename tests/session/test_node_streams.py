"""Tests of what the node's machine does with streams, by numbers."""

from collections.abc import Iterable
from random import Random

from warren.ice.transport import Address, Base, Datagram
from warren.keys import PrivateKey
from warren.session.config import Config
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
