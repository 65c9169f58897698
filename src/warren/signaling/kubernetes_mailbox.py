"""Mailbox: what one peer says to another, as an object of a Kubernetes API server; no I/O.

There is one for each ordered pair of peers, written by the sender alone. It holds what is in flight and no
record: readers ignore it after a minute; `warren k8s sweep` removes it when nobody wrote it for ten.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from warren.envelope import MAX_ENVELOPE, Envelope, EnvelopeError
from warren.keys import PublicKey

__all__ = [
    "API_VERSION",
    "CRD_NAME",
    "FRESH",
    "GROUP",
    "IDLE",
    "KIND",
    "MAX_ENTRIES",
    "MAX_ENVELOPE_TEXT",
    "MAX_SEQ",
    "NAME_PATTERN",
    "PLURAL",
    "RECIPIENT_LABEL",
    "SENDER_LABEL",
    "VERSION",
    "Entry",
    "Mailbox",
    "MailboxError",
    "collection_path",
    "key_label",
    "mailbox_name",
    "mailbox_path",
    "recipient_selector",
    "written_at",
]

GROUP: Final = "signaling.warren.dev"
VERSION: Final = "v1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "Mailbox"
PLURAL: Final = "mailboxes"
CRD_NAME: Final = f"{PLURAL}.{GROUP}"
SENDER_LABEL: Final = f"{GROUP}/sender"
RECIPIENT_LABEL: Final = f"{GROUP}/recipient"

NAME_PATTERN: Final = "^m-[a-z2-7]{32}$"
"""What `mailbox_name` gives."""

MAX_ENTRIES: Final = 16
"""How many envelopes a mailbox holds."""

MAX_ENVELOPE_TEXT: Final = (MAX_ENVELOPE + 2) // 3 * 4
"""Characters of the base64 of the largest envelope."""

MAX_SEQ: Final = 2**63 - 1

FRESH: Final = 60.0
"""What was written longer ago than this, by the server's clock, is ignored; seconds."""

IDLE: Final = 600.0
"""What nobody has written for so long, by the server's clock, is swept; seconds."""


class MailboxError(ValueError):
    """This object is no mailbox of ours; `reason` is one word for the counters."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"unusable mailbox: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Entry:
    """One envelope in a mailbox, not read yet."""

    seq: int
    """Grows with each envelope from this sender to this recipient."""
    text: str
    """The serialized envelope in base64."""

    @classmethod
    def of(cls, seq: int, envelope: Envelope) -> "Entry":
        """Make an entry of an envelope."""
        return cls(seq, base64.b64encode(envelope.serialize()).decode())


@dataclass(frozen=True, slots=True)
class Mailbox:
    """All that a sender currently has to say to a recipient, oldest first."""

    sender: PublicKey
    recipient: PublicKey
    entries: tuple[Entry, ...]

    @property
    def name(self) -> str:
        """Its name among the objects."""
        return mailbox_name(self.sender, self.recipient)

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> "Mailbox":
        """Read an object that the server gave us, written by whoever may.

        Raises:
            MailboxError: `malformed`, `key` (not canonical), `name` (not that of its two keys) or
                `label` (its recipient label names another).
        """
        metadata, spec = _mapping(document.get("metadata")), _mapping(document.get("spec"))
        try:
            sender, recipient = PublicKey.parse(spec["sender"]), PublicKey.parse(spec["recipient"])
        except KeyError:
            raise MailboxError("malformed") from None
        except (TypeError, ValueError):
            raise MailboxError("key") from None
        if metadata.get("name") != mailbox_name(sender, recipient):
            raise MailboxError("name")
        if _mapping(metadata.get("labels")).get(RECIPIENT_LABEL) != key_label(recipient):
            raise MailboxError("label")
        return cls(sender, recipient, _entries(spec.get("entries", [])))

    def document(self) -> dict[str, Any]:
        """Write it as the object that its sender applies."""
        return {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {
                "name": self.name,
                "labels": {SENDER_LABEL: key_label(self.sender), RECIPIENT_LABEL: key_label(self.recipient)},
            },
            "spec": {
                "sender": str(self.sender),
                "recipient": str(self.recipient),
                "entries": [{"seq": entry.seq, "envelope": entry.text} for entry in self.entries],
            },
        }

    def open(self, entry: Entry) -> Envelope:
        """Read the envelope of one of its entries.

        Raises:
            EnvelopeError: as `Envelope.parse`, or `misaddressed`: it is not from this sender to this
                recipient.
        """
        if len(entry.text) > MAX_ENVELOPE_TEXT:
            raise EnvelopeError("oversized")
        try:
            data = base64.b64decode(entry.text, validate=True)
        except (binascii.Error, ValueError):
            raise EnvelopeError("malformed") from None
        envelope = Envelope.parse(data)
        if (envelope.sender, envelope.recipient) != (self.sender, self.recipient):
            raise EnvelopeError("misaddressed")
        return envelope


def mailbox_name(sender: PublicKey, recipient: PublicKey) -> str:
    """Name the mailbox of an ordered pair: `m-` and the base32 of BLAKE2b-160 over both keys."""
    return f"m-{_base32(hashlib.blake2b(sender.raw + recipient.raw, digest_size=20).digest())}"


def key_label(key: PublicKey) -> str:
    """Write a key as a label's value: 52 characters of base32; base64 may not stand there."""
    return _base32(key.raw)


def recipient_selector(recipient: PublicKey) -> str:
    """Write the label selector of all mailboxes to one recipient."""
    return f"{RECIPIENT_LABEL}={key_label(recipient)}"


def collection_path(namespace: str) -> str:
    """Say where the mailboxes of a namespace are on an API server."""
    return f"/apis/{API_VERSION}/namespaces/{namespace}/{PLURAL}"


def mailbox_path(namespace: str, name: str) -> str:
    """Say where one mailbox is on an API server."""
    return f"{collection_path(namespace)}/{name}"


def written_at(document: Mapping[str, Any], *, now: float) -> float:
    """Say when an object was last written, by the server's clock; seconds since 1970.

    The server notes the time of each writer in `metadata.managedFields`. A writer can forge that, but not the
    time of creation, which counts where the other lies in the future or is missing.

    Args:
        document: the object.
        now: the server's time.

    Raises:
        MailboxError: `malformed`: there is no time of creation.
    """
    metadata = _mapping(document.get("metadata"))
    if (created := _time(metadata.get("creationTimestamp"))) is None:
        raise MailboxError("malformed")
    managed = metadata.get("managedFields")
    writers = managed if isinstance(managed, list) else []
    times = [time for writer in writers if (time := _time(_mapping(writer).get("time"))) is not None]
    # It counts in whole seconds, as the Date header does.
    return max([created, *(time for time in times if time <= now + 1)])


def _entries(found: object) -> tuple[Entry, ...]:
    if not isinstance(found, list) or len(found) > MAX_ENTRIES:
        raise MailboxError("malformed")
    entries = []
    for item in map(_mapping, found):
        seq, text = item.get("seq"), item.get("envelope")
        if type(seq) is not int or not 0 <= seq <= MAX_SEQ or not isinstance(text, str):
            raise MailboxError("malformed")
        entries.append(Entry(seq, text))
    return tuple(sorted(entries, key=lambda entry: entry.seq))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _time(text: object) -> float | None:
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return moment.timestamp() if moment is not None and moment.tzinfo is not None else None


def _base32(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=").lower()
