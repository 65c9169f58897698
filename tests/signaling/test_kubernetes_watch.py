import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.signaling.people import ALICE, BOB, sealed
from tests.signaling.scripted_kubernetes import ScriptedKubernetes, ScriptedWatch, event, mail, refuse, reply
from warren.errors import SignalingError
from warren.signaling import kubernetes_watch
from warren.signaling.carrier import Gap
from warren.signaling.kubernetes_watch import Watch

LONG_AGO = "2020-01-01T00:00:00Z"
GONE: dict[str, Any] = {"kind": "Status", "code": 410, "reason": "Expired"}
BOOKMARK: dict[str, Any] = {"metadata": {"resourceVersion": "77"}}


def a_list(*items: dict[str, Any], version: str = "1", more: str = "") -> dict[str, Any]:
    return {"metadata": {"resourceVersion": version, "continue": more}, "items": list(items)}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ScriptedKubernetes]:
    async with ScriptedKubernetes(tmp_path) as server:
        yield server


def scripted(server: ScriptedKubernetes, count: int = 1) -> list[ScriptedWatch]:
    """Let the next watches be told what to send."""
    watches = [ScriptedWatch() for _ in range(count)]
    server.script["watch"] += watches
    return watches


@asynccontextmanager
async def watching(server: ScriptedKubernetes, drops: Counter[str] | None = None) -> AsyncIterator[Watch]:
    api = server.api()
    counter = Counter() if drops is None else drops
    watch = Watch(api, BOB.public, drops=counter, dice=random.Random(1))
    try:
        await watch.begin()
        yield watch
    finally:
        watch.close()
        await api.aclose()


def to_bob() -> Any:
    return sealed(ALICE, BOB.public)


# Entering


async def test_list_and_watch_select_the_recipient(server: ScriptedKubernetes) -> None:
    async with watching(server):
        selectors = {asked.query["labelSelector"] for asked in server.asked}
    assert [asked.kind for asked in server.asked] == ["list", "watch"]
    assert all(one.startswith("signaling.warren.dev/recipient=") for one in selectors)
    assert len(selectors) == 1


async def test_watch_begins_where_the_list_ended(server: ScriptedKubernetes) -> None:
    server.script["list"].append(reply(a_list(version="42")))
    async with watching(server):
        assert server.of("watch")[0].query["resourceVersion"] == "42"


async def test_server_is_asked_to_end_a_watch_after_four_to_five_minutes(server: ScriptedKubernetes) -> None:
    async with watching(server):
        query = server.of("watch")[0].query
    assert 240 <= int(query["timeoutSeconds"]) <= 300
    assert query["allowWatchBookmarks"] == "true"


async def test_list_is_read_page_by_page(server: ScriptedKubernetes) -> None:
    old = mail(to_bob())
    server.script["list"] += [reply(a_list(more="next")), reply(a_list(old))]
    (stream,) = scripted(server)
    async with watching(server) as watch:
        new = to_bob()
        stream.send("MODIFIED", old)
        stream.send("ADDED", mail(new, uid="u2"))
        assert await anext(watch) == new
    assert [asked.query.get("continue") for asked in server.of("list")] == [None, "next"]
    assert {asked.query["limit"] for asked in server.of("list")} == {"50"}


async def test_pages_that_the_server_forgot_are_read_anew(server: ScriptedKubernetes) -> None:
    server.script["list"] += [reply(a_list(more="next")), refuse(410)]
    async with watching(server):
        assert [asked.query.get("continue") for asked in server.of("list")] == [None, "next", None]


async def test_list_that_is_refused_is_told_on_entering(server: ScriptedKubernetes) -> None:
    server.script["list"].append(refuse(500, "no leader"))
    with pytest.raises(SignalingError, match=r"failed \(500\).*it said: no leader"):
        async with watching(server):
            pass


async def test_server_that_forgets_all_pages_is_given_up(server: ScriptedKubernetes) -> None:
    server.script["list"] += [refuse(410)] * 3
    with pytest.raises(SignalingError, match="forgets the pages"):
        async with watching(server):
            pass


@pytest.mark.parametrize(
    "document",
    [{}, {"items": [], "metadata": 3}, {"items": 3, "metadata": {}}, {"items": [], "metadata": {}}],
)
async def test_what_is_no_list_is_refused(server: ScriptedKubernetes, document: dict[str, Any]) -> None:
    server.script["list"].append(reply(document))
    with pytest.raises(SignalingError, match="list"):
        async with watching(server):
            pass


