"""Tests of two peers behind real NATs of the kernel that meet at coturn, by UDP, TCP and TLS."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.needs import needs
from tests.netns.servers import REALM, USER, Servers, Turn, run_signaling, run_turn
from tests.processes import Event, Peer, make_keys, warren
from warren.cli.lab import Kind, Lab

pytestmark = [needs("netns", "nft", "coturn"), pytest.mark.timeout(120)]

HERE, THERE = Lab.server_addresses


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        for side in ("left", "right"):
            for kind in (Kind.PORT_RESTRICTED, Kind.SYMMETRIC):
                lab.add_site(f"{side}-{kind}", kind)
        yield lab


@pytest.fixture
def turn(lab: Lab, tmp_path: Path) -> Iterator[Turn]:
    with run_turn(lab, tmp_path) as turn:
        yield turn


@asynccontextmanager
async def two_peers(
    lab: Lab,
    folder: Path,
    kinds: tuple[Kind, Kind],
    urls: tuple[str, ...],
    turn: Turn,
    *options: str,
    given: Sequence[str] = (),
) -> AsyncIterator[tuple[Peer, Peer]]:
    """Let the left site listen, and the right site of another kind ping it.

    `given` are options of the signaling server.
    """
    left, right = (lab.sites[f"{side}-{kind}"] for side, kind in zip(("left", "right"), kinds, strict=True))
    (left_file, left_key), (right_file, right_key) = make_keys(folder, "relay", True)
    with run_signaling(lab, THERE, *given) as (signaling, _):
        shared = Servers(signaling, (f"stun:{HERE}",), urls).options
        listen = ("listen", f"--allow={right_key}", "--echo", f"--key={left_file}", *shared)
        ping = ("ping", str(left_key), f"--key={right_file}", *shared, *options)
        async with warren(*listen, prefix=lab.command(left, *turn.environment)) as listening:
            await listening.until(lambda event: event["event"] == "listening")
            async with warren(*ping, prefix=lab.command(right, *turn.environment)) as calling:
                yield listening, calling


def chosen(peer: Peer) -> Event:
    """The last path that it took."""
    return [event for event in peer.of("path") if event["local"]][-1]


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
@pytest.mark.parametrize("other", [Kind.SYMMETRIC, Kind.PORT_RESTRICTED])
async def test_where_nats_allow_nothing_else_the_path_is_relayed(
    lab: Lab, turn: Turn, tmp_path: Path, other: Kind, transport: str
) -> None:
    kinds = Kind.SYMMETRIC, other
    urls = (turn.url(transport),)
    async with two_peers(lab, tmp_path, kinds, urls, turn, "-c3", "--interval=0.2") as (_, calling):
        assert await calling.wait(30.0) == 0
    assert chosen(calling)["relayed"]
    assert calling.of("statistics")[0]["received"] == 3


async def test_the_path_is_relayed_by_what_signaling_gives_to_who_names_no_relay(
    lab: Lab, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a secret of sixteen letters")
    secret.chmod(0o600)
    shared = ("--use-auth-secret", f"--static-auth-secret={secret.read_text()}")
    given = ("--auth=require", f"--relay=turn:{HERE}:3478", f"--relay-secret={secret}")
    kinds = Kind.SYMMETRIC, Kind.SYMMETRIC
    with run_turn(lab, tmp_path, *shared) as turn:
        async with two_peers(lab, tmp_path, kinds, (), turn, "-c3", "--interval=0.2", given=given) as (
            _,
            calling,
        ):
            assert await calling.wait(30.0) == 0
    assert chosen(calling)["relayed"]
    assert calling.of("statistics")[0]["received"] == 3


async def test_what_was_allocated_is_given_back(lab: Lab, turn: Turn, tmp_path: Path) -> None:
    kinds = Kind.SYMMETRIC, Kind.SYMMETRIC
    async with two_peers(lab, tmp_path, kinds, (turn.url(),), turn, "-c1") as (_, calling):
        assert await calling.wait(30.0) == 0
    assert turn.count(f"new, realm=<{REALM}>, username=<{USER}>") == 2
    assert turn.count(f"refreshed, realm=<{REALM}>, username=<{USER}>, lifetime=0") == 2


async def test_wrong_credentials_are_named_and_end_in_no_hang(lab: Lab, turn: Turn, tmp_path: Path) -> None:
    kinds, urls = (Kind.SYMMETRIC, Kind.SYMMETRIC), (turn.url(password="wrong-word"),)
    async with two_peers(lab, tmp_path, kinds, urls, turn, "-c1") as (_, calling):
        assert await calling.wait(60.0) == 1
    (error,) = calling.of("error")
    assert "does not accept the user name or the password" in error["reason"]
    assert "wrong-word" not in f"{calling.events}"


async def test_a_server_that_is_killed_and_restarted_relays_again(lab: Lab, tmp_path: Path) -> None:
    kinds = Kind.SYMMETRIC, Kind.SYMMETRIC
    with run_turn(lab, tmp_path) as turn:
        async with two_peers(lab, tmp_path, kinds, (turn.url(),), turn, "--interval=0.2") as (_, calling):
            await calling.until(lambda event: event["event"] == "ping")
            turn.process.kill()
            turn.process.wait()
            await asyncio.to_thread(wait_until_free, lab)
            with run_turn(lab, tmp_path):
                before = calling.of("ping")[-1]["seq"]
                await calling.until(lambda event: event["event"] == "ping" and event["seq"] > before, 60.0)


def wait_until_free(lab: Lab) -> None:
    """Wait until nobody listens on the server's port any more."""
    while subprocess.run(lab.command(None, "ss", "-Hlun", "sport = :3478"), capture_output=True).stdout:
        pass
