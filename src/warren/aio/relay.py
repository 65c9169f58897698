"""RelaySender: data of sessions by way of a TURN server, past the machine's queue of outputs."""

import asyncio
from collections.abc import Callable
from typing import Final

from warren.ice.transport import Address
from warren.ice.turn.allocation import Allocation

__all__ = ["RelaySender"]

TOGETHER: Final = 4
"""Datagrams sent by one call: a server that got all of a turn at its end would have nothing to do before,
and its sockets hold few."""


class RelaySender:
    """Stands for a relayed base among a node's sockets: wraps what it is given, and sends it to the server.

    Args:
        allocation: what wraps.
        send: sends what it has wrapped from the allocation's base or stream.
        flush: lets nothing that was sent wait there any longer.
        settle: called when the allocation has more to say than that.
    """

    __slots__ = ("_allocation", "_flush", "_loop", "_send", "_settle", "_unflushed")

    def __init__(
        self,
        allocation: Allocation,
        *,
        send: Callable[[Allocation, bytes], None],
        flush: Callable[[Allocation], None],
        settle: Callable[[Allocation], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._allocation = allocation
        self._send = send
        self._flush = flush
        self._unflushed = 0
        self._settle = settle
        self._loop = loop

    def send(self, data: bytes, destination: Address) -> None:
        """Send one datagram to a peer; without a permission it waits or is dropped, as a network would."""
        allocation = self._allocation
        packet = allocation.wrap(destination, data, self._loop.time())
        if packet is not None:
            self._send(allocation, packet)
            self._unflushed += 1
            if self._unflushed == TOGETHER:
                self._unflushed = 0
                self._flush(allocation)
        if allocation.busy:
            self._settle(allocation)
