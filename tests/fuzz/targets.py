"""What is fuzzed: every parser that strangers can reach; a target raises only when its parser is broken."""

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.golden import blob
from warren import wire
from warren.aio.given import servers_of
from warren.envelope import MAX_ENVELOPE, Envelope, EnvelopeError, Sealer
from warren.errors import ConfigurationError
from warren.ice import stun
from warren.ice.candidate import refuse
from warren.ice.framing import Deframer, FrameTooLong, frame
from warren.ice.server_url import StunUrl, TurnUrl
from warren.ice.transport import Base, Transmit
from warren.ice.turn.channel import read_channel_data
from warren.ice.turn.framing import NotFramed, TurnDeframer
from warren.keys import PrivateKey
from warren.messages import Message
from warren.server.auth import Authenticator, NotProven, key_pair
from warren.server.names import ServerNames
from warren.session.config import Config
from warren.session.node import NodeMachine
from warren.signaling.carrier import Identity
from warren.signaling.multicast_parts import Assembly, recipient_of
from warren.signaling.proof import prove
from warren.signaling.token import Proof
from warren.signaling.url import BackendUrl

__all__ = ["TARGETS", "Target"]

CORPUS = Path(__file__).parent / "corpus"


@dataclass(frozen=True, slots=True)
class Target:
    """One parser; `run` raises only when it is broken."""

    name: str
    run: Callable[[bytes], None]

    def seeds(self) -> list[bytes]:
        """The kept corpus: one input a line, in hexadecimal."""
        return [bytes.fromhex(line) for line in self._corpus.read_text().split()]

    def keep(self, inputs: Iterable[bytes]) -> None:
        """Add inputs to the kept corpus; those that are there stay, in their order."""
        seeds = self.seeds()
        new = sorted(set(inputs) - {*seeds, b""}, key=lambda data: (len(data), data))
        self._corpus.write_text("".join(f"{data.hex()}\n" for data in (*seeds, *new)))

    @property
    def _corpus(self) -> Path:
        return CORPUS / f"{self.name}.hex"


def envelope(data: bytes) -> None:
    """Envelopes as a server hands them on, and what opening them gives."""
    with suppress(EnvelopeError):
        parsed = Envelope.parse(data)
        assert Envelope.parse(parsed.serialize()) == parsed
        _SEALER.open(parsed)


def datagrams(data: bytes) -> None:
    """Datagrams of a multicast group, each with a byte of length before it, four a second, of three hosts."""
    drops: Counter[str] = Counter()
    assembly, number = Assembly(drops), 0
    while data:
        datagram, data = data[1 : data[0] + 1], data[data[0] + 1 :]
        whole = assembly.add(datagram, number % 3, now=number / 4)
        number += 1
        assert len(assembly) <= 64
        if whole is not None:
            assert len(whole) <= MAX_ENVELOPE
            with suppress(ValueError):  # EnvelopeError is one, too.
                recipient_of(whole)
                Envelope.parse(whole)
    assert sum(drops.values()) <= number


def message(data: bytes) -> None:
    """Messages as an allowed peer may seal them."""
    with suppress(wire.WireError):
        parsed = wire.decode_message(data)
        assert wire.decode_message(wire.encode_message(parsed)) == parsed


def candidate(data: bytes) -> None:
    """Candidates inside messages: field 2."""
    with suppress(wire.WireError):
        found = wire.decode_message(blob(2, data)).candidate
        if found is not None:
            refuse(found, loopback=False)
            again = wire.decode_message(wire.encode_message(Message(candidate=found))).candidate
            assert again == found


def packet(data: bytes) -> None:
    """STUN as any host of the internet may send it; every reader of what was parsed."""
    if not stun.is_stun(data):
        return
    with suppress(stun.StunError):
        parsed = stun.parse(data)
        readers = ("username", "username_parts", "priority", "use_candidate", "controlling", "controlled")
        for name in (*readers, "nomination", "mapped_address", "error", "unknown_required"):
            getattr(parsed, name)
        stun.verify(parsed, _KEY)
        repr(parsed)


def framing(data: bytes) -> None:
    """Frames of a stream as any host of the internet may send them; where it is cut makes no difference."""
    cut = data[0] if data else 0
    with suppress(FrameTooLong):
        whole = Deframer(limit=2048).feed(data[1:])
        assert b"".join(map(frame, whole)) == data[1:][: sum(2 + len(one) for one in whole)]
        parts = Deframer(limit=2048)
        assert parts.feed(data[1 : 1 + cut]) + parts.feed(data[1 + cut :]) == whole


