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
    # Once for all events, so that their order survives.
    since_1970 = time.time() - asyncio.get_running_loop().time()
    name = f"{report.short(session.peer)} " if name_peer else ""
    async for event in session.events():
        match event:
            case StateChanged(old=State.IDLE, new=State.IDLE) if not (terminal.as_json or terminal.verbose):
                pass  # The back-off timer: nothing new for the eye.
            case StateChanged():
                text = report.state_text(event, opened_at=session.opened_at)
                at = event.time + since_1970
                values = report.state_object(session.peer, event, opened_at=session.opened_at, time=at)
                terminal.event(name + text, **values)
            case PathChanged():
                # That there is none any more is told by the state that took it away, with the reason.
                if (path := event.path) is not None:
                    text = report.path_text(session.peer, path, elapsed=event.time - session.opened_at)
                    terminal.event(name + text, **report.path_object(session.peer, path))
            case _:
                assert_never(event)
