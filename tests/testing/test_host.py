"""Sockets, names and STUN servers of simulated hosts."""

import asyncio

import pytest

from tests.testing.ear import Ear, simulate
from warren.ice import stun
from warren.testing.host import StunServer
from warren.testing.nat import NatKind
from warren.testing.network import SimNetwork


def test_closed_socket_neither_sends_nor_receives_and_frees_its_port() -> None:
    async def scene(network: SimNetwork) -> None:
        host = network.host("b", "203.0.113.2")
        a = Ear(network.host("a", "203.0.113.1"), "203.0.113.1")
        b = Ear(host, "203.0.113.2", 7000)
        b.socket.close()
        b.socket.close()
        again = Ear(host, "203.0.113.2", 7000)
        b.socket.close()
        b.socket.send(b"ghost", a.local)
        a.socket.send(b"x", ("203.0.113.2", 7000))
        await asyncio.sleep(1.0)
        assert (a.data, b.data, again.data) == ([], [], [b"x"])

    simulate(scene)


def test_port_in_use_and_address_of_others_are_refused() -> None:
    async def scene(network: SimNetwork) -> None:
        host = network.host("a", "203.0.113.1")
        await host.open_udp("203.0.113.1", 7000, lambda data, source: None)
        with pytest.raises(OSError, match="taken"):
            await host.open_udp("203.0.113.1", 7000, lambda data, source: None)
        with pytest.raises(OSError, match="no address"):
            await host.open_udp("203.0.113.9", 0, lambda data, source: None)

    simulate(scene)


def test_ports_that_are_drawn_are_free() -> None:
    async def scene(network: SimNetwork) -> None:
        host = network.host("a", "203.0.113.1")
        ports = [Ear(host, "203.0.113.1").local[1] for _ in range(2000)]
        assert len(set(ports)) == 2000

    simulate(scene)


def test_too_long_datagram_raises_as_a_real_socket() -> None:
    async def scene(network: SimNetwork) -> None:
        a = Ear(network.host("a", "203.0.113.1"), "203.0.113.1")
        with pytest.raises(ValueError, match="too long"):
            a.socket.send(bytes(65508), ("203.0.113.2", 1))

    simulate(scene)


def test_names_and_literals_are_resolved() -> None:
    async def scene(network: SimNetwork) -> None:
        network.names["stun.example"] = ["203.0.113.1", "2001:db8::1"]
        host = network.host("a", "203.0.113.7")
        assert await host.resolve("stun.example", 3478) == [("203.0.113.1", 3478), ("2001:db8::1", 3478)]
        assert await host.resolve("2001:DB8::1", 1) == [("2001:db8::1", 1)]
        with pytest.raises(OSError, match="not known"):
            await host.resolve("elsewhere.example", 1)

    simulate(scene)


def test_names_and_addresses_are_given_once() -> None:
    async def scene(network: SimNetwork) -> None:
        network.host("a", "203.0.113.1")
        with pytest.raises(ValueError, match="already"):
            network.host("a", "203.0.113.2")
        with pytest.raises(ValueError, match="taken"):
            network.host("b", "203.0.113.1")

    simulate(scene)


def test_stun_server_says_where_the_request_came_from() -> None:
    async def scene(network: SimNetwork) -> None:
        server = StunServer(network.host("stun", "203.0.113.3"), "203.0.113.3")
        router = network.router("r", NatKind.SYMMETRIC, "198.51.100.1")
        ear = Ear(network.host("a", "192.168.0.2", realm=router.inside), "192.168.0.2")
        assert server.url == "stun:203.0.113.3:3478"
        ear.socket.send(stun.server_request(bytes(12)), ("203.0.113.3", 3478))
        await asyncio.sleep(1.0)
        mapped = stun.parse(ear.data[0]).mapped_address
        assert mapped is not None
        assert mapped[0] == "198.51.100.1"
        assert server.answered == 1

    simulate(scene)


def test_stun_server_ignores_noise_and_may_be_silent() -> None:
    async def scene(network: SimNetwork) -> None:
        server = StunServer(network.host("stun", "2001:db8::3"), "2001:db8::3")
        ear = Ear(network.host("a", "2001:db8::1"), "2001:db8::1")
        assert server.url == "stun:[2001:db8::3]:3478"
        indication = stun.build(stun.Method.BINDING, stun.Class.INDICATION, bytes(12), [])
        for data in (b"noise", indication):
            ear.socket.send(data, ("2001:db8::3", 3478))
        server.silent = True
        ear.socket.send(stun.server_request(bytes(12)), ("2001:db8::3", 3478))
        await asyncio.sleep(1.0)
        assert ear.data == []

    simulate(scene)


def test_unknown_ephemeral_port_is_drawn_by_the_seed() -> None:
    ports: list[int] = []

    async def scene(network: SimNetwork) -> None:
        ports.append(Ear(network.host("a", "203.0.113.1"), "203.0.113.1").local[1])

    for seed in (1, 1, 2):
        simulate(scene, seed=seed)
    assert ports[0] == ports[1] != ports[2]
