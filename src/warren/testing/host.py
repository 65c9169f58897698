"""A machine on the simulated network: addresses, sockets, names; and one that answers as a STUN server."""

import asyncio
import errno
from collections.abc import Callable, Container, Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from warren.aio.network import InterfaceAddress
from warren.aio.stream import CONNECT_TIMEOUT, Accepted, StreamEar
from warren.ice import stun
from warren.ice.transport import Address
from warren.sansio import Dice
from warren.testing.link import Line, Link
from warren.testing.stream import Kind, Segment, SimListener, SimStream

if TYPE_CHECKING:
    from warren.testing.network import Realm, SimNetwork

__all__ = ["SimHost", "SimSocket", "StunServer"]

MAX_DATAGRAM: Final = 65507
FIRST_EPHEMERAL: Final = 32768
EPHEMERAL: Final = 28232

Received = Callable[[bytes, Address], None]


class SimHost:
    """A machine on the network: what `warren.Node(network=…)` stands on."""

    def __init__(self, network: "SimNetwork", name: str, link: Link, dice: Dice) -> None:
        self.name = name
        self.out = Line(link, dice)
        self.into = Line(link, dice)
        self.realms: dict[str, Realm] = {}
        self.sockets: dict[Address, SimSocket] = {}
        self.listeners: dict[Address, SimListener] = {}
        self.streams: dict[tuple[Address, Address], SimStream] = {}
        """By (our end, the other end)."""
        self._network = network
        self._dice = dice
        self._interfaces: list[InterfaceAddress] = []
        self._watchers: list[tuple[Callable[[], None], Callable[[float], None]]] = []

    @property
    def link(self) -> Link:
        """How this host hangs on the network; may be replaced at any time."""
        return self.out.link

    @link.setter
    def link(self, link: Link) -> None:
        self.out.link = self.into.link = link

    def time(self) -> float:
        """Say what time it is on this network."""
        return self._network.loop.time()

    def attach(self, address: str, realm: "Realm | None" = None, interface: str = "eth0") -> None:
        """Add an address in a realm, the internet by default."""
        address = str(ip_address(address))
        realm = realm or self._network.internet
        if address in realm.members:
            raise ValueError(f"{address} is taken in {realm.name}")
        realm.members[address] = self
        self.realms[address] = realm
        self._interfaces.append(InterfaceAddress(interface, address))
        self._tell()

    def detach(self, address: str) -> None:
        """Lose an address: its sockets send and receive nothing any more."""
        del self.realms.pop(address).members[address]
        self.sockets = {local: socket for local, socket in self.sockets.items() if local[0] != address}
        self.listeners = {local: one for local, one in self.listeners.items() if local[0] != address}
        self._interfaces = [item for item in self._interfaces if item.address != address]
        self._tell()

    def sources(self) -> Sequence[str]:
        """Say which address would be used first, of each family."""
        families = {(":" in item.address): item.address for item in reversed(self._interfaces)}
        return tuple(families.values())

    def watch(self, changed: Callable[[], None], slept: Callable[[float], None]) -> Callable[[], None]:
        """Call `changed` after `attach` and `detach`, `slept` after `wake`; the returned function ends it."""
        watcher = (changed, slept)
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)

    def wake(self, seconds: float) -> None:
        """Notice a sleep of so many seconds."""
        for _, slept in list(self._watchers):
            slept(seconds)

    def _tell(self) -> None:
        for changed, _ in list(self._watchers):
            changed()

    def interfaces(self) -> Sequence[InterfaceAddress]:
        """List the addresses in the order in which they were attached."""
        return tuple(self._interfaces)

    async def open_udp(
        self, address: str, port: int, received: Callable[[Sequence[bytes], Address], None]
    ) -> "SimSocket":
        """Bind a socket; port 0 draws a free one.

        Raises:
            OSError: the address is not this host's, or the port is taken.
        """
        return self.bind(address, port, lambda data, source: received([data], source))

    def bind(self, address: str, port: int, received: Received) -> "SimSocket":
        """Bind a socket at once; see `open_udp`."""
        local = self._choose(address, port, self.sockets)
        socket = self.sockets[local] = SimSocket(self, local, received)
        return socket

    def _choose(self, address: str, port: int, taken: Container[Address]) -> Address:
        if address not in self.realms:
            raise OSError(errno.EADDRNOTAVAIL, f"{address} is no address of {self.name}")
        while not port:
            drawn = FIRST_EPHEMERAL + int(self._dice.random() * EPHEMERAL)
            port = drawn if (address, drawn) not in taken else 0
        if (address, port) in taken:
            raise OSError(errno.EADDRINUSE, f"{address} port {port} of {self.name} is taken")
        return address, port

    # Streams

    async def open_stream(
        self, address: str, destination: Address, ear: StreamEar, *, tls: str | None = None
    ) -> SimStream:
        """Connect; takes a round trip. Nothing on this network can be read, so there is no TLS on it.

        Raises:
            OSError: the port is refused, or nothing answers in time.
        """
        local = self._choose(address, 0, {local for local, _ in self.streams} | set(self.listeners))
        stream = self._stream(local, destination)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await asyncio.shield(stream.established)
        except BaseException as error:
            stream.close()
            if isinstance(error, TimeoutError):
                raise TimeoutError(f"no connection in {CONNECT_TIMEOUT:.0f} s") from None
            raise
        stream.ear = ear
        return stream

    async def listen(self, address: str, port: int, accepted: Accepted) -> SimListener:
        """Take connections; port 0 draws a free one.

        Raises:
            OSError: the address is not this host's, or the port is taken.
        """
        local = self._choose(address, port, self.listeners)
        listener = SimListener(local, accepted, lambda local: self.listeners.pop(local, None))
        self.listeners[local] = listener
        return listener

    def segment_received(self, local: Address, source: Address, packet: bytes) -> None:
        """Take a segment; whoever sends what nobody wants is told so."""
        segment = Segment.parse(packet)
        stream = self.streams.get((local, source))
        listener = self.listeners.get(local)
        if stream is None and listener is not None and segment.kind is Kind.SYN:
            stream = self._stream(local, source, listener.accepted)
        if stream is not None:
            stream.take(segment)
        elif segment.kind is not Kind.RESET:
            self._transfer(local, source, Segment(Kind.RESET).pack())

    def _stream(self, local: Address, remote: Address, accepted: Accepted | None = None) -> SimStream:
        stream = SimStream(
            local, remote, transfer=self._transfer, forget=self._forget_stream, accepted=accepted
        )
        self.streams[local, remote] = stream
        return stream

    def _forget_stream(self, stream: SimStream) -> None:
        if self.streams.get((stream.local, stream.remote)) is stream:
            del self.streams[stream.local, stream.remote]

    def _transfer(self, source: Address, destination: Address, packet: bytes) -> None:
        if source[0] in self.realms:
            self._network.send(self, source, destination, packet, "tcp")

    async def resolve(self, host: str, port: int) -> Sequence[Address]:
        """Look a literal or one of the network's `names` up.

        Raises:
            OSError: nobody knows the name.
        """
        await asyncio.sleep(0)
        try:
            return [(str(ip_address(host)), port)]
        except ValueError:
            pass
        if host not in self._network.names:
            raise OSError(f"{host}: name not known")
        return [(address, port) for address in self._network.names[host]]

    def send(self, source: Address, destination: Address, data: bytes) -> None:
        """Give a datagram of one of this host's sockets to the network."""
        self._network.send(self, source, destination, data)


