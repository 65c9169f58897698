import asyncio
import errno
import socket
import sys
from collections.abc import Sequence
from itertools import accumulate

import pytest

from warren.aio.udp import open_udp_socket
from warren.ice.transport import Address


class Inbox:
    """Collects datagrams and lets a test wait for so many."""

    def __init__(self) -> None:
        self.items: list[tuple[bytes, Address]] = []
        self._arrived = asyncio.Event()

    def __call__(self, datagrams: Sequence[bytes], source: Address) -> None:
        self.items.extend((data, source) for data in datagrams)
        self._arrived.set()

    async def wait(self, count: int) -> list[tuple[bytes, Address]]:
        async with asyncio.timeout(10):
            while len(self.items) < count:
                self._arrived.clear()
                await self._arrived.wait()
        return self.items


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
async def test_datagrams_cross_with_their_source(address: str) -> None:
    loop = asyncio.get_running_loop()
    inbox = Inbox()
    receiver = open_udp_socket(loop, address, 0, inbox)
    sender = open_udp_socket(loop, address, 0, Inbox())
    try:
        sender.send(b"one", receiver.local)
        sender.send(b"", receiver.local)
        assert await inbox.wait(2) == [(b"one", sender.local), (b"", sender.local)]
    finally:
        receiver.close()
        sender.close()


async def test_a_burst_larger_than_one_turn_arrives_whole() -> None:
    loop = asyncio.get_running_loop()
    inbox = Inbox()
    receiver = open_udp_socket(loop, "127.0.0.1", 0, inbox)
    sender = open_udp_socket(loop, "127.0.0.1", 0, Inbox())
    try:
        for number in range(150):
            sender.send(b"%d" % number, receiver.local)
        assert [data for data, _ in await inbox.wait(150)] == [b"%d" % number for number in range(150)]
    finally:
        receiver.close()
        sender.close()


async def test_datagrams_of_mixed_lengths_to_two_receivers_keep_their_bounds_and_order() -> None:
    loop = asyncio.get_running_loop()
    inboxes = Inbox(), Inbox()
    receivers = [open_udp_socket(loop, "127.0.0.1", 0, inbox) for inbox in inboxes]
    sender = open_udp_socket(loop, "127.0.0.1", 0, Inbox())
    sizes = [1200, 1200, 1200, 700, 700, 900, 0, 1, 1, 60_000, 60_000, 1200, 1200]
    try:
        sent = [bytes([number]) * size for number, size in enumerate(sizes)]
        for data in sent:
            for receiver in receivers:
                sender.send(data, receiver.local)
        for data in sent:
            sender.send(data, receivers[0].local)
        assert [data for data, _ in await inboxes[0].wait(26)] == sent + sent
        assert [data for data, _ in await inboxes[1].wait(13)] == sent
        assert sender.dropped == 0
    finally:
        for udp in (*receivers, sender):
            udp.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux joins datagrams")
@pytest.mark.parametrize(
    ("sizes", "bursts"),
    [([1000] * 39 + [10], [40]), ([10] * 130, [64, 64, 2]), ([1200] * 60, [51, 9])],
    ids=["the last may be shorter", "64 datagrams at the most", "60 KiB at the most"],
)
async def test_what_is_sent_in_one_turn_is_one_call(sizes: list[int], bursts: list[int]) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket(type=socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.IPPROTO_UDP, 104, 1)  # UDP_GRO: what was sent as one is read as one.
        receiver.bind(("127.0.0.1", 0))
        receiver.setblocking(False)
        sender = open_udp_socket(loop, "127.0.0.1", 0, Inbox())
        try:
            for size in sizes:
                sender.send(bytes(size), receiver.getsockname())
            came = [len(await loop.sock_recv(receiver, 65536)) for _ in bursts]
        finally:
            sender.close()
    ends = list(accumulate(bursts))
    assert came == [sum(sizes[end - burst : end]) for burst, end in zip(bursts, ends, strict=True)]


async def test_what_comes_from_one_source_in_a_row_comes_together() -> None:
    loop = asyncio.get_running_loop()
    rows: list[tuple[list[bytes], Address]] = []
    inbox = Inbox()

    def received(datagrams: Sequence[bytes], source: Address) -> None:
        rows.append((list(datagrams), source))
        inbox(datagrams, source)

    receiver = open_udp_socket(loop, "127.0.0.1", 0, received)
    with plain_socket() as one, plain_socket() as other:
        try:
            for sender, data in ((one, b"1"), (one, b"2"), (other, b"3"), (one, b"4")):
                sender.sendto(data, receiver.local)
            await inbox.wait(4)
        finally:
            receiver.close()
        first, second = one.getsockname(), other.getsockname()
    assert rows == [([b"1", b"2"], first), ([b"3"], second), ([b"4"], first)]


async def test_what_is_flushed_does_not_wait_for_the_end_of_the_turn() -> None:
    udp = open_udp_socket(asyncio.get_running_loop(), "127.0.0.1", 0, Inbox())
    with plain_socket() as receiver:
        receiver.setblocking(False)
        udp.send(b"now", receiver.getsockname())
        with pytest.raises(BlockingIOError):
            receiver.recv(10)
        udp.flush()
        assert receiver.recv(10) == b"now"
    udp.close()


def plain_socket() -> socket.socket:
    """A socket that sends at once."""
    plain = socket.socket(type=socket.SOCK_DGRAM)
    plain.bind(("127.0.0.1", 0))
    return plain


async def test_a_port_in_use_is_an_os_error() -> None:
    loop = asyncio.get_running_loop()
    first = open_udp_socket(loop, "127.0.0.1", 0, Inbox())
    try:
        with pytest.raises(OSError) as caught:  # noqa: PT011  # the errno below says which
            open_udp_socket(loop, "127.0.0.1", first.local[1], Inbox())
        assert caught.value.errno == errno.EADDRINUSE
    finally:
        first.close()


async def test_too_long_a_datagram_is_the_callers_mistake() -> None:
    udp = open_udp_socket(asyncio.get_running_loop(), "127.0.0.1", 0, Inbox())
    try:
        with pytest.raises(ValueError, match="too long"):
            udp.send(bytes(70_000), ("127.0.0.1", 9))
    finally:
        udp.close()


async def test_what_the_system_cannot_send_is_counted() -> None:
    udp = open_udp_socket(asyncio.get_running_loop(), "127.0.0.1", 0, Inbox())
    udp.send(b"x", ("203.0.113.1", 9))  # From loopback there is no way out.
    udp.close()
    assert udp.dropped == 1


async def test_closing_twice_is_harmless_and_frees_the_port() -> None:
    loop = asyncio.get_running_loop()
    udp = open_udp_socket(loop, "127.0.0.1", 0, Inbox())
    port = udp.local[1]
    udp.close()
    udp.close()
    open_udp_socket(loop, "127.0.0.1", port, Inbox()).close()


async def test_a_handler_may_close_its_socket_and_hears_no_more() -> None:
    loop = asyncio.get_running_loop()
    heard: list[Sequence[bytes]] = []
    closed = asyncio.Event()

    def received(datagrams: Sequence[bytes], source: Address) -> None:
        heard.append(datagrams)
        receiver.close()
        closed.set()

    receiver = open_udp_socket(loop, "127.0.0.1", 0, received)
    with plain_socket() as one, plain_socket() as other:
        one.sendto(b"last", receiver.local)
        other.sendto(b"too late", receiver.local)
        await asyncio.wait_for(closed.wait(), 10)
    assert heard == [[b"last"]]
