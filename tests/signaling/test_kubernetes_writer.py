import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.signaling.people import ALICE, BOB, CAROL, private, sealed
from tests.signaling.scripted_kubernetes import (
    ScriptedKubernetes,
    ScriptedWatch,
    mail,
    refuse,
    refuse_to_make,
    reply,
)
from warren.envelope import Envelope
from warren.errors import SignalingError
from warren.signaling import kubernetes_writer
from warren.signaling.kubernetes_mailbox import MAX_SEQ, Mailbox
from warren.signaling.kubernetes_writer import COALESCE, MailWriter, WriteLimit


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ScriptedKubernetes]:
    async with ScriptedKubernetes(tmp_path) as server:
        yield server


@asynccontextmanager
async def writing(server: ScriptedKubernetes, limit: WriteLimit | None = None) -> AsyncIterator[MailWriter]:
    api = server.api()
    try:
        yield MailWriter(api, limit=limit or WriteLimit())
    finally:
        await api.aclose()


def to_bob() -> Envelope:
    return sealed(ALICE, BOB.public)


def numbers(body: dict[str, Any]) -> list[int]:
    return [entry["seq"] for entry in body["spec"]["entries"]]


def envelopes(body: dict[str, Any]) -> list[Envelope]:
    mailbox = Mailbox.parse(body)
    return [mailbox.open(entry) for entry in mailbox.entries]


# What is written


async def test_envelope_is_applied_to_the_mailbox_of_its_pair(server: ScriptedKubernetes) -> None:
    sent = to_bob()
    async with writing(server) as writer:
        await writer.write(sent)
    (asked,) = server.of("patch")
    assert asked.query == {"fieldManager": "warren", "force": "true"}
    assert envelopes(asked.body) == [sent]
    assert numbers(asked.body) == [1]


async def test_next_envelope_stands_beside_the_last(server: ScriptedKubernetes) -> None:
    one, two = to_bob(), to_bob()
    async with writing(server) as writer:
        await writer.write(one)
        await writer.write(two)
    assert envelopes(server.of("patch")[1].body) == [one, two]


async def test_next_write_names_the_version_that_it_changes_and_reads_nothing(
    server: ScriptedKubernetes,
) -> None:
    async with writing(server) as writer:
        await writer.write(to_bob())
        await writer.write(to_bob())
    versions = [asked.body["metadata"]["resourceVersion"] for asked in server.of("patch")]
    assert versions == ["0", "101"]
    assert server.of("get") == []


async def test_what_was_written_long_ago_is_left_out(
    server: ScriptedKubernetes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubernetes_writer, "KEEP", 0.05)
    async with writing(server) as writer:
        await writer.write(to_bob())
        await writer.write(to_bob())
    assert numbers(server.of("patch")[1].body) == [2]


async def test_process_that_was_started_anew_goes_on_with_the_numbers(server: ScriptedKubernetes) -> None:
    server.script["patch"].append(refuse_to_make)
    server.script["get"].append(reply(mail(to_bob(), first=41, version="7", written="2020-01-01T00:00:00Z")))
    async with writing(server) as writer:
        await writer.write(to_bob())
    asked = server.of("patch")[-1]
    assert (asked.body["metadata"]["resourceVersion"], numbers(asked.body)) == ("7", [42])


async def test_numbers_begin_anew_where_there_are_no_more(server: ScriptedKubernetes) -> None:
    server.script["patch"].append(refuse_to_make)
    server.script["get"].append(reply(mail(to_bob(), first=MAX_SEQ, written="2020-01-01T00:00:00Z")))
    async with writing(server) as writer:
        await writer.write(to_bob())
    assert numbers(server.of("patch")[-1].body) == [1]


async def test_foreign_object_in_our_place_is_replaced(server: ScriptedKubernetes) -> None:
    server.script["patch"].append(refuse_to_make)
    server.script["get"].append(reply({"metadata": {"resourceVersion": "7"}, "spec": 3}))
    async with writing(server) as writer:
        await writer.write(to_bob())
    asked = server.of("patch")[-1]
    assert (asked.body["metadata"]["resourceVersion"], numbers(asked.body)) == ("7", [1])


