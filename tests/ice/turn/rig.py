"""One allocation at a TURN server whose words a test chooses, by numbers."""

from collections import Counter
from random import Random

from warren.ice import stun
from warren.ice.server_url import TurnUrl
from warren.ice.streams import Streams
from warren.ice.stun import Attribute, Class, Key, Method, Sha256Key, Stun
from warren.ice.transaction import Transactions
from warren.ice.transport import Address, Base, CloseStream, OpenStream, Transmit
from warren.ice.turn.allocation import Allocation
from warren.ice.turn.credentials import MD5, SHA256, key_of

__all__ = [
    "BASE", "MAPPED", "OTHER", "PEER", "RELAYED", "RELAYED6", "SERVER", "URL",
    "Rig", "Server", "mapped_value", "xor",
]  # fmt: skip

BASE = Base("192.0.2.1", 4000)
SERVER: Address = ("203.0.113.4", 3478)
OTHER: Address = ("203.0.113.5", 3478)
MAPPED: Address = ("198.51.100.1", 4000)
RELAYED: Address = ("203.0.113.4", 50000)
RELAYED6: Address = ("2001:db8::4", 50001)
PEER: Address = ("198.51.100.2", 5000)
URL = TurnUrl(host="turn.example.org", port=3478, transport="udp", username="ann", password="p@ss")

Attributes = list[tuple[int, bytes]]


def xor(kind: int, address: Address, request: Stun) -> tuple[int, bytes]:
    """An address attribute of an answer."""
    return kind, stun.write_xor_address(address, request.transaction_id)


def mapped_value(address: Address) -> bytes:
    """The value of an address attribute that is not mixed with anything (RFC 8489, 14.1)."""
    plain = stun.write_xor_address(address, bytes(12))
    mask = bytes.fromhex("0000 2112 2112a442") + bytes(12)
    return bytes(byte ^ over for byte, over in zip(plain, mask, strict=False))


class Server:
    """What a server can say; it proves it with the key of ann's password."""

    def __init__(
        self, *, realm: bytes = b"example.org", nonce: bytes = b"nonce", sha256: bool = False
    ) -> None:
        self.realm = realm
        self.nonce = nonce
        secret = key_of(b"ann", realm, b"p@ss", SHA256 if sha256 else MD5)
        self.key: Key | Sha256Key = Sha256Key(secret) if sha256 else Key(secret)

    def challenge(self, request: Stun, code: int = 401, *more: tuple[int, bytes]) -> bytes:
        """Ask for other credentials."""
        attributes = [(int(Attribute.REALM), self.realm), (int(Attribute.NONCE), self.nonce), *more]
        return self.error(request, code, *attributes, proved=False)

    def error(self, request: Stun, code: int, *more: tuple[int, bytes], proved: bool = True) -> bytes:
        """Refuse something."""
        value = bytes((0, 0, code // 100, code % 100)) + b"No"
        attributes = [(int(Attribute.ERROR_CODE), value), *more]
        key = self.key if proved else None
        return stun.build(request.method, Class.ERROR, request.transaction_id, attributes, key)

    def success(self, request: Stun, *attributes: tuple[int, bytes], proved: bool = True) -> bytes:
        """Grant something."""
        key = self.key if proved else None
        return stun.build(request.method, Class.SUCCESS, request.transaction_id, attributes, key)

    def allocated(
        self, request: Stun, *relayed: Address, mapped: Address | None = MAPPED, lifetime: int = 600
    ) -> bytes:
        """Grant an allocation."""
        attributes = [
            xor(Attribute.XOR_RELAYED_ADDRESS, address, request) for address in relayed or (RELAYED,)
        ]
        if mapped is not None:
            attributes.append(xor(Attribute.XOR_MAPPED_ADDRESS, mapped, request))
        return self.success(request, *attributes, (int(Attribute.LIFETIME), lifetime.to_bytes(4, "big")))

    def refreshed(self, request: Stun, lifetime: int = 600) -> bytes:
        """Grant more time."""
        return self.success(request, (int(Attribute.LIFETIME), lifetime.to_bytes(4, "big")))


class Rig:
    """An allocation and what it has put out; `now` goes forward only where a test says so."""

    def __init__(self, *addresses: Address, url: TurnUrl = URL, base: Base = BASE) -> None:
        self.server = Server()
        self.drops: Counter[str] = Counter()
        self.transactions = Transactions(Random(1))
        self.streams = Streams()
        self.now = 0.0
        self.orders: list[OpenStream | CloseStream] = []
        self.sent: list[Transmit] = []
        """Everything sent so far; what was answered stays."""
        self.allocation = Allocation(
            base,
            url,
            addresses or (SERVER,),
            transactions=self.transactions,
            streams=self.streams,
            dice=Random(2),
            drops=self.drops,
        )

    def begin(self) -> None:
        """Let it ask."""
        self.allocation.begin(self.now)

    def live(self, *, lifetime: int = 600, relayed: tuple[Address, ...] = (RELAYED,)) -> None:
        """Bring it to life, with credentials."""
        self.begin()
        self.answer(self.server.challenge(self.request()))
        self.answer(self.server.allocated(self.request(), *relayed, lifetime=lifetime))

    def collect(self) -> list[Transmit]:
        """Take what it has put out since the last call."""
        outputs = self.allocation.outputs()
        self.orders += [item for item in outputs if not isinstance(item, Transmit)]
        packets = [item for item in outputs if isinstance(item, Transmit)]
        self.sent += packets
        return packets

    def request(self, method: Method | None = None) -> Stun:
        """The last request that it has sent, of this method if one is given."""
        self.collect()
        found = (stun.parse(packet.data) for packet in reversed(self.sent) if stun.is_stun(packet.data))
        return next(
            one for one in found if one.cls is Class.REQUEST and (method is None or one.method is method)
        )

    def requests(self) -> list[Method]:
        """The methods of the requests sent since the last call of anything."""
        parsed = [stun.parse(packet.data) for packet in self.collect() if stun.is_stun(packet.data)]
        return [one.method for one in parsed if one.cls is Class.REQUEST]

    def answer(self, data: bytes, source: Address | None = None, base: Base | None = None) -> bool:
        """Let a packet come, as the node does; says whether anybody waited for it."""
        response = stun.parse(data)
        transaction = self.transactions.get(response.transaction_id)
        if transaction is None:
            return False
        transaction.owner.response_received(
            transaction, response, source or self.allocation.server, base or self.allocation.carrier, self.now
        )
        return True

    def pass_time(self, until: float) -> None:
        """Let time pass, each deadline being met."""
        while (due := self.allocation.deadline) is not None and due <= until:
            self.now = max(self.now, due)
            self.allocation.tick(self.now)
            self.collect()
        self.now = until