async def test_missing_right_to_watch_is_told_on_entering(server: ScriptedKubernetes) -> None:
    server.script["watch"].append(refuse(403))
    with pytest.raises(
        SignalingError, match=r"let us watch mailboxes\.signaling\.warren\.dev in namespace ns"
    ):
        async with watching(server):
            pass


# Reading


async def test_events_come_as_envelopes(server: ScriptedKubernetes) -> None:
    (stream,) = scripted(server)
    one, two = to_bob(), to_bob()
    async with watching(server) as watch:
        stream.send("ADDED", mail(one))
        stream.send("MODIFIED", mail(one, two))
        assert [await anext(watch), await anext(watch)] == [one, two]


async def test_event_may_come_in_pieces(server: ScriptedKubernetes) -> None:
    (stream,) = scripted(server)
    one = to_bob()
    async with watching(server) as watch:
        reading = asyncio.ensure_future(anext(watch))
        data = event("ADDED", mail(one))
        stream.send_bytes(data[:100])
        stream.send_bytes(data[100:])
        assert await reading == one


async def test_deleted_mailbox_begins_anew(server: ScriptedKubernetes) -> None:
    (stream,) = scripted(server)
    one, two = to_bob(), to_bob()
    async with watching(server) as watch:
        stream.send("ADDED", mail(one))
        stream.send("DELETED", mail(one))
        stream.send("ADDED", mail(two))
        assert [await anext(watch), await anext(watch)] == [one, two]


async def test_old_entries_are_a_gap(server: ScriptedKubernetes) -> None:
    (stream,) = scripted(server)
    async with watching(server) as watch:
        stream.send("ADDED", mail(to_bob(), written=LONG_AGO))
        assert await anext(watch) == Gap()


async def test_strange_events_are_dropped_and_counted(server: ScriptedKubernetes) -> None:
    (stream,) = scripted(server)
    drops: Counter[str] = Counter()
    async with watching(server, drops) as watch:
        stream.send("UNHEARD", {})
        stream.send_bytes(b'{"type": "ADDED"}\n')
        stream.send("ADDED", {"metadata": 3})
        one = to_bob()
        stream.send("ADDED", mail(one))
        assert await anext(watch) == one
    assert drops == {"event-unknown": 1, "event-malformed": 1, "mailbox-malformed": 1}


@pytest.mark.parametrize("line", [b"{\n", b"3\n", b"\n", b"\xff\n", b"[" * 100_000 + b"\n"])
async def test_line_that_is_no_event_ends_the_subscription(server: ScriptedKubernetes, line: bytes) -> None:
    (stream,) = scripted(server)
    async with watching(server) as watch:
        stream.send_bytes(line)
        with pytest.raises(SignalingError, match="no JSON object"):
            await anext(watch)


async def test_oversized_line_ends_the_subscription(
    server: ScriptedKubernetes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubernetes_watch, "LARGEST_EVENT", 1000)
    (stream,) = scripted(server)
    async with watching(server) as watch:
        stream.send_bytes(b"x" * 2000)
        with pytest.raises(SignalingError, match="more than 1000 bytes"):
            await anext(watch)


# Going on


async def test_watch_that_ends_is_continued_from_the_last_bookmark(server: ScriptedKubernetes) -> None:
    first, second = scripted(server, 2)
    async with watching(server) as watch:
        reading = asyncio.ensure_future(anext(watch))
        first.send("BOOKMARK", BOOKMARK)
        first.end()
        one = to_bob()
        second.send("ADDED", mail(one))
        assert await reading == one
    assert [asked.query["resourceVersion"] for asked in server.of("watch")] == ["1", "77"]
    assert len(server.of("list")) == 1


async def test_watch_that_ends_in_the_middle_of_a_line_is_continued(server: ScriptedKubernetes) -> None:
    first, second = scripted(server, 2)
    one, two = to_bob(), to_bob()
    async with watching(server) as watch:
        first.send("ADDED", mail(one, version="5"))
        first.send_bytes(b'{"type": "MODIF')
        assert await anext(watch) == one
        first.end()
        second.send("MODIFIED", mail(one, two, version="6"))
        assert await anext(watch) == two
    assert [asked.query["resourceVersion"] for asked in server.of("watch")] == ["1", "5"]


async def test_gone_in_the_stream_lists_anew_and_tells_what_is_new(server: ScriptedKubernetes) -> None:
    one, two = to_bob(), to_bob()
    server.script["list"] += [reply(a_list(mail(one))), reply(a_list(mail(one, two), version="9"))]
    first, _ = scripted(server, 2)
    async with watching(server) as watch:
        first.send("ERROR", GONE)
        assert await anext(watch) == two
        reading = asyncio.ensure_future(anext(watch))
        await server.until(lambda: len(server.of("watch")) == 2)
        reading.cancel()
    assert server.of("watch")[1].query["resourceVersion"] == "9"


