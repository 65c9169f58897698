"""What a user may set about a node and its sessions."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from warren.ice import timing

__all__ = ["OVERLAY_INTERFACES", "Config"]

OVERLAY_INTERFACES = (
    "wg*", "tun*", "tap*", "utun*", "tailscale*", "zt*", "nebula*",
    "docker*", "br-*", "bridge*", "virbr*", "veth*", "cni*", "flannel*", "cali*", "vxlan*", "lxc*", "podman*",
)  # fmt: skip
"""Interfaces left out by default: a path through a tunnel or a bridge is rarely one to the peer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Settings of a node; the defaults are what most users want. Times in seconds."""

    stun: Sequence[str] = ()
    """STUN servers: `stun:host[:port]`."""

    turn: Sequence[str] = field(default=(), repr=False)
    """TURN servers: `turn:user:password@host[:port][?transport=udp|tcp]`, or `turns:` for TLS."""

    port: int = 0
    """UDP port of every local address; 0 lets the system choose."""

    include_interfaces: Sequence[str] = ("*",)
    exclude_interfaces: Sequence[str] = field(default=OVERLAY_INTERFACES)
    """Name patterns (`fnmatch`) of the interfaces whose addresses are offered."""

    loopback: bool = False
    """Offer and accept loopback addresses too."""

    early_candidates: bool = True
    """Send the candidates known with the first message already, before the peer has said anything."""

    patience: float = timing.PATIENCE
    """How long checks may go on before a generation fails (RFC 8863)."""

    consent_timeout: float = timing.CONSENT_TIMEOUT
    """How long a suspect path may stay silent before the session is DISCONNECTED; at most 30 (RFC 7675)."""
