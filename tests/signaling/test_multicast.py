"""Tests of the multicast carrier on real sockets: on the loopback interface, and on one in a namespace."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from tests.needs import needs, program
from tests.netns.namespaces import inside
from tests.netns.networks import ip, run
from tests.signaling.nats_server import free_port
from tests.signaling.people import ALICE, BOB, CAROL, hello, sealed
from warren.envelope import Envelope
from warren.errors import SignalingError
from warren.keys import KeyPair
from warren.signaling.carrier import Gap, Identity
from warren.signaling.multicast import MulticastCarrier, open_carrier
from warren.signaling.registry import connect
from warren.signaling.url import BackendUrl
from warren.testing.carrier import CARRIER_CHECKS, Check

GROUP = "239.77.1.3"
IP_RECVTTL = 12  # include/uapi/linux/in.h


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def url(port: int) -> str:
    """A group of this test on the loopback interface."""
    return f"multicast://{GROUP}:{port}?interface=lo&ttl=0"


@asynccontextmanager
async def carrier_to(url: str) -> AsyncIterator[MulticastCarrier]:
    carrier = open_carrier(BackendUrl.parse(url))
    try:
        yield carrier
    finally:
        await carrier.aclose()


def send(port: int, *datagrams: bytes) -> None:
    """Send to the group as any program may."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 0)
        for datagram in datagrams:
            sock.sendto(datagram, (GROUP, port))


def large(size: int) -> Envelope:
    return Envelope(ALICE.public, BOB.public, os.urandom(size), os.urandom(24))


async def flood(carrier: MulticastCarrier) -> None:
    """Publish without end."""
    while True:
        await carrier.publish(large(16_000))


# Datagrams


async def test_small_envelope_is_one_datagram_as_cunicu_sends_it(url: str, port: int) -> None:
    good = sealed(ALICE, BOB.public)
    async with carrier_to(url) as carrier, carrier.subscribe(Identity(BOB)) as stream:
        send(port, good.serialize())
        assert await anext(stream) == good


async def test_datagram_of_4096_bytes_is_accepted_and_no_larger_one(url: str, port: int) -> None:
    overhead = len(large(4000).serialize()) - 4000
    fits, too_large = large(4096 - overhead), large(4097 - overhead)
    assert len(fits.serialize()) == 4096
    async with carrier_to(url) as carrier, carrier.subscribe(Identity(BOB)) as stream:
        send(port, too_large.serialize(), fits.serialize())
        assert await anext(stream) == fits
        assert carrier.drops == {"datagram-oversized": 1}


async def test_junk_is_counted_and_ends_nothing(url: str, port: int) -> None:
    good = sealed(ALICE, BOB.public)
    junk = (b"", b"\x00", b"GET / HTTP/1.1\r\n\r\n", b"\x57\x01", b"\x0a\x01", good.serialize()[:-1])
    async with carrier_to(url) as carrier, carrier.subscribe(Identity(BOB)) as stream:
        send(port, *junk, good.serialize())
        assert await anext(stream) == good
        assert carrier.drops == {"datagram-no-envelope": 3, "part-malformed": 1, "envelope-malformed": 2}


async def test_envelopes_to_others_are_not_even_parsed(url: str, port: int) -> None:
    to_carol, good = sealed(ALICE, CAROL.public).serialize(), sealed(ALICE, BOB.public)
    async with carrier_to(url) as carrier, carrier.subscribe(Identity(BOB)) as stream:
        send(port, to_carol[:70] + b"\xff" * 100, to_carol, good.serialize())
        assert await anext(stream) == good
        assert carrier.drops == {}


async def test_fields_in_another_order_are_understood(url: str, port: int) -> None:
    good = sealed(ALICE, BOB.public)
    data = good.serialize()
    async with carrier_to(url) as carrier, carrier.subscribe(Identity(BOB)) as stream:
        send(port, data[34:68] + data[:34] + data[68:])
        assert await anext(stream) == good


async def test_who_is_flooded_learns_of_the_gap(url: str, port: int) -> None:
    async with carrier_to(url) as carrier, carrier.subscribe(Identity(BOB)) as stream:
        # Nothing is read in between: the kernel's buffer overflows, and tells so with what comes next.
        send(port, *(b"\x00" * 1200 for _ in range(4000)))
        reading = asyncio.ensure_future(anext(stream))
        async with asyncio.timeout(10):
            while not reading.done():
                await asyncio.sleep(0)
                send(port, b"\x00")
        assert reading.result() == Gap()


