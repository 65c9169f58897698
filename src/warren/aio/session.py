"""Session: what a user holds of the path to one peer."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from warren.aio.network import Sender
from warren.errors import NotConnected
from warren.ice import stun
from warren.ice.transport import Base
from warren.keys import PublicKey
from warren.session.machine import SessionMachine
from warren.session.outputs import Path, PathChanged, StateChanged
from warren.session.state import State

__all__ = ["Session", "Stats"]

RECEIVE_QUEUE = 1024
EVENT_QUEUE = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """Counters of one session since it was opened."""

    datagrams_sent: int
    bytes_sent: int
    datagrams_received: int
    bytes_received: int
    path_changes: int
    rtt: float | None
    """Round-trip time of the path in seconds, None without a path."""
    drops: dict[str, int]
    """What was dropped, by reason: from the peer, from strangers who used its name, and of our own."""


class Host(Protocol):
    """What a session needs of its node."""

    def session_closed(self, session: "Session") -> None:
        """Close the machine and forget the session."""
        ...

    def session_restarted(self, machine: SessionMachine, reason: str) -> None:
        """Restart the machine."""
        ...

    def data_flows(self, machine: SessionMachine) -> None:
        """Tell the machine that a datagram has passed while nobody looked."""
        ...

    def why_not_connected(self, session: "Session") -> str:
        """Say in words what stands between the two peers as far as it is known."""
        ...


class Session:
    """A session with one peer: an async context manager, and an async iterator of the datagrams received.

    What is sent is neither encrypted nor authenticated by the session: carry WireGuard, QUIC or DTLS in it.
    """

    def __init__(
        self, machine: SessionMachine, sockets: Mapping[Base, Sender], host: Host, opened_at: float
    ) -> None:
        self._machine = machine
        self._traffic = machine.traffic
        self._sockets = sockets
        self._host = host
        self._opened_at = opened_at
        self._closed = False
        self._datagrams: deque[bytes] = deque()
        self._receivers: deque[asyncio.Future[None]] = deque()
        self._waiters: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._listeners: list[asyncio.Queue[StateChanged | PathChanged | None]] = []
        self._path_changes = 0
        self._drops: Counter[str] = Counter()

    @property
    def peer(self) -> PublicKey:
        """The public key of the other end."""
        return self._machine.peer

    @property
    def state(self) -> State:
        """The state of the generation that carries data, else of the newest one."""
        return self._machine.state

    @property
    def path(self) -> Path | None:
        """The pair of candidates that data takes now, None without one."""
        return self._machine.path

    @property
    def history(self) -> tuple[StateChanged, ...]:
        """The last 64 state changes, oldest first, with reasons in words."""
        return self._machine.history

    @property
    def opened_at(self) -> float:
        """When the session was opened (seconds on the clock of the events' `time`)."""
        return self._opened_at

    @property
    def stats(self) -> Stats:
        """The counters as they are now."""
        path, traffic = self._machine.path, self._traffic
        return Stats(
            datagrams_sent=traffic.sent,
            bytes_sent=traffic.sent_bytes,
            datagrams_received=traffic.received,
            bytes_received=traffic.received_bytes,
            path_changes=self._path_changes,
            rtt=path.rtt if path else None,
            drops=dict(self._machine.drops + self._drops),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close for good, once or twice: whoever waits is told, a later call of the peer is a new one."""
        if not self._closed:
            self._host.session_closed(self)
            self.closed()

    def send(self, data: bytes) -> None:
        """Send one datagram on the current path, as unreliable as UDP.

        Raises:
            NotConnected: there is no path (yet, or any more).
            ValueError: the datagram is too long, or looks like STUN (RFC 8489), which the other end keeps.
        """
        route = self._machine.route
        if route is None or self._closed:
            raise NotConnected(f"no path to {self.peer} ({self._machine.state.name}): wait_connected() first")
        if stun.is_stun(data):
            self._drops["send-looks-like-stun"] += 1
            raise ValueError(
                "STUN's magic cookie is in the datagram's bytes 4 to 7: the other end would think it is STUN"
            )
        self._sockets[route.base].send(data, route.destination)
        traffic = self._traffic
        traffic.sent += 1
        traffic.sent_bytes += len(data)
        if traffic.resting:
            self._host.data_flows(self._machine)

    async def recv(self) -> bytes:
        """Wait for the next datagram.

        Raises:
            NotConnected: the session was closed.
        """
        while not self._datagrams:
            if self._closed:
                raise NotConnected(f"the session with {self.peer} was closed")
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._receivers.append(future)
            try:
                await future
            except asyncio.CancelledError:
                if future in self._receivers:
                    self._receivers.remove(future)
                self._wake_receiver()
                raise
        data = self._datagrams.popleft()
        if self._receivers:
            self._wake_receiver()
        return data

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await self.recv()
        except NotConnected:
            raise StopAsyncIteration from None

    async def wait_for(self, *states: State) -> State:
        """Wait until the session is in one of these states; returns which one.

        Raises:
            NotConnected: the session was closed first.
        """
        await self._wait(lambda: self.state in states or self._closed)
        if self.state not in states:
            raise NotConnected(f"the session with {self.peer} was closed")
        return self.state

    async def wait_connected(self, timeout: float | None = None) -> Path:
        """Wait until data can flow, for `timeout` seconds at most; returns the path.

        Raises:
            NotConnected: the generation failed, the session was closed, or time is over; the text says why.
                The session itself goes on trying, so waiting again makes sense.
        """
        seen = len(self.history) and self.history[-1]
        failed: list[StateChanged] = []

        def done() -> bool:
            newest = self.history[-1] if self.history else None
            if newest is not None and newest is not seen and newest.new is State.FAILED:
                failed.append(newest)
            return self.path is not None or self._closed or bool(failed)

        try:
            async with asyncio.timeout(timeout):
                await self._wait(done)
        except TimeoutError:
            raise NotConnected(self._host.why_not_connected(self)) from None
        if (path := self.path) is not None and not self._closed:
            return path
        if self._closed:
            raise NotConnected(f"the session with {self.peer} was closed")
        raise NotConnected(f"no path to {self.peer}: {failed[-1].reason}")

    def restart(self, reason: str = "restarted by the user") -> None:
        """Begin a new generation; the old path is kept until the new one is connected."""
        self._host.session_restarted(self._machine, reason)

    def events(self) -> AsyncIterator[StateChanged | PathChanged]:
        """Yield the history, then each state and path change as it happens, until the session is closed."""
        queue: asyncio.Queue[StateChanged | PathChanged | None] = asyncio.Queue()
        for change in self.history:
            queue.put_nowait(change)
        self._listeners.append(queue)
        return self._listen(queue)

    async def _listen(
        self, queue: asyncio.Queue[StateChanged | PathChanged | None]
    ) -> AsyncIterator[StateChanged | PathChanged]:
        try:
            while not (self._closed and queue.empty()):
                event = await queue.get()
                if event is None:
                    return
                yield event
        finally:
            self._listeners.remove(queue)

    async def _wait(self, condition: Callable[[], bool]) -> None:
        if condition():
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (condition, future)
        self._waiters.append(entry)
        try:
            await future
        finally:
            if entry in self._waiters:
                self._waiters.remove(entry)

    # What the node tells

    def datagrams_received(self, datagrams: Sequence[bytes], now: float) -> None:
        """Queue datagrams of the peer; over 1,024 the oldest are dropped and counted."""
        traffic = self._traffic
        traffic.received += len(datagrams)
        traffic.received_bytes += sum(map(len, datagrams))
        traffic.heard_at = now
        if traffic.resting:
            self._host.data_flows(self._machine)
        self._datagrams.extend(datagrams)
        while len(self._datagrams) > RECEIVE_QUEUE:
            self._datagrams.popleft()
            self._drops["receive-queue-full"] += 1
        if self._receivers:
            self._wake_receiver()

    def event_happened(self, event: StateChanged | PathChanged) -> None:
        """Tell everyone who listens or waits."""
        if isinstance(event, PathChanged):
            self._path_changes += 1
        for queue in self._listeners:
            if queue.qsize() >= EVENT_QUEUE:
                queue.get_nowait()
                self._drops["event-queue-full"] += 1
            queue.put_nowait(event)
        self._wake_waiters()

    def closed(self) -> None:
        """Wake everyone: nothing more will come."""
        self._closed = True
        for queue in self._listeners:
            queue.put_nowait(None)
        self._wake_waiters()
        while self._receivers:
            self._wake(self._receivers.popleft())

    def count_drop(self, reason: str) -> None:
        """Count something dropped on the way out."""
        self._drops[reason] += 1

    def _wake_receiver(self) -> None:
        while self._datagrams and self._receivers:
            if self._wake(self._receivers.popleft()):
                return

    def _wake_waiters(self) -> None:
        for condition, future in list(self._waiters):
            if condition():
                self._wake(future)

    @staticmethod
    def _wake(future: asyncio.Future[None]) -> bool:
        if future.done():
            return False
        future.set_result(None)
        return True
