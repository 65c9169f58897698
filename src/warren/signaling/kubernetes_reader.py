"""What is new in the mailboxes to one recipient: compares each with what it held before; no I/O."""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from warren.envelope import EnvelopeError
from warren.keys import PublicKey
from warren.signaling.carrier import Gap, Received
from warren.signaling.kubernetes_mailbox import (
    FRESH,
    Entry,
    Mailbox,
    MailboxError,
    mailbox_name,
    written_at,
)

__all__ = ["REMEMBERED", "MailReader"]

REMEMBERED: Final = 4096
"""Mailboxes whose last state is kept; in one beyond them all would be new again."""


@dataclass(frozen=True, slots=True)
class _State:
    """What a mailbox held when it was last looked at."""

    uid: str
    """Another for an object that was swept and made again: its numbers begin anew."""
    marks: frozenset[tuple[int, int]]
    """Number and hash of each entry."""
    last: int
    """The highest number."""


_EMPTY: Final = _State("", frozenset(), 0)


class MailReader:
    """Tells the entries of mailboxes that were not there before.

    An entry is known by its number and its text, so that a number that comes again with another text is not
    taken for old. Where the numbers do not follow one another something was missed: a `Gap`.
    What is no mailbox to the recipient is counted and dropped.

    Args:
        recipient: whose mailboxes these are.
        drops: what was dropped, by reason.
    """

    def __init__(self, recipient: PublicKey, drops: Counter[str]) -> None:
        self._recipient = recipient
        self._drops = drops
        self._states: OrderedDict[str, _State] = OrderedDict()

    def begin(self, objects: Iterable[Mapping[str, Any]]) -> None:
        """Take all that is there as known: it was said before anybody listened here."""
        self._states.clear()
        for document in objects:
            if (mailbox := self._mailbox(document)) is not None:
                self._remember(mailbox, _uid(document))

    def again(self, objects: Iterable[Mapping[str, Any]], now: float) -> list[Received]:
        """Look at all mailboxes after a time of which nothing is known; those that are gone are forgotten.

        Args:
            objects: all that there are.
            now: the server's time.
        """
        received: list[Received] = []
        names = set()
        for document in objects:
            received += self.look(document, now)
            names.add(_metadata(document).get("name"))
        for name in [name for name in self._states if name not in names]:
            del self._states[name]
        return received

    def look(self, document: Mapping[str, Any], now: float) -> list[Received]:
        """Look at a mailbox that is new or was changed; return what is new, after a gap if there is one.

        Args:
            document: the object.
            now: the server's time.
        """
        if (mailbox := self._mailbox(document)) is None:
            return []
        try:
            age = now - written_at(document, now=now)
        except MailboxError as error:
            self._drops[f"mailbox-{error.reason}"] += 1
            return []
        before = self._states.get(mailbox.name, _EMPTY)
        if before.uid != _uid(document):
            before = _EMPTY
        self._remember(mailbox, _uid(document))
        new = [entry for entry in mailbox.entries if _mark(entry) not in before.marks]
        if not new:
            return []
        if age > FRESH:
            self._drops["mailbox-old"] += 1
            return [Gap()]
        expected = list(range(before.last + 1, before.last + 1 + len(new)))
        gap: list[Received] = [] if [entry.seq for entry in new] == expected else [Gap()]
        return gap + self._open(mailbox, new)

    def forget(self, document: Mapping[str, Any]) -> None:
        """Take note that an object was deleted."""
        self._states.pop(str(_metadata(document).get("name")), None)

    def _open(self, mailbox: Mailbox, entries: list[Entry]) -> list[Received]:
        opened: list[Received] = []
        for entry in entries:
            try:
                opened.append(mailbox.open(entry))
            except EnvelopeError as error:
                self._drops[f"envelope-{error.reason}"] += 1
        return opened

    def _mailbox(self, document: Mapping[str, Any]) -> Mailbox | None:
        try:
            mailbox = Mailbox.parse(document)
        except MailboxError as error:
            self._drops[f"mailbox-{error.reason}"] += 1
            return None
        if mailbox.recipient != self._recipient:
            self._drops["mailbox-recipient"] += 1
            return None
        return mailbox

    def _remember(self, mailbox: Mailbox, uid: str) -> None:
        marks = frozenset(map(_mark, mailbox.entries))
        last = max((entry.seq for entry in mailbox.entries), default=0)
        name = mailbox_name(mailbox.sender, mailbox.recipient)
        self._states[name] = _State(uid, marks, last)
        self._states.move_to_end(name)
        if len(self._states) > REMEMBERED:
            self._states.popitem(last=False)


def _mark(entry: Entry) -> tuple[int, int]:
    return entry.seq, hash(entry.text)


def _metadata(document: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = document.get("metadata")
    return metadata if isinstance(metadata, Mapping) else {}


def _uid(document: Mapping[str, Any]) -> str:
    return str(_metadata(document).get("uid"))
