"""Watching a session: each state and each path is told as it comes."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import assert_never

from warren.aio.node import Node
from warren.aio.session import Session
from warren.cli import report
from warren.cli.terminal import Terminal
from warren.keys import PublicKey
from warren.session.outputs import PathChanged, StateChanged
from warren.session.state import State

__all__ = ["open_watched"]


@asynccontextmanager
async def open_watched(
    node: Node, peer: PublicKey, terminal: Terminal, *, name_peer: bool = False
) -> AsyncIterator[Session]:
    """Open a session and tell what happens to it, its closing and what it dropped included.

    Args:
        name_peer: begin each line of text with the peer's key, where there may be several.
    """
    async with node.open(peer) as session:
        watching = asyncio.get_running_loop().create_task(_watch(session, terminal, name_peer))
        try:
            yield session
        finally:
            session.close()  # Ends the events, and so the watching.
            await watching
            terminal.drops(session.stats.drops, f"of the session with {report.short(peer)}")


async def _watch(session: Session, terminal: Terminal, name_peer: bool) -> None:
    name = f"{report.short(session.peer)} " if name_peer else ""
    for change in session.history:
        _tell_state(session, change, terminal, name)
    async for event in session.events():
        match event:
            case StateChanged():
                _tell_state(session, event, terminal, name)
            case PathChanged():
                _tell_path(session, event, terminal, name)
            case _:
                assert_never(event)


def _tell_state(session: Session, change: StateChanged, terminal: Terminal, name: str) -> None:
    if change.old is change.new is State.IDLE and not (terminal.as_json or terminal.verbose):
        return  # The back-off timer: nothing new for the eye.
    ago = asyncio.get_running_loop().time() - change.time
    values = report.state_object(session.peer, change, opened_at=session.opened_at, time=time.time() - ago)
    terminal.event(name + report.state_text(change, opened_at=session.opened_at), **values)


def _tell_path(session: Session, change: PathChanged, terminal: Terminal, name: str) -> None:
    elapsed = change.time - session.opened_at
    text = report.path_text(session.peer, change.path, elapsed=elapsed, reason=change.reason)
    terminal.event(name + text, **report.path_object(session.peer, change.path))
