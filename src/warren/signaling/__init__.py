"""Signaling: envelopes from key to key, over one backend or several."""

from warren.signaling.backend import Backend, CarrierBackend, SubscriptionChanged
from warren.signaling.carrier import Carrier, Gap, Identity
from warren.signaling.multi import MultiBackend
from warren.signaling.registry import BackendInfo, backends, connect
from warren.signaling.subscription import Timing
from warren.signaling.url import BackendUrl

__all__ = [
    "Backend",
    "BackendInfo",
    "BackendUrl",
    "Carrier",
    "CarrierBackend",
    "Gap",
    "Identity",
    "MultiBackend",
    "SubscriptionChanged",
    "Timing",
    "backends",
    "connect",
]
