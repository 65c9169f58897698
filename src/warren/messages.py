"""Messages: what peers say to each other through signaling, as frozen values.

The names are those of cunīcu's protocol (`proto/`); what warren adds is `SessionDescription`. A value that
exists is valid: each constructor raises ValueError for what may not be on the wire.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from typing import Final

from warren.keys import PublicKey

__all__ = [
    "BackendType",
    "BuildInfo",
    "Candidate",
    "CandidateType",
    "Challenge",
    "Credentials",
    "Message",
    "NetworkType",
    "PeerChange",
    "PeerDescription",
    "PresharedKeyEstablishment",
    "RelayInfo",
    "RelayProtocol",
    "SessionDescription",
    "SubscribeAck",
    "SubscribeParams",
    "SubscribeProof",
    "TCPType",
]

MAX_UFRAG: Final = 256
MAX_PWD: Final = 256
MAX_ADDRESS: Final = 45
MAX_FOUNDATION: Final = 32
_ICE_CHARS: Final = re.compile(r"[A-Za-z0-9+/]*")  # RFC 8839, 5.1


class CandidateType(IntEnum):
    """Where a candidate comes from (RFC 8445, 5.1.1)."""

    HOST = 1
    SERVER_REFLEXIVE = 2
    PEER_REFLEXIVE = 3
    RELAY = 4

    @property
    def word(self) -> str:
        """The field's short word: host, srflx, prflx, relay (RFC 8839, 5.1)."""
        return ("host", "srflx", "prflx", "relay")[self - 1]


class NetworkType(IntEnum):
    """Transport and address family."""

    UDP4 = 1
    UDP6 = 2
    TCP4 = 3
    TCP6 = 4

    @property
    def is_tcp(self) -> bool:
        """True for TCP, false for UDP."""
        return self in (NetworkType.TCP4, NetworkType.TCP6)

    @property
    def is_ipv6(self) -> bool:
        """True for IPv6, false for IPv4."""
        return self in (NetworkType.UDP6, NetworkType.TCP6)

    @property
    def protocol(self) -> str:
        """`udp` or `tcp`."""
        return "tcp" if self.is_tcp else "udp"


class TCPType(IntEnum):
    """Who opens the connection (RFC 6544)."""

    UNSPECIFIED = 0
    ACTIVE = 1
    PASSIVE = 2
    SIMULTANEOUS_OPEN = 3


class RelayProtocol(IntEnum):
    """How a relayed candidate's owner talks to its TURN server."""

    UNSPECIFIED = 0
    UDP = 1
    TCP = 2
    TLS = 3
    DTLS = 4


class BackendType(IntEnum):
    """Which kind of signaling backend."""

    MULTI = 0
    GRPC = 1
    INPROCESS = 2
    MCAST = 3
    KUBERNETES = 100
    NATS = 101
    OTHER = 255
    """One that another distribution brings."""


class PeerChange(IntEnum):
    """What happened to a peer."""

    ADD = 0
    REMOVE = 1
    UPDATE = 2


