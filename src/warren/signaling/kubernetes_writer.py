"""Writing mailboxes on a Kubernetes API server: few writes, each holding what came together."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from warren.envelope import Envelope
from warren.errors import SignalingError
from warren.keys import PublicKey
from warren.signaling.kubernetes_api import Answer, ApiError, KubernetesApi
from warren.signaling.kubernetes_mailbox import (
    MAX_ENTRIES,
    MAX_SEQ,
    Entry,
    Mailbox,
    MailboxError,
    mailbox_name,
    mailbox_path,
    written_at,
)

__all__ = ["MailWriter", "WriteLimit"]

COALESCE: Final = 0.1
"""What comes sooner after a write waits for others; the first after quiet goes at once. Seconds."""

KEEP: Final = 10.0
"""So long an entry stays, for readers who have to list anew; seconds."""

ATTEMPTS: Final = 8
"""How often to write at most, where others of our group write as well or the server asks to wait."""

OUTBOXES: Final = 256
"""Mailboxes whose state is kept, so that their next write needs no reading."""

FIELD_MANAGER: Final = "warren"

_VERSION_FIELD: Final = "metadata.resourceVersion"


class WriteLimit:
    """A token bucket: who waits for a token gets it in turn.

    Args:
        rate: tokens per second.
        burst: how many there are at the most, and at first.
    """

    def __init__(self, rate: float = 5.0, burst: int = 20) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = float(burst)
        self._counted_at = 0.0
        self._turn = asyncio.Lock()

    async def take(self) -> None:
        """Take one token; wait until there is one."""
        async with self._turn:
            if (wait := (1.0 - self._count()) / self._rate) > 0:
                await asyncio.sleep(wait)
                self._count()
            self._tokens -= 1.0

    def _count(self) -> float:
        """Say how many there are now."""
        now = asyncio.get_running_loop().time()
        self._tokens = min(float(self._burst), self._tokens + (now - self._counted_at) * self._rate)
        self._counted_at = now
        return self._tokens


@dataclass(slots=True, eq=False)
class _Letter:
    """An envelope that somebody waits to have written."""

    text: str
    done: bool = False
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class _Held:
    """What the mailbox holds, as far as we know; a write that assumes it fails where it is not so."""

    version: str = "0"
    """With 0 the server makes an object, and refuses to change one."""
    last: int = 0
    """The highest number in it."""
    entries: tuple[tuple[Entry, float], ...] = ()
    """With the time of their writing, by the event loop."""


NOTHING: Final = _Held()
"""What a mailbox holds of which we know nothing; if it is there we learn it."""


@dataclass(slots=True, eq=False)
class _Outbox:
    """The mailbox of a pair, from its sender's side."""

    sender: PublicKey
    recipient: PublicKey
    letters: list[_Letter] = field(default_factory=list)
    held: _Held = NOTHING
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    next_write: float = 0.0

    @property
    def idle(self) -> bool:
        """Whether nobody uses it."""
        return not self.letters and not self.turn.locked()


