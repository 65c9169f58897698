"""`warren listen`: take the calls of peers."""

import asyncio
from contextlib import suppress
from functools import partial
from typing import Annotated, Final

import typer

from warren.aio.calls import Allow, anyone
from warren.aio.node import Node
from warren.aio.session import Session
from warren.cli.lines import write_line
from warren.cli.options import Common, parse_key, with_common
from warren.cli.terminal import Terminal
from warren.cli.watch import open_watched
from warren.errors import ConfigurationError, NotConnected
from warren.keys import PublicKey
from warren.session.outputs import StateChanged
from warren.session.state import State

__all__ = ["EXAMPLES", "listen"]

EXAMPLES: Final = (
    "warren listen --allow PEER --signaling grpc://signal.example.org:443 --stun stun:stun.example.org",
    "warren listen --allow-any --echo",
)

ECHO_PATIENCE: Final = 1.0
"""How long an echo waits for a path, in seconds."""

ENDED: Final = frozenset({State.DISCONNECTED, State.FAILED, State.CLOSED})
GONE: Final = ENDED | {State.UNKNOWN, State.IDLE}
"""What a session is in when a generation ended and no other one took its place."""


@with_common
def listen(
    common: Common,
    allow: Annotated[
        list[PublicKey] | None,
        typer.Option(
            "--allow", parser=parse_key, metavar="KEY", help="A public key that may connect; repeatable."
        ),
    ] = None,
    allow_any: Annotated[
        bool, typer.Option("--allow-any", help="Let everybody connect who knows our public key.")
    ] = False,
    echo: Annotated[
        bool, typer.Option("--echo", help="Send every datagram back, as `warren ping` needs it.")
    ] = False,
    timeout: Annotated[
        float | None,
        typer.Option(
            "--timeout",
            metavar="SECONDS",
            min=0.0,
            help="Give up if nobody has connected in this time (default: wait for ever).",
        ),
    ] = None,
) -> int:
    """Wait for peers that connect to us; datagrams become lines of standard output.

    Only keys that are allowed by name, or everybody with --allow-any, may connect. What is sent is NOT
    encrypted by warren: the network can read and change it. Ctrl-C ends it (exit code 0).
    """
    if bool(allow) == allow_any:
        raise typer.BadParameter(
            "who may connect? give --allow KEY (as often as needed) or --allow-any, not both"
        )
    allowed: Allow = frozenset(allow or ()) or anyone
    try:
        return common.run(partial(_listen, allow=allowed, echo=echo, timeout=timeout))
    except KeyboardInterrupt:  # How listening ends.
        return 0


async def _listen(node: Node, terminal: Terminal, *, allow: Allow, echo: bool, timeout: float | None) -> int:
    if not callable(allow) and node.public in allow:
        raise ConfigurationError(f"{node.public} is our own public key: --allow names the keys of others")
    try:
        async with (
            asyncio.timeout(timeout) as deadline,
            asyncio.TaskGroup() as group,
            node.calls(allow) as calls,
        ):
            terminal.event(f"listening as {node.public}", event="listening", key=str(node.public))
            async for peer in calls:
                group.create_task(_serve(node, terminal, peer, echo=echo, deadline=deadline))
    except TimeoutError:
        raise NotConnected(f"nobody has connected in {timeout:g} s") from None
    return 0


async def _serve(
    node: Node, terminal: Terminal, peer: PublicKey, *, echo: bool, deadline: asyncio.Timeout
) -> None:
    if peer in node.sessions:  # It called twice before we got here.
        return
    async with open_watched(node, peer, terminal, name_peer=True) as session, asyncio.TaskGroup() as group:
        answering = group.create_task(_answer(session, echo=echo))
        async for event in session.events():
            if session.path is not None and not deadline.expired():
                deadline.reschedule(None)
            if isinstance(event, StateChanged) and event.new in ENDED and session.state in GONE:
                break  # Whoever still wants something calls again.
        answering.cancel()


async def _answer(session: Session, *, echo: bool) -> None:
    async for data in session:
        write_line(data)
        if echo:
            with suppress(NotConnected):  # No path any more: as with any lost datagram.
                # The peer may be connected, and send, before we are.
                await session.wait_connected(ECHO_PATIENCE)
                session.send(data)