async def test_who_publishes_without_a_pause_still_hears_it_all(url: str) -> None:
    sent = [large(9000) for _ in range(500)]

    async def publish(carrier: MulticastCarrier) -> None:
        for envelope in sent:
            await carrier.publish(envelope)

    async with carrier_to(url) as carrier, carrier.subscribe(Identity(BOB)) as stream:
        publishing = asyncio.create_task(publish(carrier))
        async with asyncio.timeout(20):
            assert [await anext(stream) for _ in sent] == sent
        await publishing


# Sockets


async def test_another_process_on_this_machine_is_heard(url: str) -> None:
    bob_hears = (
        "import asyncio, sys\n"
        "from tests.signaling.people import BOB\n"
        "from warren.signaling.carrier import Identity\n"
        "from warren.signaling.multicast import open_carrier\n"
        "from warren.signaling.url import BackendUrl\n"
        "async def main():\n"
        "    async with open_carrier(BackendUrl.parse(sys.argv[1])).subscribe(Identity(BOB)) as stream:\n"
        "        print('live', flush=True)\n"
        "        print((await anext(stream)).nonce.hex(), flush=True)\n"
        "asyncio.run(main())\n"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", bob_hears, url, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    envelope = large(9000)
    async with asyncio.timeout(30), carrier_to(url) as carrier, carrier.subscribe(Identity(BOB)) as stream:
        assert await process.stdout.readline() == b"live\n"
        await carrier.publish(envelope)
        assert await anext(stream) == envelope
        assert (await process.stdout.readline()).decode().strip() == envelope.nonce.hex()
        await process.wait()


async def test_messages_come_through_a_backend(url: str) -> None:
    backend, heard = connect(url), list[object]()
    arrived = asyncio.Event()

    def hear(*message: object) -> None:
        heard.append(message[1])
        arrived.set()

    await backend.subscribe(KeyPair(BOB, None), hear)
    await backend.wait_live(BOB.public, 5)
    await backend.publish(KeyPair(ALICE, BOB.public), hello())
    await asyncio.wait_for(arrived.wait(), 5)
    assert heard == [hello()]
    await backend.aclose()


async def test_interface_may_be_named_by_its_address(port: int) -> None:
    async with (
        carrier_to(f"multicast://{GROUP}:{port}?interface=127.0.0.1&ttl=0") as carrier,
        carrier.subscribe(Identity(BOB)) as stream,
    ):
        good = sealed(ALICE, BOB.public)
        await carrier.publish(good)
        assert await anext(stream) == good


@pytest.mark.parametrize("interface", ["nowhere0", "192.0.2.123", "::7"])
async def test_interface_that_is_not_there_is_named_with_those_that_are(interface: str, port: int) -> None:
    async with carrier_to(f"multicast://{GROUP}:{port}?interface={interface}") as carrier:
        with pytest.raises(SignalingError, match=f"there is no interface '{interface}'; there are .*lo"):
            await carrier.publish(sealed(ALICE, BOB.public))


# An interface in a namespace, with IPv6 and without a way to anywhere else


@pytest.fixture
def namespace() -> Iterator[str]:
    name, tool = f"warren-{os.getpid()}-mcast", program("ip") or "ip"
    subprocess.run([tool, "netns", "add", name], check=True)
    try:
        ip(
            name,
            "link set lo up\nlink add eth0 type veth peer name eth1\nlink set eth0 up\nlink set eth1 up\n"
            "address add 10.0.0.1/24 dev eth0\naddress add fd00::1/64 dev eth0 nodad\n"
            "address add fe80::1/64 dev eth0 nodad\n",
        )
        yield name
    finally:
        subprocess.run([tool, "netns", "del", name], check=True)


@needs("netns", "ipv6")
@pytest.mark.parametrize("check", CARRIER_CHECKS, ids=str)
async def test_ipv6_group_keeps_the_contract(check: Check, namespace: str) -> None:
    with inside(namespace):
        await check(lambda: open_carrier(BackendUrl.parse("multicast://[ff02::77:3]:9999?interface=eth0")))


@needs("netns", "ipv6")
@pytest.mark.parametrize("group", [GROUP, "[ff02::77:3]"])
async def test_without_loopback_only_we_hear_ourselves(namespace: str, group: str) -> None:
    loud = f"multicast://{group}:9999?interface=eth0"
    quiet = f"{loud}&loopback=false"
    last = sealed(CAROL, BOB.public)
    with inside(namespace):
        async with (
            carrier_to(quiet) as carrier,
            carrier_to(quiet) as other,
            carrier_to(loud) as third,
            carrier.subscribe(Identity(BOB)) as stream,
            other.subscribe(Identity(BOB)) as others,
        ):
            good = sealed(ALICE, BOB.public)
            await carrier.publish(good)
            await third.publish(last)
            assert [await anext(stream), await anext(stream)] == [good, last]
            assert await anext(others) == last, "it heard another carrier of this machine"


@needs("netns", "ipv6")
@pytest.mark.parametrize("place", ["eth0", "10.0.0.1", "fd00::1"])
@pytest.mark.parametrize("group", [GROUP, "[ff02::77:3]", "[ff15::77:3]"])
async def test_only_the_chosen_interface_is_used(namespace: str, group: str, place: str) -> None:
    ip(
        namespace,
        "link add eth2 type veth peer name eth3\nlink set eth2 up\nlink set eth3 up\n"
        "address add 10.0.2.1/24 dev eth2\n"
        "address add fe80::2/64 dev eth2 nodad\n",
    )
    with inside(namespace):
        async with (
            carrier_to(f"multicast://{group}:9999?interface={place}") as one,
            carrier_to(f"multicast://{group}:9999?interface=eth2") as other,
            one.subscribe(Identity(BOB)) as stream,
            other.subscribe(Identity(BOB)) as others,
        ):
            envelopes = sealed(ALICE, BOB.public), sealed(CAROL, BOB.public)
            await other.publish(envelopes[0])
            await one.publish(envelopes[1])
            assert await anext(stream) == envelopes[1]
            assert await anext(others) == envelopes[0]


@needs("netns", "ipv6")
@pytest.mark.parametrize("ttl", [1, 7])
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
async def test_datagrams_live_as_long_as_told(namespace: str, family: socket.AddressFamily, ttl: int) -> None:
    ipv6 = family == socket.AF_INET6
    group = "ff02::77:3" if ipv6 else GROUP
    place = f"[{group}]" if ipv6 else group
    with inside(namespace), socket.socket(family, socket.SOCK_DGRAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((group, 9999, 0, socket.if_nametoindex("eth0")) if ipv6 else (group, 9999))
        if ipv6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
        else:
            listener.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
        listener.settimeout(5)
        async with carrier_to(f"multicast://{place}:9999?interface=eth0&ttl={ttl}") as carrier:
            await carrier.publish(sealed(ALICE, BOB.public))
        _, ancillary, _, _ = listener.recvmsg(2000, socket.CMSG_SPACE(4))
        assert [int.from_bytes(value, sys.byteorder) for _, _, value in ancillary] == [ttl]


@needs("netns")
async def test_group_without_a_route_says_what_to_do(namespace: str) -> None:
    with inside(namespace):
        async with carrier_to(f"multicast://{GROUP}:9999") as carrier:
            with pytest.raises(
                SignalingError, match=r"cannot \w+( to)? multicast://.*; name the interface by"
            ):
                await carrier.publish(sealed(ALICE, BOB.public))


@needs("netns")
async def test_interface_that_goes_away_ends_the_subscription_at_the_next_envelope(namespace: str) -> None:
    with inside(namespace):
        async with (
            carrier_to(f"multicast://{GROUP}:9999?interface=eth0") as carrier,
            carrier.subscribe(Identity(BOB)) as stream,
        ):
            ip(namespace, "link delete eth0\n")
            with pytest.raises(SignalingError, match="cannot send to multicast://"):
                await carrier.publish(sealed(ALICE, BOB.public))
            with pytest.raises(SignalingError, match="cannot send to multicast://"):
                await anext(stream)


@needs("netns")
async def test_full_buffer_is_an_error_that_ends_no_subscription(namespace: str) -> None:
    with inside(namespace):
        async with (
            carrier_to(f"multicast://{GROUP}:9999?interface=eth0") as carrier,
            carrier.subscribe(Identity(BOB)) as stream,
        ):
            run(namespace, "sh", "-c", "tc qdisc add dev eth0 root tbf rate 8kbit burst 1600 limit 100mb")
            with pytest.raises(SignalingError, match="cannot send to"):
                await flood(carrier)
            run(namespace, "sh", "-c", "tc qdisc del dev eth0 root")
            good = sealed(ALICE, BOB.public)
            await carrier.publish(good)
            while await anext(stream) != good:
                pass
