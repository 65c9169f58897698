"""The Kubernetes carrier: envelopes by way of custom resources on an API server."""

import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from warren.envelope import MAX_ENVELOPE, Envelope
from warren.errors import SignalingError
from warren.messages import BackendType
from warren.sansio import Dice
from warren.signaling.carrier import Identity, Received
from warren.signaling.kubernetes_api import KubernetesApi
from warren.signaling.kubernetes_target import KubernetesTarget
from warren.signaling.kubernetes_watch import Watch
from warren.signaling.kubernetes_writer import MailWriter, WriteLimit
from warren.signaling.url import BackendUrl

__all__ = ["KubernetesCarrier", "open_carrier"]


class KubernetesCarrier:
    """Moves envelopes by mailboxes: the sender writes them, the recipient watches them.

    Nobody knows how many watch, so `publish` never says how many took it.

    Args:
        api: the server; it is closed with the carrier.
        limit: how often to write; 5 times a second and 20 at once by default.
        dice: for how long each watch shall be; the system's by default.
    """

    type = BackendType.KUBERNETES
    max_envelope = MAX_ENVELOPE

    def __init__(
        self, api: KubernetesApi, *, limit: WriteLimit | None = None, dice: Dice | None = None
    ) -> None:
        self.drops: Counter[str] = Counter()
        self._api = api
        self._writer = MailWriter(api, limit=limit or WriteLimit())
        self._dice: Dice = dice or random.SystemRandom()

    async def publish(self, envelope: Envelope) -> None:
        """Write the envelope into the mailbox of its pair, together with others that wait."""
        size = len(envelope.serialize())
        if size > self.max_envelope:
            raise SignalingError(f"an envelope of {size} bytes is too large: at most {self.max_envelope}")
        await self._writer.write(envelope)

    @asynccontextmanager
    async def subscribe(self, identity: Identity) -> AsyncIterator[AsyncIterator[Received]]:
        """Receive what is written for the key from now on; entered once it is listed and watched."""
        watch = Watch(self._api, identity.public, drops=self.drops, dice=self._dice)
        try:
            await watch.begin()
            yield watch
        finally:
            watch.close()

    async def aclose(self) -> None:
        """Close all connections; whoever reads learns that the subscription is lost."""
        await self._api.aclose()


def open_carrier(url: BackendUrl) -> KubernetesCarrier:
    """Make a carrier from `k8s:` or `k8s:///path/to/kubeconfig` and its options; nothing is sent yet.

    Raises:
        ConfigurationError: the URL is wrong, or the configuration that it means.
    """
    return KubernetesCarrier(KubernetesApi(KubernetesTarget.parse(url)))