# Others of our group


async def test_what_another_of_our_group_wrote_stays(server: ScriptedKubernetes) -> None:
    theirs, ours = to_bob(), to_bob()
    server.script["get"].append(reply(mail(theirs, version="7")))
    server.script["patch"].append(refuse(409))
    async with writing(server) as writer:
        await writer.write(ours)
    asked = server.of("patch")[1]
    assert envelopes(asked.body) == [theirs, ours]
    assert (asked.body["metadata"]["resourceVersion"], numbers(asked.body)) == ("7", [1, 2])


async def test_mailbox_that_is_swept_before_it_is_read_is_made_anew(server: ScriptedKubernetes) -> None:
    server.script["patch"].append(refuse(409))
    async with writing(server) as writer:
        await writer.write(to_bob())
    asked = server.of("patch")[-1]
    assert (asked.body["metadata"]["resourceVersion"], numbers(asked.body)) == ("0", [1])


async def test_who_always_comes_too_late_gives_up(server: ScriptedKubernetes) -> None:
    server.script["patch"] += [refuse(409)] * 8
    async with writing(server) as writer:
        with pytest.raises(SignalingError, match="somebody else wrote at the same time"):
            await writer.write(to_bob())


# When it is written


async def test_first_write_goes_at_once_and_the_next_ones_together(server: ScriptedKubernetes) -> None:
    async with writing(server) as writer:
        await writer.write(sealed(ALICE, CAROL.public))  # The first waits for its connection as well.
        began = asyncio.get_running_loop().time()
        await writer.write(to_bob())
        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(writer.write(to_bob()))
                await asyncio.sleep(0)
    _, first, second = server.of("patch")
    assert first.at - began < COALESCE
    assert numbers(second.body) == [1, 2, 3, 4, 5]


async def test_what_is_published_at_the_same_time_is_written_at_once(server: ScriptedKubernetes) -> None:
    async with writing(server) as writer:
        await asyncio.gather(*(writer.write(to_bob()) for _ in range(5)))
    (asked,) = server.of("patch")
    assert numbers(asked.body) == [1, 2, 3, 4, 5]


async def test_writes_of_one_mailbox_are_a_tenth_of_a_second_apart(server: ScriptedKubernetes) -> None:
    async with writing(server) as writer:
        await writer.write(sealed(ALICE, CAROL.public))  # The first waits for its connection as well.
        for _ in range(3):
            await writer.write(to_bob())
    times = [asked.at for asked in server.of("patch")[1:]]
    assert all(later - sooner > COALESCE - 0.02 for sooner, later in itertools.pairwise(times))


async def test_beyond_the_burst_writes_are_limited(server: ScriptedKubernetes) -> None:
    began = asyncio.get_running_loop().time()
    async with writing(server, WriteLimit(rate=20, burst=3)) as writer:
        peers = [private(number).public for number in range(10, 17)]
        await asyncio.gather(*(writer.write(sealed(ALICE, peer)) for peer in peers))
    # From the beginning, since the first may take longer to come than the others.
    assert server.of("patch")[-1].at - began > 3.9 / 20


async def test_of_more_than_sixteen_the_newest_stay_with_their_numbers(server: ScriptedKubernetes) -> None:
    async with writing(server) as writer:
        await writer.write(to_bob())
        await asyncio.gather(*(writer.write(to_bob()) for _ in range(20)))
    assert numbers(server.of("patch")[-1].body) == list(range(6, 22))


async def test_server_that_asks_to_wait_is_waited_for(server: ScriptedKubernetes) -> None:
    server.script["patch"].append(refuse(429, headers={"Retry-After": "1"}))
    async with writing(server) as writer:
        await writer.write(to_bob())
    first, second = server.of("patch")
    assert second.at - first.at > 0.95


