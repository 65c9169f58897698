import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from tests.signaling.cunicu_server import CunicuServer
from warren.aio.calls import anyone
from warren.aio.network import Received, SystemNetwork, UdpSocket
from warren.aio.node import Node
from warren.aio.session import Session
from warren.errors import ConfigurationError, NotConnected
from warren.ice import stun
from warren.ice.policy import CandidatePolicy
from warren.ice.transport import Address
from warren.keys import KeyPair, PrivateKey, PublicKey
from warren.messages import Candidate, CandidateType, Credentials, Message, NetworkType
from warren.server.grpc import serve
from warren.session.config import Config
from warren.session.outputs import PathChanged, StateChanged
from warren.session.state import State
from warren.signaling import connect


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reach loopback directly, whatever proxy the machine uses for the rest of the world."""
    monkeypatch.setenv("no_grpc_proxy", "127.0.0.1,localhost")


LOOPBACK = Config(loopback=True, include_interfaces=("lo",))


def world() -> str:
    """A URL of an in-process world that no other test is in."""
    return f"inprocess:{PrivateKey.generate().public.raw.hex()}"


@asynccontextmanager
async def two_nodes() -> AsyncIterator[tuple[Node, Node]]:
    url = world()
    async with (
        Node(PrivateKey.generate(), url, config=LOOPBACK) as alice,
        Node(PrivateKey.generate(), url, config=LOOPBACK) as bob,
    ):
        yield alice, bob


@asynccontextmanager
async def two_sessions() -> AsyncIterator[tuple[Session, Session]]:
    async with (
        two_nodes() as (alice, bob),
        alice.open(bob.public) as to_bob,
        bob.open(alice.public) as to_alice,
    ):
        await asyncio.gather(to_bob.wait_connected(20), to_alice.wait_connected(20))
        yield to_bob, to_alice


async def test_two_nodes_connect_and_data_crosses_both_ways() -> None:
    async with two_sessions() as (to_bob, to_alice):
        to_bob.send(b"hello bob")
        to_alice.send(b"hello alice")
        assert await asyncio.wait_for(to_alice.recv(), 10) == b"hello bob"
        assert await asyncio.wait_for(to_bob.recv(), 10) == b"hello alice"


async def test_stats_count_datagrams_and_bytes() -> None:
    async with two_sessions() as (to_bob, to_alice):
        to_bob.send(b"12345")
        await asyncio.wait_for(to_alice.recv(), 10)
        sent, received = to_bob.stats, to_alice.stats
        assert (sent.datagrams_sent, sent.bytes_sent) == (1, 5)
        assert (received.datagrams_received, received.bytes_received) == (1, 5)
        assert sent.rtt is not None
        assert sent.path_changes >= 1


async def test_what_the_agent_drops_is_seen_in_the_stats() -> None:
    backend, peer = connect(world()), PrivateKey.generate()
    multicast = Candidate(type=CandidateType.HOST, network=NetworkType.UDP4, address="224.0.0.1", port=9)
    said = Message(credentials=Credentials("ufrag", "p" * 22), candidate=multicast)
    async with (
        Node(PrivateKey.generate(), backend, config=LOOPBACK) as node,
        node.open(peer.public) as session,
    ):
        await backend.wait_live(node.public, 10)
        await backend.publish(KeyPair(peer, node.public), said)
        await asyncio.wait_for(session.wait_for(State.CONNECTING), 10)
        assert session.stats.drops["candidate-multicast"] == 1
    await backend.aclose()


async def test_history_runs_through_the_states_of_the_document() -> None:
    async with two_sessions() as (to_bob, _):
        seen = [change.new for change in to_bob.history]
        assert seen[:5] == [State.IDLE, State.NEW, State.CONNECTING, State.CHECKING, State.CONNECTED]
        assert all(change.reason for change in to_bob.history)


async def test_events_begin_with_the_history_and_end_with_the_session() -> None:
    async with two_sessions() as (to_bob, _):
        events = to_bob.events()
        first = await anext(events)
        assert isinstance(first, StateChanged)
        assert first.new is State.IDLE
        to_bob.close()
        rest = [event async for event in events]
        assert isinstance(rest[-1], StateChanged | PathChanged)


async def test_a_restart_keeps_data_flowing_and_makes_a_new_generation() -> None:
    async with two_sessions() as (to_bob, to_alice):
        events = to_bob.events()
        to_bob.restart()
        assert to_bob.path is not None
        async with asyncio.timeout(20):
            async for event in events:
                if isinstance(event, PathChanged) and event.generation == 2:
                    break
        to_bob.send(b"after")
        assert await asyncio.wait_for(to_alice.recv(), 10) == b"after"


async def test_a_caller_is_learned_of_and_can_be_answered() -> None:
    async with (
        two_nodes() as (alice, bob),
        bob.calls(allow=[alice.public]) as calls,
        alice.open(bob.public) as to_bob,
    ):
        peer = await asyncio.wait_for(anext(calls), 10)
        assert peer == alice.public
        async with bob.open(peer):
            await to_bob.wait_connected(20)


async def test_a_caller_that_is_not_allowed_is_not_learned_of() -> None:
    asked = asyncio.Event()

    def nobody(peer: PublicKey) -> bool:
        asked.set()
        return False

    async with two_nodes() as (alice, bob), bob.calls(nobody) as calls, alice.open(bob.public):
        await asyncio.wait_for(asked.wait(), 10)
        caller = asyncio.ensure_future(anext(calls))
        await asyncio.sleep(0)
        assert not caller.done()
        caller.cancel()


async def reason_becomes(words: str, url: str, peer: PublicKey) -> None:
    """Wait until a node that opens a session with the peer gives this reason for having no path."""
    async with (
        asyncio.timeout(20),
        Node(PrivateKey.generate(), url, config=LOOPBACK) as alice,
        alice.open(peer) as session,
    ):
        reason = ""
        while words not in reason:
            with pytest.raises(NotConnected, match="nobody there") as caught:
                await session.wait_connected(0.05)
            reason = str(caught.value)


async def test_nobody_there_is_said_when_time_is_over() -> None:
    await reason_becomes("is not subscribed where we publish", world(), PrivateKey.generate().public)


async def test_who_is_there_and_does_not_answer_is_told_from_nobody() -> None:
    url = world()
    async with Node(PrivateKey.generate(), url, config=LOOPBACK) as bob:
        await reason_becomes("is subscribed, and says nothing; does it allow", url, bob.public)


async def test_where_signaling_does_not_say_who_takes_messages_nothing_is_made_up() -> None:
    async with (
        CunicuServer() as server,
        Node(PrivateKey.generate(), server.url, config=LOOPBACK) as alice,
        alice.open(PrivateKey.generate().public) as session,
    ):
        await server.wait_for_published(2)  # So the first was answered.
        with pytest.raises(NotConnected, match="no word from"):
            await session.wait_connected(0.05)


async def test_our_server_lets_a_node_know_that_nobody_is_there() -> None:
    async with serve("127.0.0.1:0", tls=None) as server:
        await reason_becomes("is not subscribed where we publish", server.url, PrivateKey.generate().public)


async def test_sending_without_a_path_is_refused() -> None:
    async with two_nodes() as (alice, bob), alice.open(bob.public) as session:
        with pytest.raises(NotConnected, match="no path"):
            session.send(b"too early")


async def test_data_that_looks_like_stun_is_refused_and_counted() -> None:
    async with two_sessions() as (to_bob, _):
        with pytest.raises(ValueError, match="STUN"):
            to_bob.send(bytes.fromhex("000100002112a442") + bytes(12))
        assert to_bob.stats.drops["send-looks-like-stun"] == 1


async def test_a_full_receive_queue_drops_the_oldest_and_counts_it() -> None:
    async with two_sessions() as (_, to_alice):
        for number in range(1030):
            to_alice.datagrams_received([b"%d" % number], 0.0)
        assert await to_alice.recv() == b"6"
        assert to_alice.stats.drops["receive-queue-full"] == 6


class OverheardNetwork(SystemNetwork):
    """The system's network; what came together can be handed in beside what its sockets hear."""

    async def open_udp(self, address: str, port: int, received: Received) -> UdpSocket:
        self.hand_in = received
        return await super().open_udp(address, port, received)


