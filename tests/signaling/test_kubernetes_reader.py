from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.signaling.people import ALICE, BOB, CAROL, sealed
from tests.signaling.scripted_kubernetes import mail
from warren.envelope import Envelope
from warren.signaling.carrier import Gap
from warren.signaling.kubernetes_reader import MailReader

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp()
FRESH = "2026-01-01T11:59:30Z"
OLD = "2026-01-01T11:58:30Z"


def envelope() -> Envelope:
    return sealed(ALICE, BOB.public)


def reader(*known: dict[str, Any]) -> MailReader:
    made = MailReader(BOB.public, Counter())
    made.begin(known)
    return made


@pytest.fixture
def drops() -> Counter[str]:
    return Counter()


def test_what_was_there_before_is_not_told() -> None:
    document = mail(envelope(), written=FRESH)
    assert reader(document).look(document, NOW) == []


def test_new_mailbox_is_told_whole() -> None:
    one, two = envelope(), envelope()
    assert reader().look(mail(one, two, written=FRESH), NOW) == [one, two]


def test_only_new_entries_of_a_mailbox_are_told() -> None:
    one, two = envelope(), envelope()
    assert reader(mail(one, written=FRESH)).look(mail(one, two, written=FRESH), NOW) == [two]


def test_entries_that_are_gone_do_no_harm() -> None:
    one, two = envelope(), envelope()
    assert reader(mail(one, written=FRESH)).look(mail(two, first=2, written=FRESH), NOW) == [two]


def test_number_that_was_left_out_is_a_gap() -> None:
    one, three = envelope(), envelope()
    found = reader(mail(one, written=FRESH)).look(mail(three, first=3, written=FRESH), NOW)
    assert found == [Gap(), three]


def test_mailbox_that_does_not_begin_with_the_first_number_has_a_gap() -> None:
    two = envelope()
    assert reader().look(mail(two, first=2, written=FRESH), NOW) == [Gap(), two]


def test_same_number_with_another_text_is_new_after_a_gap() -> None:
    one, other = envelope(), envelope()
    found = reader(mail(one, written=FRESH)).look(mail(other, written=FRESH), NOW)
    assert found == [Gap(), other]


def test_object_made_anew_begins_anew() -> None:
    one, other = envelope(), envelope()
    found = reader(mail(one, first=7, written=FRESH)).look(mail(other, uid="u2", written=FRESH), NOW)
    assert found == [other]


def test_object_that_was_deleted_is_forgotten() -> None:
    one = envelope()
    document = mail(one, written=FRESH)
    made = reader(document)
    made.forget(document)
    assert made.look(document, NOW) == [one]


def test_what_is_older_than_a_minute_by_the_servers_clock_is_a_gap() -> None:
    assert reader().look(mail(envelope(), written=OLD), NOW) == [Gap()]


def test_after_a_blind_time_only_what_is_new_is_told() -> None:
    one, two = envelope(), envelope()
    made = reader(mail(one, written=FRESH))
    assert made.again([mail(one, two, written=FRESH)], NOW) == [two]
    assert made.again([mail(one, two, written=FRESH)], NOW) == []


def test_mailbox_that_is_not_there_any_more_is_forgotten() -> None:
    one = envelope()
    document = mail(one, written=FRESH)
    made = reader(document)
    made.again([], NOW)
    assert made.look(document, NOW) == [one]


def test_only_so_many_mailboxes_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warren.signaling.kubernetes_reader.REMEMBERED", 1)
    first, second = mail(envelope(), written=FRESH), mail(sealed(CAROL, BOB.public), written=FRESH)
    made = reader(first, second)
    assert made.look(second, NOW) == []
    assert made.look(first, NOW) != []


def with_spec(**spec: Any) -> dict[str, Any]:
    document = mail(envelope(), written=FRESH)
    return document | {"spec": document["spec"] | spec}


def without_time() -> dict[str, Any]:
    document = mail(envelope(), written=FRESH)
    del document["metadata"]["creationTimestamp"]
    return document


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({}, "mailbox-malformed"),
        ({"metadata": 3, "spec": []}, "mailbox-malformed"),
        (without_time(), "mailbox-malformed"),
        (with_spec(entries=[{"seq": 1}]), "mailbox-malformed"),
        (with_spec(entries=[{"seq": n, "envelope": ""} for n in range(17)]), "mailbox-malformed"),
        (with_spec(sender="AAAA"), "mailbox-key"),
        (with_spec(sender=str(CAROL.public)), "mailbox-name"),
        (mail(sealed(BOB, ALICE.public), written=FRESH), "mailbox-recipient"),
        (with_spec(entries=[{"seq": 1, "envelope": "%"}]), "envelope-malformed"),
        (with_spec(entries=[{"seq": 1, "envelope": "A" * 30000}]), "envelope-oversized"),
    ],
)
def test_foreign_object_is_dropped_and_counted(
    document: dict[str, Any], reason: str, drops: Counter[str]
) -> None:
    assert MailReader(BOB.public, drops).look(document, NOW) == []
    assert drops == {reason: 1}


def test_envelope_of_another_pair_is_dropped_and_the_rest_is_told(drops: Counter[str]) -> None:
    ours = envelope()
    document = mail(ours, sealed(CAROL, BOB.public), written=FRESH)
    assert MailReader(BOB.public, drops).look(document, NOW) == [ours]
    assert drops == {"envelope-misaddressed": 1}


def test_foreign_object_among_those_that_are_there_is_dropped(drops: Counter[str]) -> None:
    MailReader(BOB.public, drops).begin([{}])
    assert drops == {"mailbox-malformed": 1}