async def test_too_long_a_wait_is_told(server: ScriptedKubernetes) -> None:
    server.script["patch"].append(refuse(429, headers={"Retry-After": "3600"}))
    async with writing(server) as writer:
        with pytest.raises(SignalingError, match="asks to wait 60 s more"):
            await writer.write(to_bob())
        assert len(server.asked) == 1


# What goes wrong


async def test_all_that_were_written_together_learn_of_the_failure(server: ScriptedKubernetes) -> None:
    async with writing(server) as writer:
        await writer.write(to_bob())
        server.script["patch"].append(refuse(422, "spec.entries is wrong"))
        results = await asyncio.gather(*(writer.write(to_bob()) for _ in range(3)), return_exceptions=True)
    assert all("does not take what we write (422)" in str(error) for error in results)
    assert len(server.of("patch")) == 2


async def test_after_a_failure_nothing_is_assumed(server: ScriptedKubernetes) -> None:
    async with writing(server) as writer:
        await writer.write(to_bob())
        server.script["patch"].append(refuse(500))
        with pytest.raises(SignalingError, match="500"):
            await writer.write(to_bob())
        await writer.write(to_bob())
    assert server.of("patch")[-1].body["metadata"]["resourceVersion"] == "0"


async def test_answer_without_a_version_is_told(server: ScriptedKubernetes) -> None:
    server.script["patch"].append(reply({"metadata": {}}))
    async with writing(server) as writer:
        with pytest.raises(SignalingError, match="without its version"):
            await writer.write(to_bob())


async def test_refusal_to_read_is_told(server: ScriptedKubernetes) -> None:
    server.script["patch"].append(refuse(409))
    server.script["get"].append(refuse(403, 'User "u" cannot get resource "mailboxes"'))
    async with writing(server) as writer:
        with pytest.raises(SignalingError, match="does not let us get"):
            await writer.write(to_bob())


# Cancelling


async def test_who_is_cancelled_while_waiting_is_not_written(server: ScriptedKubernetes) -> None:
    one, two = to_bob(), to_bob()
    async with writing(server) as writer:
        await writer.write(to_bob())
        cancelled, other = (asyncio.create_task(writer.write(sent)) for sent in (one, two))
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.gather(cancelled, other, return_exceptions=True)
    written = envelopes(server.of("patch")[-1].body)
    assert two in written
    assert one not in written


async def test_who_is_cancelled_while_writing_leaves_it_to_those_who_wait(server: ScriptedKubernetes) -> None:
    one, two, three = to_bob(), to_bob(), to_bob()
    async with writing(server) as writer:
        await writer.write(one)
        server.script["patch"].append(ScriptedWatch())
        tasks = [asyncio.create_task(writer.write(sent)) for sent in (two, three)]
        await server.until(lambda: len(server.of("patch")) == 2)
        tasks[0].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert [task.cancelled() for task in tasks] == [True, False]
    assert envelopes(server.of("patch")[-1].body)[-1] == three


async def test_who_is_cancelled_while_another_writes_for_him_is_gone(server: ScriptedKubernetes) -> None:
    async with writing(server) as writer:
        await writer.write(to_bob())
        server.script["patch"].append(ScriptedWatch())
        tasks = [asyncio.create_task(writer.write(to_bob())) for _ in range(2)]
        await server.until(lambda: len(server.of("patch")) == 2)
        for task in reversed(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        last = to_bob()
        await writer.write(last)
    assert envelopes(server.of("patch")[-1].body) == [last]


# Memory


async def test_state_of_idle_mailboxes_is_bounded(
    server: ScriptedKubernetes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubernetes_writer, "OUTBOXES", 1)
    async with writing(server) as writer:
        for recipient in (BOB, CAROL, BOB):
            await writer.write(sealed(ALICE, recipient.public))
    assert [asked.body["metadata"]["resourceVersion"] for asked in server.of("patch")] == ["0", "0", "0"]
