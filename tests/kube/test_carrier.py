"""The Kubernetes carrier with a real API server: killed, frozen, refusing, full, and busy."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.kube.installed import limit_to, uninstall, wait_for_status
from tests.kube.server import KubeServer
from tests.needs import needs
from tests.signaling.people import ALICE, BOB, private, sealed
from warren.aio.node import Node
from warren.envelope import Envelope
from warren.errors import SignalingError
from warren.keys import PrivateKey
from warren.session.config import Config
from warren.signaling.carrier import Gap, Identity, Received
from warren.signaling.kubernetes import KubernetesCarrier
from warren.signaling.kubernetes_api import KubernetesApi
from warren.signaling.kubernetes_mailbox import CRD_NAME, GROUP, PLURAL, collection_path, mailbox_name
from warren.signaling.kubernetes_target import KubernetesTarget
from warren.signaling.url import BackendUrl

pytestmark = needs("kube-apiserver", "etcd")

HOUR = 3600.0


def url(kube: KubeServer, namespace: str, user: str = "alice") -> str:
    return f"k8s://{kube.kubeconfig(user, namespace)}"


@asynccontextmanager
async def carrier(
    kube: KubeServer, namespace: str, user: str = "alice", *, timeout: float = 8.0
) -> AsyncIterator[KubernetesCarrier]:
    target = KubernetesTarget.parse(BackendUrl.parse(url(kube, namespace, user)))
    made = KubernetesCarrier(KubernetesApi(target, timeout=timeout))
    try:
        yield made
    finally:
        await made.aclose()


def to_bob() -> Envelope:
    return sealed(ALICE, BOB.public)


async def restart(kube: KubeServer) -> None:
    """Kill the API server and start it again: what it remembers of the past is gone."""
    await asyncio.to_thread(kube.apiserver.kill)
    await asyncio.to_thread(kube.start)


# Killed and frozen


@pytest.mark.parametrize("skew", [0.0, HOUR, -HOUR], ids=["our clock right", "an hour fast", "an hour slow"])
async def test_what_was_written_while_the_server_forgot_our_place_comes_after_it(
    kube: KubeServer, installed: str, skew: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_time = time.time
    async with (
        carrier(kube, installed) as alice,
        carrier(kube, installed, "bob") as bob,
        bob.subscribe(Identity(BOB)) as stream,
    ):
        one, two = to_bob(), to_bob()
        await alice.publish(one)
        assert await anext(stream) == one
        await restart(kube)
        monkeypatch.setattr(time, "time", lambda: real_time() + skew)
        async with carrier(kube, installed) as anew:
            await anew.publish(two)
        async with asyncio.timeout(20):
            assert await anext(stream) == two


async def test_what_became_old_while_the_server_forgot_our_place_is_a_gap(
    kube: KubeServer, installed: str
) -> None:
    async with (
        carrier(kube, installed) as alice,
        carrier(kube, installed, "bob") as bob,
        bob.subscribe(Identity(BOB)) as stream,
    ):
        await alice.publish(to_bob())
        await anext(stream)
        await asyncio.to_thread(kube.apiserver.kill)
        place = f"{GROUP}/{PLURAL}/{installed}/{mailbox_name(ALICE.public, BOB.public)}"
        await asyncio.to_thread(kube.start)
        async with carrier(kube, installed) as anew:
            await anew.publish(to_bob())
        await asyncio.to_thread(kube.age, place, 120)
        async with asyncio.timeout(20):
            assert await anext(stream) == Gap()


async def test_subscription_is_lost_with_the_server_and_can_be_entered_when_it_is_back(
    kube: KubeServer, installed: str
) -> None:
    async with carrier(kube, installed) as alice, carrier(kube, installed, "bob") as bob:
        async with bob.subscribe(Identity(BOB)) as stream:
            await asyncio.to_thread(kube.apiserver.kill)
            with pytest.raises(SignalingError, match=r"no route to API server.*is it running there\?"):
                await anext(stream)
        await asyncio.to_thread(kube.start)
        async with bob.subscribe(Identity(BOB)) as stream:
            sent = to_bob()
            await alice.publish(sent)
            assert await anext(stream) == sent


async def test_frozen_etcd_costs_a_publisher_its_time_limit_and_no_more(
    kube: KubeServer, installed: str
) -> None:
    async with (
        carrier(kube, installed, timeout=1.0) as alice,
        carrier(kube, installed, "bob") as bob,
        bob.subscribe(Identity(BOB)) as stream,
    ):
        kube.etcd.freeze()
        began = time.monotonic()
        with pytest.raises(SignalingError, match="did not answer within 1 s"):
            await alice.publish(to_bob())
        assert time.monotonic() - began < 3.0
        await asyncio.to_thread(kube.start)
        sent = to_bob()
        await alice.publish(sent)
        received = [item async for item in until(stream, sent)]
    assert received[-1] == sent


async def test_killed_etcd_is_told_and_survived(kube: KubeServer, installed: str) -> None:
    async with (
        carrier(kube, installed, timeout=2.0) as alice,
        carrier(kube, installed, "bob") as bob,
        bob.subscribe(Identity(BOB)) as stream,
    ):
        await asyncio.to_thread(kube.etcd.kill)
        with pytest.raises(SignalingError, match="API server"):
            await alice.publish(to_bob())
        await asyncio.to_thread(kube.start)
        sent = to_bob()
        await alice.publish(sent)
        received = [item async for item in until(stream, sent)]
    assert received[-1] == sent


async def until(stream: AsyncIterator[Received], wanted: Envelope) -> AsyncIterator[Received]:
    """Yield what comes, to the wanted one."""
    async with asyncio.timeout(20):
        async for item in stream:
            yield item
            if item == wanted:
                return


# Refusing


async def test_missing_right_is_named(kube: KubeServer, installed: str) -> None:
    async with carrier(kube, installed, "nobody") as nobody:
        with pytest.raises(SignalingError, match=f"let us list {CRD_NAME} in namespace {installed}"):
            async with nobody.subscribe(Identity(BOB)):
                pass
        with pytest.raises(SignalingError, match=f"let us patch {CRD_NAME} in namespace {installed}"):
            await nobody.publish(to_bob())


async def test_missing_namespace_is_named(kube: KubeServer, installed: str) -> None:
    async with carrier(kube, "nowhere", "admin") as admin:
        with pytest.raises(SignalingError, match="has no namespace nowhere"):
            await admin.publish(to_bob())


async def test_missing_definition_is_told_with_the_command_that_installs_it(
    kube: KubeServer, installed: str
) -> None:
    await asyncio.to_thread(uninstall, kube)
    async with carrier(kube, installed, "admin") as admin:
        told = r"install it by `?warren k8s manifests \| kubectl apply -f -"
        with pytest.raises(SignalingError, match=told):
            async with admin.subscribe(Identity(BOB)):
                pass
        with pytest.raises(SignalingError, match=told):
            await admin.publish(to_bob())


async def test_full_quota_is_told_and_does_not_hinder_those_who_have_a_mailbox(
    kube: KubeServer, installed: str
) -> None:
    await asyncio.to_thread(limit_to, kube, installed, 1)
    async with (
        carrier(kube, installed) as alice,
        carrier(kube, installed, "bob") as bob,
        bob.subscribe(Identity(BOB)) as stream,
    ):
        await alice.publish(to_bob())
        with pytest.raises(SignalingError, match="has no room for a mailbox"):
            await bob.publish(sealed(BOB, ALICE.public))
        sent = to_bob()
        await alice.publish(sent)
        assert sent in [item async for item in until(stream, sent)]


# Credentials


async def test_pod_whose_token_expires_reads_it_anew(
    kube: KubeServer, installed: str, tmp_path: Path
) -> None:
    old, new = (service_token(kube, installed, lives=seconds) for seconds in (3, HOUR))
    (tmp_path / "token").write_text(old)
    (tmp_path / "namespace").write_text(installed)
    (tmp_path / "ca.crt").write_text(kube.ca.read_text())
    host, _, port = kube.url.removeprefix("https://").partition(":")
    environ = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
    target = KubernetesTarget.parse(BackendUrl.parse("k8s:"), environ=environ, service_account=tmp_path)
    pod = KubernetesCarrier(KubernetesApi(target))
    try:
        await pod.publish(to_bob())
        (tmp_path / "token").write_text(new)
        path = collection_path(installed)
        await asyncio.to_thread(wait_for_status, kube, 401, path, token=old)
        await pod.publish(to_bob())
    finally:
        await pod.aclose()


async def test_token_that_is_not_renewed_is_told(kube: KubeServer, installed: str) -> None:
    kubeconfig = kube.kubeconfig("stranger", installed)
    target = KubernetesTarget.parse(BackendUrl.parse(f"k8s://{kubeconfig}"))
    stranger = KubernetesCarrier(KubernetesApi(target))
    with pytest.raises(SignalingError, match=r"does not know us \(401\): are the credentials of kubeconfig"):
        await stranger.publish(to_bob())
    await stranger.aclose()


def service_token(kube: KubeServer, namespace: str, *, lives: float) -> str:
    """Sign a token as the server does, but for any time; it forgives one minute."""
    account = kube.request("GET", f"/api/v1/namespaces/{namespace}/serviceaccounts/warren-peer").body
    name, uid = account["metadata"]["name"], account["metadata"]["uid"]
    now = int(time.time())
    claims = {
        "iss": f"{kube.url}/",
        "aud": ["api"],
        "sub": f"system:serviceaccount:{namespace}:{name}",
        "iat": now - 300,
        "nbf": now - 300,
        "exp": now + int(lives) - 60,
        "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": name, "uid": uid}},
    }
    key = serialization.load_pem_private_key((kube.folder / "accounts.key").read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    parts = [_base64(json.dumps(part).encode()) for part in ({"alg": "RS256", "typ": "JWT"}, claims)]
    signature = key.sign(".".join(parts).encode(), padding.PKCS1v15(), hashes.SHA256())
    return ".".join([*parts, _base64(signature)])


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


# Busy


async def test_two_thousand_envelopes_among_fifty_peers_come_within_five_seconds_of_their_writing(
    kube: KubeServer, installed: str, record_property: Callable[[str, object], None]
) -> None:
    keys = [private(number) for number in range(1000, 1050)]
    arrived: dict[bytes, float] = {}
    complete = asyncio.Event()

    async def read(stream: AsyncIterator[Received]) -> None:
        async for item in stream:
            assert isinstance(item, Envelope), "a gap"
            arrived[item.nonce] = time.monotonic()
            if len(arrived) == 2000:
                complete.set()

    async def say(one: KubernetesCarrier, envelope: Envelope) -> tuple[bytes, float]:
        await one.publish(envelope)
        return envelope.nonce, time.monotonic()

    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        carriers = [await stack.enter_async_context(carrier(kube, installed)) for _ in keys]
        reading = []
        for one, key in zip(carriers, keys, strict=True):
            stream = await stack.enter_async_context(one.subscribe(Identity(key)))
            reading.append(group.create_task(read(stream)))
        pairs = [(n, (n + step) % 50) for step in range(1, 6) for n in range(50)]
        written = await asyncio.gather(
            *(say(carriers[n], sealed(keys[n], keys[other].public)) for n, other in pairs for _ in range(8))
        )
        async with asyncio.timeout(10):
            await complete.wait()
        for task in reading:
            task.cancel()
    worst = max(arrived[nonce] - at for nonce, at in written)
    record_property("table", f"2,000 envelopes among 50 peers came at most {worst:.2f} s after their writing")
    assert worst < 5.0


# Sessions


async def test_two_peers_connect_with_four_writes_at_the_most(
    kube: KubeServer, installed: str, record_property: Callable[[str, object], None]
) -> None:
    config = Config(loopback=True, include_interfaces=("lo",))
    ours, theirs = PrivateKey.generate(), PrivateKey.generate()
    async with (
        Node(ours, url(kube, installed, "alice"), config=config) as alice,
        Node(theirs, url(kube, installed, "bob"), config=config) as bob,
        alice.open(bob.public) as to_bob,
        bob.open(alice.public) as to_alice,
    ):
        await asyncio.gather(to_bob.wait_connected(20), to_alice.wait_connected(20))
        found = await asyncio.to_thread(kube.request, "GET", collection_path(installed))
    writes = [item["metadata"]["generation"] for item in found.body["items"]]
    record_property("table", f"two peers were connected with {sum(writes)} writes")
    assert sum(writes) <= 4, writes
