"""The server as a process: herds, frozen readers, sudden death, and ending in good order."""

import asyncio
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest
import trustme
from grpc import StatusCode

from tests.server.certificates import issue, trust
from tests.server.client import Ending, Stream, connected, until
from tests.server.http2 import raw_client
from tests.server.keys import envelope, key
from tests.server.process import ServerProcess, signal_process
from warren import wire
from warren.keys import KeyPair, PrivateKey, PublicKey, PublicKeyPair
from warren.messages import Message
from warren.signaling import Backend, Identity, SubscriptionChanged, connect

ALICE = key(1)
BOB = Identity(PrivateKey(bytes(31) + b"\1"))


async def herd(server: ServerProcess, stack: AsyncExitStack, *, connections: int, each: int) -> list[Stream]:
    """Open so many subscriptions at the same moment."""
    clients = [await stack.enter_async_context(connected(server.port)) for _ in range(connections)]
    return [
        client.open(wire.encode_subscribe_params(key(each * number + n)))
        for number, client in enumerate(clients)
        for n in range(each)
    ]


async def test_a_herd_of_5000_is_let_in_and_nobody_is_cancelled() -> None:
    async with signal_process() as server, AsyncExitStack() as stack:
        streams = await herd(server, stack, connections=50, each=100)
        answers = Counter(await asyncio.gather(*(stream.read() for stream in streams)))
        assert answers == {b"": 5000}


async def test_frozen_readers_hold_up_neither_the_publisher_nor_who_reads() -> None:
    async with signal_process() as server, AsyncExitStack() as stack:
        client = await stack.enter_async_context(connected(server.port))
        quick = await client.subscribe(ALICE)
        for _ in range(50):
            frozen = await stack.enter_async_context(raw_client(server.port))
            frozen.subscribe(ALICE)
            await frozen.live()
            frozen.freeze()
        _, ack = await client.prove(BOB, f"127.0.0.1:{server.port}")
        before = resident(server)
        for number in range(200):
            body = number.to_bytes(2, "big") * 4000
            assert await client.publish(ALICE, body, token=ack.token) == 51
            assert await quick.read() == envelope(ALICE, body)
        assert resident(server) - before < 50 * 400 * 1024


def resident(server: ServerProcess) -> int:
    """How many bytes of memory the process has."""
    return int(Path(f"/proc/{server.pid}/statm").read_text().split()[1]) * 4096


# Ending


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_every_stream_with_unavailable_and_then_the_process(
    number: signal.Signals,
) -> None:
    async with signal_process() as server, AsyncExitStack() as stack:
        streams = await herd(server, stack, connections=10, each=100)
        assert {await stream.read() for stream in streams} == {b""}
        server.send(number)
        endings = Counter(await asyncio.gather(*(stream.ending() for stream in streams)))
        assert endings == {Ending(StatusCode.UNAVAILABLE, "the server is shutting down"): 1000}
        assert await server.wait(5) == 0
        assert (await server.until("stopped"))["event"] == "stopped"
        assert {"event": "draining", "subscriptions": 1000} in server.said


async def test_frozen_readers_do_not_keep_the_process_from_ending() -> None:
    async with signal_process() as server, connected(server.port) as client, AsyncExitStack() as stack:
        for _ in range(10):
            frozen = await stack.enter_async_context(raw_client(server.port))
            frozen.subscribe(ALICE)
            await frozen.live()
            frozen.freeze()
        for _ in range(60):
            await client.publish(ALICE, bytes(16_000))
        server.send(signal.SIGTERM)
        assert await server.wait(5) == 0


async def test_an_open_connection_that_does_nothing_does_not_keep_the_process_from_ending() -> None:
    async with signal_process() as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        server.send(signal.SIGTERM)
        assert await server.wait(5) == 0
        writer.close()


# Sudden death


class Peer:
    """One peer with a connection of its own, that stays subscribed."""

    def __init__(self, url: str) -> None:
        self.private = PrivateKey.generate()
        self.backend: Backend = connect(url)
        self.live = False
        self.backend.watch(self._changed)
        self.heard: list[PublicKey | None] = []

    async def subscribe(self) -> None:
        await self.backend.subscribe(KeyPair(self.private, None), self._received, admit=lambda _: True)

    def _changed(self, change: SubscriptionChanged) -> None:
        self.live = change.live

    def _received(self, pair: PublicKeyPair, _: Message) -> None:
        self.heard.append(pair.theirs)


async def test_200_peers_are_subscribed_again_within_5_seconds_after_a_crash(
    record_property: Callable[[str, object], None],
) -> None:
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(signal_process())
        peers = [Peer(f"grpc://127.0.0.1:{server.port}?insecure=true") for _ in range(200)]
        for peer in peers:
            stack.push_async_callback(peer.backend.aclose)
            await peer.subscribe()
        await until(lambda: all(peer.live for peer in peers))
        await server.kill()
        await until(lambda: not any(peer.live for peer in peers))
        await stack.enter_async_context(signal_process(port=server.port))
        listening_at = loop.time()
        await until(lambda: all(peer.live for peer in peers), 5)
        record_property(
            "table", f"200 peers back {loop.time() - listening_at:.2f} s after the server listens"
        )
        first, last = peers[0], peers[-1]
        await first.backend.publish(KeyPair(first.private, last.private.public), Message())
        await until(lambda: last.heard == [first.private.public])


# TLS


async def test_the_process_serves_with_certificate_files_and_follows_them(tmp_path: Path) -> None:
    old, new = trustme.CA(), trustme.CA()
    files = issue(old, tmp_path)
    async with signal_process(f"--tls-cert={files.certificate}", f"--tls-key={files.key}") as server:
        assert await publishes(server, old)
        issue(new, tmp_path)
        assert await publishes(server, new)
        assert not await publishes(server, old)


async def publishes(server: ServerProcess, authority: trustme.CA) -> bool:
    async with connected(server.port, credentials=trust(authority)) as client:
        return await client.publish(ALICE) is None


async def test_strangers_who_speak_something_else_do_not_fill_the_log(tmp_path: Path) -> None:
    files = issue(trustme.CA(), tmp_path)
    async with signal_process(f"--tls-cert={files.certificate}", f"--tls-key={files.key}") as server:
        for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b"\0" * 1000):
            for _ in range(20):
                reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
                writer.write(garbage)
                with suppress(ConnectionError):
                    await reader.read()
                writer.close()
        server.send(signal.SIGTERM)
        await server.until("stopped")
        assert [values["event"] for values in server.said] == ["listening", "draining", "stopped"]
