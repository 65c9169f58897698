"""`warren connect`: a session with one peer, for lines of text."""

import asyncio
import sys
from functools import partial
from typing import Annotated, Final

import typer

from warren.aio.node import Node
from warren.aio.session import Session
from warren.cli.lines import read_lines, write_line
from warren.cli.options import Common, Peer, Timeout, with_common
from warren.cli.terminal import Terminal
from warren.cli.watch import open_watched
from warren.errors import NotConnected
from warren.keys import PublicKey

__all__ = ["EXAMPLES", "connect"]

EXAMPLES: Final = (
    "warren connect --signaling grpc://signal.example.org:443 --stun stun:stun.example.org PEER",
    "echo hello | warren connect PEER",
)


@with_common
def connect(
    common: Common,
    peer: Peer,
    timeout: Timeout = 60.0,
    linger: Annotated[
        float,
        typer.Option(
            "--linger",
            metavar="SECONDS",
            min=0.0,
            help="How long to wait for more, after standard input has ended and nothing has come.",
        ),
    ] = 1.0,
) -> int:
    """Connect to a peer: lines of standard input become datagrams, datagrams become lines of standard output.

    The other side runs `warren listen`, or `warren connect` with our key. What is sent is NOT encrypted by
    warren: the network can read and change it. Ctrl-C closes the session (exit code 130).
    """
    return common.run(partial(_connect, peer=peer, timeout=timeout, linger=linger))


async def _connect(
    node: Node, terminal: Terminal, *, peer: PublicKey, timeout: float | None, linger: float
) -> int:
    async with open_watched(node, peer, terminal) as session:
        await session.wait_connected(timeout)
        heard = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            receiving = group.create_task(_receive(session, heard))
            await _send_lines(session, terminal)
            await _wait_for_silence(heard, linger)
            receiving.cancel()
    return 0


async def _receive(session: Session, heard: asyncio.Event) -> None:
    async for data in session:
        write_line(data)
        heard.set()


async def _send_lines(session: Session, terminal: Terminal) -> None:
    async for line in read_lines(sys.stdin.fileno()):
        try:
            session.send(line)
        except NotConnected:
            await session.wait_connected()
            session.send(line)
        except ValueError as error:
            terminal.event(f"warren: not sent: {error}", event="unsent", size=len(line), reason=str(error))


async def _wait_for_silence(heard: asyncio.Event, seconds: float) -> None:
    try:
        while True:
            heard.clear()
            async with asyncio.timeout(seconds):
                await heard.wait()
    except TimeoutError:
        return
