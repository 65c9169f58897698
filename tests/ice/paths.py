"""One path between two agents or two, or two from an agent whose peer is played by the test."""

from collections.abc import Callable

from tests.ice.link import HOST, Packet, Peer, World, candidate, host, public, with_streams
from warren.ice import stun
from warren.ice.outputs import AgentOutput, ConsentLost, PairSelected, Recovered, Suspected
from warren.ice.transport import Base, Transmit

__all__ = [
    "A1", "A2", "B1", "B2", "D", "Rig",
    "asks", "crossing", "cut", "kinds", "one_path", "over_tcp", "path", "two_paths",
]  # fmt: skip

A1, A2, B1, B2 = "10.0.0.1", "10.0.1.1", "10.1.0.1", "10.1.1.1"
D = 0.020


def one_path(*, controlling: str = "A", consent_timeout: float = 5.0) -> World:
    world = World(public(A1), public(B1), controlling=controlling, delay=D, consent_timeout=consent_timeout)
    return world.introduce().run(1.0)


def two_paths(*, controlling: str = "A", renomination: bool = True) -> World:
    """Between A1 and B1, or A2 and B2; the first is better."""
    world = World(public(A1, A2), public(B1, B2), controlling=controlling, renomination=renomination, delay=D)
    world.link.drop = crossing
    return world.introduce().run(1.0)


def over_tcp() -> World:
    world = World(with_streams(A1), with_streams(B1), delay=D)
    world.link.drop = lambda packet: packet.base.protocol == "udp"
    return world.introduce().run(2.0)


def crossing(packet: Packet) -> bool:
    return (packet.base.address, packet.destination[0]) not in {(A1, B1), (B1, A1), (A2, B2), (B2, A2)}


def cut(*addresses: str) -> Callable[[Packet], bool]:
    """Lose everything from these addresses, and what crosses."""
    return lambda packet: packet.base.address in addresses or crossing(packet)


def path(peer: Peer) -> tuple[str, str] | None:
    route = peer.agent.route
    return None if route is None else (route.base.address, route.destination[0])


def kinds(peer: Peer) -> list[type[AgentOutput]]:
    """What was told of the path, in order."""
    told = (Suspected, Recovered, PairSelected, ConsentLost)
    return [type(output) for _, output in peer.told if isinstance(output, told)]


def asks(world: World, peer: Peer, other: Peer, number: int, now: float) -> list[str]:
    """Let a check of the other arrive over one of two paths; returns from where we ask soon after."""
    world.run(now)
    base, source = peer.bases[number], other.bases[number]
    peer.check(other, base, (source.address, source.port), now)
    world.run(now + 0.01)
    return [packet.base.address for packet in world.link.requests(peer) if packet.now >= now]


class Rig:
    """One agent with two bases; the test answers its checks."""

    def __init__(self, *, controlling: bool = True, renomination: bool = True) -> None:
        self.them = Peer("B", controlling=not controlling, bases=[Base(B1, 4000)])
        self.bases = [Base(A1, 4000), Base(A2, 4000)]
        self.peer = Peer("A", controlling=controlling, bases=self.bases, renomination=renomination)
        self.agent = self.peer.agent
        for index, base in enumerate(self.bases):
            self.agent.add_local(host(base, index), 0.0)
        self.agent.set_remote(self.them.credentials, 0.0)
        self.agent.add_remote(candidate(HOST, B1, 4000), 0.0)
        self.first, self.second = self.sent()

    def sent(self) -> list[Transmit]:
        """The checks sent since the last look."""
        outputs = [output for output in self.agent.outputs() if isinstance(output, Transmit)]
        return [each for each in outputs if stun.parse(each.data).cls is stun.Class.REQUEST]

    def answer(self, check: Transmit, now: float = 0.1) -> None:
        request = stun.parse(check.data)
        source = (check.base.address, check.base.port)
        response = stun.success(request, source, stun.prepare_key(self.them.credentials.pwd))
        self.peer.respond(response, (B1, 4000), check.base, now)

    def check(self, base: Base, nomination: int | None = None, now: float = 0.1) -> None:
        self.peer.check(self.them, base, (B1, 4000), now, nomination=nomination)

    @property
    def selected(self) -> str | None:
        selected = self.agent.selected
        return None if selected is None else selected.local.address

    @property
    def route(self) -> str | None:
        return None if self.agent.route is None else self.agent.route.base.address

    def reasons(self) -> list[str]:
        return [output.reason for output in self.agent.outputs() if isinstance(output, PairSelected)]
