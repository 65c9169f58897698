"""A node without I/O, what it puts out, and two of them linked."""

import random
from collections.abc import Callable
from functools import partial

from tests.session.partner import Partner
from tests.session.side import ALICE, BOB, A, B
from warren.ice import stun
from warren.ice.gather import MappingChanged
from warren.ice.transport import Address, Base, Transmit
from warren.keys import PublicKey
from warren.messages import Message
from warren.session.config import Config
from warren.session.machine import SessionMachine
from warren.session.node import CallReceived, NodeMachine, PublishTo, SessionEvent
from warren.session.state import State

CAROL = PublicKey(bytes([3]) * 32)
SERVER: Address = ("203.0.113.3", 3478)
THERE: Address = (B.address, B.port)


class Told:
    """What a node has put out."""

    def __init__(self, node: NodeMachine) -> None:
        self.node = node
        self.transmits: list[Transmit] = []
        self.published: list[PublishTo] = []
        self.events: list[SessionEvent] = []
        self.callers: list[PublicKey] = []
        self.moved = 0

    def drain(self) -> "Told":
        for output in self.node.outputs():
            match output:
                case Transmit():
                    self.transmits.append(output)
                case PublishTo():
                    self.published.append(output)
                case SessionEvent():
                    self.events.append(output)
                case CallReceived(peer):
                    self.callers.append(peer)
                case MappingChanged():
                    self.moved += 1
        return self

    @property
    def requests(self) -> list[Transmit]:
        packets = [(transmit, stun.parse(transmit.data)) for transmit in self.transmits]
        return [transmit for transmit, packet in packets if packet.cls is stun.Class.REQUEST]


def node(
    ours: PublicKey = ALICE, *, base: Base | None = A, seed: int = 1, config: Config | None = None
) -> NodeMachine:
    made = NodeMachine(ours=ours, dice=random.Random(seed), config=config or Config())
    if base is not None:
        made.add_base(base, 0.0)
    return made


def first_said(told: Told) -> Message:
    return told.drain().published[0].message


def generation_of(message: Message) -> int:
    assert message.session is not None
    return message.session.session_id


def connect(machine: NodeMachine, partner: Partner) -> SessionMachine:
    """Open the session with a partner that answers."""
    session, told = machine.open(partner.ours, 0.0), Told(machine)
    machine.message_received(partner.ours, partner.says(generation_of(first_said(told))), 0.0)
    answer_checks(machine, told.drain(), partner)
    assert session.state is State.COMPLETED
    return session


def answer_checks(machine: NodeMachine, told: Told, partner: Partner, now: float = 0.0) -> None:
    for transmit in told.requests:
        request = stun.parse(transmit.data)
        source = (transmit.base.address, transmit.base.port)
        response = stun.success(request, source, stun.prepare_key(partner.credentials.pwd))
        machine.datagram_received(transmit.base, transmit.destination, response, now)


def asked() -> tuple[NodeMachine, Told]:
    """A node that a server has told its address at 0."""
    machine = node()
    machine.add_server("stun.example", [SERVER], 0.0)
    told = Told(machine)
    (request,) = told.drain().requests
    machine.datagram_received(
        A, SERVER, stun.success(stun.parse(request.data), ("203.0.113.9", 5000), None), 0.0
    )
    told.drain().transmits.clear()
    return machine, told


def two() -> tuple[NodeMachine, NodeMachine]:
    return node(ALICE, base=A), node(BOB, base=B)


def link(
    machines: tuple[NodeMachine, NodeMachine], until: float, *, s: float = 0.05, d: float = 0.02
) -> None:
    """Carry everything between two nodes from time 0 on."""
    events: list[tuple[float, int, Callable[[float], object]]] = []
    now, number = 0.0, 0

    def carry(machine: NodeMachine, other: NodeMachine, base: Base, source: Address) -> None:
        nonlocal number
        for output in machine.outputs():
            number += 1
            if isinstance(output, PublishTo):
                hear = partial(other.message_received, machine.ours, output.message)
                events.append((now + s, number, hear))
            elif isinstance(output, Transmit):
                events.append((now + d, number, partial(other.datagram_received, base, source, output.data)))

    one, other = machines
    while True:
        carry(one, other, B, (A.address, A.port))
        carry(other, one, A, THERE)
        times = [at for at, _, _ in events]
        times += [machine.deadline for machine in machines if machine.deadline is not None]
        if min(times, default=until) >= until:
            return
        now = max(now, min(times))
        due = sorted(event for event in events if event[0] <= now)
        events[:] = [event for event in events if event[0] > now]
        for _, _, act in due:
            act(now)
        for machine in machines:
            machine.tick(now)