class MailWriter:
    """Writes envelopes into the mailboxes of their pairs.

    Whoever waits to have an envelope written does the writing when its turn comes, for all who wait with it:
    no task of its own is left by anybody who is cancelled.

    Several processes may hold a sender's key. Each write names the version that it changes and the server
    refuses it if another came first; then the mailbox is read, and written with what the other put there and
    the next numbers. So nothing is wiped out, numbers stay in order without any clock, and a process that was
    started anew goes on where it was.

    Args:
        api: the server.
        limit: how often to write, for all mailboxes together.
    """

    def __init__(self, api: KubernetesApi, *, limit: WriteLimit) -> None:
        self._api = api
        self._limit = limit
        self._outboxes: OrderedDict[tuple[PublicKey, PublicKey], _Outbox] = OrderedDict()

    async def write(self, envelope: Envelope) -> None:
        """Return when the envelope was written, or has fallen out behind 16 others: readers see the gap.

        Raises:
            SignalingError: it could not be written; the text says why.
        """
        outbox = self._outbox(envelope)
        letter = _Letter(Entry.of(0, envelope).text)
        outbox.letters.append(letter)
        try:
            async with outbox.turn:
                if not letter.done:
                    await self._write_all(outbox)
        finally:
            letter.done = True  # Nobody writes it any more for one who was cancelled.
            if letter in outbox.letters:
                outbox.letters.remove(letter)
        if letter.trouble:
            raise SignalingError(letter.trouble)

    def _outbox(self, envelope: Envelope) -> _Outbox:
        pair = (envelope.sender, envelope.recipient)
        if (outbox := self._outboxes.get(pair)) is None:
            outbox = self._outboxes[pair] = _Outbox(*pair)
            idle = [key for key, each in self._outboxes.items() if each.idle and each is not outbox]
            for key in idle[: max(0, len(self._outboxes) - OUTBOXES)]:
                del self._outboxes[key]
        self._outboxes.move_to_end(pair)
        return outbox

    async def _write_all(self, outbox: _Outbox) -> None:
        """Write all that waits when the time for it has come."""
        if (wait := outbox.next_write - asyncio.get_running_loop().time()) > 0:
            await asyncio.sleep(wait)
        else:
            await asyncio.sleep(0)  # What is published in the same turn of the loop goes along.
        taken: list[_Letter] = []
        trouble = ""
        try:
            await self._apply(outbox, taken)
        except SignalingError as error:
            outbox.held, trouble = NOTHING, str(error)
        except BaseException:
            # Whether it was written nobody knows; who waits with us will write it again.
            outbox.held = NOTHING
            outbox.letters[:0] = [letter for letter in taken if not letter.done]
            raise
        for letter in taken:
            letter.done, letter.trouble = True, trouble

    async def _apply(self, outbox: _Outbox, taken: list[_Letter]) -> None:
        for _ in range(ATTEMPTS):
            await self._limit.take()
            outbox.next_write = asyncio.get_running_loop().time() + COALESCE
            taken += outbox.letters
            outbox.letters.clear()
            try:
                outbox.held = await self._apply_once(outbox, [letter.text for letter in taken])
                return
            except ApiError as error:
                if error.status == 409 or _VERSION_FIELD in error.fields:
                    outbox.held = await self._read(outbox)
                elif error.status != 429:
                    raise
                last = error
        raise last

    async def _apply_once(self, outbox: _Outbox, texts: list[str]) -> _Held:
        held, now = outbox.held, asyncio.get_running_loop().time()
        last = held.last if held.last + len(texts) <= MAX_SEQ else 0
        new = [(Entry(last + number, text), now) for number, text in enumerate(texts, start=1)]
        kept = [(entry, at) for entry, at in held.entries if now - at < KEEP]
        entries = tuple([*kept, *new][-MAX_ENTRIES:])
        mailbox = Mailbox(outbox.sender, outbox.recipient, tuple(entry for entry, _ in entries))
        document = mailbox.document()
        document["metadata"]["resourceVersion"] = held.version
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        answer = await self._api.ask("patch", self._path(outbox), query=query, body=document)
        return _Held(_version(answer.data), last + len(texts), entries)

    async def _read(self, outbox: _Outbox) -> _Held:
        try:
            answer = await self._api.ask("get", self._path(outbox))
        except ApiError as error:
            if error.status == 404:
                return NOTHING
            raise
        version = _version(answer.data)
        try:
            entries = Mailbox.parse(answer.data).entries
            written = _written(answer)
        except MailboxError:
            return _Held(version)  # Somebody else's; ours takes its place.
        last = max((entry.seq for entry in entries), default=0)
        return _Held(version, last, tuple((entry, written) for entry in entries))

    def _path(self, outbox: _Outbox) -> str:
        return mailbox_path(self._api.namespace, mailbox_name(outbox.sender, outbox.recipient))


def _written(answer: Answer) -> float:
    """Say when an object was written, in the event loop's time."""
    clock = answer.clock
    return clock.at - (clock.date - written_at(answer.data, now=clock.date))


def _version(document: Mapping[str, Any]) -> str:
    metadata = document.get("metadata")
    version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
    if not isinstance(version, str) or not version:
        raise SignalingError("the API server gave an object without its version")
    return version
