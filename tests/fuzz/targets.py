"""What is fuzzed: every parser that strangers can reach; a target raises only when its parser is broken."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from warren import wire
from warren.aio.given import servers_of
from warren.envelope import Envelope, EnvelopeError, Sealer
from warren.errors import ConfigurationError
from warren.ice import stun
from warren.ice.candidate import refuse
from warren.ice.framing import Deframer, FrameTooLong, frame
from warren.ice.server_url import StunUrl
from warren.keys import PrivateKey
from warren.messages import Message
from warren.server.auth import Authenticator, NotProven, key_pair
from warren.server.names import ServerNames
from warren.signaling.carrier import Identity
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


def message(data: bytes) -> None:
    """Messages as an allowed peer may seal them."""
    with suppress(wire.WireError):
        parsed = wire.decode_message(data)
        assert wire.decode_message(wire.encode_message(parsed)) == parsed


def candidate(data: bytes) -> None:
    """Candidates inside messages: field 2."""
    with suppress(wire.WireError):
        found = wire.decode_message(bytes((0x12,)) + _varint(len(data)) + data).candidate
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


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_SEALER = Sealer(PrivateKey(bytes(31) + b"\1"), random_bytes=bytes)
_KEY = stun.prepare_key("VOkJxbRl1RmTxUk/WvJxBt")

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
        Target("message", message),
        Target("candidate", candidate),
        Target("packet", packet),
        Target("framing", framing),
        Target("subscribe", subscribe),
        Target("token", token),
        Target("greeting", greeting),
        Target("authority", authority),
        Target("url", url),
    )
}
