"""Tests of the simulated TURN server: it forgives nothing that a real one would not (RFC 8656)."""

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

import pytest

from warren.ice import stun
from warren.ice.stun import Attribute, Class, Method, Stun
from warren.ice.transport import Address
from warren.ice.turn.credentials import LongTerm
from warren.testing.clock import run
from warren.testing.network import SimNetwork
from warren.testing.turn import TurnServer

SERVER = "203.0.113.4"
UDP = (int(Attribute.REQUESTED_TRANSPORT), b"\x11\0\0\0")
PEER: Address = ("203.0.113.102", 5000)


class Ear:
    """Keeps what a stream brings."""

    def __init__(self) -> None:
        self.heard = b""

    def received(self, data: bytes) -> None:
        self.heard += data

    def closed(self, reason: str) -> None:
        raise AssertionError(reason)


class World:
    """A server, a client that is known to it, and a peer."""

    def __init__(self, **options: Any) -> None:
        dice = Random(1)
        self.network = SimNetwork(asyncio.get_running_loop(), dice)
        self.server = TurnServer(
            self.network.host("turn", SERVER, "2001:db8::4"),
            SERVER,
            users={"ann": "pw"},
            dice=dice,
            **options,
        )
        self.client = self.network.host("client", "203.0.113.101")
        self.credentials = LongTerm("ann", "pw")
        self.came: asyncio.Queue[bytes] = asyncio.Queue()
        self.socket = self.client.bind("203.0.113.101", 4000, lambda data, _: self.came.put_nowait(data))
        self.at_peer: list[tuple[bytes, Address]] = []
        self.peer = self.network.host("peer", PEER[0]).bind(
            *PEER, lambda data, source: self.at_peer.append((data, source))
        )
        self.numbers = 0

    def message(
        self, method: Method, cls: Class, *attributes: tuple[int, bytes], peer: Address | None = None
    ) -> bytes:
        """Write what the client says."""
        self.numbers += 1
        id = self.numbers.to_bytes(12, "big")
        said = list(attributes)
        if peer is not None:
            said.append((int(Attribute.XOR_PEER_ADDRESS), stun.write_xor_address(peer, id)))
        if cls is not Class.REQUEST:
            return stun.build(method, cls, id, said)
        return stun.build(method, cls, id, [*said, *self.credentials.attributes()], self.credentials.key)

    async def ask(self, method: Method, *attributes: tuple[int, bytes], peer: Address | None = None) -> Stun:
        """Ask the server; returns its answer."""
        return await self.send(self.message(method, Class.REQUEST, *attributes, peer=peer))

    async def send(self, packet: bytes) -> Stun:
        """Send a packet and wait for an answer."""
        self.socket.send(packet, self.server.address)
        async with asyncio.timeout(5.0):
            return stun.parse(await self.came.get())

    async def allocate(self, *more: tuple[int, bytes]) -> Address:
        """Get an allocation; returns the relayed address."""
        self.credentials.take_challenge(await self.ask(Method.ALLOCATE, UDP), key=None)
        answer = await self.ask(Method.ALLOCATE, UDP, *more)
        assert answer.cls is Class.SUCCESS
        return answer.xor_addresses(Attribute.XOR_RELAYED_ADDRESS)[0]


def in_world(test: Callable[[World], Coroutine[Any, Any, None]], **options: Any) -> None:
    async def live() -> None:
        await test(World(**options))

    run(live())


def code(answer: Stun) -> int | None:
    return None if answer.error is None else answer.error[0]


def test_it_is_a_stun_server_too() -> None:
    async def test(world: World) -> None:
        answer = await world.send(stun.server_request(bytes(12)))
        assert answer.mapped_address == ("203.0.113.101", 4000)

    in_world(test)


def test_strangers_and_wrong_passwords_get_401() -> None:
    async def test(world: World) -> None:
        first = await world.ask(Method.ALLOCATE, UDP)
        assert code(first) == 401
        for name, password in (("ann", "wrong"), ("bob", "pw")):
            world.credentials = LongTerm(name, password)
            world.credentials.take_challenge(first, key=None)
            assert code(await world.ask(Method.ALLOCATE, UDP)) == 401

    in_world(test)


