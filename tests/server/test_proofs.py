"""Proofs, tokens and relays as a client of the server sees them, over real sockets."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from grpc import StatusCode

from tests.server.client import Client, Ending, connected, until
from tests.server.http2 import raw_client
from tests.server.keys import envelope
from tests.server.keys import key as make_key
from warren import wire
from warren.keys import PrivateKey
from warren.messages import RelayInfo, SubscribeProof
from warren.server.auth import Fault, Policy
from warren.server.grpc import Proofs, Settings, SignalServer, serve
from warren.server.relay import Limits
from warren.server.turn import TurnRelays
from warren.signaling.carrier import Identity
from warren.signaling.proof import prove

ALICE, BOB = (Identity(PrivateKey(bytes(31) + bytes([number]))) for number in (1, 2))
RELAYS = TurnRelays(["turn:turn.example.org:3478"], b"a secret of sixteen letters")
GET_CHALLENGE = "/warren.v1.Relay/GetChallenge"
GET_RELAYS = "/cunicu.signaling.RelayRegistry/GetRelays"


class Clock:
    """A clock that a test moves."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def serving(
    policy: Policy = Policy.PREFER, *, clock: Clock | None = None, relays: TurnRelays | None = RELAYS
) -> AsyncIterator[tuple[SignalServer, Client]]:
    proofs = Proofs(policy=policy, clock=clock or Clock())
    async with (
        serve("127.0.0.1:0", tls=None, proofs=proofs, relays=relays) as server,
        connected(server.address.port) as client,
    ):
        yield server, client


async def proof_of(client: Client, server: SignalServer, holder: Identity = ALICE) -> SubscribeProof:
    challenge = await client.challenge(holder.public)
    return prove(holder, challenge, authority=str(server.address), session=bytes(16))


async def answer_to(client: Client, proof: SubscribeProof | None) -> bytes | Ending:
    return await client.open(wire.encode_subscribe_params(ALICE.public, proof)).read()


# Subscribing


@pytest.mark.parametrize("policy", [Policy.PREFER, Policy.REQUIRE])
async def test_who_proves_it_is_told_so_and_gets_a_token(policy: Policy) -> None:
    async with serving(policy) as (server, client):
        _, ack = await client.prove(ALICE, str(server.address))
        assert ack.authenticated
        assert server.gate.authenticator.holder(ack.token, Clock.now) == ALICE.public
        assert ack.token_expires_ms == int((Clock.now + 3600) * 1000)


@pytest.mark.parametrize("policy", [Policy.PREFER, Policy.OFF])
async def test_who_proves_nothing_is_served_and_told_nothing(policy: Policy) -> None:
    async with serving(policy) as (_, client):
        assert await answer_to(client, None) == b""


async def test_where_a_proof_is_required_one_without_is_told_so() -> None:
    async with serving(Policy.REQUIRE) as (server, client):
        assert await answer_to(client, None) == Ending(StatusCode.UNAUTHENTICATED, Fault.MISSING.value)
        assert server.relay.subscriptions == 0


@pytest.mark.parametrize("policy", [Policy.PREFER, Policy.REQUIRE])
async def test_a_wrong_proof_is_unauthenticated(policy: Policy) -> None:
    async with serving(policy) as (server, client):
        wrong = replace(await proof_of(client, server), mac=bytes(32))
        assert await answer_to(client, wrong) == Ending(StatusCode.UNAUTHENTICATED, Fault.MAC.value)
        assert server.relay.subscriptions == 0


async def test_where_proofs_are_off_a_proof_is_not_looked_at_and_no_challenge_is_given() -> None:
    async with serving(Policy.OFF) as (_, client):
        ending = await client.call(GET_CHALLENGE, wire.encode_challenge_params(ALICE.public))
        assert isinstance(ending, Ending)
        assert ending.code is StatusCode.UNIMPLEMENTED
        proof = SubscribeProof(server_key=b"", challenge=b"", session=b"", authority="", mac=b"")
        assert await answer_to(client, proof) == b""


async def test_a_challenge_is_too_old_after_half_a_minute() -> None:
    clock = Clock()
    async with serving(clock=clock) as (server, client):
        proof = await proof_of(client, server)
        clock.now += 31
        assert await answer_to(client, proof) == Ending(StatusCode.UNAUTHENTICATED, Fault.STALE.value)


