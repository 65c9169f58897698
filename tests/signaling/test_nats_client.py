"""Tests of the NATS carrier against servers that say odd things: each is a few lines of a script."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from tests.server.client import until
from tests.signaling.people import ALICE, BOB, sealed
from tests.signaling.test_nats import BOBS_SUBJECT, carrier_to, enter
from warren.errors import SignalingError
from warren.signaling.carrier import Identity
from warren.signaling.nats import NatsCarrier

INFO = b'INFO {"server_id":"x","version":"2.9.10","max_payload":1048576,"headers":true}\r\n'

Script = Callable[["Visit"], Awaitable[None]]


class Visit:
    """One connection of the carrier to a scripted server, and what it said."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.lines: list[bytes] = []

    def say(self, data: bytes) -> None:
        self._writer.write(data)

    async def hear(self, beginning: bytes) -> bytes:
        """Read until a line begins so."""
        while line := await self._reader.readline():
            self.lines.append(line)
            if line.startswith(beginning):
                return line
        raise ConnectionResetError

    async def welcome(self) -> None:
        """Do what a server does until a client is connected."""
        self.say(INFO)
        await self.hear(b"PING")
        self.say(b"PONG\r\n")

    async def serve(self) -> None:
        """Answer every PING."""
        while True:
            await self.hear(b"PING")
            self.say(b"PONG\r\n")


@asynccontextmanager
async def scripted(script: Script) -> AsyncIterator[tuple[str, list[Visit]]]:
    """A server that runs the script for each connection; gives its URL and the visits so far."""
    visits: list[Visit] = []
    busy: set[asyncio.Task[None]] = set()

    async def visit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        busy.add(task)
        visits.append(Visit(reader, writer))
        try:
            await script(visits[-1])
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            busy.discard(task)
            writer.close()

    server = await asyncio.start_server(visit, "127.0.0.1", 0, limit=1 << 20)
    try:
        yield f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}", visits
    finally:
        server.close()
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)


@pytest.fixture(autouse=True)
async def nothing_left() -> AsyncIterator[None]:
    """See that no task outlives a test."""
    yield
    assert asyncio.all_tasks() == {asyncio.current_task()}, "a task is left over"


async def listen(carrier: NatsCarrier) -> None:
    """Subscribe and read until that ends."""
    async with asyncio.timeout(5), carrier.subscribe(Identity(BOB)) as stream:
        await anext(stream)


async def serve(visit: Visit) -> None:
    """Do what a server does; what is heard since the welcome stays in `lines`."""
    await visit.welcome()
    visit.lines.clear()
    await visit.serve()


async def no_nats(visit: Visit) -> None:
    visit.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")


async def at_once_gone(visit: Visit) -> None:
    pass


async def no_json(visit: Visit) -> None:
    visit.say(b"INFO {{{\r\n")
    await visit.hear(b"CONNECT")


async def no_object(visit: Visit) -> None:
    visit.say(b"INFO [1]\r\n")
    await visit.hear(b"CONNECT")


async def odd_limit(visit: Visit) -> None:
    visit.say(b'INFO {"max_payload":"many"}\r\n')
    await visit.hear(b"CONNECT")


async def odd_urls(visit: Visit) -> None:
    visit.say(b'INFO {"connect_urls":[7,"[::"]}\r\n')
    await visit.hear(b"PING")
    visit.say(b"who\r\n")
    await visit.serve()


async def endless_info(visit: Visit) -> None:
    visit.say(b"INFO " + b"x" * 200_000)
    await visit.hear(b"CONNECT")


@pytest.mark.parametrize(
    "script", [no_nats, at_once_gone, no_json, no_object, odd_limit, odd_urls, endless_info]
)
async def test_what_is_no_nats_server_is_named_so(script: Script, caplog: pytest.LogCaptureFixture) -> None:
    async with scripted(script) as (url, visits), carrier_to(url, patience=2.0) as carrier:
        with pytest.raises(
            SignalingError, match=r"no route to NATS server .*does not speak NATS; check the port"
        ):
            await enter(carrier)
        assert len(visits) == 1, "it was tried again"
    assert caplog.record_tuples == []


