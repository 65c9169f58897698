"""What a user may set about a node and its sessions."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from warren.errors import ConfigurationError
from warren.ice import timing
from warren.ice.policy import CandidatePolicy, Networks

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

    port: int | tuple[int, int] = 0
    """UDP port of every local address, or the first and the last of a range; 0 lets the system choose.

    The same port is taken for TCP where it is free.
    """

    tcp: bool = True
    """Offer and open connections too, for networks that let no UDP pass; without it nothing listens."""

    candidates: CandidatePolicy = CandidatePolicy.ALL
    """Which of our addresses peers learn: `all`, `no-private` or `relay-only`."""

    include_interfaces: Sequence[str] = ("*",)
    exclude_interfaces: Sequence[str] = field(default=OVERLAY_INTERFACES)
    """Name patterns (`fnmatch`) of the interfaces whose addresses are offered."""

    exclude_networks: Sequence[str] = ()
    """Networks (`10.0.0.0/8`) in which no address of ours is offered, and none of a peer's spoken to."""

    loopback: bool = False
    """Offer and accept loopback addresses too."""

    early_candidates: bool = True
    """Send the candidates known with the first message already, before the peer has said anything."""

    patience: float = timing.PATIENCE
    """How long checks may go on before a generation fails (RFC 8863)."""

    consent_timeout: float = timing.CONSENT_TIMEOUT
    """How long a suspect path may stay silent before the session is DISCONNECTED; at most 30 (RFC 7675)."""

    def __post_init__(self) -> None:
        """Check what can be checked before anything is opened.

        Raises:
            ConfigurationError: a port, a network or a policy is none; the text says which.
        """
        first, last = (self.port, self.port) if isinstance(self.port, int) else self.port
        if not 0 <= first <= last <= 65535 or (first == 0 and last != 0):
            raise ConfigurationError(f"{first} to {last} is no range of UDP ports")
        if self.candidates not in set(CandidatePolicy):
            known = ", ".join(CandidatePolicy)
            raise ConfigurationError(f"there is no candidate policy {self.candidates!r}; there are {known}")
        try:
            Networks(self.exclude_networks)
        except ValueError as error:
            raise ConfigurationError(f"exclude_networks: {error}") from error
