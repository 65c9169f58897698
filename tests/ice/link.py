"""Two agents and what lies between them, by numbers: a virtual clock, delays, NATs and losses."""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from warren.ice import stun
from warren.ice.agent import Agent
from warren.ice.candidate import LocalCandidate, foundation, local_preference, priority, stream_preference
from warren.ice.outputs import AgentOutput
from warren.ice.timing import Pacer
from warren.ice.transaction import Transaction, Transactions
from warren.ice.transport import Address, Base, CloseStream, OpenStream, Transmit
from warren.messages import Candidate, CandidateType, Credentials, NetworkType, TCPType

CONNECT_TIMEOUT = 10.0
Output = TypeVar("Output", bound=AgentOutput)
HOST, SRFLX = CandidateType.HOST, CandidateType.SERVER_REFLEXIVE


def candidate(type: CandidateType, address: str, port: int, index: int = 0) -> Candidate:
    """A candidate with the priority that its type and the interface's index give."""
    ipv6 = ":" in address
    return Candidate(
        type=type,
        network=NetworkType.UDP6 if ipv6 else NetworkType.UDP4,
        address=address,
        port=port,
        priority=priority(type, local_preference(index, is_ipv6=ipv6)),
        foundation=foundation(type, Base(address, port)),
    )


def host(base: Base, index: int = 0) -> LocalCandidate:
    """The host candidate of a base."""
    return LocalCandidate(candidate(HOST, base.address, base.port, index), base)


def srflx(base: Base, public: Address, index: int = 0) -> LocalCandidate:
    """What a STUN server saw of a base."""
    return LocalCandidate(candidate(SRFLX, *public, index), base)


def stream(base: Base, index: int = 0) -> LocalCandidate:
    """The host candidate for connections from a base with port 0, or to one with a port."""
    tcp_type = TCPType.PASSIVE if base.port else TCPType.ACTIVE
    preference = stream_preference(index, tcp_type, is_ipv6=base.is_ipv6)
    made = Candidate(
        type=HOST,
        network=NetworkType.TCP6 if base.is_ipv6 else NetworkType.TCP4,
        address=base.address,
        port=base.port or 9,
        priority=priority(HOST, preference, stream=True),
        tcp_type=tcp_type,
    )
    return LocalCandidate(made, base)


@dataclass(eq=False)
class Nat:
    """A NAT with one public address: keeps ports; lets in only what `strict` allows."""

    public: str
    strict: bool = True
    symmetric: bool = False
    mappings: dict[object, tuple[Base, Address]] = field(default_factory=dict)
    sent: set[tuple[Address, Address]] = field(default_factory=set)
    next_port: int = 40000

    def outgoing(self, base: Base, destination: Address) -> Address:
        """Where the packet seems to come from outside."""
        key: object = (base, destination) if self.symmetric else base
        if key not in self.mappings:
            port = base.port
            if self.symmetric:
                port, self.next_port = self.next_port, self.next_port + 1
            self.mappings[key] = (base, (self.public, port))
        public = self.mappings[key][1]
        self.sent.add((public, destination))
        return public

    def incoming(self, source: Address, destination: Address) -> Base | None:
        """Which base the packet reaches, if any."""
        for base, public in self.mappings.values():
            if public == destination and (not self.strict or (public, source) in self.sent):
                return base
        return None