class SimSocket:
    """A bound UDP socket of a simulated host."""

    __slots__ = ("_host", "local", "received")

    def __init__(self, host: SimHost, local: Address, received: Received) -> None:
        self.local = local
        self.received = received
        self._host = host

    def send(self, data: bytes, destination: Address) -> None:
        """Send one datagram.

        Raises:
            ValueError: it is longer than UDP can carry.
        """
        if len(data) > MAX_DATAGRAM:
            raise ValueError(f"a datagram of {len(data)} bytes is too long for UDP")
        if self._host.sockets.get(self.local) is self and (":" in self.local[0]) == (":" in destination[0]):
            self._host.send(self.local, destination, data)

    def flush(self) -> None:
        """Do nothing: what is sent leaves at once."""

    def close(self) -> None:
        """Receive nothing any more and free the port; closing twice is harmless."""
        if self._host.sockets.get(self.local) is self:
            del self._host.sockets[self.local]


class StunServer:
    """Answers Binding requests on one address of a host, as any STUN server does."""

    def __init__(self, host: SimHost, address: str, port: int = 3478) -> None:
        self.answered = 0
        self.silent = False
        """Whether it leaves everything unanswered."""
        self._socket = host.bind(address, port, self._received)

    @property
    def url(self) -> str:
        """Say how a node is told of it."""
        host, port = self._socket.local
        return f"stun:[{host}]:{port}" if ":" in host else f"stun:{host}:{port}"

    def _received(self, data: bytes, source: Address) -> None:
        if self.silent:
            return
        try:
            request = stun.parse(data)
        except stun.StunError:
            return
        if request.method is stun.Method.BINDING and request.cls is stun.Class.REQUEST:
            self.answered += 1
            self._socket.send(stun.success(request, source, None), source)
