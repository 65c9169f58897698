"""aioice as the other agent, over real sockets on loopback, in both roles.

aioice knows nothing of signaling: its credentials and candidates are handed over by `AioicePeer`, which
speaks for it as a peer that does not know field 100.
"""

import asyncio
import random
from pathlib import Path
from typing import Any, Self

import aioice
import aioice.ice
import aioice.stun
import pytest

from tests.interop.world import (
    ROLES,
    TIME,
    Turn,
    World,
    both_roles,
    lost_and_begun_anew,
    stun_server,
    turn_server,
    until,
    world,
)
from tests.needs import needs
from warren.aio.session import Session
from warren.ice.policy import CandidatePolicy
from warren.keys import KeyPair, PublicKeyPair
from warren.messages import Candidate, CandidateType, Credentials, Message, NetworkType
from warren.session.state import State

TYPES = {
    "host": CandidateType.HOST,
    "srflx": CandidateType.SERVER_REFLEXIVE,
    "relay": CandidateType.RELAY,
}


class Loaded(random.Random):
    """Dice that draw the shortest waits, and tie-breakers far above or below all others'."""

    def __init__(self, *, strong: bool = True) -> None:
        super().__init__()
        self._strong = strong

    def uniform(self, a: float, b: float) -> float:
        return a

    def getrandbits(self, k: int, /) -> int:
        drawn = super().getrandbits(k)
        if k != 64:
            return drawn
        return drawn | 0xFFFFFFFF << 32 if self._strong else drawn & 0xFFFFFFFF


class CountingConnection(aioice.Connection):
    """aioice's agent, and how many checks went each way since it connected."""

    asked = answered = 0

    async def connect(self) -> None:
        await super().connect()
        self.asked = self.answered = 0

    def build_request(self, pair: aioice.ice.CandidatePair, nominate: bool) -> aioice.stun.Message:
        self.asked += 1
        return super().build_request(pair, nominate)

    def request_received(
        self, message: aioice.stun.Message, addr: tuple[str, int], protocol: aioice.ice.StunProtocol
    ) -> None:
        self.answered += 1
        super().request_received(message, addr, protocol)


class AioicePeer:
    """aioice with a key, and with its signaling: credentials in field 1, then candidates in field 2.

    Args:
        here: where it is the other end of the session.
        controlling: the role that aioice is told.
        types: which of its candidates it tells.
        turn: what lends it the only address that it has.
    """

    def __init__(
        self,
        here: World,
        *,
        controlling: bool,
        types: tuple[str, ...] = ("host", "relay"),
        stun_server: tuple[str, int] | None = None,
        turn: Turn | None = None,
    ) -> None:
        self.connection = CountingConnection(
            controlling, stun_server=stun_server, use_ipv6=False, **({} if turn is None else turn.for_aioice)
        )
        self._pair = KeyPair(here.key, here.node.public)
        self._backend = here.backend
        self._types = types
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        self._candidate_came = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self.connection.gather_candidates()
        await self._backend.subscribe(self._pair, self._message_received)
        await self._backend.wait_live(self._pair.ours.public, TIME)
        self._hearing = asyncio.create_task(self._hear())
        await self._tell_credentials(need_creds=True)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._hearing.cancel()
        await asyncio.gather(self._hearing, return_exceptions=True)
        await self._backend.unsubscribe(self._pair, self._message_received)
        await self.connection.close()

    async def connect(self) -> None:
        """Let aioice connect as soon as it has been told of a candidate."""
        await self._candidate_came.wait()
        await self.connection.connect()

    def _message_received(self, pair: PublicKeyPair, message: Message) -> None:
        self._messages.put_nowait(message)

    async def _hear(self) -> None:
        while True:
            message = await self._messages.get()
            if message.credentials is not None:
                await self._credentials_received(message.credentials)
            if message.candidate is not None:
                await self._candidate_received(message.candidate)

    async def _credentials_received(self, credentials: Credentials) -> None:
        connection = self.connection
        known = connection.remote_username is not None
        if not known:
            connection.remote_username, connection.remote_password = credentials.ufrag, credentials.pwd
        if credentials.need_creds:
            await self._tell_credentials(need_creds=False)
        if credentials.need_creds or not known:
            await self._tell_candidates()

    async def _candidate_received(self, candidate: Candidate) -> None:
        await self.connection.add_remote_candidate(_to_aioice(candidate))
        self._candidate_came.set()

    async def _tell_credentials(self, *, need_creds: bool) -> None:
        connection = self.connection
        credentials = Credentials(connection.local_username, connection.local_password, need_creds)
        await self._backend.publish(self._pair, Message(credentials=credentials))

    async def _tell_candidates(self) -> None:
        for candidate in self.connection.local_candidates:
            if candidate.type in self._types:
                await self._backend.publish(self._pair, Message(candidate=_to_warren(candidate)))


def _to_warren(candidate: aioice.Candidate) -> Candidate:
    return Candidate(
        type=TYPES[candidate.type],
        network=NetworkType.UDP4,
        address=candidate.host,
        port=candidate.port,
        priority=candidate.priority,
        foundation=candidate.foundation,
    )


def _to_aioice(candidate: Candidate) -> aioice.Candidate:
    return aioice.Candidate(
        foundation=candidate.foundation,
        component=candidate.component,
        transport="udp",
        priority=candidate.priority,
        host=candidate.address,
        port=candidate.port,
        type=candidate.type.word,
    )


async def connected(peer: AioicePeer, session: Session) -> None:
    """Wait until both agents say so."""
    async with asyncio.timeout(TIME):
        await asyncio.gather(peer.connect(), session.wait_connected())


