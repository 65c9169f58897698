"""Envelopes in datagrams: in one where it fits, otherwise in parts that are put together again; no I/O."""

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final

from warren.envelope import MAX_ENVELOPE

__all__ = ["MAX_DATAGRAM", "MAX_RECEIVED", "Assembly", "recipient_of", "split"]

MAX_DATAGRAM: Final = 1200
"""Bytes that we send in one datagram."""

MAX_RECEIVED: Final = 4096
"""Bytes that others may: cunīcu does not split."""

MAX_PARTS: Final = 16
MAX_MESSAGES: Final = 64
LIFETIME: Final = 2.0

# An Envelope cannot begin with this: it would be the end of a group, which protobuf has no more.
_MARK: Final = 0x57
_VERSION: Final = 1
_HEADER: Final = 12  # Mark, version, id of 8 bytes, index, count.
_ROOM: Final = MAX_DATAGRAM - _HEADER

# How an envelope begins as everybody writes it: sender, recipient, each with the length of a key.
_SENDER: Final = b"\x0a\x20"
_RECIPIENT: Final = b"\x12\x20"
_KEY_AT: Final = 36
_FIRST_BYTES: Final = frozenset((0x0A, 0x12, 0x1A, 0xA2))
"""Tags of the fields of an envelope: 1, 2, 3 and 100."""


def split(data: bytes, message_id: bytes) -> list[bytes]:
    """Write an envelope as datagrams; `message_id` is eight random bytes.

    Raises:
        ValueError: it is larger than an envelope may be.
    """
    if len(data) > MAX_ENVELOPE:
        raise ValueError(f"{len(data)} bytes are more than an envelope has")
    if len(data) <= MAX_DATAGRAM:
        return [data]
    pieces = [data[at : at + _ROOM] for at in range(0, len(data), _ROOM)]
    head = bytes((_MARK, _VERSION)) + message_id
    return [head + bytes((index, len(pieces))) + piece for index, piece in enumerate(pieces)]


def recipient_of(data: bytes) -> bytes | None:
    """Look where the recipient's key stands in an envelope; None where that takes a parser to find out.

    Raises:
        ValueError: it cannot be an envelope.
    """
    if data[:1] == b"" or data[0] not in _FIRST_BYTES:
        raise ValueError("no envelope begins so")
    if data[:2] == _SENDER and data[_KEY_AT - 2 : _KEY_AT] == _RECIPIENT and len(data) >= _KEY_AT + 32:
        return data[_KEY_AT : _KEY_AT + 32]
    return None


@dataclass(slots=True)
class _Message:
    """Parts of one message so far."""

    source: Hashable
    count: int
    since: float
    parts: dict[int, bytes] = field(default_factory=dict)
    size: int = 0


class Assembly:
    """Puts parts together; what it holds is bounded, whoever sends whatever.

    At most 64 messages are in assembly, each for two seconds and of no more bytes than an envelope has. When
    there are more, the oldest of the source with the most has to go, so that one that floods harms itself.

    Args:
        drops: counts what was dropped, by reason.
    """

    def __init__(self, drops: Counter[str]) -> None:
        self._drops = drops
        self._messages: dict[tuple[Hashable, bytes], _Message] = {}

    def __len__(self) -> int:
        return len(self._messages)

    def add(self, datagram: bytes, source: Hashable, *, now: float) -> bytes | None:
        """Take a datagram; returns an envelope's bytes when they are complete.

        Args:
            datagram: an envelope or a part of one, or anything else.
            source: where it came from; parts belong together only if that is the same.
            now: seconds, monotonic.
        """
        if datagram[:1] != bytes((_MARK,)):
            return datagram
        if len(datagram) <= _HEADER or datagram[1] != _VERSION:
            self._drops["part-malformed"] += 1
            return None
        index, count = datagram[10], datagram[11]
        if not index < count <= MAX_PARTS:
            self._drops["part-malformed"] += 1
            return None
        self._expire(now)
        return self._take((source, datagram[2:10]), index, count, datagram[_HEADER:], now)

    def _take(
        self, key: tuple[Hashable, bytes], index: int, count: int, piece: bytes, now: float
    ) -> bytes | None:
        message = self._messages.get(key)
        if message is None:
            if len(self._messages) >= MAX_MESSAGES:
                self._make_room()
            message = self._messages[key] = _Message(key[0], count, now)
        if index in message.parts:
            return None  # A network may double it.
        message.parts[index] = piece
        message.size += len(piece)
        if message.count != count or message.size > MAX_ENVELOPE:
            del self._messages[key]
            self._drops["part-inconsistent"] += 1
            return None
        if len(message.parts) < count:
            return None
        del self._messages[key]
        return b"".join(message.parts[number] for number in range(count))

    def _expire(self, now: float) -> None:
        # They lie in the order of their first parts.
        for key, message in list(self._messages.items()):
            if now - message.since < LIFETIME:
                break
            del self._messages[key]
            self._drops["message-incomplete"] += 1

    def _make_room(self) -> None:
        held = Counter(message.source for message in self._messages.values())
        most = held.most_common(1)[0][0]
        oldest = next(key for key, message in self._messages.items() if message.source == most)
        del self._messages[oldest]
        self._drops["message-crowded-out"] += 1
