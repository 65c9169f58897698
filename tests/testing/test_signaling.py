"""The simulated signaling server: passes on, loses, dies, forgets; and keeps nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from warren.envelope import Envelope
from warren.errors import SignalingError
from warren.keys import PrivateKey
from warren.signaling.carrier import Gap, Identity, Received
from warren.testing.clock import run
from warren.testing.link import Link
from warren.testing.signaling import SimCarrier, SimServer

A, B = PrivateKey(bytes(range(32))), PrivateKey(bytes(range(1, 33)))


def envelope(number: int = 0) -> Envelope:
    return Envelope(A.public, B.public, number.to_bytes(4, "big"), bytes(24))


def simulate(scene: Callable[[SimServer], Awaitable[None]]) -> None:
    async def main() -> None:
        await scene(SimServer(asyncio.get_running_loop(), Random(1)))

    run(main())


async def listen(carrier: SimCarrier, heard: list[Received | str], key: PrivateKey = B) -> None:
    try:
        async with carrier.subscribe(Identity(key)) as stream:
            async for item in stream:
                heard.append(item)
    except SignalingError as error:
        heard.append(str(error))


async def scene_with_listener(
    server: SimServer, link: Link | None = None
) -> tuple[SimCarrier, list[Received | str]]:
    """Subscribe for B and give the carrier of A."""
    heard: list[Received | str] = []
    asyncio.get_running_loop().create_task(listen(server.client("b", link), heard))
    await asyncio.sleep(1.0)
    return server.client("a"), heard


def test_envelope_reaches_every_subscriber_after_both_delays() -> None:
    async def scene(server: SimServer) -> None:
        heard: list[Received | str] = []
        clients = [server.client(name, Link(delay=0.02)) for name in ("b1", "b2")]
        tasks = [asyncio.create_task(listen(client, heard)) for client in clients]
        await asyncio.sleep(1.0)
        publishing = asyncio.create_task(server.client("a", Link(delay=0.03)).publish(envelope()))
        await asyncio.sleep(0.0499)
        assert heard == []
        await asyncio.sleep(0.0002)
        assert heard == [envelope(), envelope()]
        assert not publishing.done()
        await publishing
        assert asyncio.get_running_loop().time() == pytest.approx(1.06)
        assert [task.done() for task in tasks] == [False, False]

    simulate(scene)


def test_nothing_is_kept_for_who_is_not_there() -> None:
    async def scene(server: SimServer) -> None:
        await server.client("a").publish(envelope(1))
        await asyncio.sleep(1.0)
        carrier, heard = await scene_with_listener(server)
        await carrier.publish(envelope(2))
        await asyncio.sleep(1.0)
        assert heard == [envelope(2)]
        assert server.fates == {"nobody there": 1, "delivered": 1}

    simulate(scene)


def test_left_subscription_is_gone() -> None:
    async def scene(server: SimServer) -> None:
        async with server.client("b").subscribe(Identity(B)):
            assert len(server.all_subscriptions()) == 1
        assert server.subscriptions == {}

    simulate(scene)


def test_restart_ends_subscriptions_and_refuses_until_it_is_over() -> None:
    async def scene(server: SimServer) -> None:
        carrier, heard = await scene_with_listener(server)
        server.restart(outage=5.0)
        await asyncio.sleep(0)
        await asyncio.sleep(1.0)
        assert heard == ["connection reset by the signaling server"]
        with pytest.raises(SignalingError, match="is it running"):
            await carrier.publish(envelope())
        with pytest.raises(SignalingError, match="is it running"):
            async with carrier.subscribe(Identity(A)):
                pass
        await asyncio.sleep(5.0)
        carrier, heard = await scene_with_listener(server)
        await carrier.publish(envelope())
        await asyncio.sleep(1.0)
        assert heard == [envelope()]

    simulate(scene)


def test_envelope_on_its_way_to_a_dying_server_is_lost() -> None:
    async def scene(server: SimServer) -> None:
        carrier, heard = await scene_with_listener(server)
        publishing = asyncio.create_task(carrier.publish(envelope()))
        await asyncio.sleep(0)
        server.restart(outage=1.0)
        await publishing
        assert server.fates == {"server down": 1}
        assert heard[0] == "connection reset by the signaling server"

    simulate(scene)


def test_cut_client_hears_nothing_and_is_told_nothing() -> None:
    async def scene(server: SimServer) -> None:
        heard: list[Received | str] = []
        client = server.client("b")
        task = asyncio.create_task(listen(client, heard))
        await asyncio.sleep(1.0)
        client.cut = True
        await server.client("a").publish(envelope())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60.0):
                await client.publish(envelope())
        assert heard == []
        assert not task.done()
        client.cut = False
        await server.client("a").publish(envelope(2))
        await asyncio.sleep(1.0)
        assert heard == [envelope(2)]

    simulate(scene)


def test_cut_that_outlasts_all_patience_is_an_error() -> None:
    async def scene(server: SimServer) -> None:
        client = server.client("b")
        client.cut = True
        with pytest.raises(SignalingError, match="did not answer"):
            await client.publish(envelope())

    simulate(scene)


def test_deaf_stream_stays_open_and_gets_nothing() -> None:
    async def scene(server: SimServer) -> None:
        heard: list[Received | str] = []
        client = server.client("b")
        task = asyncio.create_task(listen(client, heard))
        other, other_heard = await scene_with_listener(server)
        server.go_deaf(client)
        await other.publish(envelope())
        await asyncio.sleep(1.0)
        assert heard == []
        assert other_heard == [envelope()]
        assert not task.done()

    simulate(scene)


def test_a_server_that_loses_envelopes_tells_of_a_gap_afterwards() -> None:
    async def scene(server: SimServer) -> None:
        heard: list[Received | str] = []
        client = server.client("b")
        task = asyncio.create_task(listen(client, heard))
        carrier, _ = await scene_with_listener(server)
        server.go_lossy(client, lossy=True)
        await carrier.publish(envelope())
        await asyncio.sleep(1.0)
        assert heard == []
        server.go_lossy(client, lossy=False)
        await carrier.publish(envelope())
        await asyncio.sleep(1.0)
        assert heard == [Gap(), envelope()]
        assert not task.done()

    simulate(scene)


def test_it_tells_who_can_be_reached_from_now_on() -> None:
    async def scene(server: SimServer) -> None:
        told: list[str] = []
        server.subscribed = lambda client: told.append(client.name)
        await scene_with_listener(server)
        assert told == ["b"]

    simulate(scene)


def test_links_lose_and_double_envelopes() -> None:
    async def scene(server: SimServer) -> None:
        carrier, heard = await scene_with_listener(server, Link(loss=0.3, duplicate=0.2))
        for number in range(1000):
            await carrier.publish(envelope(number))
        await asyncio.sleep(5.0)
        assert 600 < len({item.body for item in heard if isinstance(item, Envelope)}) < 800
        assert len(heard) > 750
        assert server.fates["lost"] == 1000 - len(
            {repr(item.body) for item in heard if isinstance(item, Envelope)}
        )

    simulate(scene)


def test_link_can_be_replaced() -> None:
    async def scene(server: SimServer) -> None:
        carrier, heard = await scene_with_listener(server)
        carrier.link = Link(delay=3.0)
        assert carrier.link == Link(delay=3.0)
        task = asyncio.create_task(carrier.publish(envelope()))
        await asyncio.sleep(2.9)
        assert heard == []
        await task
        assert heard == [envelope()]

    simulate(scene)


def test_bytes_that_are_no_envelope_are_counted_by_the_client() -> None:
    async def scene(server: SimServer) -> None:
        heard: list[Received | str] = []
        client = server.client("b")
        task = asyncio.create_task(listen(client, heard))
        await asyncio.sleep(1.0)
        server.deliver(B.public.raw, b"noise")
        await asyncio.sleep(1.0)
        assert heard == []
        assert client.drops == {"envelope-malformed": 1}
        assert not task.done()

    simulate(scene)


def test_closed_carrier_ends_its_subscriptions_and_does_nothing_more() -> None:
    async def scene(server: SimServer) -> None:
        heard: list[Received | str] = []
        client = server.client("b")
        task = asyncio.create_task(listen(client, heard))
        await asyncio.sleep(1.0)
        await client.aclose()
        await task
        assert heard == ["this carrier is closed"]
        assert server.subscriptions == {}
        with pytest.raises(SignalingError, match="closed"):
            await client.publish(envelope())

    simulate(scene)


def test_watchers_see_what_leaves_and_what_comes() -> None:
    async def scene(server: SimServer) -> None:
        seen: list[tuple[str, str, Envelope]] = []
        server.published = lambda client, data: seen.append(("left", client.name, Envelope.parse(data)))
        server.delivered = lambda client, item: seen.append(("came", client.name, item))
        carrier, _ = await scene_with_listener(server)
        await carrier.publish(envelope())
        await asyncio.sleep(1.0)
        assert seen == [("left", "a", envelope()), ("came", "b", envelope())]

    simulate(scene)