def turn(data: bytes) -> None:
    """A TURN server as bad as can be: it may say anything, as an answer or by itself.

    The first byte says what it answers to our Allocate, the next two how long that is; the rest it sends us.
    """
    machine = NodeMachine(ours=PrivateKey(bytes(31) + b"\1").public, dice=Random(1), config=Config())
    machine.add_base(_BASE, 0.0)
    machine.add_relay(_TURN, [_SERVER], 0.0)
    request = next(one.data for one in machine.outputs() if isinstance(one, Transmit))
    kind, size = data[:1] or b"\0", int.from_bytes(data[1:3], "big")
    answers = (b"\x01\x03", b"\x01\x13", b"\x01\x13")
    attributes, rest = data[3 : 3 + size], data[3 + size :]
    length = len(attributes).to_bytes(2, "big")
    answer = answers[kind[0] % 3] + length + request[4:20] + attributes
    for packet in (answer, rest, b"\x00\x17" + len(rest).to_bytes(2, "big") + request[4:20] + rest):
        machine.datagram_received(_BASE, _SERVER, packet, 0.1)
    now = 0.1
    for _ in range(3):
        now = max(now, machine.deadline or now)
        machine.tick(now)
        machine.outputs()


def turn_stream(data: bytes) -> None:
    """What comes by a TURN server's stream: it is cut into packets wherever it was cut before."""
    whole, parts = TurnDeframer(), TurnDeframer()
    with suppress(NotFramed):
        packets = whole.feed(data)
        cut = len(data) // 3
        assert parts.feed(data[:cut]) + parts.feed(data[cut:]) == packets
        for packet in packets:
            read_channel_data(packet)


def subscribe(data: bytes) -> None:
    """What a stranger asks the server for, and how it proves that it may."""
    with suppress(wire.WireError):
        params = wire.decode_subscribe_params(data)
        assert wire.decode_subscribe_params(wire.encode_subscribe_params(params.key, params.proof)) == params
        if params.proof is not None:
            with suppress(NotProven):
                _AUTHENTICATOR.verify(params.key, params.proof, _NOW)
    for decode in (wire.decode_challenge_params, wire.decode_relays_params):
        with suppress(wire.WireError):
            decode(data)


def token(data: bytes) -> None:
    """What a stranger shows to have proved something."""
    with suppress(NotProven):
        _AUTHENTICATOR.holder(data, _NOW)


def greeting(data: bytes) -> None:
    """What any server may answer to who subscribes and proves: a challenge, a confirmation, relays."""
    with suppress(wire.WireError):
        challenge = wire.decode_challenge(data)
        prove(_HOLDER, challenge, authority="host:443", session=bytes(16))
    answer = wire.decode_subscribe_params(_PROVEN).proof
    assert answer is not None
    Proof(answer, told_at=0).token(data)
    with suppress(wire.WireError):
        for server in servers_of(wire.decode_relays(data)):
            assert type(server).parse(str(server)).host == server.host


def authority(data: bytes) -> None:
    """What a stranger says that the server is called."""
    data.decode(errors="replace") in _NAMES  # noqa: B015  # that it returns is what is to be seen


def url(data: bytes) -> None:
    """URLs of our own user: wrong ones are a clear error."""
    text = data.decode(errors="replace")
    with suppress(ConfigurationError):
        backend = BackendUrl.parse(text)
        assert str(backend).isprintable()
        backend.flag("insecure")
        backend.host_and_port()
    with suppress(ValueError):
        parsed = StunUrl.parse(text)
        assert StunUrl.parse(str(parsed)) == parsed
    with suppress(ValueError):
        relay = TurnUrl.parse(text)
        assert TurnUrl.parse(str(relay)).host == relay.host


_SEALER = Sealer(PrivateKey(bytes(31) + b"\1"), random_bytes=bytes)
_KEY = stun.prepare_key("VOkJxbRl1RmTxUk/WvJxBt")
_BASE = Base("192.0.2.1", 4000)
_SERVER = ("203.0.113.4", 3478)
_TURN = TurnUrl(host="203.0.113.4", port=3478, transport="udp", username="ann", password="secret")

_HOLDER = Identity(PrivateKey(bytes(31) + b"\1"))
_NOW = 1_800_000_000.0
_NAMES = ServerNames(["host:443", "*.example.org", "2001:db8::1"])
_AUTHENTICATOR = Authenticator(
    bytes(32), key_pair(bytes(32)), is_own_name=_NAMES.__contains__, random_bytes=bytes
)
_PROVEN = wire.encode_subscribe_params(
    _HOLDER.public,
    prove(
        _HOLDER,
        _AUTHENTICATOR.challenge(_HOLDER.public, _NOW),
        authority="host:443",
        session=bytes(16),
    ),
)

TARGETS = {
    target.name: target
    for target in (
        Target("envelope", envelope),
        Target("datagrams", datagrams),
        Target("message", message),
        Target("candidate", candidate),
        Target("packet", packet),
        Target("framing", framing),
        Target("turn", turn),
        Target("turn_stream", turn_stream),
        Target("subscribe", subscribe),
        Target("token", token),
        Target("greeting", greeting),
        Target("authority", authority),
        Target("url", url),
    )
}
