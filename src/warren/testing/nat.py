"""NATs of every kind (RFC 4787; the names of RFC 3489 that everybody knows), as pure tables."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Literal

from warren.ice.transport import Address
from warren.sansio import Dice

__all__ = ["Nat", "NatKind", "Protocol", "direct_path_possible"]

Protocol = Literal["udp", "tcp"]
"""UDP and TCP ports have nothing to do with each other; they are mapped and filtered by the same rules."""

FIRST_PORT: Final = 1024
LAST_PORT: Final = 65535


class NatKind(Enum):
    """How a router treats what passes; PUBLIC translates nothing and lets everything in."""

    PUBLIC = "public"
    FULL_CONE = "full cone"
    ADDRESS_RESTRICTED = "address-restricted"
    PORT_RESTRICTED = "port-restricted"
    SYMMETRIC = "symmetric"


def direct_path_possible(ours: NatKind, theirs: NatKind) -> bool:
    """Say whether two hosts behind NATs of these kinds can reach each other without a relay.

    The port that a symmetric NAT takes towards the peer is known only when a packet from it arrives, and it
    arrives where the other side's filter does not ask for the port.
    """
    kinds = {ours, theirs}
    if NatKind.SYMMETRIC not in kinds:
        return True
    return not kinds <= {NatKind.SYMMETRIC, NatKind.PORT_RESTRICTED}


_Key = tuple[Protocol, Address, Address | None]


@dataclass(slots=True)
class _Mapping:
    inside: Address
    port: int
    expires: float
    # Whom packets were sent to, and until when answers pass; which part of an address counts, the kind says.
    permitted: dict[object, float] = field(default_factory=dict)


class Nat:
    """One NAT box: maps inside addresses to ports of one outside address and filters what comes back.

    Args:
        kind: any but PUBLIC.
        address: its outside address.
        dice: draws the ports.
        timeout: seconds after which an unused mapping is forgotten; only packets from inside refresh it.
        hairpin: whether inside hosts reach one another by their outside addresses (RFC 4787, REQ-9).
        preserve_ports: whether it tries to keep the inside port, as most do; a symmetric one never does.
    """

    def __init__(
        self,
        kind: NatKind,
        address: str,
        dice: Dice,
        *,
        timeout: float = 120.0,
        hairpin: bool = False,
        preserve_ports: bool = True,
    ) -> None:
        if kind is NatKind.PUBLIC:
            raise ValueError("a public host has no NAT: attach it to the internet itself")
        self.kind = kind
        self.address = address
        self.timeout = timeout
        self.hairpin = hairpin
        self.preserve_ports = preserve_ports and kind is not NatKind.SYMMETRIC
        self._dice = dice
        self._mappings: dict[_Key, _Mapping] = {}
        self._ports: dict[tuple[Protocol, int], _Mapping] = {}

    def __len__(self) -> int:
        """Count the mappings, also those that have expired and were not used since."""
        return len(self._mappings)

    def outbound(
        self, source: Address, destination: Address, now: float, protocol: Protocol = "udp"
    ) -> Address:
        """Translate a packet from inside: returns the source that the outside sees."""
        # RFC 4787, 4.1: endpoint-independent mapping, or one for each destination.
        key = (protocol, source, destination if self.kind is NatKind.SYMMETRIC else None)
        mapping = self._mappings.get(key)
        if mapping is None or mapping.expires < now:
            self._forget(key)
            mapping = _Mapping(source, self._choose_port(protocol, source[1], now), now)
            self._mappings[key] = self._ports[protocol, mapping.port] = mapping
        mapping.expires = now + self.timeout
        mapping.permitted[self._filter_key(destination)] = mapping.expires
        return self.address, mapping.port

    def inbound(
        self, source: Address, destination: Address, now: float, protocol: Protocol = "udp"
    ) -> Address | None:
        """Translate a packet from outside: returns the inside destination, or None where it is dropped."""
        mapping = self._ports.get((protocol, destination[1]))
        if mapping is None or mapping.expires < now:
            return None
        if mapping.permitted.get(self._filter_key(source), -1.0) < now:
            return None
        return mapping.inside

    def rebind(self, address: str | None = None) -> None:
        """Forget every mapping, as after a power cut; with `address` the outside address changes too."""
        self._mappings.clear()
        self._ports.clear()
        if address is not None:
            self.address = address

    def _filter_key(self, remote: Address) -> object:
        # RFC 4787, 5: endpoint-independent, address-dependent, or address- and port-dependent filtering.
        if self.kind is NatKind.FULL_CONE:
            return None
        return remote[0] if self.kind is NatKind.ADDRESS_RESTRICTED else remote

    def _choose_port(self, protocol: Protocol, wanted: int, now: float) -> int:
        port = wanted if self.preserve_ports else self._draw()
        while (taken := self._ports.get((protocol, port))) is not None and taken.expires >= now:
            port = self._draw()
        if taken is not None:
            self._forget(next(key for key, mapping in self._mappings.items() if mapping is taken))
        return port

    def _draw(self) -> int:
        return FIRST_PORT + int(self._dice.random() * (LAST_PORT - FIRST_PORT + 1))

    def _forget(self, key: _Key) -> None:
        if (mapping := self._mappings.pop(key, None)) is not None:
            del self._ports[key[0], mapping.port]
