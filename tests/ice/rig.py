"""One agent whose peer is played by the test, or by another agent at the same addresses."""

from tests.ice.link import HOST, Peer, World, candidate, host, public
from warren.ice import stun
from warren.ice.transport import Address, Base, Transmit

__all__ = [
    "BASE", "OTHER", "SOURCE", "THEM", "A", "B", "D", "Rig",
    "alone", "answers", "checks", "connected", "describe", "other", "packets", "together",
]  # fmt: skip

A, B = "10.0.0.1", "10.1.0.1"
BASE, OTHER = Base(A, 4000), Base("10.0.1.1", 4000)
SOURCE = (B, 4000)
D = 0.020  # One way between the peers.


def together(*, controlling: str = "A", renomination: bool = True) -> World:
    return World(public(A), public(B), controlling=controlling, renomination=renomination, delay=D)


def alone(*, controlling: bool = True, tie_breaker: int = 50, renomination: bool = True) -> Peer:
    """One agent with a host candidate that has heard of nobody."""
    peer = Peer(
        "A", controlling=controlling, bases=[BASE], tie_breaker=tie_breaker, renomination=renomination
    )
    peer.agent.add_local(host(BASE), 0.0)
    return peer


def other() -> Peer:
    return Peer("B", controlling=False, bases=[Base(*SOURCE)])


THEM = other()


def describe(peer: Peer, now: float = 0.0) -> None:
    peer.agent.set_remote(other().credentials, now)
    peer.agent.add_remote(candidate(HOST, *SOURCE), now)


def packets(peer: Peer) -> list[stun.Stun]:
    """What the agent wants to send now."""
    return [stun.parse(each.data) for each in peer.agent.outputs() if isinstance(each, Transmit)]


def answers(peer: Peer) -> list[stun.Stun]:
    return [packet for packet in packets(peer) if packet.cls is not stun.Class.REQUEST]


def checks(peer: Peer) -> list[stun.Stun]:
    return [packet for packet in packets(peer) if packet.cls is stun.Class.REQUEST]


class Rig:
    """One agent whose peer is played by the test."""

    def __init__(
        self,
        *,
        controlling: bool = True,
        renomination: bool = True,
        bases: tuple[Base, ...] = (BASE,),
        end: bool = False,
        patience: float = 39.5,
    ) -> None:
        self.peer = Peer(
            "A", controlling=controlling, bases=list(bases), renomination=renomination, patience=patience
        )
        self.agent = self.peer.agent
        for index, base in enumerate(bases):
            self.agent.add_local(host(base, index), 0.0)
        if end:
            self.agent.end_local(0.0)

    def describe(self, *ports: int, end: bool = False, now: float = 0.0) -> "Rig":
        self.agent.set_remote(THEM.credentials, now)
        for index, port in enumerate(ports):
            self.agent.add_remote(candidate(HOST, B, port, index), now)
        if end:
            self.agent.end_remote(now)
        return self

    def check(self, source: Address = SOURCE, now: float = 0.1, **how: object) -> None:
        """Let a check of the peer come."""
        self.peer.check(THEM, BASE, source, now, **how)  # type: ignore[arg-type]  # passed on as they are

    def outputs(self, kind: type) -> list[object]:
        return [output for output in self.agent.outputs() if isinstance(output, kind)]

    def sent(self) -> list[tuple[Address, stun.Stun]]:
        """The checks sent since the last look."""
        all = [output for output in self.agent.outputs() if isinstance(output, Transmit)]
        packets = [(output.destination, stun.parse(output.data)) for output in all]
        return [(to, packet) for to, packet in packets if packet.cls is stun.Class.REQUEST]

    def respond(
        self,
        request: stun.Stun,
        *,
        now: float = 0.1,
        source: Address = SOURCE,
        base: Base = BASE,
        mapped: Address = (A, 4000),
        error: tuple[int, str] | None = None,
        raw: bytes | None = None,
    ) -> None:
        key = stun.prepare_key(THEM.credentials.pwd)
        data = raw or (stun.error(request, *error, key) if error else stun.success(request, mapped, key))
        self.peer.respond(data, source, base, now)

    def pass_time(self, until: float) -> list[float]:
        """Let timers run; returns when checks were sent."""
        times = []
        while (now := self.agent.deadline) is not None and now <= until:
            self.agent.tick(now)
            times += [now] * len(self.sent())
        return times

    def states(self) -> list[str]:
        return [report.state for report in self.agent.pair_reports()]


def connected(*ports: int, **how: object) -> Rig:
    """A controlling agent whose first pair was answered, its nomination too."""
    rig = Rig(**how).describe(*(ports or (4000,)))  # type: ignore[arg-type]  # passed on as they are
    for _, request in rig.sent():
        if request is not None:
            rig.respond(request)
            break
    for to, request in rig.sent():
        if request.use_candidate:
            rig.respond(request, source=to)
    rig.agent.outputs()
    return rig
