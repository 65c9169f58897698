"""A network in one process: hosts, realms behind NATs, cuts; seeded, so runs are the same to the byte."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from warren.ice.transport import Address
from warren.sansio import Dice
from warren.testing.host import SimHost
from warren.testing.link import Link
from warren.testing.nat import Nat, NatKind

__all__ = ["Packet", "Realm", "SimNetwork", "SimRouter"]


@dataclass(frozen=True, slots=True)
class Packet:
    """What the network did with one datagram: `fate` is "delivered" or why not."""

    time: float
    sender: str
    source: Address
    destination: Address
    data: bytes
    fate: str


class Realm:
    """Addresses that reach one another: the internet, or the inside of a router."""

    def __init__(self, name: str, gateway: "SimRouter | None" = None) -> None:
        self.name = name
        self.gateway = gateway
        self.members: dict[str, SimHost | SimRouter] = {}


class SimRouter:
    """A NAT between an inside realm and an outer one, which may be the inside of another."""

    def __init__(self, name: str, nat: Nat, outer: Realm) -> None:
        self.name = name
        self.nat = nat
        self.outer = outer
        self.inside = Realm(f"inside {name}", self)
        outer.members[nat.address] = self

    def rebind(self, address: str | None = None) -> None:
        """Forget all mappings; with `address`, get another outside address too.

        Raises:
            ValueError: somebody else has the address.
        """
        if address is not None and self.outer.members.get(address, self) is not self:
            raise ValueError(f"{address} is taken in {self.outer.name}")
        del self.outer.members[self.nat.address]
        self.nat.rebind(address)
        self.outer.members[self.nat.address] = self


class SimNetwork:
    """The whole network; everything that is left to chance comes from `dice`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, dice: Dice) -> None:
        self.loop = loop
        self.internet = Realm("internet")
        self.names: dict[str, list[str]] = {}
        """Addresses by host name, for `SimHost.resolve`."""
        self.fates: Counter[str] = Counter()
        """What became of all datagrams."""
        self.watch: Callable[[Packet], None] | None = None
        """Told of each datagram when its fate is known."""
        self._dice = dice
        self._hosts: dict[str, SimHost] = {}
        self._cut: dict[tuple[str, str], None] = {}
        self._digest = hashlib.blake2b(digest_size=16)

    @property
    def digest(self) -> str:
        """Sum up everything that happened so far: equal only for runs that were equal to the byte."""
        return self._digest.hexdigest()

    def host(
        self, name: str, *addresses: str, realm: Realm | None = None, link: Link | None = None
    ) -> SimHost:
        """Add a host with these addresses in a realm (the internet by default) on the interface `eth0`."""
        if name in self._hosts:
            raise ValueError(f"there is a host {name} already")
        host = self._hosts[name] = SimHost(self, name, link or Link(), self._dice)
        for address in addresses:
            host.attach(address, realm)
        return host

    def router(
        self, name: str, kind: NatKind, address: str, *, outer: Realm | None = None, timeout: float = 120.0,
        hairpin: bool = False, preserve_ports: bool = True,
    ) -> SimRouter:  # fmt: skip
        """Add a NAT with this outside address in `outer` (the internet by default); see `Nat`."""
        nat = Nat(kind, address, self._dice, timeout=timeout, hairpin=hairpin, preserve_ports=preserve_ports)
        return SimRouter(name, nat, outer or self.internet)

    def cut(self, one: SimHost, other: SimHost) -> None:
        """Let nothing pass between two hosts, in either direction."""
        self._cut[one.name, other.name] = self._cut[other.name, one.name] = None

    def mend(self, one: SimHost, other: SimHost) -> None:
        """Undo `cut`."""
        for pair in ((one.name, other.name), (other.name, one.name)):
            self._cut.pop(pair, None)

    def note(self, event: bytes) -> None:
        """Enter something that happened outside the network into the digest."""
        self._digest.update(event)

    def send(self, sender: SimHost, source: Address, destination: Address, data: bytes) -> None:
        """Take a datagram from a host's socket: up through its routers, over the links, and down again."""
        now, realm = self.loop.time(), sender.realms[source[0]]
        origin = source
        while (member := realm.members.get(destination[0])) is None:
            router = realm.gateway
            if router is None or ":" in destination[0]:
                return self._end(sender, origin, destination, data, "no route")
            source, realm = router.nat.outbound(source, destination, now), router.outer
            if destination[0] == router.nat.address and not router.nat.hairpin:
                return self._end(sender, origin, destination, data, "no hairpin")
        times = [now] if member is sender else sender.out.draw(now)
        if not times:
            return self._end(sender, origin, destination, data, "lost")
        for time in times:
            self.loop.call_at(time, self._arrive, sender, member, source, destination, data)

    def forge(self, sender: SimHost, source: Address, destination: Address, data: bytes) -> None:
        """Send a datagram with a false source to an address on the internet."""
        if (member := self.internet.members.get(destination[0])) is None:
            return self._end(sender, source, destination, data, "no route")
        self.loop.call_soon(self._arrive, sender, member, source, destination, data)

    def _arrive(
        self,
        sender: SimHost,
        member: SimHost | SimRouter,
        source: Address,
        destination: Address,
        data: bytes,
    ) -> None:
        now, outside = self.loop.time(), destination
        while isinstance(member, SimRouter):
            inside = member.nat.inbound(source, destination, now)
            if inside is None or destination[0] != member.nat.address:
                return self._end(sender, source, outside, data, "filtered")
            following = member.inside.members.get(inside[0])
            if following is None:
                return self._end(sender, source, outside, data, "no host")
            member, destination = following, inside
        if (sender.name, member.name) in self._cut:
            return self._end(sender, source, outside, data, "cut")
        times = [now] if member is sender else member.into.draw(now)
        if not times:
            return self._end(sender, source, outside, data, "lost")
        for time in times:
            self.loop.call_at(time, self._deliver, sender, member, source, destination, data)

    def _deliver(
        self, sender: SimHost, host: SimHost, source: Address, destination: Address, data: bytes
    ) -> None:
        socket = host.sockets.get(destination)
        self._end(sender, source, destination, data, "delivered" if socket else "no socket")
        if socket is not None:
            socket.received(data, source)

    def _end(self, sender: SimHost, source: Address, destination: Address, data: bytes, fate: str) -> None:
        self.fates[fate] += 1
        now = self.loop.time()
        self._digest.update(f"{now!r} {source} {destination} {fate} ".encode())
        self._digest.update(data)
        if self.watch is not None:
            self.watch(Packet(now, sender.name, source, destination, data, fate))
