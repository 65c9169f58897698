"""A session of ours on loopback, and the servers that it and a program by others may use."""

import asyncio
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from aioice import TransportPolicy

from tests.needs import program
from warren.aio.node import Node
from warren.aio.session import Session
from warren.ice import stun
from warren.keys import PrivateKey
from warren.sansio import Dice
from warren.session.config import Config
from warren.session.outputs import PathChanged, StateChanged
from warren.session.state import State
from warren.signaling import Backend, connect

__all__ = [
    "ROLES",
    "TIME",
    "Turn",
    "World",
    "both_roles",
    "free_port",
    "lost_and_begun_anew",
    "stun_server",
    "turn_server",
    "until",
    "world",
]

TIME: Final = 20.0
"""Seconds until we call it broken; a good run takes a fraction of one."""
LIVE: Final = (State.CONNECTED, State.COMPLETED)
ROLES: Final = {True: "warren controls", False: "warren is controlled"}
LOOPBACK: Final = "127.0.0.1"

both_roles = pytest.mark.parametrize("controlling", ROLES, ids=ROLES.values())


@dataclass(slots=True)
class World:
    """A node of ours with a session, and what a peer needs to be at its other end."""

    node: Node
    session: Session
    backend: Backend
    key: PrivateKey
    """That of the peer."""


@asynccontextmanager
async def world(
    controlling: bool, *, dice: Dice | None = None, consent_timeout: float = 1.0, **settings: Any
) -> AsyncIterator[World]:
    """Open a session with nobody at the other end yet, in which we have this role."""
    smaller, larger = sorted((PrivateKey.generate(), PrivateKey.generate()), key=lambda key: key.public)
    ours, theirs = (smaller, larger) if controlling else (larger, smaller)
    config = Config(loopback=True, include_interfaces=("lo",), consent_timeout=consent_timeout, **settings)
    backend = connect("inprocess:")
    try:
        async with (
            Node(ours, backend, config=config, dice=dice) as node,
            node.open(theirs.public) as session,
        ):
            yield World(node, session, backend, theirs)
    finally:
        await backend.aclose()


async def until(
    events: AsyncIterator[StateChanged | PathChanged], state: State, *, generation: int = 1
) -> StateChanged:
    """Wait for the move of a generation to a state."""
    async with asyncio.timeout(TIME):
        async for event in events:
            if isinstance(event, StateChanged) and event.new is state and event.generation == generation:
                return event
    raise AssertionError(f"the session was closed before it was {state.name}")


async def lost_and_begun_anew(events: AsyncIterator[StateChanged | PathChanged]) -> None:
    """Hear that the peer answers no more, and that for the same reason the path is gone and we begin anew."""
    lost = await until(events, State.DISCONNECTED)
    assert lost.old in LIVE
    assert "no path answered" in lost.reason
    told = await anext(events)
    assert isinstance(told, PathChanged)
    assert (told.path, told.reason) == (None, lost.reason)
    assert (await until(events, State.IDLE, generation=2)).reason == lost.reason


@asynccontextmanager
async def stun_server() -> AsyncIterator[tuple[str, int]]:
    """Run the demonstration's STUN server as a process."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "warren.cli.stun_server", f"{LOOPBACK}:{port}", stdout=PIPE
    )
    assert process.stdout is not None
    try:
        assert await asyncio.wait_for(process.stdout.readline(), TIME) == b"ready\n"
        yield LOOPBACK, port
    finally:
        process.terminate()
        await process.wait()


@dataclass(frozen=True, slots=True)
class Turn:
    """A TURN server, and who may use it."""

    port: int
    host: str = LOOPBACK
    user: str = "ann"
    password: str = "secret"

    @property
    def url(self) -> str:
        """How we are told of it."""
        return f"turn:{self.user}:{self.password}@{self.host}:{self.port}"

    @property
    def for_aioice(self) -> dict[str, Any]:
        """How aioice is told of it, and to use nothing else."""
        return {
            "turn_server": (self.host, self.port),
            "turn_username": self.user,
            "turn_password": self.password,
            "transport_policy": TransportPolicy.RELAY,
        }


@asynccontextmanager
async def turn_server(folder: Path, *options: str) -> AsyncIterator[Turn]:
    """Run coturn, with more options where they are wanted; it needs a folder for its files."""
    turn = Turn(free_port())
    process = await asyncio.create_subprocess_exec(
        program("turnserver") or "turnserver", "-n", "--lt-cred-mech", f"--user={turn.user}:{turn.password}",
        "--realm=interop", f"--listening-ip={turn.host}", f"--listening-port={turn.port}", "--no-tls",
        "--no-dtls", "--no-cli", "--allow-loopback-peers", f"--pidfile={folder / 'pid'}",
        f"--db={folder / 'db'}", "--log-file=stdout", *options, stdout=DEVNULL, stderr=DEVNULL,
    )  # fmt: skip
    try:
        await _until_answered(turn.host, turn.port)
        yield turn
    finally:
        process.kill()
        await process.wait()


async def _until_answered(host: str, port: int) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.setblocking(False)
        asking.connect((host, port))
        async with asyncio.timeout(TIME):
            while True:
                try:
                    await loop.sock_sendall(asking, stun.server_request(bytes(12)))
                    async with asyncio.timeout(0.1):
                        await loop.sock_recv(asking, 1500)
                except (TimeoutError, ConnectionRefusedError):
                    continue
                return


def free_port() -> int:
    """Find a port that is free for UDP and TCP alike.

    coturn takes both. That UDP is free says nothing of TCP: each connection that a client closed holds its
    port for a minute, and coturn would try to bind it again and again.
    """
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind((LOOPBACK, 0))
            port: int = tcp.getsockname()[1]
            with suppress(OSError):
                udp.bind((LOOPBACK, port))
                return port
