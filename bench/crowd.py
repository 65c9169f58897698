"""The peers of one node, all in one process: what `bench.many` connects to.

Run as `python -m bench.crowd SEED COUNT` with a stream of envelopes as standard input. Each peer takes the
call of the node when it comes, and is a whole node but for its socket: all share one, which takes packets for
every address of 127.1.0.0/16 and knows by IP_PKTINFO which of them a packet was for, so that to the node each
peer has an address of its own. What a peer sends to one address at one time goes out as one, as from a real
node.
"""

import asyncio
import contextlib
import heapq
import itertools
import random
import socket
import sys
from collections.abc import Iterator
from typing import Final

import uvloop

from bench.pipe import Pipe
from warren.aio.driver import Driver
from warren.envelope import Envelope, Sealer
from warren.ice.transport import Address, Base, Transmit
from warren.keys import PrivateKey, PublicKey
from warren.session.config import Config
from warren.session.node import CallReceived, NodeMachine, NodeOutput, PublishTo

__all__ = ["addresses", "keys"]

CONFIG: Final = Config(loopback=True)
BUFFER: Final = 4 * 1024 * 1024
BURST: Final = 256
IP_PKTINFO: Final = 8  # include/uapi/linux/in.h; Python 3.11 does not name it.
UDP_SEGMENT: Final = 103  # include/uapi/linux/udp.h; the same.


def keys(seed: int, count: int) -> list[PrivateKey]:
    """The keys of the peers; the same on both ends of the pipe."""
    dice = random.Random(seed)
    return [PrivateKey(dice.randbytes(32)) for _ in range(count)]


def addresses() -> Iterator[str]:
    """An address of loopback for each peer."""
    return (f"127.1.{high}.{low}" for high in range(256) for low in range(1, 255))


class Peer:
    """One node, which takes every call."""

    __slots__ = ("armed", "base", "machine", "sealer")

    def __init__(self, key: PrivateKey, base: Base, dice: random.Random) -> None:
        self.base = base
        self.machine = NodeMachine(ours=key.public, dice=dice, config=CONFIG)
        self.machine.listening = True
        self.sealer = Sealer(key, random_bytes=dice.randbytes)
        self.armed: float | None = None
        """When its next timer is due, as far as the crowd knows."""


Output = tuple[Peer, NodeOutput]


class Peers:
    """All of them as one machine."""

    def __init__(self) -> None:
        self._outputs: list[Output] = []
        self._timers: list[tuple[float, int, Peer]] = []
        self._numbers = itertools.count()

    @property
    def deadline(self) -> float | None:
        """When the first of them wants to be called."""
        return self._timers[0][0] if self._timers else None

    def tick(self, now: float) -> None:
        """Call those whose time has come."""
        for _ in range(BURST):
            if not self._timers or self._timers[0][0] > now:
                break
            due, _, peer = heapq.heappop(self._timers)
            if peer.armed == due:
                peer.armed = None
                peer.machine.tick(now)
                self.drain(peer)

    def outputs(self) -> list[Output]:
        """Hand over what is to be done, in order."""
        outputs, self._outputs = self._outputs, []
        return outputs

    def drain(self, peer: Peer) -> None:
        """Take over what one of them has put out."""
        self._outputs += [(peer, output) for output in peer.machine.outputs()]
        due = peer.machine.deadline
        if due is not None and (peer.armed is None or due < peer.armed):
            peer.armed = due
            heapq.heappush(self._timers, (due, next(self._numbers), peer))


class Crowd:
    """Moves bytes and time for all peers; what arrives as data goes back where it came from."""

    def __init__(self, pipe: Pipe, private: list[PrivateKey]) -> None:
        self._loop = asyncio.get_running_loop()
        self._pipe = pipe
        self._sock = _socket()
        self._peers = Peers()
        self._driver = Driver(self._peers, self._perform, self._loop)
        self._by_key: dict[PublicKey, Peer] = {}
        self._by_address: dict[bytes, Peer] = {}
        self._row: list[bytes] = []
        self._row_from: Base | None = None
        self._row_to: Address = ("", 0)
        dice, port, now = random.Random(), self._sock.getsockname()[1], self._loop.time()
        for key, address in zip(private, addresses(), strict=False):
            peer = Peer(key, Base(address, port), dice)
            self._by_key[key.public] = self._by_address[socket.inet_aton(address)] = peer
            peer.machine.add_base(peer.base, now)
            self._peers.drain(peer)
        self._driver.settle()
        self._loop.add_reader(self._sock.fileno(), self._readable)

    async def run(self) -> None:
        """Open what comes through the pipe until it ends."""
        async for data in self._pipe:
            envelope = Envelope.parse(data)
            peer = self._by_key[envelope.recipient]
            message = peer.sealer.open(envelope)
            peer.machine.message_received(envelope.sender, message, self._loop.time())
            self._peers.drain(peer)
            self._driver.settle()

    def _readable(self) -> None:
        for _ in range(BURST):
            try:
                data, control, _, source = self._sock.recvmsg(2048, 64)
            except BlockingIOError:
                break
            peer = self._by_address[control[0][2][8:12]]  # struct in_pktinfo: interface, route, destination.
            if peer.machine.datagram_received(peer.base, source, data, self._loop.time()) is not None:
                self._send(peer.base, source, data)
            self._driver.heard += 1
            self._peers.drain(peer)
        self._driver.settle()
        self._flush()

    def _perform(self, output: Output) -> None:
        match output:
            case _, Transmit(base, destination, data):
                self._send(base, destination, data)
            case peer, PublishTo(recipient, message):
                self._pipe.send(peer.sealer.seal(recipient, message).serialize())
            case peer, CallReceived(caller):
                peer.machine.open(caller, self._loop.time())
                self._peers.drain(peer)
            case _:
                pass

    def _send(self, base: Base, destination: Address, data: bytes) -> None:
        row = self._row
        joins = base is self._row_from and destination == self._row_to
        if not (joins and row and len(data) <= len(row[-1]) == len(row[0])):
            self._flush()
            self._row_from, self._row_to = base, destination
        if not self._row:
            self._loop.call_soon(self._flush)
        self._row.append(data)

    def _flush(self) -> None:
        row, self._row = self._row, []
        if not row or self._row_from is None:
            return
        info = bytes(4) + socket.inet_aton(self._row_from.address) + bytes(4)
        control = [(socket.IPPROTO_IP, IP_PKTINFO, info)]
        if len(row) > 1:
            control.append((socket.IPPROTO_UDP, UDP_SEGMENT, len(row[0]).to_bytes(2, sys.byteorder)))
        with contextlib.suppress(BlockingIOError):  # Full: dropped, as by a network.
            self._sock.sendmsg(row, control, 0, self._row_to)


def _socket() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        sock.setsockopt(socket.SOL_SOCKET, option, BUFFER)
    sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    sock.bind(("0.0.0.0", 0))
    return sock


async def _main() -> None:
    seed, count = int(sys.argv[1]), int(sys.argv[2])
    pipe = await Pipe.over(socket.socket(fileno=0))
    await Crowd(pipe, keys(seed, count)).run()


if __name__ == "__main__":
    uvloop.run(_main())
