"""A TURN server on the simulated network (RFC 8656): small, but as strict as a real one."""

from collections.abc import Callable
from typing import Final

from warren.aio.stream import Stream
from warren.ice import stun
from warren.ice.stun import Attribute, Class, Key, Method, Sha256Key, Stun
from warren.ice.transport import Address
from warren.ice.turn.channel import HEAD, is_channel_data, read_channel_data
from warren.ice.turn.credentials import MD5, SHA256, key_of, userhash
from warren.ice.turn.framing import NotFramed, TurnDeframer
from warren.sansio import Dice
from warren.testing.host import SimHost, SimSocket

__all__ = ["TurnServer"]

LIFETIME: Final = 600.0
PERMISSION: Final = 300.0
CHANNEL: Final = 600.0

Attributes = list[tuple[int, bytes]]


class _Refused(Exception):
    """The answer is this error."""

    def __init__(self, code: int, reason: str, *attributes: tuple[int, bytes]) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason
        self.attributes = attributes


class _Allocation:
    """One client's: addresses, and who may send to them."""

    def __init__(self, transaction_id: bytes, expires: float) -> None:
        self.transaction_id = transaction_id
        self.expires = expires
        self.sockets: list[SimSocket] = []
        self.permissions: dict[str, float] = {}
        self.channels: dict[int, tuple[Address, float]] = {}

    def socket_for(self, peer: Address) -> SimSocket | None:
        """That of the peer's family."""
        same = (one for one in self.sockets if (":" in one.local[0]) == (":" in peer[0]))
        return next(same, None)

    def permitted(self, peer: Address, now: float) -> bool:
        """Whether packets pass to and from this address."""
        return self.permissions.get(peer[0], -1.0) > now

    def channel_of(self, peer: Address, now: float) -> int | None:
        """The number that a peer is bound to."""
        bound = (number for number, (who, until) in self.channels.items() if who == peer and until > now)
        return next(bound, None)


class _Client:
    """Who asks, by datagrams or by a stream."""

    def __init__(self, source: Address, send: Callable[[bytes], None], *, padded: bool) -> None:
        self.source = source
        self.send = send
        self.padded = padded