@pytest.mark.parametrize("request_bytes", [b"", b"\xff", b"\x0a\x20" + bytes(32)])
async def test_a_challenge_for_what_is_no_key_is_refused(request_bytes: bytes) -> None:
    async with serving() as (_, client):
        ending = await client.call(GET_CHALLENGE, request_bytes)
        assert isinstance(ending, Ending)
        assert ending.code is StatusCode.INVALID_ARGUMENT


async def test_a_proof_is_not_worth_more_room_than_there_is() -> None:
    settings = Settings(limits=Limits(subscriptions_per_key=1))
    async with (
        serve("127.0.0.1:0", tls=None, settings=settings) as server,
        connected(server.address.port) as client,
    ):
        _, ack = await client.prove(ALICE, str(server.address))
        challenge = await client.challenge(ALICE.public)
        proof = prove(ALICE, challenge, authority=str(server.address), session=b"another session!")
        ending = await answer_to(client, proof)
        assert isinstance(ending, Ending)
        assert ending.code is StatusCode.RESOURCE_EXHAUSTED
        assert await client.publish(BOB.public, token=ack.token) == 0, "the first token is not good any more"


async def test_strangers_that_fill_a_key_do_not_keep_its_holder_out() -> None:
    settings = Settings(limits=Limits(subscriptions_per_key=3))
    async with (
        serve("127.0.0.1:0", tls=None, settings=settings) as server,
        connected(server.address.port) as stranger,
        connected(server.address.port) as client,
    ):
        for _ in range(3):
            await stranger.subscribe(ALICE.public)
        stream, _ = await client.prove(ALICE, str(server.address))
        await client.publish(ALICE.public)
        assert await stream.read() == envelope(ALICE.public)


async def test_servers_that_share_a_secret_take_one_anothers_challenges() -> None:
    proofs = Proofs(secret=bytes(32), names=["signal.example.org"])
    async with (
        serve("127.0.0.1:0", tls=None, proofs=proofs) as one,
        serve("127.0.0.1:0", tls=None, proofs=proofs) as other,
        connected(one.address.port) as at_one,
        connected(other.address.port) as at_other,
    ):
        challenge = await at_one.challenge(ALICE.public)
        proof = prove(ALICE, challenge, authority="signal.example.org:443", session=bytes(16))
        first = await answer_to(at_other, proof)
        assert isinstance(first, bytes)
        assert wire.decode_ack(first) is not None


async def test_servers_without_a_shared_secret_do_not() -> None:
    async with serving() as (server, client), serving() as (_, at_other):
        proof = await proof_of(client, server)
        assert await answer_to(at_other, proof) == Ending(StatusCode.UNAUTHENTICATED, Fault.CHALLENGE.value)


async def test_wrong_proofs_do_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "warren")
    async with serving(Policy.REQUIRE) as (_, client):
        for _ in range(20):
            await answer_to(client, None)
    assert len([record for record in caplog.records if record.name.startswith("warren")]) == 1


# Publishing


async def test_only_who_has_proved_something_learns_how_many_took_an_envelope() -> None:
    async with serving() as (server, client):
        _, ack = await client.prove(ALICE, str(server.address))
        assert await client.publish(BOB.public) is None
        assert await client.publish(BOB.public, token=ack.token) == 0
        await client.subscribe(BOB.public)
        await client.subscribe(BOB.public)
        assert await client.publish(BOB.public, token=ack.token) == 2


async def test_where_proofs_are_off_everybody_learns_it() -> None:
    async with serving(Policy.OFF) as (_, client):
        await client.subscribe(BOB.public)
        assert await client.publish(BOB.public) == 1


@pytest.mark.parametrize("policy", list(Policy))
async def test_a_publisher_without_a_good_token_is_served_all_the_same(policy: Policy) -> None:
    async with serving(policy) as (server, client):
        if policy is Policy.OFF:
            stream = await client.subscribe(BOB.public)
        else:
            stream, _ = await client.prove(BOB, str(server.address))
        for token in (None, b"", b"nonsense", bytes(89)):
            await client.publish(BOB.public, token=token)
            assert await stream.read() == envelope(BOB.public)