async def test_stun_among_data_that_came_together_is_kept_from_the_session_and_nothing_else_is() -> None:
    url, network = world(), OverheardNetwork()
    async with (
        Node(PrivateKey.generate(), url, config=LOOPBACK, network=network) as alice,
        Node(PrivateKey.generate(), url, config=LOOPBACK) as bob,
        alice.open(bob.public) as to_bob,
        bob.open(alice.public),
    ):
        path = await to_bob.wait_connected(20)
        network.hand_in([b"one", stun.server_request(bytes(12)), b"two"], path.remote.transport)
        assert [await to_bob.recv(), await to_bob.recv()] == [b"one", b"two"]
        assert to_bob.stats.datagrams_received == 2
        assert alice.drops["stun-unknown-ufrag"] == 1
        assert alice.stats.drops["stun-unknown-ufrag"] == 1


async def test_two_receivers_get_one_datagram_each() -> None:
    async with two_sessions() as (to_bob, to_alice):
        first = asyncio.ensure_future(to_alice.recv())
        second = asyncio.ensure_future(to_alice.recv())
        await asyncio.sleep(0)
        first.cancel()
        to_bob.send(b"one")
        assert await asyncio.wait_for(second, 10) == b"one"


async def test_closing_wakes_whoever_waits() -> None:
    async with two_sessions() as (to_bob, _):
        receiver = asyncio.ensure_future(to_bob.recv())
        waiter = asyncio.ensure_future(to_bob.wait_for(State.FAILED))
        await asyncio.sleep(0)
        to_bob.close()
        with pytest.raises(NotConnected, match="closed"):
            await receiver
        with pytest.raises(NotConnected, match="closed"):
            await waiter


