"""STUN and TURN servers that are broken or mean harm: named where nothing connects, and in nobody's way."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.aio.relayed import World
from warren.errors import NotConnected
from warren.ice import stun
from warren.ice.transport import Address
from warren.session.state import State
from warren.testing.clock import run
from warren.testing.nat import NatKind

BROKEN = "203.0.113.9"

Answer = Callable[[stun.Stun, Address], bytes]


def nonsense(request: stun.Stun, source: Address) -> bytes:
    return b"HTTP/1.0 400 Bad Request\r\n\r\n"


def cut_off(request: stun.Stun, source: Address) -> bytes:
    return stun.success(request, source, None)[:-3]


def refusal(request: stun.Stun, source: Address) -> bytes:
    return stun.error(request, 500, "Out of Order", None)


def nothing_granted(request: stun.Stun, source: Address) -> bytes:
    return stun.build(request.method, stun.Class.SUCCESS, request.transaction_id, [])


def nowhere(request: stun.Stun, source: Address) -> bytes:
    return stun.success(request, ("0.0.0.0", 0), None)


def multicast(request: stun.Stun, source: Address) -> bytes:
    return stun.success(request, ("224.0.0.1", 9), None)


@dataclass(frozen=True, slots=True)
class Case:
    """What a server answers, and what is said of it."""

    answer: Answer
    says: str


STUN = {
    "nonsense": Case(nonsense, "no answer"),
    "a message that is cut off": Case(cut_off, "no answer"),
    "an error": Case(refusal, "answered 500 Out of Order"),
    "an answer without an address": Case(nothing_granted, "answered without a usable address"),
    "the unspecified address": Case(nowhere, "answered without a usable address"),
    "a multicast address": Case(multicast, "answered without a usable address"),
}

TURN = {
    "nonsense": Case(nonsense, "no answer"),
    "a message that is cut off": Case(cut_off, "no answer"),
    "an error": Case(refusal, "500"),
    "an allocation without an address": Case(nothing_granted, "answered without a usable address"),
}


def serve(world: World, answer: Answer) -> None:
    """Put up a server that answers every request so."""
    host = world.network.host("broken", BROKEN)

    def received(data: bytes, source: Address) -> None:
        socket.send(answer(stun.parse(data), source), source)

    socket = host.bind(BROKEN, 3478, received)


@pytest.mark.parametrize("case", STUN.values(), ids=STUN)
def test_a_broken_stun_server_is_named_when_nothing_connects(case: Case) -> None:
    says = rf"stun:{BROKEN}:3478 from [^)]*: {case.says}\)"
    fails(case, says, stun=[f"stun:{BROKEN}"])


@pytest.mark.parametrize("case", TURN.values(), ids=TURN)
def test_a_broken_turn_server_is_named_when_nothing_connects(case: Case) -> None:
    fails(case, f"{BROKEN}.*{case.says}", turn=[f"turn:ann:secret@{BROKEN}"])


def fails(case: Case, says: str, **servers: list[str]) -> None:
    """See that two behind symmetric NATs fail in time, and that the reason and the history say why."""

    async def scene() -> None:
        world = World()
        serve(world, case.answer)
        hosts = [world.host(NatKind.SYMMETRIC) for _ in range(2)]
        async with world.sessions(hosts, **{"turn": [], **servers}) as (first, second):
            with pytest.raises(NotConnected, match=says):
                await first.wait_connected(60.0)
            (failed,) = [change for change in first.history if change.new is State.FAILED]
            assert re.search(says, failed.reason)
            assert "secret" not in failed.reason
            del second

    run(scene())


@pytest.mark.parametrize("answer", [case.answer for case in (STUN | TURN).values()])
def test_a_broken_server_is_in_nobodys_way(answer: Answer) -> None:
    async def scene() -> None:
        world = World()
        serve(world, answer)
        hosts = [world.host(NatKind.PUBLIC), world.host(NatKind.PORT_RESTRICTED)]
        servers = ([f"turn:ann:secret@{BROKEN}"], [f"stun:{BROKEN}"])
        async with world.sessions(hosts, *servers) as sessions:
            began = asyncio.get_running_loop().time()
            await asyncio.gather(*(session.wait_connected(10.0) for session in sessions))
            assert asyncio.get_running_loop().time() - began < 0.5

    run(scene())
