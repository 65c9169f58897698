"""The Kubernetes carrier keeps the contract of carriers, on a real API server."""

import pytest

from tests.kube.server import KubeServer
from tests.needs import needs
from warren.signaling.kubernetes import KubernetesCarrier
from warren.signaling.kubernetes_api import KubernetesApi
from warren.signaling.kubernetes_target import KubernetesTarget
from warren.signaling.kubernetes_writer import WriteLimit
from warren.signaling.url import BackendUrl
from warren.testing.carrier import CARRIER_CHECKS, Check

pytestmark = needs("kube-apiserver", "etcd")


@pytest.mark.parametrize("check", CARRIER_CHECKS, ids=str)
async def test_kubernetes_carrier_keeps_the_contract(check: Check, kube: KubeServer, installed: str) -> None:
    target = KubernetesTarget.parse(BackendUrl.parse(f"k8s://{kube.kubeconfig('alice', installed)}"))

    def open_carrier() -> KubernetesCarrier:
        # One check writes 400 envelopes one after another within ten seconds.
        return KubernetesCarrier(KubernetesApi(target), limit=WriteLimit(rate=1000, burst=1000))

    await check(open_carrier)
