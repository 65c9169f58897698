"""How the gRPC carrier proves that it holds its keys, to servers of all kinds, over loopback."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest

from tests.server.client import until
from tests.signaling.cunicu_server import CunicuServer
from tests.signaling.people import ALICE, BOB, CAROL, sealed
from tests.signaling.proxy import Proxy
from warren import wire
from warren.errors import SignalingError
from warren.messages import Challenge
from warren.server.auth import Policy
from warren.server.grpc import Proofs, SignalServer, serve
from warren.server.turn import TurnRelays
from warren.signaling.carrier import Identity
from warren.signaling.grpc import GET_CHALLENGE, GET_RELAYS, PUBLISH, SUBSCRIBE, GrpcCarrier
from warren.signaling.grpc_target import GrpcTarget

RELAYS = TurnRelays(["turn:turn.example.org:3478"], b"a secret of sixteen letters")


@asynccontextmanager
async def carrier_to(
    port: int, *, host: str = "127.0.0.1", enter_timeout: float = 8.0
) -> AsyncIterator[GrpcCarrier]:
    target = GrpcTarget(host=host, port=port, insecure=True)
    carrier = GrpcCarrier(target, enter_timeout=enter_timeout)
    try:
        yield carrier
    finally:
        await carrier.aclose()


def proven(server: SignalServer) -> Counter[str]:
    """What became of the proofs."""
    return server.gate.authenticator.counts


# A server of ours


@pytest.mark.parametrize("policy", [Policy.PREFER, Policy.REQUIRE])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_subscription_is_proven_at_a_server_of_ours(policy: Policy, host: str) -> None:
    async with (
        serve("127.0.0.1:0", tls=None, proofs=Proofs(policy=policy)) as server,
        carrier_to(server.address.port, host=host) as carrier,
        carrier.subscribe(Identity(BOB)),
    ):
        assert proven(server) == {"proven": 1}


async def test_a_proof_costs_one_call_before_the_subscription_is_live() -> None:
    async with (
        serve("127.0.0.1:0", tls=None, proofs=Proofs(names=["127.0.0.1"])) as server,
        Proxy(server.address.port) as proxy,
        carrier_to(proxy.port) as carrier,
        carrier.subscribe(Identity(BOB)),
    ):
        assert proxy.calls == [GET_CHALLENGE, SUBSCRIBE]


async def test_what_is_published_meanwhile_is_not_answered_before_the_subscription_is_there() -> None:
    async with (
        serve("127.0.0.1:0", tls=None, proofs=Proofs(names=["127.0.0.1"])) as server,
        Proxy(server.address.port) as proxy,
        carrier_to(proxy.port) as carrier,
    ):

        async def subscribe() -> None:
            async with carrier.subscribe(Identity(ALICE)):
                pass

        subscribing = asyncio.create_task(subscribe())
        await asyncio.sleep(0)
        await carrier.publish(sealed(ALICE, BOB.public))
        await subscribing
        assert proxy.calls[:3] == [GET_CHALLENGE, SUBSCRIBE, PUBLISH]


async def test_a_proof_that_takes_long_holds_nothing_back_for_long() -> None:
    async with CunicuServer() as server, Proxy(server.port) as proxy, carrier_to(proxy.port) as carrier:
        proxy.held = GET_CHALLENGE

        async def subscribe() -> None:
            async with carrier.subscribe(Identity(ALICE)):
                pass

        subscribing = asyncio.create_task(subscribe())
        await until(lambda: proxy.calls == [GET_CHALLENGE])
        await carrier.publish(sealed(BOB, ALICE.public))
        assert proxy.calls == [GET_CHALLENGE, PUBLISH], "another's envelope waits for nothing"
        async with asyncio.timeout(6.0):
            await carrier.publish(sealed(ALICE, BOB.public))
        subscribing.cancel()
        await asyncio.gather(subscribing, return_exceptions=True)


async def test_what_comes_on_a_proven_subscription_are_envelopes() -> None:
    async with (
        serve("127.0.0.1:0", tls=None) as server,
        carrier_to(server.address.port) as carrier,
        carrier.subscribe(Identity(BOB)) as stream,
    ):
        envelope = sealed(ALICE, BOB.public)
        await carrier.publish(envelope)
        assert await anext(stream) == envelope
        assert carrier.drops == {}


async def test_who_is_subscribed_learns_how_many_take_what_it_sends_and_nobody_else_does() -> None:
    async with serve("127.0.0.1:0", tls=None) as server, carrier_to(server.address.port) as carrier:
        assert await carrier.publish(sealed(ALICE, BOB.public)) is None
        async with carrier.subscribe(Identity(ALICE)):
            assert await carrier.publish(sealed(ALICE, BOB.public)) == 0
            async with carrier.subscribe(Identity(BOB)), carrier.subscribe(Identity(BOB)):
                assert await carrier.publish(sealed(ALICE, BOB.public)) == 2
            assert await carrier.publish(sealed(CAROL, BOB.public)) is None
        assert await carrier.publish(sealed(ALICE, BOB.public)) is None


async def test_a_server_that_asks_for_no_proof_gets_none() -> None:
    async with (
        serve("127.0.0.1:0", tls=None, proofs=Proofs(policy=Policy.OFF)) as server,
        carrier_to(server.address.port) as carrier,
        carrier.subscribe(Identity(BOB)),
    ):
        assert server.relay.subscriptions == 1
        assert proven(server) == {}


# Servers that know no proofs


async def test_a_server_that_knows_only_cunicus_methods_is_used_without_a_proof() -> None:
    async with (
        CunicuServer() as server,
        carrier_to(server.port) as carrier,
        carrier.subscribe(Identity(BOB)) as stream,
    ):
        envelope = sealed(ALICE, BOB.public)
        await carrier.publish(envelope)
        assert await anext(stream) == envelope


async def test_a_server_that_knows_no_proofs_is_asked_once_on_a_connection() -> None:
    async with (
        CunicuServer() as server,
        Proxy(server.port) as proxy,
        carrier_to(proxy.port) as carrier,
        carrier.subscribe(Identity(BOB)),
        carrier.subscribe(Identity(CAROL)),
    ):
        assert proxy.calls == [GET_CHALLENGE, SUBSCRIBE, SUBSCRIBE]


# Proofs that are not believed


async def test_a_proof_that_is_not_believed_is_made_again_to_a_new_challenge() -> None:
    async with (
        serve("127.0.0.1:0", tls=None, proofs=Proofs(names=["127.0.0.1"])) as server,
        Proxy(server.address.port) as proxy,
        carrier_to(proxy.port) as carrier,
    ):
        proxy.refusals[SUBSCRIBE] = 1
        async with carrier.subscribe(Identity(BOB)):
            assert proxy.calls == [GET_CHALLENGE, SUBSCRIBE] * 2
            assert proven(server) == {"proven": 1}


async def test_where_no_proof_is_believed_one_subscribes_without_and_it_is_logged_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "warren.signaling")
    async with (
        serve("127.0.0.1:0", tls=None) as server,
        Proxy(server.address.port) as proxy,
        carrier_to(proxy.port) as carrier,
        carrier.subscribe(Identity(BOB)) as stream,
    ):
        envelope = sealed(ALICE, BOB.public)
        await carrier.publish(envelope)
        assert await anext(stream) == envelope
        assert proxy.calls[:5] == [*[GET_CHALLENGE, SUBSCRIBE] * 2, SUBSCRIBE]
    (record,) = [record for record in caplog.records if record.name == "warren.signaling"]
    assert "adds the name by --name; subscribed without a proof" in record.getMessage()


async def test_a_server_that_only_passes_on_an_honest_servers_challenge_proves_nothing() -> None:
    async with (
        serve("127.0.0.1:0", tls=None, proofs=Proofs(policy=Policy.REQUIRE)) as honest,
        Proxy(honest.address.port) as hostile,
        carrier_to(hostile.port) as carrier,
    ):
        with pytest.raises(SignalingError, match="refused us: the proof is for another server's name"):
            async with carrier.subscribe(Identity(BOB)):
                pass
        assert proven(honest) == {"unproven-authority": 2, "unproven-missing": 1}


async def test_a_server_that_refuses_also_those_without_a_proof_says_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with CunicuServer() as server, carrier_to(server.port) as carrier:
        server.refusal = (grpc.StatusCode.UNAUTHENTICATED, "members only")
        with pytest.raises(SignalingError, match="refused us: members only"):
            async with carrier.subscribe(Identity(BOB)):
                pass


@pytest.mark.parametrize(
    ("challenge", "reason"),
    [
        (b"\xff", "protobuf"),
        (b"", "challenge"),
        (wire.encode_challenge(Challenge(server_key=BOB.public, challenge=bytes(10))), "challenge"),
        (b"\x0a\x20" + bytes(32) + b"\x12\x40" + bytes(64), "key"),
    ],
    ids=["garbage", "empty", "short", "key of low order"],
)
async def test_a_challenge_that_is_none_is_an_error_in_words(challenge: bytes, reason: str) -> None:
    async with CunicuServer() as server, Proxy(server.port) as proxy, carrier_to(proxy.port) as carrier:
        proxy.answers[GET_CHALLENGE] = lambda _: challenge
        with pytest.raises(SignalingError, match=f"gave a challenge that is malformed: {reason}"):
            async with carrier.subscribe(Identity(BOB)):
                pass


async def test_a_challenge_that_never_comes_is_not_waited_for_for_ever() -> None:
    async with CunicuServer() as server, Proxy(server.port) as proxy:
        proxy.held = GET_CHALLENGE
        async with carrier_to(proxy.port, enter_timeout=0.2) as carrier:
            with pytest.raises(SignalingError, match=r"did not confirm the subscription within 0\.2 s"):
                async with carrier.subscribe(Identity(BOB)):
                    pass


# Tokens


async def published_with_a_good_token(carrier: GrpcCarrier) -> None:
    """Publish until the server tells that nobody took it: so it knows who we are."""
    async with asyncio.timeout(20):
        while await carrier.publish(sealed(ALICE, BOB.public)) != 0:
            pass


async def test_a_token_is_shown_only_while_its_subscription_lives() -> None:
    async with (
        serve("127.0.0.1:0", tls=None, proofs=Proofs(names=["127.0.0.1"])) as server,
        Proxy(server.address.port) as proxy,
        carrier_to(proxy.port) as carrier,
        carrier.subscribe(Identity(BOB)),
    ):
        async with carrier.subscribe(Identity(ALICE)):
            await carrier.publish(sealed(ALICE, BOB.public))
        await carrier.publish(sealed(ALICE, BOB.public))
        assert proxy.tokens[-2] is not None
        assert proxy.tokens[-1] is None


async def test_a_token_is_renewed_before_it_expires_and_the_stream_goes_on() -> None:
    async with (
        serve("127.0.0.1:0", tls=None, proofs=Proofs(token_lifetime=1.2)) as server,
        carrier_to(server.address.port) as carrier,
        carrier.subscribe(Identity(ALICE)) as stream,
    ):
        await until(lambda: proven(server)["proven"] >= 3)
        await published_with_a_good_token(carrier)
        envelope = sealed(BOB, ALICE.public)
        await carrier.publish(envelope)
        assert await anext(stream) == envelope


async def test_a_token_that_cannot_be_renewed_now_is_renewed_later() -> None:
    async with (
        serve("127.0.0.1:0", tls=None, proofs=Proofs(token_lifetime=1.2, names=["127.0.0.1"])) as server,
        Proxy(server.address.port) as proxy,
        carrier_to(proxy.port) as carrier,
        carrier.subscribe(Identity(ALICE)),
    ):
        proxy.refusals[SUBSCRIBE] = 3  # Both proofs, and the attempt without.
        await until(lambda: proven(server)["proven"] >= 2 and not proxy.refusals[SUBSCRIBE])
        await published_with_a_good_token(carrier)


async def test_a_token_that_is_not_given_again_is_lost_and_nothing_else() -> None:
    async with (
        serve("127.0.0.1:0", tls=None, proofs=Proofs(token_lifetime=1.2, names=["127.0.0.1"])) as server,
        Proxy(server.address.port) as proxy,
        carrier_to(proxy.port) as carrier,
        carrier.subscribe(Identity(ALICE)) as stream,
    ):
        proxy.refusals[SUBSCRIBE] = 2  # Both proofs; without one it is served.
        await until(lambda: server.relay.counts["subscribed"] == 2)
        envelope = sealed(BOB, ALICE.public)
        await carrier.publish(envelope)
        assert await anext(stream) == envelope


# Relays


async def test_who_is_subscribed_is_given_relays() -> None:
    async with (
        serve("127.0.0.1:0", tls=None, relays=RELAYS) as server,
        carrier_to(server.address.port) as carrier,
        carrier.subscribe(Identity(BOB)),
    ):
        (relay,) = await carrier.relays(BOB.public)
        assert relay.url == "turn:turn.example.org:3478"
        assert relay.username
        assert relay.password


async def test_who_is_not_subscribed_is_told_why_it_gets_none() -> None:
    async with (
        serve("127.0.0.1:0", tls=None, relays=RELAYS) as server,
        carrier_to(server.address.port) as carrier,
    ):
        with pytest.raises(SignalingError, match="refused us: there is no token"):
            await carrier.relays(BOB.public)


async def test_a_server_that_knows_no_relays_gives_none() -> None:
    async with CunicuServer() as server, carrier_to(server.port) as carrier:
        assert await carrier.relays(BOB.public) == ()


async def test_relays_that_cannot_be_read_are_an_error_in_words() -> None:
    async with CunicuServer() as server, Proxy(server.port) as proxy, carrier_to(proxy.port) as carrier:
        proxy.answers[GET_RELAYS] = lambda _: b"\xff"
        with pytest.raises(SignalingError, match="gave relays that are malformed: protobuf"):
            await carrier.relays(BOB.public)