class Peer:
    """One agent with its bases, as a session would hold it; owns the agent's transactions."""

    def __init__(
        self,
        name: str,
        *,
        controlling: bool,
        bases: list[Base],
        nat: Nat | None = None,
        seed: int = 1,
        pacer: Pacer | None = None,
        patience: float = 39.5,
        consent_timeout: float = 5.0,
        renomination: bool = True,
        tie_breaker: int | None = None,
    ) -> None:
        self.name = name
        self.bases = bases
        self.nat = nat
        self.dice = random.Random(f"{name}{seed}")
        self.credentials = Credentials(f"ufrag{name}", f"password{name}".ljust(24, "x"))
        self.transactions = Transactions(self.dice)
        self.agent = Agent(
            controlling=controlling,
            local=self.credentials,
            tie_breaker=self.dice.getrandbits(64) if tie_breaker is None else tie_breaker,
            transactions=self.transactions,
            pacer=pacer or Pacer(),
            dice=self.dice,
            owner=self,
            loopback=False,
            patience=patience,
            consent_timeout=consent_timeout,
            renomination=renomination,
        )
        self.told: list[tuple[float, AgentOutput]] = []
        """Everything but Transmit, with its time."""
        self.answered: list[tuple[Transaction, stun.Stun]] = []
        """The responses to our checks, each with what it answers."""

    def response_received(
        self, transaction: Transaction, response: stun.Stun, source: Address, base: Base, now: float
    ) -> None:
        self.agent.response_received(transaction, response, source, base, now)
        self.answered.append((transaction, response))

    def datagram_received(self, data: bytes, source: Address, base: Base, now: float) -> None:
        """What a node does with a packet."""
        packet = stun.parse(data)
        if packet.cls is stun.Class.REQUEST:
            parts = packet.username_parts
            if parts is not None and parts[0] == self.credentials.ufrag and self.agent.verify(packet):
                self.agent.request_received(packet, base, source, now)
        else:
            transaction = self.transactions.get(packet.transaction_id)
            if transaction is not None:
                transaction.owner.response_received(transaction, packet, source, base, now)

    def respond(self, data: bytes, source: Address, base: Base, now: float) -> None:
        """Let a response come for a request that waits for one."""
        response = stun.parse(data)
        transaction = self.transactions.get(response.transaction_id)
        assert transaction is not None
        self.agent.response_received(transaction, response, source, base, now)

    def when(self, kind: type[AgentOutput]) -> list[float]:
        """The times at which it told this."""
        return [now for now, output in self.told if isinstance(output, kind)]

    def all(self, kind: type[Output]) -> list[Output]:
        """What of this kind it told."""
        return [output for _, output in self.told if isinstance(output, kind)]

    def check(
        self,
        other: "Peer",
        base: Base,
        source: Address,
        now: float,
        *,
        nomination: int | None = None,
        use_candidate: bool = False,
        controlling: bool | None = None,
        tie_breaker: int = 5,
        ufrag: str | None = None,
        reveals: int = priority(CandidateType.PEER_REFLEXIVE, 100),
    ) -> stun.Stun:
        """Let a check of the other peer arrive here, as if it came from anywhere; returns the request."""
        data = stun.binding_request(
            self.dice.randbytes(12),
            stun.check_attributes(
                username=f"{self.credentials.ufrag}:{ufrag or other.credentials.ufrag}",
                priority=reveals,
                controlling=not self.agent.controlling if controlling is None else controlling,
                tie_breaker=tie_breaker,
                use_candidate=use_candidate or nomination is not None,
                nomination=nomination,
            ),
            stun.prepare_key(self.credentials.pwd),
        )
        self.datagram_received(data, source, base, now)
        return stun.parse(data)


@dataclass(frozen=True)
class Packet:
    """One datagram on its way, for filters and for asking later."""

    now: float
    sender: Peer
    base: Base
    source: Address
    destination: Address
    data: bytes

    @property
    def stun(self) -> stun.Stun:
        return stun.parse(self.data)

    @property
    def is_request(self) -> bool:
        return self.stun.cls is stun.Class.REQUEST


@dataclass(eq=False)
class Wire:
    """One end of a connection: whose, its base, where the other end is for it, and the other end."""

    peer: Peer
    base: Base
    remote: Address
    other: "Wire | None" = None