async def test_gone_as_a_status_lists_anew_and_tells_what_is_new(server: ScriptedKubernetes) -> None:
    one = to_bob()
    server.script["list"] += [reply(a_list()), reply(a_list(mail(one)))]
    server.script["watch"].append(refuse(410))
    async with watching(server) as watch:
        assert await anext(watch) == one


async def test_what_is_old_after_listing_anew_is_a_gap(server: ScriptedKubernetes) -> None:
    server.script["list"] += [reply(a_list()), reply(a_list(mail(to_bob(), written=LONG_AGO)))]
    server.script["watch"].append(refuse(410))
    async with watching(server) as watch:
        assert await anext(watch) == Gap()


async def test_other_error_in_the_stream_ends_the_subscription(server: ScriptedKubernetes) -> None:
    (stream,) = scripted(server)
    async with watching(server) as watch:
        stream.send("ERROR", {"code": 500, "reason": "InternalError"})
        with pytest.raises(SignalingError, match="ended the watch: 500 'InternalError'"):
            await anext(watch)


async def test_server_that_ends_each_watch_at_once_is_given_up(server: ScriptedKubernetes) -> None:
    for stream in scripted(server, 10):
        stream.end()
    async with watching(server) as watch:
        with pytest.raises(SignalingError, match="ends each watch at once"):
            await anext(watch)
    assert len(server.of("watch")) == 4


async def test_server_that_never_knows_the_place_is_given_up(server: ScriptedKubernetes) -> None:
    server.script["watch"] += [refuse(410)] * 10
    async with watching(server) as watch:
        with pytest.raises(SignalingError, match="ends each watch at once"):
            await anext(watch)


async def test_watch_that_the_server_does_not_end_is_ended_by_us(
    server: ScriptedKubernetes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubernetes_watch, "SHORTEST", 0)
    monkeypatch.setattr(kubernetes_watch, "LONGEST", 0)
    monkeypatch.setattr(kubernetes_watch, "BEYOND", 0.05)
    async with watching(server) as watch:
        reading = asyncio.ensure_future(anext(watch))
        await server.until(lambda: len(server.of("watch")) == 2)
        reading.cancel()
    # It said nothing, not even a bookmark: perhaps it waits for a version that is yet to come.
    assert len(server.of("list")) == 2


async def test_failure_to_continue_ends_the_subscription(server: ScriptedKubernetes) -> None:
    (stream,) = scripted(server)
    server.script["watch"].append(refuse(503))
    async with watching(server) as watch:
        stream.end()
        with pytest.raises(SignalingError, match="503"):
            await anext(watch)


# Cancelling


async def test_cancelled_reader_loses_nothing(server: ScriptedKubernetes) -> None:
    (stream,) = scripted(server)
    async with watching(server) as watch:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await anext(watch)
        one = to_bob()
        stream.send("ADDED", mail(one))
        assert await anext(watch) == one


async def test_cancelled_entering_leaves_no_connection(server: ScriptedKubernetes) -> None:
    server.script["list"].append(ScriptedWatch())
    api = server.api()
    watch = Watch(api, BOB.public, drops=Counter(), dice=random.Random(1))
    entering = asyncio.create_task(watch.begin())
    await server.until(lambda: server.open == 1)
    entering.cancel()
    await asyncio.gather(entering, return_exceptions=True)
    await server.until(lambda: server.open == 0)
    await api.aclose()


async def test_cancelled_continuing_leaves_no_connection(server: ScriptedKubernetes) -> None:
    (stream,) = scripted(server)
    async with watching(server) as watch:
        reading = asyncio.create_task(anext(watch))
        stream.end()
        await server.until(lambda: len(server.of("watch")) == 2)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    await server.until(lambda: server.open == 0)


async def test_left_subscription_leaves_no_connection(server: ScriptedKubernetes) -> None:
    async with watching(server):
        await server.until(lambda: server.open == 1)
    await server.until(lambda: server.open == 0)


async def test_reader_of_a_closed_carrier_gets_the_end(server: ScriptedKubernetes) -> None:
    api = server.api()
    watch = Watch(api, BOB.public, drops=Counter(), dice=random.Random(1))
    await watch.begin()
    reading = asyncio.ensure_future(anext(watch))
    await asyncio.sleep(0)
    await api.aclose()
    with pytest.raises(StopAsyncIteration):
        await reading
    watch.close()
