"""Terminal: where a command's events go, as text or as JSON, one line each on standard error."""

import asyncio
import json
import logging
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final, TextIO, assert_never

from warren.aio.node import Node
from warren.aio.session import Session
from warren.cli import report
from warren.keys import PublicKey
from warren.session.outputs import PathChanged, StateChanged
from warren.session.state import State
from warren.signaling.backend import SubscriptionChanged

__all__ = ["Terminal"]

COLOURS: Final = {
    "CONNECTED": "bold green",
    "COMPLETED": "bold green",
    "DISCONNECTED": "yellow",
    "FAILED": "bold red",
    "CLOSED": "dim",
    "IDLE": "dim",
    "path": "cyan",
    "warren:": "bold red",
}
"""How a line is coloured on a terminal, by a word of it."""


class Terminal:
    """Tells a person or a program what happens.

    Args:
        as_json: write JSON objects instead of text.
        verbose: 0 the events, 1 what helps to find faults, 2 everything that is logged.
        name_peers: begin each line of text with the peer it is about.
    """

    def __init__(
        self,
        *,
        as_json: bool = False,
        verbose: int = 0,
        name_peers: bool = False,
        stream: TextIO | None = None,
    ) -> None:
        self.as_json = as_json
        self.verbose = verbose
        self._name_peers = name_peers
        self._stream = stream or sys.stderr

    def event(self, text: str, **values: object) -> None:
        """Tell one event: the text for a person, the values for a program."""
        if self.as_json:
            self._write(json.dumps(values, ensure_ascii=False))
        else:
            self._write(text)

    def result(self, text: str, **values: object) -> None:
        """Tell what the command was run for: text goes to standard output."""
        if self.as_json:
            self.event(text, **values)
        else:
            print(text, flush=True)

    def error(self, text: str) -> None:
        """Tell why the command ends without success."""
        self.event(f"warren: {text}", event="error", reason=text)

    def detail(self, text: str, **values: object) -> None:
        """Tell what only someone who looks for a fault wants to know."""
        if self.verbose:
            self.event(text, **values)

    def subscription_changed(self, change: SubscriptionChanged) -> None:
        """Tell that signaling is there, or is not: a listener for `Backend.watch`."""
        words = "signaling is live" if change.live else f"signaling: {change.reason}; trying again"
        values = {"live": change.live, "backend": change.backend, "reason": change.reason}
        tell = self.detail if change.live else self.event
        tell(f"{words} ({change.backend})", event="signaling", **values)

    @asynccontextmanager
    async def session(self, node: Node, peer: PublicKey) -> AsyncIterator[Session]:
        """Open a session and tell what happens to it, its closing included."""
        async with node.open(peer) as session:
            watching = asyncio.get_running_loop().create_task(self._watch(session))
            try:
                yield session
            finally:
                session.close()  # Ends the events, and so the watching.
                await watching

    def drops(self, drops: Mapping[str, int], whose: str) -> None:
        """Tell what was dropped, where somebody wants to know and there is something."""
        if drops:
            counted = ", ".join(f"{reason} {count}" for reason, count in sorted(drops.items()))
            self.detail(f"dropped ({whose}): {counted}", event="drops", whose=whose, drops=dict(drops))

    def log_everything(self) -> None:
        """Let the library's log lines go the same way, as many as `verbose` says."""
        logger = logging.getLogger("warren")
        logger.setLevel((logging.WARNING, logging.INFO, logging.DEBUG)[min(self.verbose, 2)])
        logger.addHandler(_LogHandler(self))
        logger.propagate = False

    async def _watch(self, session: Session) -> None:
        for change in session.history:
            self._state(session, change)
        async for event in session.events():
            match event:
                case StateChanged():
                    self._state(session, event)
                case PathChanged():
                    self._path(session, event)
                case _:
                    assert_never(event)

    def _state(self, session: Session, change: StateChanged) -> None:
        if change.old is change.new is State.IDLE and not (self.as_json or self.verbose):
            return  # The back-off timer: nothing new for the eye.
        now = asyncio.get_running_loop().time()
        values = report.state_object(
            session.peer, change, opened_at=session.opened_at, time=time.time() - (now - change.time)
        )
        self.event(self._about(session, report.state_text(change, opened_at=session.opened_at)), **values)

    def _path(self, session: Session, change: PathChanged) -> None:
        elapsed = change.time - session.opened_at
        text = report.path_text(change.path, elapsed=elapsed, reason=change.reason)
        self.event(self._about(session, text), **report.path_object(session.peer, change.path))

    def _about(self, session: Session, text: str) -> str:
        return f"{report.short(session.peer)} {text}" if self._name_peers else text

    def _write(self, line: str) -> None:
        if not self.as_json and self._stream.isatty():
            self._write_coloured(line)
        else:
            print(line, file=self._stream, flush=True)

    def _write_coloured(self, line: str) -> None:
        from rich.console import Console
        from rich.text import Text

        text = Text(line)
        for word, style in COLOURS.items():
            text.highlight_words([word], style)
        Console(file=self._stream).print(text, soft_wrap=True)


class _LogHandler(logging.Handler):
    def __init__(self, terminal: Terminal) -> None:
        super().__init__()
        self._terminal = terminal

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text += f": {record.exc_info[1]!r}"
        level = record.levelname.lower()
        self._terminal.event(f"{level}: {text}", event="log", level=level, message=text)
