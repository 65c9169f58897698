from dataclasses import replace

import pytest

from tests.test_keys import ALICE, BOB
from warren.messages import Candidate, CandidateType, Credentials, NetworkType, SessionDescription

UFRAG, PWD = "u" * 4, "p" * 22
HOST = Candidate(
    type=CandidateType.HOST, network=NetworkType.UDP4, address="192.0.2.1", port=4711, priority=2**31
)
DESCRIPTION = SessionDescription(sender=ALICE.public, recipient=BOB.public, session_id=7)


@pytest.mark.parametrize(
    ("ufrag", "pwd"),
    [(UFRAG, PWD), ("A" * 256, "z" * 256), ("ab+/", "0123456789+/abcdefghij")],
)
def test_credentials_of_every_allowed_length_are_taken(ufrag: str, pwd: str) -> None:
    assert Credentials(ufrag, pwd).ufrag == ufrag


@pytest.mark.parametrize(
    ("ufrag", "pwd", "says"),
    [
        ("abc", PWD, "ufrag"),
        ("a" * 257, PWD, "ufrag"),
        ("ab:d", PWD, "ufrag"),
        ("abcé", PWD, "ufrag"),
        ("abcd\n", PWD, "ufrag"),
        (UFRAG, "p" * 21, "pwd"),
        (UFRAG, "p" * 257, "pwd"),
        (UFRAG, "p" * 21 + " ", "pwd"),
        ("", "", "ufrag"),
    ],
)
def test_other_credentials_are_refused(ufrag: str, pwd: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Credentials(ufrag, pwd)


def test_empty_credentials_may_ask_for_the_others() -> None:
    assert Credentials("", "", need_creds=True).need_creds


def test_credentials_do_not_show_in_their_repr() -> None:
    shown = repr(Credentials("secretufrag", "secretpwdsecretpwdsecretpwd"))
    assert "secret" not in shown


def test_an_address_is_written_canonically() -> None:
    candidate = replace(HOST, network=NetworkType.UDP6, address="2001:DB8:0:0::1")
    assert candidate.transport == ("2001:db8::1", 4711)


@pytest.mark.parametrize(
    "wrong",
    [
        {"address": "example.org"},
        {"address": ""},
        {"address": "2001:db8::1"},
        {"address": "1" * 46},
        {"network": NetworkType.UDP6},
        {"port": 0},
        {"port": 65536},
        {"port": -1},
        {"priority": -1},
        {"priority": 2**32},
        {"component": 0},
        {"component": 257},
        {"foundation": "f" * 33},
    ],
)
def test_a_candidate_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        replace(HOST, **wrong)  # type: ignore[arg-type]  # that is the point


def test_candidate_types_have_the_short_words_of_the_field() -> None:
    assert [kind.word for kind in CandidateType] == ["host", "srflx", "prflx", "relay"]


def test_network_types_tell_transport_and_family() -> None:
    assert [(kind.protocol, kind.is_ipv6) for kind in NetworkType] == [
        ("udp", False),
        ("udp", True),
        ("tcp", False),
        ("tcp", True),
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"session_id": 0},
        {"session_id": 2**64},
        {"session_id": -1},
        {"peer_session_id": 2**64},
        {"peer_session_id": -1},
        {"revision": 0},
        {"revision": 2**32},
        {"peer_revision": -1},
        {"peer_revision": 2**32},
    ],
)
def test_a_description_that_cannot_be_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        replace(DESCRIPTION, **wrong)  # type: ignore[arg-type]  # that is the point
