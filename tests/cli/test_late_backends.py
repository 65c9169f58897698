"""Tests of connect and listen as processes, where a signaling server is not there when they start."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from tests.needs import needs
from tests.places import PLACES
from tests.processes import Peer, Wanted, make_keys, warren
from tests.signaling.servers import SERVERS, Server
from warren.signaling.url import BackendUrl


class Pair:
    """Bob, who listens and echoes, and Alice, who calls him."""

    def __init__(self, folder: Path) -> None:
        (self.bob_file, self.bob), (self.alice_file, self.alice) = make_keys(folder, "key", True)

    def listen(self, *urls: str) -> AbstractAsyncContextManager[Peer]:
        """Let Bob listen."""
        return warren("listen", f"--key={self.bob_file}", f"--allow={self.alice}", "--echo", *options(*urls))

    def connect(self, *urls: str) -> AbstractAsyncContextManager[Peer]:
        """Let Alice call."""
        return warren("connect", str(self.bob), f"--key={self.alice_file}", *options(*urls))


def options(*urls: str) -> list[str]:
    return ["-v", "--loopback", "--interface=lo", *(f"--signaling={url}" for url in urls)]


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


@pytest.fixture(params=[pytest.param(kind, marks=[needs(*PLACES[kind][1])]) for kind in SERVERS])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    """One of each kind, which does not run yet."""
    async with SERVERS[request.param]() as server:
        yield server


def signaling(url: str, *, live: bool) -> Wanted:
    """What is told when a backend becomes live, or cannot."""
    name = str(BackendUrl.parse(url))
    return lambda event: (
        (event["event"], event.get("backend"), event.get("live")) == ("signaling", name, live)
    )


async def echoes(alice: Peer, word: str) -> None:
    """See a line come back."""
    alice.say(f"{word}\n")
    alice.say(None)
    assert await alice.wait() == 0, alice.events
    assert alice.output == [word]


async def test_server_that_starts_after_both_peers_is_taken_into_use(pair: Pair, server: Server) -> None:
    async with (
        PLACES["multicast"][0]() as group,
        pair.listen(server.url) as bob,
        pair.connect(group.url, server.url) as alice,
    ):
        for peer in (bob, alice):
            await peer.until(signaling(server.url, live=False))
        await server.start()
        await echoes(alice, "at last")


async def test_server_that_starts_later_takes_the_place_of_the_one_that_was_there(
    pair: Pair, server: Server
) -> None:
    async with SERVERS["grpc"]() as first:
        await first.start()
        urls = (first.url, server.url)
        async with pair.listen(*urls) as bob:
            await bob.until(signaling(first.url, live=True))
            async with pair.connect(*urls) as alice:
                await echoes(alice, "by the first")
            await server.start()
            await bob.until(signaling(server.url, live=True))
            await first.kill()
            async with pair.connect(*urls) as alice:
                await echoes(alice, "by the other")