class Link:
    """Carries datagrams and streams between peers with a delay; whatever `drop` says is lost."""

    def __init__(self, *peers: Peer, delay: float = 0.020) -> None:
        self.peers = list(peers)
        self.delay = delay
        self.now = 0.0
        self.drop: Callable[[Packet], bool] = lambda packet: False
        self.packets: list[Packet] = []
        self.wires: dict[Base, Wire] = {}
        """The open ends of connections."""
        self.opened: list[tuple[float, OpenStream]] = []
        self.swallows: Callable[[Wire], bool] = lambda wire: False
        """Which connections are dead and nobody knows: what is written to this end never comes."""
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._sequence = 0

    def at(self, when: float, action: Callable[[], object]) -> None:
        """Do something at a time."""
        self._sequence += 1

        def act() -> None:
            action()

        heapq.heappush(self._events, (when, self._sequence, act))

    def drain(self) -> None:
        """Perform what the agents want."""
        for peer in self.peers:
            for output in peer.agent.outputs():
                match output:
                    case Transmit(base) if base.protocol == "tcp":
                        self._write(output)
                    case Transmit():
                        self._send(peer, output)
                    case OpenStream():
                        self._open(peer, output)
                    case CloseStream(base):
                        self.close(base)
                    case _:
                        peer.told.append((self.now, output))

    def run(self, until: float) -> None:
        """Let time pass."""
        self.drain()
        while True:
            deadlines = [peer.agent.deadline for peer in self.peers]
            timer = min((d for d in deadlines if d is not None), default=float("inf"))
            event = self._events[0][0] if self._events else float("inf")
            when = max(min(timer, event), self.now)
            if when > until:
                self.now = until
                return
            self.now = when
            if event <= when:
                heapq.heappop(self._events)[2]()
            for peer in self.peers:
                deadline = peer.agent.deadline
                if deadline is not None and deadline <= self.now:
                    peer.agent.tick(self.now)
            self.drain()

    # Streams

    def _open(self, peer: Peer, order: OpenStream) -> None:
        self.opened.append((self.now, order))
        wire = self.wires[order.base] = Wire(peer, order.base, order.destination)
        self.at(self.now + self.delay, lambda: self._accept(wire, 50000 + len(self.opened)))

    def _accept(self, wire: Wire, port: int) -> None:
        """It reaches the other side; who listens there knows of it when it comes to use."""
        if self.swallows(wire):
            self.at(
                self.now + CONNECT_TIMEOUT - self.delay, lambda: self._refuse(wire, "no connection in 10 s")
            )
            return
        for peer in self.peers:
            for base in peer.bases:
                if base.protocol == "tcp" and (base.address, base.port) == wire.remote:
                    seen = wire.peer.nat.public if wire.peer.nat is not None else wire.base.address
                    mine = Base(base.address, base.port, "tcp")
                    wire.other = self.wires[mine] = Wire(peer, mine, (seen, port), wire)
        self.at(self.now + self.delay, lambda: self._opened(wire))

    def _opened(self, wire: Wire) -> None:
        if self.wires.get(wire.base) is not wire:
            return
        if wire.other is None:
            self._refuse(wire, "connection refused")
        else:
            wire.peer.agent.stream_opened(wire.base, self.now)

    def _refuse(self, wire: Wire, reason: str) -> None:
        if self.wires.pop(wire.base, None) is not None:
            wire.peer.agent.stream_closed(wire.base, reason, self.now)

    def _write(self, transmit: Transmit) -> None:
        wire = self.wires.get(transmit.base)
        if wire is None or wire.other is None or self.swallows(wire):
            return
        other = wire.other
        self.at(self.now + self.delay, lambda: self._read(other, transmit.data))

    def _read(self, wire: Wire, data: bytes) -> None:
        if wire.base in self.wires:
            wire.peer.datagram_received(data, wire.remote, wire.base, self.now)

    def close(self, base: Base) -> None:
        """End a connection from this end; the other one hears of it."""
        wire = self.wires.pop(base, None)
        if wire is not None and wire.other is not None and not self.swallows(wire):
            self.at(self.now + self.delay, partial(self._closed, wire.other))

    def _closed(self, wire: Wire) -> None:
        if self.wires.pop(wire.base, None) is not None:
            wire.peer.agent.stream_closed(wire.base, "closed by the other end", self.now)

    def requests(self, sender: Peer, destination: Address | None = None) -> list[Packet]:
        """The checks that somebody sent."""
        return [
            p
            for p in self.packets
            if p.sender is sender and p.is_request and destination in (None, p.destination)
        ]

    def _send(self, peer: Peer, transmit: Transmit) -> None:
        assert transmit.base in peer.bases
        source = (transmit.base.address, transmit.base.port)
        if peer.nat is not None and not _private(transmit.destination, peer):
            source = peer.nat.outgoing(transmit.base, transmit.destination)
        packet = Packet(self.now, peer, transmit.base, source, transmit.destination, transmit.data)
        self.packets.append(packet)
        if not self.drop(packet):
            self.at(self.now + self.delay, lambda: self._arrive(packet))

    def _arrive(self, packet: Packet) -> None:
        for peer in self.peers:
            base = _base_at(peer, packet)
            if base is not None:
                peer.datagram_received(packet.data, packet.source, base, self.now)
                return


