"""Credentials that `warren signal` gives, used at coturn by the TURN client of aioice."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aioice.turn
import pytest
from aioice.stun import TransactionFailed

from tests.interop.world import free_port
from tests.needs import needs, program
from tests.signaling.people import ALICE
from warren.messages import RelayInfo
from warren.server.grpc import Proofs, serve
from warren.server.turn import TurnRelays
from warren.signaling.carrier import Identity
from warren.signaling.grpc import open_carrier
from warren.signaling.url import BackendUrl

SECRET = "a secret of sixteen letters"

pytestmark = needs("coturn")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reach loopback directly, whatever proxy the machine uses for the rest of the world."""
    monkeypatch.setenv("no_grpc_proxy", "127.0.0.1,localhost")


@asynccontextmanager
async def coturn(folder: Path) -> AsyncIterator[int]:
    """Run it on loopback with the shared secret; gives its port."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        program("turnserver") or "turnserver",
        *("-n", "--no-tls", "--no-dtls", "--no-cli", "--log-file=stdout", "--simple-log"),
        *("--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", f"--listening-port={port}"),
        *("--use-auth-secret", f"--static-auth-secret={SECRET}", "--realm=warren.test"),
        *(f"--pidfile={folder / 'pid'}", f"--db={folder / 'db'}"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield port
    finally:
        process.kill()
        await process.wait()


async def credentials(port: int, clock_offset: float = 0.0) -> RelayInfo:
    """Get them as a client does, of a server whose clock is off by so many seconds."""
    proofs = Proofs(clock=lambda: time.time() + clock_offset)
    relays = TurnRelays([f"turn:127.0.0.1:{port}"], SECRET.encode())
    async with serve("127.0.0.1:0", tls=None, proofs=proofs, relays=relays) as server:
        carrier = open_carrier(BackendUrl.parse(server.url))
        async with carrier.subscribe(Identity(ALICE)):
            (relay,) = await carrier.relays(ALICE.public)
        await carrier.aclose()
    return relay


async def allocate(port: int, username: str, password: str) -> tuple[str, int]:
    """Ask for an allocation; returns the relayed address."""
    transport, _ = await aioice.turn.create_turn_endpoint(
        asyncio.DatagramProtocol, ("127.0.0.1", port), username, password
    )
    try:
        host, at = transport.get_extra_info("sockname")
        return str(host), int(at)
    finally:
        transport.close()
        await asyncio.sleep(0)


async def is_up(port: int) -> None:
    """Wait until the server answers at all: it asks for credentials."""
    for _ in range(100):
        with pytest.raises((TransactionFailed, ConnectionError, TimeoutError)) as caught:
            async with asyncio.timeout(0.3):
                await allocate(port, "nobody", "nothing")
        if caught.type is TransactionFailed:
            return
    raise AssertionError("coturn does not answer")


async def test_credentials_of_our_server_open_an_allocation(tmp_path: Path) -> None:
    async with coturn(tmp_path) as port:
        await is_up(port)
        relay = await credentials(port)
        host, _ = await allocate(port, relay.username, relay.password)
        assert host == "127.0.0.1"


async def test_credentials_of_yesterday_open_none(tmp_path: Path) -> None:
    async with coturn(tmp_path) as port:
        await is_up(port)
        relay = await credentials(port, clock_offset=-86_400)
        with pytest.raises(TransactionFailed, match="401"):
            await allocate(port, relay.username, relay.password)


async def test_nobody_can_give_himself_more_time(tmp_path: Path) -> None:
    async with coturn(tmp_path) as port:
        await is_up(port)
        relay = await credentials(port)
        expires, _, name = relay.username.partition(":")
        with pytest.raises(TransactionFailed, match="401"):
            await allocate(port, f"{int(expires) + 3600}:{name}", relay.password)