async def test_our_own_key_and_a_second_session_are_refused() -> None:
    async with two_nodes() as (alice, bob), alice.open(bob.public):
        with pytest.raises(ConfigurationError, match="our own"):
            alice.open(alice.public)
        with pytest.raises(ConfigurationError, match="open already"):
            alice.open(bob.public)


async def test_a_session_can_be_opened_again_after_it_was_closed() -> None:
    async with two_nodes() as (alice, bob), bob.open(alice.public) as to_alice:
        async with alice.open(bob.public) as first:
            await first.wait_connected(20)
        async with alice.open(bob.public) as second:
            await second.wait_connected(20)
            second.send(b"again")
            assert await asyncio.wait_for(to_alice.recv(), 10) == b"again"


async def test_a_port_in_use_is_a_clear_error() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        config = Config(loopback=True, include_interfaces=("lo",), port=taken.getsockname()[1])
        with pytest.raises(ConfigurationError, match="cannot be used"):
            async with Node(PrivateKey.generate(), world(), config=config):
                pass


async def test_no_usable_address_is_a_clear_error() -> None:
    config = Config(include_interfaces=("no-such-interface",))
    with pytest.raises(ConfigurationError, match="no address of this machine"):
        async with Node(PrivateKey.generate(), world(), config=config):
            pass


async def test_a_wrong_stun_url_is_refused_before_anything_is_opened() -> None:
    with pytest.raises(ConfigurationError, match="stun:HOST"):
        Node(PrivateKey.generate(), world(), config=Config(stun=["http://example.org"]))


async def test_leaving_ends_every_task() -> None:
    before = asyncio.all_tasks()
    async with two_sessions():
        pass
    assert asyncio.all_tasks() == before