class TurnServer:
    """Allocates relayed addresses on its host, for the users it knows, by UDP and TCP.

    Args:
        host: where it stands.
        address: where it listens, and relays.
        users: passwords by user name.
        dice: draws the nonces.
        ipv6: where it relays for IPv6 peers, if it does.
        sha256: whether it offers SHA-256 and hides user names (RFC 8489, 9.2).
    """

    def __init__(
        self,
        host: SimHost,
        address: str,
        port: int = 3478,
        *,
        users: dict[str, str],
        dice: Dice,
        realm: str = "example.org",
        ipv6: str | None = None,
        sha256: bool = False,
        lifetime: float = LIFETIME,
    ) -> None:
        self.silent = False
        """Whether it leaves everything unanswered, and passes nothing on."""
        self.refusal: tuple[int, str] | None = None
        """The error that every Allocate request gets."""
        self.alternate: Address | None = None
        """Where it sends everybody who asks for an allocation (300)."""
        self.forbidden: set[str] = set()
        """Peers that it does not serve (403)."""
        self.allocated = 0
        self.given_back = 0
        self.relayed = 0
        """How many packets it has passed on, either way."""
        self._host = host
        self._users = users
        self._realm = realm.encode()
        self._dice = dice
        self._relays = [address] if ipv6 is None else [address, ipv6]
        self._sha256 = sha256
        self._lifetime = lifetime
        self._allocations: dict[tuple[bool, Address], _Allocation] = {}
        self._nonce = self._draw_nonce()
        self._socket = host.bind(address, port, self._datagram_received)

    async def listen(self) -> None:
        """Take streams too."""
        await self._host.listen(*self._socket.local, self._accept)

    @property
    def address(self) -> Address:
        """Where it listens."""
        return self._socket.local

    @property
    def live(self) -> int:
        """How many allocations there are."""
        self._expire()
        return len(self._allocations)

    def url(self, user: str, transport: str = "udp") -> str:
        """Say how this user's node is told of it."""
        host, port = self._socket.local
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return f"turn:{user}:{self._users.get(user, 'unknown')}@{place}?transport={transport}"

    def renew_nonce(self) -> None:
        """Every nonce given so far is stale from now on (438)."""
        self._nonce = self._draw_nonce()

    def restart(self) -> None:
        """Forget everything."""
        for key in list(self._allocations):
            self._end(key)
        self.renew_nonce()

    def _draw_nonce(self) -> bytes:
        features = b"obMatJos2AAAD" if self._sha256 else b""
        return features + self._dice.randbytes(8).hex().encode()

    # From clients

    def _datagram_received(self, data: bytes, source: Address) -> None:
        client = _Client(source, lambda packet: self._socket.send(packet, source), padded=False)
        self._take(client, data)

    def _accept(self, stream: Stream, source: Address) -> "_Ear":
        return _Ear(self, _Client(source, stream.write, padded=True), stream)

    def _take(self, client: _Client, data: bytes) -> None:
        if self.silent:
            return
        self._expire()
        if is_channel_data(data):
            self._channel_data(client, data)
            return
        try:
            message = stun.parse(data)
        except stun.StunError:
            return
        if message.cls is Class.REQUEST:
            client.send(self._answer(client, message))
        elif message.method is Method.SEND:
            self._send_indication(client, message)

    def _gone(self, client: _Client) -> None:
        self._end((True, client.source))

    def _answer(self, client: _Client, request: Stun) -> bytes:
        if request.method is Method.BINDING:
            return stun.success(request, client.source, None)
        key: Key | Sha256Key | None = None
        cls = Class.SUCCESS
        try:
            key = self._authenticate(request)
            attributes = self._HANDLERS[request.method](self, client, request)
        except _Refused as refused:
            hundreds, rest = divmod(refused.code, 100)
            code = bytes((0, 0, hundreds, rest)) + refused.reason.encode()
            cls, attributes = Class.ERROR, [(int(Attribute.ERROR_CODE), code), *refused.attributes]
        return stun.build(request.method, cls, request.transaction_id, attributes, key)

    def _authenticate(self, request: Stun) -> Key | Sha256Key:
        challenge = [(int(Attribute.REALM), self._realm), (int(Attribute.NONCE), self._nonce)]
        algorithms = b"\0\2\0\0\0\1\0\0"
        if self._sha256:
            challenge.append((int(Attribute.PASSWORD_ALGORITHMS), algorithms))
        if not request.has_integrity:
            raise _Refused(401, "Unauthenticated", *challenge)
        if request.value(Attribute.NONCE) != self._nonce:
            raise _Refused(438, "Stale Nonce", *challenge)
        user = self._user(request)
        if user is None:
            raise _Refused(401, "Unauthenticated", *challenge)
        secret = key_of(*user, SHA256 if self._sha256 else MD5)
        key = Sha256Key(secret) if self._sha256 else Key(secret)
        offered = request.value(Attribute.PASSWORD_ALGORITHMS)
        if not stun.verify(request, key) or (self._sha256 and offered != algorithms):
            raise _Refused(401, "Unauthenticated", *challenge)
        return key

    def _user(self, request: Stun) -> tuple[bytes, bytes, bytes] | None:
        for name, password in self._users.items():
            username = name.encode()
            who = userhash(username, self._realm) if self._sha256 else username
            if request.value(Attribute.USERHASH if self._sha256 else Attribute.USERNAME) == who:
                return username, self._realm, password.encode()
        return None

    # Requests

    def _allocate(self, client: _Client, request: Stun) -> Attributes:
        if self.alternate is not None:
            plain = stun.write_xor_address(self.alternate, b"")
            mask = b"\0\0\x21\x12\x21\x12\xa4\x42"
            value = bytes(byte ^ over for byte, over in zip(plain, mask, strict=True))
            raise _Refused(300, "Try Alternate", (int(Attribute.ALTERNATE_SERVER), value))
        if self.refusal is not None:
            raise _Refused(*self.refusal)
        if request.value(Attribute.REQUESTED_TRANSPORT) != b"\x11\0\0\0":
            raise _Refused(442, "Unsupported Transport Protocol")
        key = (client.padded, client.source)
        allocation = self._allocations.get(key)
        if allocation is None:
            expires = self._host.time() + self._lifetime
            allocation = self._allocations[key] = _Allocation(request.transaction_id, expires)
            for address in self._wanted(request):
                allocation.sockets.append(self._open(client, allocation, address))
            self.allocated += 1
        elif allocation.transaction_id != request.transaction_id:
            raise _Refused(437, "Allocation Mismatch")
        id = request.transaction_id
        relayed = [
            (int(Attribute.XOR_RELAYED_ADDRESS), stun.write_xor_address(one.local, id))
            for one in allocation.sockets
        ]
        mapped = (int(Attribute.XOR_MAPPED_ADDRESS), stun.write_xor_address(client.source, id))
        return [*relayed, mapped, _lifetime(self._lifetime)]

    def _wanted(self, request: Stun) -> list[str]:
        """The addresses to relay at, by the families asked for."""
        family = request.value(Attribute.REQUESTED_ADDRESS_FAMILY)
        if family is not None:
            found = [one for one in self._relays if (":" in one) == (family[:1] == b"\x02")]
        elif request.value(Attribute.ADDITIONAL_ADDRESS_FAMILY) is not None:
            found = self._relays
        else:
            found = [one for one in self._relays if ":" not in one]
        if not found:
            raise _Refused(440, "Address Family not Supported")
        return found

    def _open(self, client: _Client, allocation: _Allocation, address: str) -> SimSocket:
        def received(data: bytes, source: Address) -> None:
            self._peer_sent(client, allocation, data, source)

        return self._host.bind(address, 0, received)

    def _refresh(self, client: _Client, request: Stun) -> Attributes:
        allocation = self._of(client)
        if request.number(Attribute.LIFETIME) == 0:
            self.given_back += 1
            self._end((client.padded, client.source))
            return [_lifetime(0.0)]
        allocation.expires = self._host.time() + self._lifetime
        return [_lifetime(self._lifetime)]

    def _create_permission(self, client: _Client, request: Stun) -> Attributes:
        allocation = self._of(client)
        peers = request.xor_addresses(Attribute.XOR_PEER_ADDRESS)
        if not peers:
            raise _Refused(400, "Bad Request")
        for peer in peers:
            self._permit(allocation, peer)
        return []

    def _channel_bind(self, client: _Client, request: Stun) -> Attributes:
        allocation, now = self._of(client), self._host.time()
        peers = request.xor_addresses(Attribute.XOR_PEER_ADDRESS)
        number = (request.number(Attribute.CHANNEL_NUMBER) or 0) >> 16
        if not peers or not 0x4000 <= number <= 0x4FFF:
            raise _Refused(400, "Bad Request")
        bound, holder = allocation.channel_of(peers[0], now), allocation.channels.get(number)
        if bound not in (None, number) or (holder is not None and holder[0] != peers[0]):
            raise _Refused(400, "Bad Request")
        self._permit(allocation, peers[0])
        allocation.channels[number] = (peers[0], now + CHANNEL)
        return []

    def _permit(self, allocation: _Allocation, peer: Address) -> None:
        if peer[0] in self.forbidden:
            raise _Refused(403, "Forbidden")
        if allocation.socket_for(peer) is None:
            raise _Refused(443, "Peer Address Family Mismatch")
        allocation.permissions[peer[0]] = self._host.time() + PERMISSION

    def _of(self, client: _Client) -> _Allocation:
        allocation = self._allocations.get((client.padded, client.source))
        if allocation is None:
            raise _Refused(437, "Allocation Mismatch")
        return allocation

    _HANDLERS: Final[dict[Method, Callable[["TurnServer", _Client, Stun], Attributes]]] = {
        Method.ALLOCATE: _allocate,
        Method.REFRESH: _refresh,
        Method.CREATE_PERMISSION: _create_permission,
        Method.CHANNEL_BIND: _channel_bind,
    }

    # Traffic

    def _send_indication(self, client: _Client, message: Stun) -> None:
        peers, data = message.xor_addresses(Attribute.XOR_PEER_ADDRESS), message.value(Attribute.DATA)
        allocation = self._allocations.get((client.padded, client.source))
        if allocation is not None and peers and data is not None:
            self._pass_on(allocation, peers[0], data)

    def _channel_data(self, client: _Client, data: bytes) -> None:
        allocation, read = self._allocations.get((client.padded, client.source)), read_channel_data(data)
        if allocation is None or read is None:
            return
        peer, until = allocation.channels.get(read[0], (("", 0), -1.0))
        if until > self._host.time():
            self._pass_on(allocation, peer, read[1])

    def _pass_on(self, allocation: _Allocation, peer: Address, data: bytes) -> None:
        socket = allocation.socket_for(peer)
        if socket is not None and allocation.permitted(peer, self._host.time()):
            self.relayed += 1
            socket.send(data, peer)

    def _peer_sent(self, client: _Client, allocation: _Allocation, data: bytes, peer: Address) -> None:
        now = self._host.time()
        if self.silent or allocation.expires <= now or not allocation.permitted(peer, now):
            return
        self.relayed += 1
        number = allocation.channel_of(peer, now)
        if number is None:
            id = self._dice.randbytes(12)
            attributes = [
                (int(Attribute.XOR_PEER_ADDRESS), stun.write_xor_address(peer, id)),
                (int(Attribute.DATA), data),
            ]
            client.send(stun.build(Method.DATA, Class.INDICATION, id, attributes, fingerprint=False))
        else:
            packet = HEAD.pack(number, len(data)) + data
            client.send(packet + bytes(-len(packet) & 3) if client.padded else packet)

    # Ends

    def _expire(self) -> None:
        now = self._host.time()
        for key in [key for key, one in self._allocations.items() if one.expires <= now]:
            self._end(key)

    def _end(self, key: tuple[bool, Address]) -> None:
        allocation = self._allocations.pop(key, None)
        if allocation is not None:
            for socket in allocation.sockets:
                socket.close()


class _Ear:
    """Hears one client's stream."""

    def __init__(self, server: TurnServer, client: _Client, stream: Stream) -> None:
        self._server = server
        self._client = client
        self._stream = stream
        self._deframer = TurnDeframer()

    def received(self, data: bytes) -> None:
        """Bytes came."""
        try:
            packets = self._deframer.feed(data)
        except NotFramed:
            self._stream.close()
            return
        for packet in packets:
            self._server._take(self._client, packet)

    def closed(self, reason: str) -> None:
        """The client has closed it."""
        self._server._gone(self._client)


def _lifetime(seconds: float) -> tuple[int, bytes]:
    return int(Attribute.LIFETIME), int(seconds).to_bytes(4, "big")
