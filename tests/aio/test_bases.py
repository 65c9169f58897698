import asyncio
import errno
from collections.abc import Coroutine
from random import Random
from typing import Any

import pytest

from warren.aio.bases import Bases
from warren.aio.network import InterfaceAddress
from warren.errors import ConfigurationError
from warren.ice.transport import Address, Base
from warren.session.config import Config
from warren.testing.clock import VirtualLoop, run
from warren.testing.host import SimHost
from warren.testing.network import SimNetwork


class Stage:
    """The bases of a host on a simulated network, and what they told."""

    def __init__(self, *addresses: str, config: Config | None = None) -> None:
        self.loop = VirtualLoop()
        self.network = SimNetwork(self.loop, Random(1))
        self.host: SimHost = self.network.host("a", *addresses)
        self.received: list[tuple[Base, list[bytes], Address]] = []
        self.opened: list[Base] = []
        self.closed: list[Base] = []
        self.bases = Bases(
            self.host,
            config or Config(),
            dice=Random(2),
            received=lambda base, datagrams, source: self.received.append((base, list(datagrams), source)),
            opened=self.opened.append,
            closed=self.closed.append,
        )

    def run(self, main: Coroutine[Any, Any, None]) -> None:
        run(main, loop=self.loop)


def test_each_usable_address_has_a_socket_and_what_it_receives_is_told_with_its_base() -> None:
    stage = Stage("203.0.113.1", "2001:db8::1")

    async def main() -> None:
        await stage.bases.open()
        one = next(base for base in stage.bases if not base.is_ipv6)
        stage.network.host("b", "203.0.113.2").bind("203.0.113.2", 7, lambda data, source: None).send(
            b"hello", (one.address, one.port)
        )
        await asyncio.sleep(1.0)
        assert stage.received == [(one, [b"hello"], ("203.0.113.2", 7))]

    stage.run(main())
    assert [base.address for base in stage.opened] == ["203.0.113.1", "2001:db8::1"]


def test_without_a_usable_address_opening_says_what_was_seen() -> None:
    stage = Stage("127.0.0.1")
    with pytest.raises(ConfigurationError, match=r"left out: 127\.0\.0\.1 on eth0 \(loopback\)"):
        stage.run(stage.bases.open())


def test_a_port_in_use_is_an_error_when_opening() -> None:
    stage = Stage("203.0.113.1", config=Config(port=500))
    stage.host.bind("203.0.113.1", 500, lambda data, source: None)
    with pytest.raises(ConfigurationError, match=r"UDP port 500 of 203\.0\.113\.1 cannot be used"):
        stage.run(stage.bases.open())


def test_of_a_range_of_ports_a_free_one_is_taken() -> None:
    stage = Stage("203.0.113.1", config=Config(port=(500, 502)))
    for port in (500, 502):
        stage.host.bind("203.0.113.1", port, lambda data, source: None)
    stage.run(stage.bases.open())
    assert [base.port for base in stage.opened] == [501]


def test_a_range_of_ports_that_are_all_in_use_is_an_error_when_opening() -> None:
    stage = Stage("203.0.113.1", config=Config(port=(500, 501)))
    for port in (500, 501):
        stage.host.bind("203.0.113.1", port, lambda data, source: None)
    with pytest.raises(ConfigurationError, match=r"every UDP port from 500 to 501 of 203\.0\.113\.1 cannot"):
        stage.run(stage.bases.open())


def test_what_a_range_cannot_mend_is_not_tried_with_other_ports() -> None:
    stage = Stage("203.0.113.1", "203.0.113.2", config=Config(port=(500, 502)))
    stage.host.realms.pop("203.0.113.2")
    stage.run(stage.bases.open())
    assert [base.address for base in stage.opened] == ["203.0.113.1"]


def test_addresses_that_come_and_go_are_followed() -> None:
    stage = Stage("203.0.113.1")

    async def main() -> None:
        await stage.bases.open()
        (before,) = stage.bases
        stage.host.detach("203.0.113.1")
        stage.host.attach("203.0.113.9")
        assert await stage.bases.update()
        assert not await stage.bases.update()
        assert stage.closed == [before]
        assert [base.address for base in stage.bases] == ["203.0.113.9"]

    stage.run(main())


def test_where_nothing_has_changed_nothing_is_said_to_have_changed() -> None:
    stage = Stage("203.0.113.1")

    async def main() -> None:
        await stage.bases.open()
        assert not await stage.bases.update()
        stage.host.attach("203.0.113.9", interface="docker0")
        assert not await stage.bases.update()

    stage.run(main())
    assert len(stage.opened) == 1


def test_another_way_to_the_internet_is_new_even_with_the_same_addresses() -> None:
    stage = Stage("203.0.113.1", "203.0.113.2")

    async def main() -> None:
        await stage.bases.open()
        stage.host.detach("203.0.113.1")
        stage.host.attach("203.0.113.1")
        assert await stage.bases.update()

    stage.run(main())


def test_a_link_that_comes_back_is_new_and_one_that_goes_down_is_not() -> None:
    stage = Stage("203.0.113.1")
    up = stage.host.interfaces()
    down = [InterfaceAddress("eth0", "203.0.113.1", running=False)]

    async def main() -> None:
        await stage.bases.open()
        stage.host.interfaces = lambda: down  # type: ignore[method-assign]  # the host's cable is out
        assert not await stage.bases.update()
        stage.host.interfaces = lambda: up  # type: ignore[method-assign]  # and in again
        assert await stage.bases.update()
        assert len(stage.opened) == 1

    stage.run(main())


def test_an_address_that_cannot_be_bound_yet_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage("203.0.113.1", "203.0.113.2")
    binding = stage.host.open_udp
    refused = [OSError(errno.EADDRNOTAVAIL, "tentative")]

    async def open_udp(address: str, port: int, received: Any) -> Any:
        if address == "203.0.113.2" and refused:
            raise refused.pop()
        return await binding(address, port, received)

    stage.host.open_udp = open_udp  # type: ignore[method-assign]  # a host whose address is not ready yet

    async def main() -> None:
        await stage.bases.open()
        assert [why for _, why in stage.bases.left_out] == ["[Errno 99] tentative"]
        assert await stage.bases.update()
        assert len(stage.bases) == 2

    stage.run(main())


def test_losing_every_address_is_no_error_once_it_runs_and_nothing_new() -> None:
    stage = Stage("203.0.113.1")

    async def main() -> None:
        await stage.bases.open()
        stage.host.detach("203.0.113.1")
        assert not await stage.bases.update()
        assert len(stage.bases) == 0

    stage.run(main())