async def test_being_cancelled_half_way_ends_every_task_and_frees_the_port() -> None:
    before = asyncio.all_tasks()
    inside = asyncio.Event()
    bases: list[int] = []

    async def live() -> None:
        async with (
            Node(PrivateKey.generate(), world(), config=LOOPBACK) as node,
            node.open(PrivateKey.generate().public),
        ):
            bases.extend(base.port for base in node.bases)
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(live())
    await asyncio.wait_for(inside.wait(), 10)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == before
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", bases[0]))


async def test_anyone_is_allowed_by_anyone() -> None:
    assert anyone(PrivateKey.generate().public)


async def test_a_server_whose_name_is_not_known_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    config = Config(loopback=True, include_interfaces=("lo",), stun=["stun:nowhere.invalid"])
    async with Node(PrivateKey.generate(), world(), config=config):
        async with asyncio.timeout(20):
            while not caplog.records:  # noqa: ASYNC110  # a log line tells nobody that it came
                await asyncio.sleep(0.01)
    (record,) = caplog.records
    assert record.getMessage().startswith("server stun:nowhere.invalid:3478 cannot be resolved: ")


class NoUdp(SystemNetwork):
    """The system's network where no datagram ever leaves."""

    async def open_udp(self, address: str, port: int, received: Received) -> "SilentSocket":
        return SilentSocket(await super().open_udp(address, port, received))


class SilentSocket:
    def __init__(self, socket: UdpSocket) -> None:
        self.local = socket.local
        self.flush = socket.flush
        self.close = socket.close

    def send(self, data: bytes, destination: Address) -> None:
        """Drop it."""


@asynccontextmanager
async def two_sessions_over_tcp() -> AsyncIterator[tuple[Session, Session]]:
    url = world()
    async with (
        Node(PrivateKey.generate(), url, config=LOOPBACK, network=NoUdp()) as alice,
        Node(PrivateKey.generate(), url, config=LOOPBACK) as bob,
        alice.open(bob.public) as to_bob,
        bob.open(alice.public) as to_alice,
    ):
        await asyncio.gather(to_bob.wait_connected(20), to_alice.wait_connected(20))
        yield to_bob, to_alice


async def test_where_no_datagram_passes_data_crosses_over_tcp() -> None:
    async with two_sessions_over_tcp() as (to_bob, to_alice):
        for session in (to_bob, to_alice):
            assert session.path is not None
            assert session.path.local.network.is_tcp
        for data in (b"", b"short", bytes(range(256)) * 200):
            to_bob.send(data)
            to_alice.send(data)
            assert await asyncio.wait_for(to_alice.recv(), 10) == data
            assert await asyncio.wait_for(to_bob.recv(), 10) == data


async def test_a_datagram_too_long_for_a_frame_is_refused() -> None:
    async with two_sessions_over_tcp() as (to_bob, _):
        with pytest.raises(ValueError, match="too long"):
            to_bob.send(bytes(65536))


async def test_leaving_ends_every_connection_and_task() -> None:
    before = asyncio.all_tasks()
    async with two_sessions_over_tcp():
        pass
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize(
    ("config", "listens"),
    [
        (LOOPBACK, True),
        (replace(LOOPBACK, tcp=False), False),
        (replace(LOOPBACK, candidates=CandidatePolicy.RELAY_ONLY), False),
    ],
)
async def test_the_tcp_port_is_listened_at_only_where_connections_are_wanted(
    config: Config, listens: bool
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with Node(PrivateKey.generate(), world(), config=replace(config, port=port)):
        with socket.socket() as probe:
            assert (probe.connect_ex(("127.0.0.1", port)) == 0) is listens


async def test_a_tcp_port_in_use_leaves_udp_as_it_is() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = replace(LOOPBACK, port=taken.getsockname()[1])
        async with Node(PrivateKey.generate(), world(), config=config) as node:
            assert {base.port for base in node.bases} == {config.port}