async def exchange(peer: AioicePeer, session: Session, text: str) -> tuple[bytes, bytes]:
    """Send this to both sides; returns what arrived at aioice, and what at us."""
    session.send(f"{text} to aioice".encode())
    await peer.connection.send(f"{text} to warren".encode())
    async with asyncio.timeout(TIME):
        return await peer.connection.recv(), await session.recv()


@pytest.fixture(autouse=True)
def on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let aioice use loopback, and nothing else."""
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"])


@both_roles
async def test_data_crosses_both_ways(controlling: bool) -> None:
    async with world(controlling) as here, AioicePeer(here, controlling=not controlling) as peer:
        await connected(peer, here.session)
        assert await exchange(peer, here.session, "hello") == (b"hello to aioice", b"hello to warren")


@both_roles
async def test_both_agents_keep_the_roles_that_they_were_told(controlling: bool) -> None:
    async with world(controlling) as here, AioicePeer(here, controlling=not controlling) as peer:
        await connected(peer, here.session)
        assert peer.connection.ice_controlling is not controlling
        assert "request-role-conflict" not in here.session.stats.drops


@both_roles
async def test_the_path_is_the_one_that_aioice_has_too(controlling: bool) -> None:
    async with world(controlling) as here, AioicePeer(here, controlling=not controlling) as peer:
        await connected(peer, here.session)
        path = here.session.path
        assert path is not None
        assert path.local.transport in [(one.host, one.port) for one in peer.connection.remote_candidates]
        assert path.remote.transport in [(one.host, one.port) for one in peer.connection.local_candidates]


@pytest.mark.parametrize("strong", [True, False], ids=["ours is larger", "theirs is larger"])
@both_roles
async def test_of_two_that_were_told_the_same_role_the_larger_tie_breaker_controls(
    controlling: bool, strong: bool
) -> None:
    async with (
        world(controlling, dice=Loaded(strong=strong)) as here,
        AioicePeer(here, controlling=controlling) as peer,
    ):
        await connected(peer, here.session)
        assert peer.connection.ice_controlling is not strong
        assert await exchange(peer, here.session, "agreed") == (b"agreed to aioice", b"agreed to warren")


async def test_consent_is_kept_on_both_sides_while_every_datagram_arrives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(aioice.ice, "CONSENT_INTERVAL", 1.0)
    monkeypatch.setattr(aioice.ice, "CONSENT_FAILURES", 1)  # A single check without an answer closes it.

    async def keep(controlling: bool) -> None:
        async with (
            world(controlling, dice=Loaded()) as here,
            AioicePeer(here, controlling=not controlling) as peer,
        ):
            await connected(peer, here.session)
            before = len(here.session.history)
            async with asyncio.timeout(TIME):
                while peer.connection.asked < 3 or peer.connection.answered < 1:
                    assert await exchange(peer, here.session, "alive") == (
                        b"alive to aioice",
                        b"alive to warren",
                    )
                    await asyncio.sleep(0.01)  # The pace of the stream.
            assert [change.new for change in here.session.history[before:]] in ([], [State.COMPLETED])

    await asyncio.gather(*(keep(controlling) for controlling in ROLES))


async def test_an_aioice_that_closes_is_noticed_and_the_reason_is_told() -> None:
    async def close(controlling: bool) -> None:
        async with world(controlling, dice=Loaded()) as here:
            async with AioicePeer(here, controlling=not controlling) as peer:
                await connected(peer, here.session)
                events = here.session.events()
            await lost_and_begun_anew(events)

    await asyncio.gather(*(close(controlling) for controlling in ROLES))


async def test_new_credentials_of_aioice_are_believed_when_the_old_path_does_not_answer() -> None:
    async def begin_anew(controlling: bool) -> None:
        async with world(controlling, consent_timeout=30.0) as here:
            async with AioicePeer(here, controlling=not controlling) as first:
                await connected(first, here.session)
                events = here.session.events()
            async with AioicePeer(here, controlling=not controlling) as second:
                begun, _, _ = await asyncio.gather(
                    until(events, State.IDLE, generation=2),
                    until(here.session.events(), State.CONNECTED, generation=2),
                    second.connect(),
                )
                assert "new credentials" in begun.reason
                assert await exchange(second, here.session, "again") == (
                    b"again to aioice",
                    b"again to warren",
                )

    await asyncio.gather(*(begin_anew(controlling) for controlling in ROLES))


@both_roles
async def test_a_server_reflexive_candidate_alone_is_enough(controlling: bool) -> None:
    async with (
        stun_server() as server,
        world(controlling, stun=(f"stun:{server[0]}:{server[1]}",)) as here,
        AioicePeer(here, controlling=not controlling, stun_server=server, types=("srflx",)) as peer,
    ):
        await connected(peer, here.session)
        path = here.session.path
        assert path is not None
        assert path.remote.type is CandidateType.SERVER_REFLEXIVE


@needs("coturn")
@pytest.mark.parametrize(
    ("we", "they"),
    [(False, True), (True, False), (True, True)],
    ids=["aioice has a relay alone", "warren has a relay alone", "both have a relay alone"],
)
@both_roles
async def test_data_crosses_relays_both_ways(controlling: bool, we: bool, they: bool, tmp_path: Path) -> None:
    async with turn_server(tmp_path) as server:
        relayed: dict[str, Any] = {"turn": (server.url,), "candidates": CandidatePolicy.RELAY_ONLY}
        async with (
            world(controlling, **(relayed if we else {})) as here,
            AioicePeer(here, controlling=not controlling, turn=server if they else None) as peer,
        ):
            await connected(peer, here.session)
            path = here.session.path
            assert path is not None
            assert (path.local.type, path.remote.type) == (KINDS[we], KINDS[they])
            assert await exchange(peer, here.session, "far") == (b"far to aioice", b"far to warren")


KINDS = {True: CandidateType.RELAY, False: CandidateType.HOST}
