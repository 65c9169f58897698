"""What is told about pairs and failures, in words."""

from tests.ice.link import HOST, SRFLX, candidate, host
from warren.ice.checklist import Checklist, Pair, PairState
from warren.ice.report import describe, why_failed
from warren.ice.transport import Base

BASE = Base("192.0.2.1", 4000)


def pairs(number: int, sent: int = 2) -> list[Pair]:
    checklist = Checklist(controlling=True)
    for port in range(1000, 1000 + number):
        remote = candidate(SRFLX, "198.51.100.1", port)
        checklist.form(host(BASE), remote, remote.transport)
    for pair in checklist:
        pair.sent = sent
    return list(checklist)


def test_a_pair_is_described_as_it_stands() -> None:
    (pair,) = pairs(1)
    pair.state = PairState.FAILED
    pair.error = "no answer"
    report = describe(pair)
    assert (report.state, report.sent, report.answered, report.last_error) == ("failed", 2, 0, "no answer")


def test_a_described_pair_names_both_ends() -> None:
    report = describe(pairs(1)[0])
    assert (report.local.type, report.remote.type) == (HOST, SRFLX)


def test_a_failure_says_what_was_tried_and_that_nobody_was_heard() -> None:
    assert why_failed("no luck", pairs(1, sent=1), 39.5) == (
        "no luck: 1 pair tried with 1 check in 39.5 s, none was answered and no check of the peer was seen:"
        " host 192.0.2.1:4000 to srflx 198.51.100.1:1000: 1 check"
    )


def test_a_failure_counts_all_pairs_and_checks() -> None:
    assert "6 pairs tried with 12 checks" in why_failed("no luck", pairs(6), 39.5)


def test_a_failure_names_four_pairs_and_counts_the_others() -> None:
    words = why_failed("no luck", pairs(6), 39.5)
    assert words.count("host 192.0.2.1:4000") == 4
    assert words.endswith("; and 2 more")


def test_a_failure_says_that_the_peer_was_heard() -> None:
    all = pairs(2)
    all[1].heard = True
    assert "none was answered though the peer's checks reached us" in why_failed("no luck", all, 39.5)


def test_a_failure_says_that_the_peer_did_not_choose() -> None:
    all = pairs(2)
    all[1].answered = 1
    assert "some were answered but the peer chose none" in why_failed("no luck", all, 39.5)


def test_a_failure_tells_the_error_of_a_pair() -> None:
    (pair,) = pairs(1)
    pair.error = "400 Bad Request"
    assert why_failed("no luck", [pair], 39.5).endswith("2 checks, 400 Bad Request")


def test_an_ipv6_address_stands_in_brackets() -> None:
    remote = candidate(HOST, "2001:db8::1", 1000)
    pair = Checklist(controlling=True).form(host(Base("2001:db8::2", 4000)), remote, remote.transport)
    assert pair is not None
    assert "host [2001:db8::2]:4000 to host [2001:db8::1]:1000" in why_failed("no luck", [pair], 1.0)