@dataclass(frozen=True, slots=True)
class Credentials:
    """ICE credentials of one generation (RFC 8445, 5.3).

    Raises:
        ValueError: the ufrag has not 4 to 256 ice-chars, or the pwd not 22 to 256.
    """

    ufrag: str = field(repr=False)
    pwd: str = field(repr=False)
    need_creds: bool = False
    """The sender lacks the other side's: it asks for them, and for all candidates."""

    def __post_init__(self) -> None:
        if not (4 <= len(self.ufrag) <= MAX_UFRAG and _ICE_CHARS.fullmatch(self.ufrag)):
            raise ValueError("ufrag must be 4 to 256 ice-chars")
        if not (22 <= len(self.pwd) <= MAX_PWD and _ICE_CHARS.fullmatch(self.pwd)):
            raise ValueError("pwd must be 22 to 256 ice-chars")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One candidate as it stands on the wire; its addresses are written canonically.

    Raises:
        ValueError: an address is no IP literal, `address` not of the family of `network`, or a number is out
            of range.
    """

    type: CandidateType
    network: NetworkType
    address: str
    port: int
    priority: int = 0
    """Unsigned 32 bits; 0 leaves it to the receiver to compute."""
    foundation: str = ""
    component: int = 1
    tcp_type: TCPType = TCPType.UNSPECIFIED
    related: tuple[str, int] | None = None
    """Where it was seen from, for diagnosis only (RFC 8445, 5.1.1); port 0 where that is hidden."""
    relay_protocol: RelayProtocol = RelayProtocol.UNSPECIFIED

    def __post_init__(self) -> None:
        address = _canonical(self.address)
        if (":" in address) != self.network.is_ipv6:
            raise ValueError(f"{address} cannot be {self.network.name}")
        object.__setattr__(self, "address", address)
        if self.related is not None:
            related, port = self.related
            object.__setattr__(self, "related", (_canonical(related), port))
            if not 0 <= port < 65536:
                raise ValueError(f"{port} is not a port")
        if len(self.foundation) > MAX_FOUNDATION:
            raise ValueError("foundation must be 32 characters at most")
        if not 0 < self.port < 65536:
            raise ValueError(f"{self.port} is not a port")
        if not 0 <= self.priority < 2**32:
            raise ValueError("priority must be 32 bits, unsigned")
        if not 0 < self.component <= 256:
            raise ValueError("component must be 1 to 256")

    @property
    def transport(self) -> tuple[str, int]:
        """(address, port)."""
        return self.address, self.port


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionDescription:
    """All that one side has to say about one generation: field 100 of a message.

    Raises:
        ValueError: a number is out of range.
    """

    sender: PublicKey
    recipient: PublicKey
    session_id: int
    """The sender's generation; 64 random bits, never 0."""
    peer_session_id: int = 0
    """The recipient's generation that this answers; 0 where none is known."""
    candidates: tuple[Candidate, ...] = ()
    """All local candidates of the generation so far."""
    end_of_candidates: bool = False
    revision: int = 1
    """From 1; one more whenever `candidates` or `end_of_candidates` change."""
    peer_revision: int = 0
    """The highest revision of `peer_session_id` that the sender has; 0 where it has none."""
    wants_answer: bool = False
    version: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.session_id < 2**64 or not 0 <= self.peer_session_id < 2**64:
            raise ValueError("session_id must be 64 bits and not 0, peer_session_id 64 bits")
        if not 0 < self.revision < 2**32 or not 0 <= self.peer_revision < 2**32:
            raise ValueError("revision must be 32 bits and not 0, peer_revision 32 bits")
        if not 0 < self.version < 2**32:
            raise ValueError("version must be 32 bits and not 0")


@dataclass(frozen=True, slots=True)
class BuildInfo:
    """What a program says of its own making; `date` in seconds since 1970, 0 where unknown."""

    version: str = ""
    date: int = 0
    commit: str = ""
    tag: str = ""
    branch: str = ""
    built_by: str = ""
    os: str = ""
    arch: str = ""
    dirty: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerDescription:
    """What cunīcu's peers tell of themselves; warren acts on nothing of it."""

    change: PeerChange = PeerChange.ADD
    name: str = ""
    public_key: bytes = b""
    public_key_new: bytes = b""
    allowed_ips: tuple[str, ...] = ()
    build_info: BuildInfo | None = None
    hosts: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict)
    """Packed IP addresses by host name."""


@dataclass(frozen=True, slots=True)
class PresharedKeyEstablishment:
    """A step of cunīcu's preshared key establishment; carried, not acted on."""

    public_key: bytes = b""
    cipher_text: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class RelayInfo:
    """A TURN server and credentials for it; `expires` in seconds since 1970."""

    url: str
    username: str = ""
    password: str = field(default="", repr=False)
    expires: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """What a server asks for a proof of possession of one key."""

    server_key: PublicKey
    challenge: bytes
    """64 bytes: its time in milliseconds, 24 random ones, and a MAC that only it can make."""
    ttl_ms: int = 30_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscribeProof:
    """A claim to hold the private key of what is subscribed to, as it came: anything may be wrong with it."""

    version: int = 1
    server_key: bytes
    challenge: bytes
    session: bytes
    """16 random bytes that name the subscription."""
    authority: str
    """`host:port` that the client dialled, in lower case."""
    mac: bytes


@dataclass(frozen=True, slots=True)
class SubscribeParams:
    """What a subscriber asks a server for."""

    key: PublicKey
    proof: SubscribeProof | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscribeAck:
    """What a server says in the first envelope of a subscription that was proven."""

    authenticated: bool
    token: bytes = field(repr=False)
    token_expires_ms: int
    """Milliseconds since 1970 by the server's clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What one envelope says; any part may be absent."""

    credentials: Credentials | None = None
    candidate: Candidate | None = None
    peer: PeerDescription | None = None
    pske: PresharedKeyEstablishment | None = None
    session: SessionDescription | None = None


@lru_cache(maxsize=1024)  # The same few addresses come again with every message.
def _canonical(address: str) -> str:
    if len(address) > MAX_ADDRESS:
        raise ValueError(f"an address has {MAX_ADDRESS} characters at most")
    return str(ipaddress.ip_address(address))