def _private(destination: Address, peer: Peer) -> bool:
    return any(destination == (base.address, base.port) for base in peer.bases)


def _base_at(peer: Peer, packet: Packet) -> Base | None:
    if peer.nat is not None:
        return peer.nat.incoming(packet.source, packet.destination)
    for base in peer.bases:
        if (base.address, base.port) == packet.destination:
            return base
    return None


@dataclass
class Place:
    """Where a peer lives: its bases, its NAT, its local candidates."""

    bases: list[Base]
    nat: Nat | None = None

    @property
    def candidates(self) -> list[LocalCandidate]:
        """Host candidates, and what a STUN server would see through the NAT."""
        ranks = [sum(b.is_ipv6 == base.is_ipv6 for b in self.bases[:i]) for i, base in enumerate(self.bases)]
        ranked = [
            (rank, base) for rank, base in zip(ranks, self.bases, strict=True) if base.protocol == "udp"
        ]
        found = [host(base, rank) for rank, base in ranked]
        found += [stream(base) for base in self.bases if base.protocol == "tcp"]
        if self.nat is not None:
            for rank, base in ranked:
                found.append(srflx(base, self.nat.outgoing(base, ("192.0.2.250", 3478)), rank))
        return found


def public(*addresses: str, port: int = 4000) -> Place:
    """A place without a NAT."""
    return Place([Base(address, port) for address in addresses])


def with_streams(address: str, port: int = 4000, *, nat: Nat | None = None) -> Place:
    """A place with UDP and TCP at one address."""
    bases = [Base(address, port), Base(address, 0, "tcp"), Base(address, 8000, "tcp")]
    return Place(bases, nat)


def behind(nat: Nat, *addresses: str, port: int = 4000) -> Place:
    """A place behind a NAT."""
    return Place([Base(address, port) for address in addresses], nat)


class World:
    """Peer A and peer B, each in its place; `controlling` names who is, "AB" both, "" none."""

    def __init__(
        self,
        a: Place,
        b: Place,
        *,
        controlling: str = "A",
        renomination: bool = True,
        seed: int = 1,
        delay: float = 0.020,
        patience: float = 39.5,
        consent_timeout: float = 5.0,
        end: bool = True,
    ) -> None:
        self.places = {"A": a, "B": b}
        self.a, self.b = (
            Peer(
                name,
                controlling=name in controlling,
                bases=place.bases,
                nat=place.nat,
                seed=seed,
                patience=patience,
                consent_timeout=consent_timeout,
                renomination=renomination,
            )
            for name, place in self.places.items()
        )
        self.link = Link(self.a, self.b, delay=delay)
        for peer in (self.a, self.b):
            for local in self.places[peer.name].candidates:
                peer.agent.add_local(local, 0.0)
            if end:
                peer.agent.end_local(0.0)

    def introduce(self, a: float = 0.0, b: float = 0.0, *, end: bool = True) -> "World":
        """Tell A about B at one time and B about A at another."""
        for peer, other, when in ((self.a, self.b, a), (self.b, self.a, b)):
            locals = self.places[other.name].candidates
            self.link.at(when, partial(introduce, peer, other, locals, when, end=end))
        return self

    def run(self, until: float) -> "World":
        """Let time pass."""
        self.link.run(until)
        return self


def introduce(peer: Peer, other: Peer, locals: list[LocalCandidate], now: float, *, end: bool = True) -> None:
    """Tell a peer all about the other at once, as one message of signaling does."""
    peer.agent.set_remote(other.credentials, now)
    for local in locals:
        peer.agent.add_remote(local.candidate, now)
    if end:
        peer.agent.end_remote(now)
