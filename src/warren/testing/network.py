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
from warren.testing.nat import Nat, NatKind, Protocol

__all__ = ["Packet", "Realm", "SimNetwork", "SimRouter"]


@dataclass(frozen=True, slots=True)
class Packet:
    """What the network did with one datagram or segment: `fate` is "delivered" or why not."""

    time: float
    sender: str
    source: Address
    destination: Address
    data: bytes
    fate: str
    protocol: Protocol = "udp"


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

    def cut(self, one: SimHost, other: SimHost, *, back: bool = True) -> None:
        """Let nothing pass from one host to another, nor `back`."""
        self._cut[one.name, other.name] = None
        if back:
            self._cut[other.name, one.name] = None

    def mend(self, one: SimHost, other: SimHost) -> None:
        """Undo `cut`."""
        for pair in ((one.name, other.name), (other.name, one.name)):
            self._cut.pop(pair, None)

    def note(self, event: bytes) -> None:
        """Enter something that happened outside the network into the digest."""
        self._digest.update(event)

    def send(
        self,
        sender: SimHost,
        source: Address,
        destination: Address,
        data: bytes,
        protocol: Protocol = "udp",
    ) -> None:
        """Take a packet from a host: up through its routers, over the links, and down again."""
        now, realm = self.loop.time(), sender.realms[source[0]]
        trip = _Trip(sender, source, destination, data, protocol)
        while (member := realm.members.get(destination[0])) is None:
            router = realm.gateway
            if router is None or ":" in destination[0]:
                return self._end(trip, "no route")
            source, realm = router.nat.outbound(source, destination, now, protocol), router.outer
            if destination[0] == router.nat.address and not router.nat.hairpin:
                return self._end(trip, "no hairpin")
        if protocol == "udp" and not sender.link.udp and member is not sender:
            return self._end(trip, "udp blocked")
        times = [now] if member is sender else sender.out.draw(now)
        if not times:
            return self._end(trip, "lost")
        trip.seen = source
        for time in times:
            self.loop.call_at(time, self._arrive, trip, member)
        return None

    def forge(self, sender: SimHost, source: Address, destination: Address, data: bytes) -> None:
        """Send a datagram with a false source to an address on the internet."""
        trip = _Trip(sender, source, destination, data, "udp")
        if (member := self.internet.members.get(destination[0])) is None:
            return self._end(trip, "no route")
        self.loop.call_soon(self._arrive, trip, member)
        return None

    def _arrive(self, trip: "_Trip", member: SimHost | SimRouter) -> None:
        now, destination = self.loop.time(), trip.destination
        while isinstance(member, SimRouter):
            inside = member.nat.inbound(trip.seen, destination, now, trip.protocol)
            if inside is None or destination[0] != member.nat.address:
                return self._end(trip, "filtered")
            following = member.inside.members.get(inside[0])
            if following is None:
                return self._end(trip, "no host")
            member, destination = following, inside
        if (trip.sender.name, member.name) in self._cut:
            return self._end(trip, "cut")
        if trip.protocol == "udp" and not member.link.udp and member is not trip.sender:
            return self._end(trip, "udp blocked")
        times = [now] if member is trip.sender else member.into.draw(now)
        if not times:
            return self._end(trip, "lost")
        for time in times:
            self.loop.call_at(time, self._deliver, trip, member, destination)
        return None

    def _deliver(self, trip: "_Trip", host: SimHost, local: Address) -> None:
        if trip.protocol == "tcp":
            wanted = (local, trip.seen) in host.streams or local in host.listeners
            self._end(trip, "delivered" if wanted else "no socket", local)
            host.segment_received(local, trip.seen, trip.data)
            return
        socket = host.sockets.get(local)
        self._end(trip, "delivered" if socket else "no socket", local)
        if socket is not None:
            socket.received(trip.data, trip.seen)

    def _end(self, trip: "_Trip", fate: str, local: Address | None = None) -> None:
        self.fates[fate] += 1
        now, source, destination = self.loop.time(), trip.seen, local or trip.destination
        self._digest.update(f"{now!r} {source} {destination} {fate} ".encode())
        self._digest.update(trip.data)
        if self.watch is not None:
            self.watch(Packet(now, trip.sender.name, source, destination, trip.data, fate, trip.protocol))


class _Trip:
    """A packet on its way."""

    __slots__ = ("data", "destination", "protocol", "seen", "sender")

    def __init__(
        self, sender: SimHost, source: Address, destination: Address, data: bytes, protocol: Protocol
    ) -> None:
        self.sender = sender
        self.seen = source
        """Where it comes from as those see it whom it has reached."""
        self.destination = destination
        self.data = data
        self.protocol = protocol
