"""Tests of connect, listen and ping as processes that meet at a signaling server of ours, on loopback."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
import trustme

from tests.processes import Peer, Wanted, make_keys, warren
from tests.server.certificates import issue
from warren.cli.children import warren_command
from warren.keys import PrivateKey

LOOPBACK = ("--loopback", "--interface=lo")


class Pair:
    """Two keys and what their commands have in common."""

    def __init__(self, url: str, folder: Path) -> None:
        (self.bob_file, self.bob), (self.alice_file, self.alice) = make_keys(folder, "key", True)
        self.options = (f"--signaling={url}", *LOOPBACK)

    def listen(self, *arguments: str) -> AbstractAsyncContextManager[Peer]:
        """Let Bob listen."""
        return warren("listen", f"--key={self.bob_file}", *self.options, *arguments)

    def call(self, command: str, *arguments: str) -> AbstractAsyncContextManager[Peer]:
        """Let Alice run a command towards Bob."""
        return warren(command, str(self.bob), f"--key={self.alice_file}", *self.options, *arguments)


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """Run a signaling server."""
    async with warren("signal", "--listen=127.0.0.1:0", "--insecure") as server:
        port = (await server.until(named("listening")))["port"]
        yield f"grpc://127.0.0.1:{port}?insecure=true"


@pytest.fixture
def pair(url: str, tmp_path: Path) -> Pair:
    return Pair(url, tmp_path)


@pytest.fixture
async def bob(pair: Pair) -> AsyncIterator[Peer]:
    """Let Bob listen for Alice, and echo."""
    async with pair.listen(f"--allow={pair.alice}", "--echo") as bob:
        await bob.until(named("listening"))
        yield bob


def named(name: str) -> Wanted:
    return lambda event: event["event"] == name


def reached(state: str) -> Wanted:
    return lambda event: event.get("to") == state


async def test_lines_go_there_and_back(pair: Pair, bob: Peer) -> None:
    async with pair.call("connect") as alice:
        alice.say("hello\nworld\n")
        await alice.until_output(2)
        alice.say(None)
        assert await alice.wait() == 0
    assert alice.output == ["hello", "world"]
    await bob.until_output(2)
    assert bob.output == ["hello", "world"]


async def test_connect_waits_for_the_answer_to_its_last_line(pair: Pair, bob: Peer) -> None:
    async with pair.call("connect") as alice:
        alice.say("last words")
        alice.say(None)
        assert await alice.wait() == 0
    assert alice.output == ["last words"]


async def test_state_events_have_the_documented_keys(pair: Pair, bob: Peer) -> None:
    async with pair.call("connect", "--linger=0") as alice:
        alice.say(None)
        await alice.wait()
    assert {tuple(event) for event in alice.of("state")} == {
        ("event", "peer", "from", "to", "reason", "generation", "elapsed", "time")
    }
    assert {event["peer"] for event in alice.of("state")} == {str(pair.bob)}


async def test_states_are_told_from_the_first_to_the_last(pair: Pair, bob: Peer) -> None:
    async with pair.call("connect", "--linger=0") as alice:
        alice.say(None)
        await alice.wait()
    states = [event["to"] for event in alice.of("state")]
    assert states[0] == "IDLE"
    assert [state for state in states if state in ("NEW", "CHECKING", "CONNECTED", "CLOSED")] == [
        "NEW",
        "CHECKING",
        "CONNECTED",
        "CLOSED",
    ]


async def test_path_events_have_the_documented_keys(pair: Pair, bob: Peer) -> None:
    async with pair.call("ping", "-c1") as alice:
        await alice.wait()
    event = alice.of("path")[0]
    assert tuple(event) == ("event", "peer", "local", "remote", "relayed", "rtt")
    assert tuple(event["local"]) == ("type", "address", "port", "transport")
    assert event["local"]["address"] in ("127.0.0.1", "::1")
    assert event["relayed"] is False


async def test_a_path_always_has_two_ends(pair: Pair, bob: Peer) -> None:
    async with pair.call("ping", "-c1") as alice:
        await alice.wait()
    assert alice.of("state")[-1]["to"] == "CLOSED"
    assert all(event["local"] and event["remote"] for event in alice.of("path"))


async def test_ping_counts_and_times(pair: Pair, bob: Peer) -> None:
    async with pair.call("ping", "-c3", "--interval=0.05") as alice:
        assert await alice.wait() == 0
    assert [event["seq"] for event in alice.of("ping")] == [1, 2, 3]
    (statistics,) = alice.of("statistics")
    assert (statistics["sent"], statistics["received"], statistics["lost"]) == (3, 3, 0.0)
    assert 0.0 < statistics["rtt_least"] <= statistics["rtt_mean"] <= statistics["rtt_most"] < 1.0


async def test_ctrl_c_ends_ping_with_its_statistics(pair: Pair, bob: Peer) -> None:
    async with pair.call("ping", "--interval=0.05") as alice:
        await alice.until(named("ping"))
        alice.interrupt()
        assert await alice.wait() == 0
    assert len(alice.of("statistics")) == 1
    assert alice.of("state")[-1]["to"] == "CLOSED"


async def test_ping_without_answers_fails_and_says_what_to_do(pair: Pair) -> None:
    async with pair.listen(f"--allow={pair.alice}") as bob:
        await bob.until(named("listening"))
        text = await text_of("ping", str(pair.bob), "-c1", f"--key={pair.alice_file}", *pair.options)
    assert text.code == 1
    assert "1 sent, 0 answered, 100% lost; does the peer run `warren listen --echo`?" in text.out


async def test_who_leaves_and_comes_again_is_taken_again(pair: Pair, bob: Peer) -> None:
    for _ in range(2):
        async with pair.call("ping", "-c1") as alice:
            assert await alice.wait() == 0


async def test_a_key_that_is_not_allowed_hears_nothing(pair: Pair) -> None:
    stranger = PrivateKey.generate().public
    async with pair.listen(f"--allow={stranger}") as bob, pair.call("connect", "--timeout=1.5") as alice:
        await bob.until(named("listening"))
        assert await alice.wait() == 1
        assert "nobody there" in alice.of("error")[0]["reason"]
        assert not bob.of("state")


async def test_two_that_both_connect_find_each_other(pair: Pair) -> None:
    async with (
        warren("connect", str(pair.alice), f"--key={pair.bob_file}", *pair.options) as bob,
        pair.call("connect") as alice,
    ):
        alice.say("to bob\n")
        bob.say("to alice\n")
        await asyncio.gather(alice.until_output(1), bob.until_output(1))
    assert (alice.output, bob.output) == (["to alice"], ["to bob"])


async def test_nobody_there_is_said_after_the_timeout(pair: Pair) -> None:
    async with pair.call("connect", "--timeout=1") as alice:
        assert await alice.wait() == 1
    assert alice.of("error")[0]["reason"].startswith("nobody there")


async def test_a_server_that_is_not_there_is_said(tmp_path: Path) -> None:
    pair = Pair("grpc://127.0.0.1:1?insecure=true", tmp_path)
    async with pair.call("connect", "--timeout=1") as alice:
        assert await alice.wait() == 1
    reason = alice.of("error")[0]["reason"]
    assert reason.startswith("signaling unreachable")
    assert "grpc://127.0.0.1:1" in reason


async def test_a_certificate_that_nobody_vouches_for_is_said_and_grpc_itself_says_nothing(
    tmp_path: Path,
) -> None:
    files = issue(trustme.CA(), tmp_path)
    server = warren(
        "signal", "--listen=127.0.0.1:0", f"--tls-cert={files.certificate}", f"--tls-key={files.key}"
    )
    async with server as running:
        pair = Pair(f"grpc://127.0.0.1:{(await running.until(named('listening')))['port']}", tmp_path)
        async with pair.call("connect", "--timeout=1") as alice:
            assert await alice.wait() == 1
    assert {event["event"] for event in alice.events} == {"state", "signaling", "error"}
    assert "its certificate is not trusted" in alice.of("error")[0]["reason"]


async def test_ctrl_c_before_a_connection_ends_connect_with_130(pair: Pair) -> None:
    async with pair.call("connect") as alice:
        await alice.until(reached("IDLE"))
        alice.interrupt()
        assert await alice.wait(5.0) == 130
    assert alice.of("state")[-1]["to"] == "CLOSED"


async def test_ctrl_c_is_how_listening_ends(pair: Pair, bob: Peer) -> None:
    bob.interrupt()
    assert await bob.wait(5.0) == 0


async def test_ctrl_c_closes_the_sessions_of_a_listener(pair: Pair, bob: Peer) -> None:
    async with pair.call("ping", "--interval=0.1") as alice:
        await alice.until(named("ping"))
        bob.interrupt()
        assert await bob.wait(5.0) == 0
    assert bob.of("state")[-1]["to"] == "CLOSED"


async def test_listen_gives_up_when_told_to(pair: Pair) -> None:
    async with pair.listen("--allow-any", "--timeout=0.2") as bob:
        assert await bob.wait() == 1
    assert bob.of("error")[0]["reason"] == "nobody has connected in 0.2 s"


async def test_a_connection_in_time_keeps_listen_going(pair: Pair) -> None:
    async with pair.listen("--allow-any", "--echo", "--timeout=5") as bob:
        await bob.until(named("listening"))
        async with pair.call("ping", "--interval=0.1") as alice:
            await alice.until(lambda event: event.get("seq") == 60, 20.0)
            assert bob.process.returncode is None


async def test_text_is_plain_where_nobody_looks(pair: Pair, bob: Peer) -> None:
    text = await text_of("ping", str(pair.bob), "-c1", f"--key={pair.alice_file}", *pair.options)
    assert text.code == 0
    assert re.search(r"^ +\d+\.\d{3} s  CONNECTED     \S", text.err, re.MULTILINE)
    assert re.search(
        r"^ +\d+\.\d{3} s  path          host \S+:\d+ -> host \S+:\d+, direct, ", text.err, re.MULTILINE
    )
    assert re.search(r"^56 bytes: number 1, \d+\.\d ms; host ", text.out, re.MULTILINE)
    assert "\x1b" not in text.out + text.err


class Text:
    """What a command wrote, and how it ended."""

    def __init__(self, code: int | None, out: bytes, err: bytes) -> None:
        self.code, self.out, self.err = code, out.decode(), err.decode()


async def text_of(*arguments: str) -> Text:
    """Run a command to its end without --json."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*warren_command(*arguments), stdout=pipe, stderr=pipe)
    out, err = await process.communicate()
    return Text(process.returncode, out, err)


async def test_who_asks_for_more_is_told_at_the_end_how_each_backend_did(pair: Pair, bob: Peer) -> None:
    async with pair.call("connect", "-v", "--linger=0") as alice:
        alice.say(None)
        await alice.wait()
    [backend] = alice.of("backend")
    assert backend["live"]
    assert backend["published"] > 0
    assert backend["received"] > 0
