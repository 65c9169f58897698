"""Tests of the words and objects in which events are told."""

import json

from warren.cli import report
from warren.keys import PublicKey
from warren.messages import Candidate, CandidateType, NetworkType
from warren.session.outputs import Path, StateChanged
from warren.session.state import State

PEER = PublicKey(b"\x09" * 32)
CHANGE = StateChanged(
    old=State.CHECKING, new=State.CONNECTED, reason="a pair works", generation=1, time=70.143
)
PATH = Path(
    local=Candidate(
        type=CandidateType.SERVER_REFLEXIVE,
        network=NetworkType.UDP4,
        address="203.0.113.7",
        port=4242,
        priority=1,
        foundation="1",
        related=("10.0.0.2", 4242),
    ),
    remote=Candidate(
        type=CandidateType.HOST,
        network=NetworkType.UDP6,
        address="2001:db8::5",
        port=999,
        priority=1,
        foundation="2",
    ),
    rtt=0.01234,
)


def test_a_state_object_has_exactly_the_documented_keys() -> None:
    assert report.state_object(PEER, CHANGE, opened_at=70.0, time=1.8e9) == {
        "event": "state",
        "peer": str(PEER),
        "from": "CHECKING",
        "to": "CONNECTED",
        "reason": "a pair works",
        "generation": 1,
        "elapsed": 0.143,
        "time": 1.8e9,
    }


def test_a_path_object_has_exactly_the_documented_keys() -> None:
    assert report.path_object(PEER, PATH) == {
        "event": "path",
        "peer": str(PEER),
        "local": {"type": "srflx", "address": "203.0.113.7", "port": 4242, "transport": "udp"},
        "remote": {"type": "host", "address": "2001:db8::5", "port": 999, "transport": "udp"},
        "relayed": False,
        "rtt": 0.01234,
    }


def test_objects_are_json() -> None:
    assert json.loads(json.dumps(report.path_object(PEER, PATH)))["rtt"] == 0.01234


def test_a_state_line_says_when_what_and_why() -> None:
    assert report.state_text(CHANGE, opened_at=70.0) == "   0.143 s  CONNECTED     a pair works"


def test_a_path_line_shows_both_ends_and_the_round_trip() -> None:
    assert report.path_text(PEER, PATH, elapsed=0.15) == (
        "   0.150 s  path          "
        "srflx 203.0.113.7:4242 -> host [2001:db8::5]:999, direct, round trip 12.3 ms"
    )


def test_a_key_is_abbreviated_to_its_first_eight_characters() -> None:
    assert report.short(PEER) == "CQkJCQkJ…"
