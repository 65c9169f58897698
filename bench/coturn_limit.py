"""What coturn itself can do: ChannelData written and read by bare sockets, with the least work there is."""

import asyncio
import os
import socket
import sys
import time

from aioice.turn import TurnClientUdpProtocol

from tests.interop.world import Turn

__all__ = ["limit"]

CHANNEL = 0x4000
BATCH = 8
"""Datagrams in one call: the kernel cuts them (UDP_SEGMENT) where it can."""
_UDP_SEGMENT = 103  # include/uapi/linux/udp.h
PATIENCE = 0.5
"""Seconds without a datagram after which those under way are lost."""
NAP = 0.00005
"""Seconds between two looks at what has come: to wake a reader for each datagram would cost coturn more."""


async def limit(turn: Turn, seconds: float, *, size: int, window: int) -> float:
    """Send from one allocation to another for so many seconds; returns datagrams received per second."""
    sender, receiver = await _client(turn), await _client(turn)
    try:
        for one, other in ((sender, receiver), (receiver, sender)):
            assert other.relayed_address is not None
            await one.channel_bind(CHANNEL, other.relayed_address)
        with _bare(sender) as outwards, _bare(receiver) as inwards:
            packet = CHANNEL.to_bytes(2, "big") + size.to_bytes(2, "big") + bytes(size)
            # The loop stands still meanwhile, so nobody else reads what comes.
            return _pump(outwards, inwards, packet, seconds, window)
    finally:
        await sender.delete()
        await receiver.delete()


async def _client(turn: Turn) -> TurnClientUdpProtocol:
    server = turn.host, turn.port
    _, client = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: TurnClientUdpProtocol(server, turn.user, turn.password, 600, 500), remote_addr=server
    )
    await client.connect()
    return client


def _bare(client: TurnClientUdpProtocol) -> socket.socket:
    bare = socket.socket(fileno=os.dup(client.transport.get_extra_info("socket").fileno()))
    bare.setblocking(False)
    return bare


def _pump(
    outwards: socket.socket, inwards: socket.socket, packet: bytes, seconds: float, window: int
) -> float:
    batch, buffer = [packet * BATCH], bytearray(65536)
    control = [(socket.IPPROTO_UDP, _UDP_SEGMENT, len(packet).to_bytes(2, sys.byteorder))]
    under_way = arrived = 0
    start = heard_at = now = time.perf_counter()
    while now - start < seconds:
        while under_way + BATCH <= window:
            outwards.sendmsg(batch, control)
            under_way += BATCH
        try:
            while True:
                inwards.recv_into(buffer)
                under_way -= 1
                arrived += 1
                heard_at = now
        except BlockingIOError:
            time.sleep(NAP)
        now = time.perf_counter()
        if now - heard_at > PATIENCE:
            under_way, heard_at = 0, now
    return arrived / (now - start)