async def test_server_that_says_nothing_is_given_up_in_time() -> None:
    async def silent(visit: Visit) -> None:
        await visit.hear(b"CONNECT")

    async with scripted(silent) as (url, _), carrier_to(url, patience=0.2) as carrier:
        with pytest.raises(SignalingError, match="it does not answer; check the address"):
            await enter(carrier)


@pytest.mark.parametrize(
    "words",
    [
        b"-ERR\r\n",
        b"-ERR \r\n",
        b"WHAT IS THIS\r\n",
        b"MSG a b c d e\r\n",
        b"MSG a 1 99999999999\r\n",
        b"INFO {{{\r\n",
        b"PONG " + b"x" * 200_000,
    ],
    ids=lambda words: words[:20].decode().strip(),
)
async def test_server_that_speaks_nonsense_later_is_left_without_a_traceback(
    words: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def nonsense(visit: Visit) -> None:
        await visit.welcome()
        await visit.hear(b"PING")
        visit.say(b"PONG\r\n" + words)
        await visit.serve()

    async with scripted(nonsense) as (url, _), carrier_to(url) as carrier:
        with pytest.raises(SignalingError, match=f"lost NATS server {url}: nats: protocol error"):
            await listen(carrier)
    assert caplog.record_tuples == []


async def test_what_it_said_before_it_hung_up_is_the_reason() -> None:
    async def stale(visit: Visit) -> None:
        await visit.welcome()
        await visit.hear(b"PING")
        visit.say(b"PONG\r\n-ERR 'Slow Consumer \x1b[31m'\r\n")

    async with scripted(stale) as (url, _), carrier_to(url) as carrier:
        with pytest.raises(SignalingError) as caught:
            await listen(carrier)
        assert str(caught.value) == f"lost NATS server {url}: it said 'slow consumer  [31m'"


async def test_ping_follows_what_it_is_to_confirm() -> None:
    async with (
        scripted(serve) as (url, visits),
        carrier_to(url) as carrier,
        carrier.subscribe(Identity(BOB)),
    ):
        said = visits[0].lines
        assert [line.split()[0] for line in said] == [b"SUB", b"PING"]
        said.clear()
        await carrier.publish(sealed(ALICE, BOB.public))
        assert said[0].split()[:2] == [b"PUB", BOBS_SUBJECT.encode()]
        assert said[-1] == b"PING\r\n"


async def test_ping_does_not_overtake_what_was_written_as_the_last_pong_came() -> None:
    message = sealed(ALICE, BOB.public).serialize()

    async def watch(visit: Visit) -> None:
        await visit.welcome()
        await visit.hear(b"PING")
        visit.say(b"PONG\r\n")
        await visit.hear(b"PING")
        visit.lines.clear()
        visit.say(b"PONG\r\nMSG %s 1 %d\r\n%s\r\n" % (BOBS_SUBJECT.encode(), len(message), message))
        await visit.serve()

    async with (
        scripted(watch) as (url, visits),
        carrier_to(url) as carrier,
        carrier.subscribe(Identity(BOB)) as stream,
    ):
        first = asyncio.create_task(carrier.publish(sealed(ALICE, BOB.public)))
        await anext(stream)
        await carrier.publish(sealed(ALICE, BOB.public))
        await first
        assert [line[:4] for line in visits[0].lines if line[:4] in (b"PUB ", b"PING")] == [b"PUB ", b"PING"]


async def test_all_who_wait_for_an_answer_learn_of_the_loss() -> None:
    hang_up = asyncio.Event()

    async def mute(visit: Visit) -> None:
        await visit.welcome()
        await visit.hear(b"PING")
        await hang_up.wait()

    async with scripted(mute) as (url, visits), carrier_to(url) as carrier:
        publishing = [asyncio.create_task(carrier.publish(sealed(ALICE, BOB.public)))]
        await until(lambda: bool(visits) and visits[0].lines.count(b"PING\r\n") == 2)
        publishing.append(asyncio.create_task(carrier.publish(sealed(ALICE, BOB.public))))
        await asyncio.sleep(0)
        hang_up.set()
        async with asyncio.timeout(5):
            outcomes = await asyncio.gather(*publishing, return_exceptions=True)
        said = f"lost NATS server {url}: it closed the connection; its log may say why"
        assert [str(outcome) for outcome in outcomes] == [said, said]


async def test_publishers_at_the_same_time_share_a_ping() -> None:
    async with scripted(serve) as (url, visits), carrier_to(url) as carrier:
        await carrier.publish(sealed(ALICE, BOB.public))
        visits[0].lines.clear()
        await asyncio.gather(*(carrier.publish(sealed(ALICE, BOB.public)) for _ in range(50)))
        assert visits[0].lines.count(b"PING\r\n") == 1


async def test_servers_that_a_server_tells_of_are_not_followed() -> None:
    async def elsewhere(visit: Visit) -> None:
        visit.say(b"INFO " + json.dumps({"connect_urls": ["192.0.2.1:4222"]}).encode() + b"\r\n")
        await visit.hear(b"PING")
        visit.say(b"PONG\r\n")

    async with scripted(elsewhere) as (url, visits), carrier_to(url) as carrier:
        for number in (1, 2, 3):
            with pytest.raises(SignalingError, match=f"lost NATS server {url}"):
                await enter(carrier)
            assert len(visits) == number


async def test_news_of_a_cluster_are_not_even_read() -> None:
    async def news(visit: Visit) -> None:
        await visit.welcome()
        await visit.hear(b"PING")
        visit.say(b'INFO {"connect_urls":["[::"]}\r\nPONG\r\n')
        await visit.serve()

    async with scripted(news) as (url, visits), carrier_to(url) as carrier:
        await enter(carrier)
        await enter(carrier)
        assert len(visits) == 2


async def test_server_that_hung_up_is_not_the_first_to_be_dialled_again() -> None:
    async def hangs_up(visit: Visit) -> None:
        await visit.welcome()
        await visit.hear(b"PING")

    async def stays(visit: Visit) -> None:
        await visit.welcome()
        await visit.serve()

    async with (
        scripted(hangs_up) as (url, first),
        scripted(stays) as (other, second),
        carrier_to(f"{url},{other.removeprefix('nats://')}") as carrier,
    ):
        with pytest.raises(SignalingError, match="lost NATS server"):
            await enter(carrier)
        await enter(carrier)
        assert (len(first), len(second)) == (1, 1)


async def test_server_is_told_who_leaves() -> None:
    async with (
        scripted(serve) as (url, visits),
        carrier_to(url) as carrier,
        carrier.subscribe(Identity(ALICE)),
    ):
        async with carrier.subscribe(Identity(BOB)), carrier.subscribe(Identity(BOB)):
            pass
        await carrier.publish(sealed(ALICE, BOB.public))
        said = [line.partition(b" ")[0] for line in visits[0].lines]
        assert [word for word in said if word in (b"SUB", b"UNSUB", b"PUB")] == [
            b"SUB",
            b"SUB",
            b"UNSUB",
            b"PUB",
        ]


async def test_line_that_is_given_back_is_closed_when_nobody_uses_it() -> None:
    gone = asyncio.Event()

    async def watch(visit: Visit) -> None:
        await visit.welcome()
        try:
            await visit.serve()
        finally:
            gone.set()

    async with scripted(watch) as (url, visits), carrier_to(url) as carrier:
        await enter(carrier)
        async with asyncio.timeout(5):
            await gone.wait()
        await enter(carrier)
        assert len(visits) == 2


@pytest.mark.parametrize("userinfo", ["u:hunter2@", "hunter2@"])
async def test_secret_is_not_told_to_a_server_elsewhere_without_tls(
    userinfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A test reaches no other machine: that this one is another is all that is made up here.
    monkeypatch.setattr("warren.signaling.nats_target.NatsServer.local", False)

    async def watch(visit: Visit) -> None:
        await visit.welcome()
        await visit.serve()

    async with scripted(watch) as (url, visits):
        url = url.replace("//", f"//{userinfo}")
        async with carrier_to(url) as carrier:
            with pytest.raises(SignalingError, match=r"would go in plaintext; \?tls=false allows that"):
                await enter(carrier)
            await until(lambda: bool(visits))
            assert visits[0].lines == []
        async with carrier_to(f"{url}?tls=false") as carrier:
            await enter(carrier)
            assert b"hunter2" in visits[-1].lines[0]
