"""A node of tests as a program in a namespace: lines of standard input say what to do, JSON what happened.

`open KEY`, `restart KEY`, `close KEY`; `send KEY SECONDS` begins numbered datagrams with so much time
between two, `stop KEY` ends them, `tell KEY` says what came of the peer's. Such a program holds many
sessions, so that starting processes does not blur the times of a matrix.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from warren.aio.node import Node
from warren.aio.session import Session
from warren.cli import report
from warren.errors import NotConnected
from warren.keys import PrivateKey, PublicKey
from warren.session.config import Config
from warren.session.outputs import PathChanged, StateChanged

__all__ = ["TOLD_EACH"]

TOLD_EACH: Final = 10
"""Of so many datagrams one is told when it comes."""


def tell(**values: object) -> None:
    """Tell an event to who started us."""
    print(json.dumps(values), file=sys.stderr, flush=True)


@dataclass(slots=True)
class Flow:
    """The numbered datagrams of one session, both ways."""

    session: Session
    sent: int = 0
    unsent: int = 0
    """So many could not be sent: there was no path."""
    came: set[int] = field(default_factory=set)
    last: float | None = None
    gap: float = 0.0
    """The longest time between two that came, in seconds."""

    async def send(self, seconds: float) -> None:
        """Send without end."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            try:
                self.session.send(b"%d" % self.sent)
                self.sent += 1
            except NotConnected:
                self.unsent += 1
            due = max(due + seconds, loop.time())
            await asyncio.sleep(due - loop.time())

    async def receive(self) -> None:
        """Take what comes until the session is closed."""
        peer, loop = str(self.session.peer), asyncio.get_running_loop()
        async for data in self.session:
            now = loop.time()
            if self.last is not None:
                self.gap = max(self.gap, now - self.last)
            self.last = now
            self.came.add(int(data))
            if len(self.came) % TOLD_EACH == 0:
                tell(event="came", peer=peer, count=len(self.came), number=int(data))


class Station:
    """The sessions of one node, and what may be asked of them."""

    def __init__(self, node: Node, group: asyncio.TaskGroup) -> None:
        self._node = node
        self._group = group
        self._flows: dict[PublicKey, Flow] = {}
        self._sending: dict[PublicKey, asyncio.Task[None]] = {}

    def obey(self, line: str) -> None:
        """Do what a line says."""
        word, key, *rest = line.split()
        verbs: dict[str, Callable[..., None]] = {
            "open": self._open,
            "close": self._close,
            "restart": lambda peer: self._flows[peer].session.restart(),
            "send": self._send,
            "stop": self._stop,
            "tell": self._tell,
        }
        verbs[word](PublicKey.parse(key), *map(float, rest))

    def leave(self) -> None:
        """Close everything."""
        for sending in self._sending.values():
            sending.cancel()
        for flow in self._flows.values():
            flow.session.close()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return self._group.create_task(work)

    def _open(self, peer: PublicKey) -> None:
        flow = self._flows[peer] = Flow(self._node.open(peer))
        self._spawn(watch(flow.session))
        self._spawn(flow.receive())

    def _close(self, peer: PublicKey) -> None:
        self._flows.pop(peer).session.close()

    def _send(self, peer: PublicKey, seconds: float) -> None:
        self._sending[peer] = self._spawn(self._flows[peer].send(seconds))

    def _stop(self, peer: PublicKey) -> None:
        self._sending.pop(peer).cancel()
        flow = self._flows[peer]
        tell(event="sent", peer=str(peer), sent=flow.sent, unsent=flow.unsent)

    def _tell(self, peer: PublicKey) -> None:
        flow = self._flows[peer]
        tell(event="received", peer=str(peer), count=len(flow.came), gap=flow.gap)
        flow.gap = 0.0


async def watch(session: Session) -> None:
    """Tell each state and each path of a session, with the seconds since it was opened."""
    async for event in session.events():
        elapsed = event.time - session.opened_at
        match event:
            case StateChanged():
                tell(**report.state_object(session.peer, event, opened_at=session.opened_at, time=event.time))
            case PathChanged(path=None):
                tell(event="no path", peer=str(session.peer), elapsed=elapsed)
            case PathChanged(path=path) if path is not None:
                tell(**report.path_object(session.peer, path), elapsed=elapsed)


async def main(key_file: str, signaling: str, stun: list[str], turn: list[str]) -> None:
    """Run a node until standard input ends."""
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin.buffer
    )
    key = PrivateKey.load(Path(key_file))
    async with (
        Node(key, signaling, config=Config(stun=stun, turn=turn)) as node,
        asyncio.TaskGroup() as group,
    ):
        tell(event="ready")
        station = Station(node, group)
        async for line in lines:
            station.obey(line.decode())
        station.leave()


if __name__ == "__main__":
    asyncio.run(main(**json.loads(sys.argv[1])))