def test_stale_nonce_gets_438() -> None:
    async def test(world: World) -> None:
        await world.allocate()
        world.server.renew_nonce()
        assert code(await world.ask(Method.REFRESH)) == 438

    in_world(test)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ([], 442),
        ([UDP, (int(Attribute.REQUESTED_ADDRESS_FAMILY), b"\x02\0\0\0")], 440),
    ],
)
def test_what_it_cannot_give_it_refuses(attributes: list[tuple[int, bytes]], expected: int) -> None:
    async def test(world: World) -> None:
        world.credentials.take_challenge(await world.ask(Method.ALLOCATE, UDP), key=None)
        assert code(await world.ask(Method.ALLOCATE, *attributes)) == expected

    in_world(test)


def test_it_refuses_what_it_is_told_to_refuse() -> None:
    async def test(world: World) -> None:
        world.credentials.take_challenge(await world.ask(Method.ALLOCATE, UDP), key=None)
        world.server.refusal = (486, "Allocation Quota Reached")
        assert code(await world.ask(Method.ALLOCATE, UDP)) == 486
        world.server.alternate = ("203.0.113.5", 3478)
        answer = await world.ask(Method.ALLOCATE, UDP)
        value = answer.value(Attribute.ALTERNATE_SERVER)
        assert value is not None
        assert (code(answer), stun.read_address(value)) == (300, ("203.0.113.5", 3478))

    in_world(test)


def test_second_allocation_gets_437_but_a_repeat_of_the_first_its_answer() -> None:
    async def test(world: World) -> None:
        world.credentials.take_challenge(await world.ask(Method.ALLOCATE, UDP), key=None)
        packet = world.message(Method.ALLOCATE, Class.REQUEST, UDP)
        first, again = await world.send(packet), await world.send(packet)
        assert first.raw == again.raw
        assert code(await world.ask(Method.ALLOCATE, UDP)) == 437

    in_world(test)


def test_without_an_allocation_everything_gets_437() -> None:
    async def test(world: World) -> None:
        world.credentials.take_challenge(await world.ask(Method.REFRESH), key=None)
        for method in (Method.REFRESH, Method.CREATE_PERMISSION, Method.CHANNEL_BIND):
            assert code(await world.ask(method)) == 437

    in_world(test)


def test_allocation_ends_with_its_time() -> None:
    async def test(world: World) -> None:
        await world.allocate()
        await asyncio.sleep(59.0)
        assert world.server.live == 1
        await world.ask(Method.REFRESH)
        await asyncio.sleep(59.0)
        assert world.server.live == 1
        await asyncio.sleep(2.0)
        assert world.server.live == 0

    in_world(test, lifetime=60.0)


def test_packets_pass_only_with_a_permission() -> None:
    async def test(world: World) -> None:
        relayed = await world.allocate()
        indication = world.message(Method.SEND, Class.INDICATION, (int(Attribute.DATA), b"out"), peer=PEER)
        world.socket.send(indication, world.server.address)
        world.peer.send(b"in", relayed)
        await asyncio.sleep(1.0)
        assert (world.at_peer, world.came.empty()) == ([], True)
        await world.ask(Method.CREATE_PERMISSION, peer=PEER)
        world.socket.send(indication, world.server.address)
        world.peer.send(b"in", relayed)
        came = stun.parse(await world.came.get())
        assert (came.method, came.value(Attribute.DATA)) == (Method.DATA, b"in")
        await asyncio.sleep(1.0)
        assert world.at_peer == [(b"out", relayed)]

    in_world(test)


def test_permission_ends_after_five_minutes() -> None:
    async def test(world: World) -> None:
        relayed = await world.allocate()
        await world.ask(Method.CREATE_PERMISSION, peer=PEER)
        await asyncio.sleep(301.0)
        world.peer.send(b"in", relayed)
        await asyncio.sleep(1.0)
        assert world.came.empty()

    in_world(test)


def test_bound_channel_carries_both_ways() -> None:
    async def test(world: World) -> None:
        relayed = await world.allocate()
        await world.ask(Method.CHANNEL_BIND, (int(Attribute.CHANNEL_NUMBER), b"\x40\0\0\0"), peer=PEER)
        world.socket.send(b"\x40\0\0\3out", world.server.address)
        world.peer.send(b"in", relayed)
        assert await world.came.get() == b"\x40\0\0\2in"
        assert world.at_peer == [(b"out", relayed)]
        world.socket.send(b"\x40\1\0\3out", world.server.address)
        world.socket.send(b"\x40\0\0\4out", world.server.address)
        await asyncio.sleep(1.0)
        assert len(world.at_peer) == 1

    in_world(test)


