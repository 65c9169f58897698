"""Tests of mailboxes as values: their names, what is read from them, and what is not."""

import copy
import re
from typing import Any

import pytest

from tests.signaling.people import ALICE, BOB, CAROL, sealed
from warren.envelope import MAX_ENVELOPE, EnvelopeError
from warren.keys import PublicKey
from warren.signaling.kubernetes_mailbox import (
    MAX_ENTRIES,
    MAX_ENVELOPE_TEXT,
    MAX_SEQ,
    NAME_PATTERN,
    RECIPIENT_LABEL,
    Entry,
    Mailbox,
    MailboxError,
    key_label,
    mailbox_name,
    mailbox_path,
    recipient_selector,
    written_at,
)

ENVELOPE = sealed(ALICE, BOB.public)
MAILBOX = Mailbox(ALICE.public, BOB.public, (Entry.of(7, ENVELOPE),))


def changed(**changes: Any) -> dict[str, Any]:
    """The mailbox as the server gives it, with something else in its spec."""
    document = copy.deepcopy(MAILBOX.document())
    document["spec"].update(changes)
    return document


def refusal(document: dict[str, Any]) -> str:
    """Why an object is no mailbox."""
    with pytest.raises(MailboxError) as caught:
        Mailbox.parse(document)
    return caught.value.reason


def entry_refusal(text: str) -> str:
    """Why an entry is no envelope of this mailbox."""
    with pytest.raises(EnvelopeError) as caught:
        MAILBOX.open(Entry(1, text))
    return caught.value.reason


# names


def test_the_name_is_that_of_the_wire_format() -> None:
    # base32 of BLAKE2b-160 over 32 bytes 09 00… and 32 bytes 02 02…, computed by hand with `b2sum -l 160`.
    first, second = PublicKey(bytes([9, *bytes(31)])), PublicKey(bytes([2] * 32))
    assert mailbox_name(first, second) == "m-ml4gsh5kesogska7fgfbxcnvzyjrt4qw"


def test_the_two_directions_have_names_of_their_own() -> None:
    assert mailbox_name(ALICE.public, BOB.public) != mailbox_name(BOB.public, ALICE.public)


def test_the_pattern_is_that_of_the_names() -> None:
    assert re.search(NAME_PATTERN, MAILBOX.name)


def test_a_key_fits_into_a_label() -> None:
    assert re.fullmatch("[a-z2-7]{52}", key_label(ALICE.public))


def test_the_selector_finds_the_label() -> None:
    name, value = recipient_selector(BOB.public).split("=")
    assert MAILBOX.document()["metadata"]["labels"][name] == value


def test_a_mailbox_has_a_path_in_its_namespace() -> None:
    assert mailbox_path("vpn", "m-x") == "/apis/signaling.warren.dev/v1/namespaces/vpn/mailboxes/m-x"


# reading


def test_what_is_written_is_read() -> None:
    assert Mailbox.parse(MAILBOX.document()) == MAILBOX


def test_an_envelope_is_read_from_its_entry() -> None:
    assert MAILBOX.open(MAILBOX.entries[0]) == ENVELOPE


def test_entries_are_read_in_the_order_of_their_numbers() -> None:
    entries = [{"seq": seq, "envelope": ""} for seq in (5, MAX_SEQ, 0)]
    assert [entry.seq for entry in Mailbox.parse(changed(entries=entries)).entries] == [0, 5, MAX_SEQ]


def test_a_mailbox_may_be_empty() -> None:
    document = changed()
    del document["spec"]["entries"]
    assert Mailbox.parse(document).entries == ()


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"metadata": 1, "spec": 2},
        {"spec": {"sender": str(ALICE.public)}},
        changed(entries="none"),
        changed(entries=None),
        changed(entries=[1]),
        changed(entries=[{"seq": True, "envelope": ""}]),
        changed(entries=[{"seq": -1, "envelope": ""}]),
        changed(entries=[{"seq": MAX_SEQ + 1, "envelope": ""}]),
        changed(entries=[{"seq": 1, "envelope": 1}]),
        changed(entries=[{"seq": 1, "envelope": ""}] * (MAX_ENTRIES + 1)),
    ],
)
def test_what_is_no_mailbox_is_malformed(document: dict[str, Any]) -> None:
    assert refusal(document) == "malformed"


@pytest.mark.parametrize("key", [1, None, "", "A" * 43 + "="])
def test_a_key_that_is_none_is_refused(key: object) -> None:
    assert refusal(changed(sender=key)) == "key"


def test_a_mailbox_under_the_name_of_another_pair_is_refused() -> None:
    assert refusal(changed(sender=str(CAROL.public))) == "name"


def test_a_mailbox_that_is_labelled_for_another_recipient_is_refused() -> None:
    document = changed()
    document["metadata"]["labels"][RECIPIENT_LABEL] = key_label(CAROL.public)
    assert refusal(document) == "label"


@pytest.mark.parametrize("text", ["*", "é", "AAAA"])
def test_an_entry_that_is_no_envelope_is_malformed(text: str) -> None:
    assert entry_refusal(text) == "malformed"


def test_an_entry_that_is_too_large_is_not_even_decoded() -> None:
    assert entry_refusal("*" * (MAX_ENVELOPE_TEXT + 1)) == "oversized"


def test_the_largest_envelope_fits() -> None:
    assert len(Entry.of(1, sealed(ALICE, BOB.public)).text) <= MAX_ENVELOPE_TEXT
    assert MAX_ENVELOPE_TEXT * 3 // 4 >= MAX_ENVELOPE


def test_an_envelope_to_somebody_else_does_not_belong_there() -> None:
    assert entry_refusal(Entry.of(1, sealed(ALICE, CAROL.public)).text) == "misaddressed"


def test_an_envelope_from_somebody_else_does_not_belong_there() -> None:
    assert entry_refusal(Entry.of(1, sealed(CAROL, BOB.public)).text) == "misaddressed"


# age

CREATED = "2027-01-15T08:00:00Z"
NOW = 1_800_000_000.0


def metadata(*times: object, created: object = CREATED) -> dict[str, Any]:
    """An object with these times of its writers."""
    managed = [{"manager": "x", "time": time} for time in times]
    return {"metadata": {"creationTimestamp": created, "managedFields": managed}}


def test_the_last_writer_says_when_a_mailbox_was_written() -> None:
    document = metadata("2027-01-15T08:05:00Z", "2027-01-15T08:04:00Z")
    assert written_at(document, now=NOW + 600) == NOW + 300


@pytest.mark.parametrize("times", [(), (None,), ("yesterday",), ("2027-01-15T09:00:00",)])
def test_without_a_time_of_a_writer_the_creation_counts(times: tuple[object, ...]) -> None:
    assert written_at(metadata(*times), now=NOW + 7200) == NOW


def test_a_time_in_the_future_is_forged_and_the_creation_counts() -> None:
    assert written_at(metadata("2027-01-15T09:00:00Z"), now=NOW + 600) == NOW


def test_the_fraction_of_the_server_s_second_is_not_the_future() -> None:
    assert written_at(metadata("2027-01-15T08:05:01Z"), now=NOW + 300) == NOW + 301


def test_writers_that_are_no_list_say_nothing() -> None:
    document = {"metadata": {"creationTimestamp": CREATED, "managedFields": 5}}
    assert written_at(document, now=NOW) == NOW


@pytest.mark.parametrize("created", [None, 5, "then"])
def test_an_object_without_a_time_of_creation_is_not_from_a_server(created: object) -> None:
    with pytest.raises(MailboxError, match="malformed"):
        written_at(metadata(created=created), now=NOW)