async def test_a_token_expires_by_the_servers_clock() -> None:
    clock = Clock()
    async with serving(clock=clock) as (server, client):
        _, ack = await client.prove(ALICE, str(server.address))
        clock.now += 3599
        assert await client.publish(BOB.public, token=ack.token) == 0
        clock.now += 1
        assert await client.publish(BOB.public, token=ack.token) is None


async def test_a_token_ends_with_its_subscription() -> None:
    async with serving() as (server, client):
        stream, ack = await client.prove(ALICE, str(server.address))
        stream.cancel()
        await until(lambda: server.relay.subscriptions == 0)
        assert await client.publish(BOB.public, token=ack.token) is None


async def test_what_a_proven_publisher_sends_comes_before_a_flood_that_waits() -> None:
    async with serving() as (server, client), raw_client(server.address.port) as slow:
        _, ack = await client.prove(ALICE, str(server.address))
        slow.subscribe(BOB.public)
        await slow.live()
        flood = [bytes([number]) * 8000 for number in range(30)]
        for body in flood:
            await client.publish(BOB.public, body)
        assert await client.publish(BOB.public, b"proven", token=ack.token) == 1
        slow.open_window()
        await until(lambda: len(slow.messages) == 32)
        place = slow.messages.index(envelope(BOB.public, b"proven"))
        assert slow.messages[place + 1 :] == [envelope(BOB.public, body) for body in flood[place - 1 :]]
        assert place < 31


# Relays


async def relays(client: Client, holder: Identity, token: bytes | None) -> tuple[RelayInfo, ...] | Ending:
    answer = await client.call(GET_RELAYS, wire.encode_relays_params(holder.public), token=token)
    return wire.decode_relays(answer) if isinstance(answer, bytes) else answer


async def test_who_has_proved_it_gets_credentials_for_an_hour_at_most() -> None:
    async with serving() as (server, client):
        _, ack = await client.prove(ALICE, str(server.address))
        found = await relays(client, ALICE, ack.token)
        assert found == RELAYS.credentials(ALICE.public, Clock.now)
        assert isinstance(found, tuple)
        assert 1800 < found[0].expires - Clock.now <= 3600


async def test_nobody_else_gets_credentials() -> None:
    async with serving() as (server, client):
        _, ack = await client.prove(BOB, str(server.address))
        await client.subscribe(ALICE.public)
        for token, fault in ((None, Fault.TOKEN), (b"no", Fault.TOKEN), (ack.token, Fault.OTHER_KEY)):
            assert await relays(client, ALICE, token) == Ending(StatusCode.UNAUTHENTICATED, fault.value)


async def test_a_token_that_has_expired_gives_no_credentials() -> None:
    clock = Clock()
    async with serving(clock=clock) as (server, client):
        _, ack = await client.prove(ALICE, str(server.address))
        clock.now += 3600
        ending = await relays(client, ALICE, ack.token)
        assert ending == Ending(StatusCode.UNAUTHENTICATED, Fault.EXPIRED.value)


async def test_who_asks_for_a_key_that_is_none_is_refused() -> None:
    async with serving() as (_, client):
        ending = await client.call(GET_RELAYS, b"")
        assert isinstance(ending, Ending)
        assert ending.code is StatusCode.INVALID_ARGUMENT


async def test_a_server_without_relays_does_not_know_the_method() -> None:
    async with serving(relays=None) as (server, client):
        _, ack = await client.prove(ALICE, str(server.address))
        ending = await relays(client, ALICE, ack.token)
        assert isinstance(ending, Ending)
        assert ending.code is StatusCode.UNIMPLEMENTED


# Whom limits count


async def test_a_claimed_sender_is_no_reason_to_limit_anybody() -> None:
    victim = make_key(7)
    async with serving() as (server, client), connected(server.address.port) as flooder:
        stream = await client.subscribe(BOB.public)
        flood = [flooder.send(envelope(make_key(8), sender=victim)) for _ in range(300)]
        await asyncio.gather(*flood)
        assert await client.send(envelope(BOB.public, sender=victim)) is None
        assert await stream.read() == envelope(BOB.public, sender=victim)