@pytest.mark.parametrize("number", [b"\x3f\xff", b"\x50\0", b"\x40\1"])
def test_wrong_or_second_channel_gets_400(number: bytes) -> None:
    async def test(world: World) -> None:
        await world.allocate()
        await world.ask(Method.CHANNEL_BIND, (int(Attribute.CHANNEL_NUMBER), b"\x40\0\0\0"), peer=PEER)
        wrong = (int(Attribute.CHANNEL_NUMBER), number + b"\0\0")
        assert code(await world.ask(Method.CHANNEL_BIND, wrong, peer=PEER)) == 400

    in_world(test)


def test_channel_of_another_gets_400() -> None:
    async def test(world: World) -> None:
        await world.allocate()
        number = (int(Attribute.CHANNEL_NUMBER), b"\x40\0\0\0")
        await world.ask(Method.CHANNEL_BIND, number, peer=PEER)
        assert code(await world.ask(Method.CHANNEL_BIND, number, peer=(PEER[0], 1))) == 400

    in_world(test)


def test_forbidden_peer_gets_403_and_the_other_family_443_and_nobody_400() -> None:
    async def test(world: World) -> None:
        await world.allocate()
        world.server.forbidden.add(PEER[0])
        assert code(await world.ask(Method.CREATE_PERMISSION, peer=PEER)) == 403
        assert code(await world.ask(Method.CREATE_PERMISSION, peer=("2001:db8::9", 1))) == 443
        assert code(await world.ask(Method.CREATE_PERMISSION)) == 400

    in_world(test)


def test_given_back_is_gone() -> None:
    async def test(world: World) -> None:
        await world.allocate()
        await world.ask(Method.REFRESH, (int(Attribute.LIFETIME), bytes(4)))
        assert (world.server.live, world.server.given_back) == (0, 1)

    in_world(test)


def test_both_families_are_given_where_both_are_asked_for() -> None:
    async def test(world: World) -> None:
        world.credentials.take_challenge(await world.ask(Method.ALLOCATE, UDP), key=None)
        more = (int(Attribute.ADDITIONAL_ADDRESS_FAMILY), b"\x02\0\0\0")
        answer = await world.ask(Method.ALLOCATE, UDP, more)
        relayed = answer.xor_addresses(Attribute.XOR_RELAYED_ADDRESS)
        assert [":" in host for host, _ in relayed] == [False, True]

    in_world(test, ipv6="2001:db8::4")


def test_silent_one_answers_nothing_and_a_restarted_one_has_forgotten() -> None:
    async def test(world: World) -> None:
        await world.allocate()
        world.server.silent = True
        with pytest.raises(TimeoutError):
            await world.ask(Method.REFRESH)
        world.server.silent = False
        world.server.restart()
        assert world.server.live == 0
        assert code(await world.ask(Method.REFRESH)) == 438

    in_world(test)


def test_garbage_is_not_answered() -> None:
    async def test(world: World) -> None:
        for packet in (b"", b"garbage", stun.server_request(bytes(12))[:-1], b"\x40\0"):
            world.socket.send(packet, world.server.address)
        await asyncio.sleep(1.0)
        assert world.came.empty()

    in_world(test)


def test_stream_that_ends_takes_its_allocation_with_it() -> None:
    async def test(world: World) -> None:
        await world.server.listen()
        ear = Ear()
        stream = await world.client.open_stream("203.0.113.101", world.server.address, ear)
        stream.write(world.message(Method.ALLOCATE, Class.REQUEST, UDP))
        await asyncio.sleep(1.0)
        world.credentials.take_challenge(stun.parse(ear.heard), key=None)
        stream.write(world.message(Method.ALLOCATE, Class.REQUEST, UDP))
        await asyncio.sleep(1.0)
        assert world.server.live == 1
        stream.close()
        await asyncio.sleep(1.0)
        assert world.server.live == 0

    in_world(test)


def test_url_names_who_we_are() -> None:
    async def test(world: World) -> None:
        assert world.server.url("ann", "tcp") == "turn:ann:pw@203.0.113.4:3478?transport=tcp"

    in_world(test)
