"""Tests of peers in pods: they need no option but `k8s:`, and no right but those of their service account."""

from pathlib import Path

import pytest

from tests.kube.pod import Pod
from tests.kube.server import KubeServer
from tests.needs import needs
from tests.processes import make_keys, warren
from warren.signaling.kubernetes_manifests import PEER

pytestmark = needs("etcd", "kube-apiserver", "netns")


@pytest.mark.parametrize("caller_is_smaller", [True, False])
async def test_a_peer_in_a_pod_and_one_with_a_kubeconfig_connect(
    kube: KubeServer, installed: str, tmp_path: Path, caller_is_smaller: bool
) -> None:
    (caller_key, caller), (listener_key, listener) = make_keys(tmp_path, "key", not caller_is_smaller)
    pod = Pod(kube, installed, PEER, tmp_path)
    outside = f"k8s://{kube.kubeconfig('alice', installed)}"
    listen = ("listen", f"--allow={caller}", f"--key={listener_key}", "--echo", "--loopback")
    ping = ("ping", str(listener), f"--key={caller_key}", "--loopback", "-c1", "--timeout=20")
    async with warren(*listen, "--signaling=k8s:", prefix=pod.prefix) as server:
        await server.until(lambda event: event["event"] == "listening")
        async with warren(*ping, f"--signaling={outside}") as client:
            assert await client.wait(30) == 0, client.events
