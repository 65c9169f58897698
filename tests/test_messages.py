import ipaddress
from dataclasses import replace
from enum import IntEnum

import pytest

from tests.test_keys import ALICE, BOB
from warren.messages import (
    BackendType,
    Candidate,
    CandidateType,
    Credentials,
    NetworkType,
    PeerChange,
    RelayProtocol,
    SessionDescription,
    TCPType,
)

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
        ("", PWD, "ufrag"),
        (UFRAG, "", "pwd"),
    ],
)
def test_other_credentials_are_refused(ufrag: str, pwd: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Credentials(ufrag, pwd)


def test_asking_for_the_others_credentials_excuses_no_lack_of_ones_own() -> None:
    with pytest.raises(ValueError, match="ufrag"):
        Credentials("", "", need_creds=True)


def test_credentials_do_not_show_in_their_repr() -> None:
    shown = repr(Credentials("secretufrag", "secretpwdsecretpwdsecretpwd"))
    assert "secret" not in shown


def test_an_address_is_written_canonically() -> None:
    candidate = replace(HOST, network=NetworkType.UDP6, address="2001:DB8:0:0::1")
    assert candidate.transport == ("2001:db8::1", 4711)


def test_a_related_address_is_written_canonically() -> None:
    assert replace(HOST, related=("2001:DB8::0:1", 0)).related == ("2001:db8::1", 0)


def test_the_longest_values_are_taken() -> None:
    longest = "0000:0000:0000:0000:0000:ffff:255.255.255.255"
    candidate = replace(
        HOST,
        network=NetworkType.UDP6,
        address=longest,
        port=65535,
        priority=2**32 - 1,
        component=256,
        foundation="f" * 32,
        related=(longest, 65535),
    )
    assert (len(longest), candidate.address) == (45, str(ipaddress.ip_address(longest)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"address": "example.org"},
        {"address": ""},
        {"address": "2001:db8::1"},
        {"address": "1" * 46},
        {"address": "fe80::1%" + "z" * 38, "network": NetworkType.UDP6},
        {"related": ("example.org", 1)},
        {"related": ("", 1)},
        {"related": ("192.0.2.1", -1)},
        {"related": ("192.0.2.1", 65536)},
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
    assert [(kind.protocol, kind.is_tcp, kind.is_ipv6) for kind in NetworkType] == [
        ("udp", False, False),
        ("udp", False, True),
        ("tcp", True, False),
        ("tcp", True, True),
    ]


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (CandidateType, {1: "HOST", 2: "SERVER_REFLEXIVE", 3: "PEER_REFLEXIVE", 4: "RELAY"}),
        (NetworkType, {1: "UDP4", 2: "UDP6", 3: "TCP4", 4: "TCP6"}),
        (TCPType, {0: "UNSPECIFIED", 1: "ACTIVE", 2: "PASSIVE", 3: "SIMULTANEOUS_OPEN"}),
        (RelayProtocol, {0: "UNSPECIFIED", 1: "UDP", 2: "TCP", 3: "TLS", 4: "DTLS"}),
        (
            BackendType,
            {0: "MULTI", 1: "GRPC", 2: "INPROCESS", 3: "MCAST", 100: "KUBERNETES", 101: "NATS", 255: "OTHER"},
        ),
        (PeerChange, {0: "ADD", 1: "REMOVE", 2: "UPDATE"}),
    ],
)
def test_enums_have_the_numbers_of_the_protocol(kind: type[IntEnum], names: dict[int, str]) -> None:
    assert {int(one): one.name for one in kind} == names


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
        {"version": 0},
        {"version": 2**32},
    ],
)
def test_a_description_that_cannot_be_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        replace(DESCRIPTION, **wrong)  # type: ignore[arg-type]  # that is the point
