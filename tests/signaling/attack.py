"""Hostile backends: who sees all says it again, to others and from others, and makes noise without end."""

import asyncio
import base64
import socket
import struct
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Final
from urllib.parse import urlsplit

import nats
from nats.aio.msg import Msg

from tests.kube.installed import install, write_mailbox
from tests.kube.server import KubeServer, kube_server
from tests.places import PLACES
from tests.signaling.cunicu_server import CunicuServer
from warren import wire
from warren.envelope import Envelope, EnvelopeError, Sealer
from warren.keys import PrivateKey, PublicKey
from warren.messages import Credentials, Message, SessionDescription
from warren.signaling.kubernetes_mailbox import MAX_ENTRIES, Entry, Mailbox, collection_path

__all__ = ["HOSTILE", "Attack", "OpenHostile"]

REMEMBERED: Final = 1000
PAUSE: Final = 0.01
TOGETHER: Final = 8
"""How many lies a tenant of a namespace writes at once."""

Say = Callable[[bytes, bytes], Awaitable[None]]
"""Let those who subscribe to a key have these bytes."""


class Attack:
    """What is made of the envelopes that are overheard, over and over, until it is cancelled."""

    def __init__(self, url: str, say: Say) -> None:
        self.url = url
        self._say = say
        self._overheard: deque[bytes] = deque(maxlen=REMEMBERED)
        self._dice = Random(7)
        self._stranger = PrivateKey(self._dice.randbytes(32))
        self._sealer = Sealer(self._stranger, random_bytes=self._dice.randbytes)

    def overhear(self, data: bytes) -> None:
        """Learn what somebody said to somebody."""
        try:
            Envelope.parse(data)
        except EnvelopeError:
            return  # A part of one, or noise.
        self._overheard.append(data)

    async def run(self) -> None:
        """Go on for ever."""
        while True:
            if self._overheard:
                for key, data in self._lies(self._dice.choice(self._overheard)):
                    await self._say(key, data)
            await asyncio.sleep(PAUSE)

    def _lies(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        dice, stranger = self._dice, self._stranger.public
        sender, recipient, body, nonce = wire.decode_envelope(data)
        yield recipient, data
        yield sender, data
        yield sender, wire.encode_envelope(recipient, sender, body, nonce)
        yield recipient, wire.encode_envelope(stranger.raw, recipient, body, nonce)
        yield recipient, wire.encode_envelope(sender, recipient, body, dice.randbytes(24))
        yield recipient, wire.encode_envelope(sender, recipient, dice.randbytes(len(body)), nonce)
        yield recipient, self._call(PublicKey(recipient))
        yield recipient, dice.randbytes(dice.randrange(1000))

    def _call(self, victim: PublicKey) -> bytes:
        """Say what somebody says who wants a session, in our own name."""
        description = SessionDescription(
            sender=self._stranger.public, recipient=victim, session_id=self._dice.randrange(1, 1 << 64)
        )
        message = Message(credentials=Credentials("ufrag", "p" * 32), session=description)
        return self._sealer.seal(victim, message).serialize()


OpenHostile = Callable[[], AbstractAsyncContextManager[Attack]]


@asynccontextmanager
async def going_on(attack: Attack) -> AsyncIterator[Attack]:
    """Attack until the context is left."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(attack.run())
        yield attack
        task.cancel()


@asynccontextmanager
async def hostile_grpc() -> AsyncIterator[Attack]:
    """A server that takes every envelope, passes none on as it should, and all to all as it likes."""
    async with CunicuServer() as server:

        async def say(_: bytes, data: bytes) -> None:
            server.send_all(data)

        attack = Attack(server.url, say)
        server.overhear, server.deaf = attack.overhear, True
        async with going_on(attack):
            yield attack


@asynccontextmanager
async def hostile_nats() -> AsyncIterator[Attack]:
    """A server on which somebody may read and write every subject."""
    async with PLACES["nats"][0]() as place:
        client = await nats.connect(place.url, no_echo=True)

        async def say(key: bytes, data: bytes) -> None:
            await client.publish(f"warren.v1.{key.hex()}", data)

        async def overhear(message: Msg) -> None:
            attack.overhear(message.data)

        attack = Attack(place.url, say)
        await client.subscribe("warren.v1.>", cb=overhear)
        try:
            async with going_on(attack):
                yield attack
        finally:
            await client.close()


@asynccontextmanager
async def hostile_multicast() -> AsyncIterator[Attack]:
    """A group in which somebody else is too."""
    async with PLACES["multicast"][0]() as place:
        group, port = urlsplit(place.url).hostname, urlsplit(place.url).port
        assert group is not None
        assert port is not None
        loop, lo = asyncio.get_running_loop(), socket.inet_aton("127.0.0.1")
        with socket.socket(type=socket.SOCK_DGRAM) as ear, socket.socket(type=socket.SOCK_DGRAM) as mouth:
            ear.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            ear.bind((group, port))
            ear.setsockopt(
                socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, struct.pack("4s4s", socket.inet_aton(group), lo)
            )
            mouth.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, lo)
            mouth.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 0)
            mouth.bind(("127.0.0.1", 0))
            for one in (ear, mouth):
                one.setblocking(False)

            async def say(_: bytes, data: bytes) -> None:
                await loop.sock_sendto(mouth, data, (group, port))

            def overhear() -> None:
                data, source = ear.recvfrom(65536)
                if source != mouth.getsockname():
                    attack.overhear(data)

            attack = Attack(place.url, say)
            loop.add_reader(ear, overhear)
            try:
                async with going_on(attack):
                    yield attack
            finally:
                loop.remove_reader(ear)


@asynccontextmanager
async def hostile_kubernetes() -> AsyncIterator[Attack]:
    """A namespace in which somebody else has the rights of a peer, and writes into everybody's mailboxes."""
    with TemporaryDirectory() as folder, kube_server(Path(folder)) as kube:
        namespace = kube.make_namespace()
        install(kube, namespace)
        tenant = Tenant(kube, namespace)
        attack = Attack(f"k8s://{kube.kubeconfig('alice', namespace)}", tenant.say)
        async with going_on(attack), asyncio.TaskGroup() as group:
            listening = group.create_task(tenant.listen(attack.overhear))
            yield attack
            listening.cancel()


class Tenant:
    """Reads all mailboxes of a namespace, and fills them, as any peer may."""

    def __init__(self, kube: KubeServer, namespace: str) -> None:
        self._kube = kube
        self._namespace = namespace
        self._boxes: dict[tuple[bytes, bytes], deque[Entry]] = {}
        """What we have put into them, by sender and recipient."""
        self._touched: set[tuple[bytes, bytes]] = set()
        self._said: set[str] = set()
        self._count = 0

    async def say(self, key: bytes, data: bytes) -> None:
        """Put it where the recipient looks; what is said together is written together."""
        try:
            envelope = Envelope.parse(data)
        except EnvelopeError:  # Noise; some of it can be read, and names nobody.
            sender, recipient = key, key
        else:
            sender, recipient = envelope.sender.raw, envelope.recipient.raw
        # What is for somebody else goes into the mailbox of the opposite direction.
        pair = (sender, recipient) if key == recipient else (recipient, sender)
        self._count += 1
        text = base64.b64encode(data).decode()
        self._said.add(text)
        self._boxes.setdefault(pair, deque(maxlen=MAX_ENTRIES)).append(Entry(self._count, text))
        self._touched.add(pair)
        if self._count % TOGETHER == 0:
            await asyncio.to_thread(self._write)

    async def listen(self, overhear: Callable[[bytes], None]) -> None:
        """Go on reading what others write."""
        while True:
            for text in await asyncio.to_thread(self._read):
                if text not in self._said:
                    overhear(base64.b64decode(text))
            await asyncio.sleep(5 * PAUSE)

    def _write(self) -> None:
        for pair in self._touched:
            sender, recipient = map(PublicKey, pair)
            write_mailbox(
                self._kube,
                self._namespace,
                Mailbox(sender, recipient, tuple(self._boxes[pair])),
                user="bob",
            )
        self._touched.clear()

    def _read(self) -> list[str]:
        found = self._kube.request("GET", collection_path(self._namespace), user="bob").body["items"]
        return [entry.text for document in found for entry in Mailbox.parse(document).entries]


HOSTILE: Final[Mapping[str, OpenHostile]] = {
    "grpc": hostile_grpc,
    "k8s": hostile_kubernetes,
    "multicast": hostile_multicast,
    "nats": hostile_nats,
}
"""Backends on which somebody does what he can."""
