"""pion/ice as the other agent, over real sockets on loopback, in both roles.

Needs Go, and where Go has not kept pion's modules, the network. The agent is the Go program in `pion/`; its
signaling is that of a peer like cunīcu, which uses pion too.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import pytest

from tests.interop.pion_program import PionAgent, PionProgram, Settings, build, relayed_by
from tests.interop.world import (
    ROLES,
    TIME,
    World,
    both_roles,
    lost_and_begun_anew,
    stun_server,
    turn_server,
    until,
    world,
)
from tests.needs import needs
from tests.scenarios.cunicu_peer import CunicuPeer
from warren.aio.session import Session
from warren.ice.policy import CandidatePolicy
from warren.messages import CandidateType, NetworkType, TCPType
from warren.session.outputs import PathChanged, StateChanged
from warren.session.state import State

pytestmark = needs("go")

CUNICU = "go.mod"
"""With the version of pion that cunīcu uses."""
NEWEST = "newest.mod"
COUNT = 100
both_versions = pytest.mark.parametrize("modules", [CUNICU, NEWEST])


@dataclass(slots=True)
class PionPeer:
    """The other end of a session: a program with pion, and its signaling."""

    program: PionProgram
    cunicu: CunicuPeer

    @property
    def agent(self) -> PionAgent:
        """The agent as it is now."""
        assert isinstance(self.cunicu.agent, PionAgent)
        return self.cunicu.agent

    async def connected(self) -> None:
        """Wait until pion has selected a pair."""
        await self.program.until(lambda: self.cunicu.connected)

    async def received(self, count: int) -> list[bytes]:
        """Wait until so many datagrams have come since this was asked last."""
        await self.program.until(lambda: len(self.cunicu.received) >= count)
        received, self.cunicu.received[:] = list(self.cunicu.received), []
        return received


@asynccontextmanager
async def pion_peer(
    here: World, settings: Settings | None = None, *, modules: str = CUNICU, restarts_in_place: bool = False
) -> AsyncIterator[PionPeer]:
    """Let a pion call from the other end of the session; its role follows from the keys."""
    path = await asyncio.to_thread(build, modules)
    async with (
        PionProgram(path, settings, restarts_in_place=restarts_in_place) as program,
        CunicuPeer(here.key, here.node.public, program.make, here.backend, random.Random()) as cunicu,
    ):
        yield PionPeer(program, cunicu)
        assert program.errors == []


async def connected(peer: PionPeer, session: Session) -> None:
    """Wait until both agents say so."""
    await asyncio.gather(peer.connected(), session.wait_connected(TIME))


async def exchange(peer: PionPeer, session: Session, count: int = 1) -> tuple[set[bytes], set[bytes]]:
    """Send so many datagrams to both sides; returns what arrived at pion, and what at us."""
    for number in range(count):
        session.send(b"to pion %d" % number)
        peer.cunicu.send(b"to warren %d" % number)
    theirs = set(await peer.received(count))
    async with asyncio.timeout(TIME):
        return theirs, {await session.recv() for _ in range(count)}


def expected(count: int = 1) -> tuple[set[bytes], set[bytes]]:
    """Make what `exchange` returns when nothing is lost."""
    return {b"to pion %d" % n for n in range(count)}, {b"to warren %d" % n for n in range(count)}


@both_versions
@both_roles
async def test_every_datagram_crosses_both_ways(controlling: bool, modules: str) -> None:
    async with world(controlling) as here, pion_peer(here, modules=modules) as peer:
        await connected(peer, here.session)
        assert await exchange(peer, here.session, COUNT) == expected(COUNT)
        stats = here.session.stats
        assert (stats.datagrams_sent, stats.datagrams_received) == (COUNT, COUNT)


@both_roles
async def test_pion_echoes_what_it_is_sent(controlling: bool) -> None:
    async with world(controlling) as here, pion_peer(here, Settings(echo=True)) as peer:
        await connected(peer, here.session)
        here.session.send(b"there and back")
        assert await asyncio.wait_for(here.session.recv(), TIME) == b"there and back"


@both_roles
async def test_the_path_is_the_one_that_pion_has_too(controlling: bool) -> None:
    async with world(controlling) as here, pion_peer(here) as peer:
        await connected(peer, here.session)
        local, remote = peer.agent.selected or pytest.fail("pion has selected nothing")
        path = here.session.path
        assert path is not None
        assert (path.remote.transport, path.local.transport) == (local.transport, remote.transport)


@both_versions
@both_roles
async def test_a_server_reflexive_candidate_alone_is_enough(controlling: bool, modules: str) -> None:
    async with (
        stun_server() as server,
        world(controlling, stun=(f"stun:{server[0]}:{server[1]}",)) as here,
        pion_peer(here, reflexive(server), modules=modules) as peer,
    ):
        await connected(peer, here.session)
        path = here.session.path
        assert path is not None
        assert path.remote.type is CandidateType.SERVER_REFLEXIVE
        assert await exchange(peer, here.session) == expected()


def reflexive(server: tuple[str, int]) -> Settings:
    """Let pion have no candidate but what this STUN server tells it."""
    stun = {"Scheme": 1, "Host": server[0], "Port": server[1], "Proto": 1}
    return Settings(servers=(stun,), types=(CandidateType.SERVER_REFLEXIVE,))


@needs("coturn")
@both_versions
@both_roles
async def test_a_relayed_candidate_alone_is_enough(controlling: bool, modules: str, tmp_path: Path) -> None:
    async with (
        turn_server(tmp_path) as server,
        world(controlling) as here,
        pion_peer(here, relayed_by(server), modules=modules) as peer,
    ):
        await connected(peer, here.session)
        path = here.session.path
        assert path is not None
        assert path.remote.type is CandidateType.RELAY
        assert await exchange(peer, here.session, COUNT) == expected(COUNT)


@needs("coturn")
@both_versions
@both_roles
async def test_both_may_have_nothing_but_relays(controlling: bool, modules: str, tmp_path: Path) -> None:
    async with (
        turn_server(tmp_path) as server,
        world(controlling, turn=(server.url,), candidates=CandidatePolicy.RELAY_ONLY) as here,
        pion_peer(here, relayed_by(server), modules=modules) as peer,
    ):
        await connected(peer, here.session)
        path = here.session.path
        assert path is not None
        assert (path.local.type, path.remote.type) == (CandidateType.RELAY, CandidateType.RELAY)
        assert await exchange(peer, here.session, COUNT) == expected(COUNT)


@both_versions
@both_roles
async def test_we_connect_to_a_pion_that_has_only_tcp(controlling: bool, modules: str) -> None:
    async with world(controlling) as here, pion_peer(here, LISTENING, modules=modules) as peer:
        await connected(peer, here.session)
        assert tcp_types(here.session) == (TCPType.ACTIVE, TCPType.PASSIVE)
        assert await exchange(peer, here.session, COUNT) == expected(COUNT)


@both_versions
@both_roles
async def test_a_pion_that_has_only_tcp_and_does_not_listen_connects_to_us(
    controlling: bool, modules: str
) -> None:
    only_tcp = Settings(networks=(NetworkType.TCP4,))
    async with world(controlling) as here, pion_peer(here, only_tcp, modules=modules) as peer:
        await connected(peer, here.session)
        assert tcp_types(here.session) == (TCPType.PASSIVE, TCPType.ACTIVE)
        assert await exchange(peer, here.session, COUNT) == expected(COUNT)


@both_versions
@both_roles
async def test_udp_is_taken_where_pion_has_both(controlling: bool, modules: str) -> None:
    both = replace(LISTENING, networks=(NetworkType.UDP4, NetworkType.TCP4))
    async with world(controlling) as here, pion_peer(here, both, modules=modules) as peer:
        await connected(peer, here.session)
        path = here.session.path
        assert path is not None
        assert (path.local.network, path.remote.network) == (NetworkType.UDP4, NetworkType.UDP4)
        assert await exchange(peer, here.session, COUNT) == expected(COUNT)


@both_roles
async def test_after_restarts_over_tcp_data_crosses_in_each_new_generation(controlling: bool) -> None:
    async with world(controlling) as here, pion_peer(here, LISTENING) as peer:
        await connected(peer, here.session)
        for generation, restart in ((2, here.session.restart), (3, peer.cunicu.restart)):
            restart("by its user")
            await until(here.session.events(), State.CONNECTED, generation=generation)
            await peer.connected()
            assert await exchange(peer, here.session, COUNT) == expected(COUNT)


LISTENING = Settings(networks=(NetworkType.TCP4,), listen="127.0.0.1:0")
"""Nothing but TCP, and connections are taken."""


def tcp_types(session: Session) -> tuple[TCPType, TCPType]:
    """Who opened the connection that the path takes."""
    path = session.path
    assert path is not None
    return path.local.tcp_type, path.remote.tcp_type


async def test_a_renomination_is_followed_though_the_pair_has_a_lower_priority() -> None:
    async with stun_server() as server, world(False) as here:
        two = replace(reflexive(server), types=(CandidateType.HOST, CandidateType.SERVER_REFLEXIVE))
        async with pion_peer(here, two, modules=NEWEST) as peer:
            await connected(peer, here.session)
            path = here.session.path
            assert path is not None
            assert path.remote.type is CandidateType.HOST
            await peer.program.until(lambda: len(peer.agent.candidates) == 2)
            events = here.session.events()
            peer.agent.renominate(CandidateType.SERVER_REFLEXIVE)
            await moved(events, CandidateType.SERVER_REFLEXIVE)
            await peer.program.until(lambda: len(peer.agent.pairs) == 2)
            assert await exchange(peer, here.session, COUNT) == expected(COUNT)


async def moved(events: AsyncIterator[StateChanged | PathChanged], remote: CandidateType) -> None:
    """Wait until the path leads to a candidate of this type."""
    async with asyncio.timeout(TIME):
        async for event in events:
            if isinstance(event, PathChanged) and event.path and event.path.remote.type is remote:
                return


@both_roles
async def test_after_a_restart_of_ours_data_crosses_in_a_new_generation(controlling: bool) -> None:
    async with world(controlling) as here, pion_peer(here) as peer:
        await connected(peer, here.session)
        here.session.restart()
        await until(here.session.events(), State.CONNECTED, generation=2)
        await peer.connected()
        assert await exchange(peer, here.session, COUNT) == expected(COUNT)


@pytest.mark.parametrize("in_place", [False, True], ids=["a new agent", "in place"])
@both_versions
@both_roles
async def test_after_a_restart_of_pion_data_crosses_in_a_new_generation(
    controlling: bool, modules: str, in_place: bool
) -> None:
    async with (
        world(controlling) as here,
        pion_peer(here, modules=modules, restarts_in_place=in_place) as peer,
    ):
        await connected(peer, here.session)
        peer.cunicu.restart("by its user")
        await until(here.session.events(), State.CONNECTED, generation=2)
        await peer.connected()
        assert await exchange(peer, here.session, COUNT) == expected(COUNT)


async def test_a_pion_that_closes_is_noticed_and_the_reason_is_told() -> None:
    async def close(controlling: bool) -> None:
        async with world(controlling) as here:
            async with pion_peer(here) as peer:
                await connected(peer, here.session)
                events = here.session.events()
            await lost_and_begun_anew(events)

    await asyncio.gather(*(close(controlling) for controlling in ROLES))


async def test_a_path_without_data_lives_by_consent_alone() -> None:
    async def keep(controlling: bool) -> None:
        async with world(controlling) as here, pion_peer(here) as peer:
            await connected(peer, here.session)
            states, changes = len(peer.agent.states), len(here.session.history)
            # pion gives up after 5 s of silence, we after two unanswered checks, one every 4 to 6 s.
            await asyncio.sleep(13.0)
            assert [change.new for change in here.session.history[changes:]] in ([], [State.COMPLETED])
            assert {state for state, _ in peer.agent.states[states:]} <= {"Connected", "Completed"}
            assert await exchange(peer, here.session) == expected()

    await asyncio.gather(*(keep(controlling) for controlling in ROLES))


@needs("coturn")
async def test_the_time_to_connect_is_printed(
    record_property: Callable[[str, object], None], tmp_path: Path
) -> None:
    rounds = 3
    rows = [f"from the first check, {rounds} rounds (ms)     pion: least  median   warren: least  median"]
    async with stun_server() as stun, turn_server(tmp_path) as turn:
        kinds = {"host": Settings(), "srflx": reflexive(stun), "relay": relayed_by(turn)}
        for kind, settings in kinds.items():
            for controlling, words in ROLES.items():
                times = [await time_to_connect(controlling, settings) for _ in range(rounds)]
                theirs, ours = zip(*times, strict=True)
                cells = [1000 * figure for figure in (min(theirs), median(theirs), min(ours), median(ours))]
                row = f"{f'pion has {kind}, {words}':39}" + "".join(f"{cell:11.1f}" for cell in cells)
                rows.append(row)
    record_property("table", "\n".join(rows))


async def time_to_connect(controlling: bool, settings: Settings) -> tuple[float, float]:
    """Connect once; returns how long pion and we were checking, in seconds."""
    async with world(controlling) as here, pion_peer(here, settings) as peer:
        await connected(peer, here.session)
        checking = next(at for state, at in peer.agent.states if state == "Checking")
        ours = {change.new: change.time for change in here.session.history}
        return peer.agent.pairs[0] - checking, ours[State.CONNECTED] - ours[State.CHECKING]
