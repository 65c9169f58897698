"""`warren ping`: the round-trip time and the path to a peer."""

import asyncio
import itertools
import os
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Final

import typer

from warren.aio.node import Node
from warren.aio.session import Session
from warren.cli.options import INTERRUPTED, Common, Peer, Timeout, with_common
from warren.cli.report import milliseconds, path_object, path_words
from warren.cli.terminal import Terminal
from warren.cli.watch import open_watched
from warren.errors import NotConnected
from warren.keys import PublicKey

__all__ = ["EXAMPLES", "Tally", "ping"]

EXAMPLES: Final = (
    "warren ping -c 5 --signaling grpc://signal.example.org:443 --stun stun:stun.example.org PEER",
    "warren ping PEER    (and at the peer: warren listen --allow OUR_KEY --echo)",
)

LAST_WAIT: Final = 2.0
"""How long the last answers are waited for, in seconds."""


@dataclass(slots=True)
class Tally:
    """What was asked and what came back."""

    token: str
    """Marks our own requests, so that what else comes is not taken for an answer."""
    sent_at: dict[int, float] = field(default_factory=dict)
    times: dict[int, float] = field(default_factory=dict)
    """Round-trip times in seconds, by number."""

    def request(self, number: int, size: int, now: float) -> bytes:
        """Make the datagram of this number, with `size` bytes at least."""
        self.sent_at[number] = now
        return f"warren ping {number} {self.token} ".encode().ljust(size, b".")

    def answer(self, data: bytes, now: float) -> int | None:
        """Take a datagram; returns the number that it answers for the first time, or None."""
        words = data.split(b" ")
        if len(words) < 4 or words[3] != self.token.encode() or not words[2].isdigit():
            return None
        number = int(words[2])
        if number not in self.sent_at or number in self.times:
            return None
        self.times[number] = now - self.sent_at[number]
        return number

    @property
    def lost(self) -> float:
        """The share of requests without an answer."""
        return 1.0 - len(self.times) / len(self.sent_at) if self.sent_at else 0.0

    def summary(self) -> str:
        """Sum up as ping does."""
        text = f"{len(self.sent_at)} sent, {len(self.times)} answered, {self.lost:.0%} lost"
        if not self.times:
            return text
        low, mean, high = (milliseconds(value) for value in self.spread())
        return f"{text}; round trip least {low}, mean {mean}, most {high}"

    def spread(self) -> tuple[float, float, float]:
        """Give least, mean and most of the round-trip times, which must not be none."""
        times = self.times.values()
        return min(times), sum(times) / len(times), max(times)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    count: int | None
    interval: float
    size: int
    timeout: float | None


@with_common
def ping(
    common: Common,
    peer: Peer,
    count: Annotated[
        int | None,
        typer.Option("--count", "-c", metavar="N", min=1, help="End after N requests, not by Ctrl-C."),
    ] = None,
    interval: Annotated[
        float, typer.Option("--interval", "-i", metavar="SECONDS", min=0.01, help="Time between requests.")
    ] = 1.0,
    size: Annotated[
        int,
        typer.Option("--size", "-s", metavar="BYTES", min=0, max=1200, help="Least length of a request."),
    ] = 56,
    timeout: Timeout = 60.0,
) -> int:
    """Connect to a peer, show the path, and measure the round-trip time again and again.

    The other side runs `warren listen --echo`. The exit code is 0 if any answer came, also after Ctrl-C, and
    1 if none did.
    """
    tally = Tally(os.urandom(4).hex())
    plan = _Plan(count=count, interval=interval, size=size, timeout=timeout)
    try:
        return common.run(partial(_ping, peer=peer, plan=plan, tally=tally))
    except KeyboardInterrupt:  # How an endless ping ends.
        return 0 if tally.times else 1 if tally.sent_at else INTERRUPTED


async def _ping(node: Node, terminal: Terminal, *, peer: PublicKey, plan: _Plan, tally: Tally) -> int:
    async with open_watched(node, peer, terminal) as session:
        await session.wait_connected(plan.timeout)
        all_answered = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as group:
                receiving = group.create_task(_receive(session, terminal, plan, tally, all_answered))
                await _send(session, terminal, plan, tally)
                with suppress(TimeoutError):
                    async with asyncio.timeout(LAST_WAIT):
                        await all_answered.wait()
                receiving.cancel()
        finally:
            _sum_up(terminal, peer, tally)
    return 0 if tally.times else 1


async def _send(session: Session, terminal: Terminal, plan: _Plan, tally: Tally) -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    for number in itertools.count(1) if plan.count is None else range(1, plan.count + 1):
        try:
            session.send(tally.request(number, plan.size, loop.time()))
        except NotConnected as error:
            terminal.event(
                f"number {number} not sent: {error}", event="unsent", seq=number, reason=str(error)
            )
        if number != plan.count:
            await asyncio.sleep(max(0.0, begun + number * plan.interval - loop.time()))


async def _receive(
    session: Session, terminal: Terminal, plan: _Plan, tally: Tally, all_answered: asyncio.Event
) -> None:
    async for data in session:
        number = tally.answer(data, asyncio.get_running_loop().time())
        if number is None:
            continue
        rtt, path = tally.times[number], session.path
        way = f"; {path_words(path_object(session.peer, path))}" if path else ""
        terminal.result(
            f"{len(data)} bytes: number {number}, {milliseconds(rtt)}{way}",
            event="ping",
            peer=str(session.peer),
            seq=number,
            size=len(data),
            rtt=round(rtt, 6),
        )
        if len(tally.times) == plan.count:
            all_answered.set()


def _sum_up(terminal: Terminal, peer: PublicKey, tally: Tally) -> None:
    low, mean, high = tally.spread() if tally.times else (None, None, None)
    hint = "" if tally.times or not tally.sent_at else "; does the peer run `warren listen --echo`?"
    terminal.result(
        f"{tally.summary()}{hint}",
        event="statistics",
        peer=str(peer),
        sent=len(tally.sent_at),
        received=len(tally.times),
        lost=round(tally.lost, 4),
        rtt_least=low,
        rtt_mean=mean,
        rtt_most=high,
    )
