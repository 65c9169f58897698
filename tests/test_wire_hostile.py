"""What is made of bytes that are cut, flipped, malformed, too many or unknown."""

import contextlib
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.golden import CANDIDATE, CANDIDATE_BYTES, SESSION, SESSION_BYTES, A, B, blob, integer, text
from warren import wire
from warren.messages import (
    Credentials,
    Message,
    PeerChange,
    PeerDescription,
    PresharedKeyEstablishment,
    RelayProtocol,
)

FULL = wire.encode_message(
    Message(
        credentials=Credentials("ufra", "p" * 22),
        candidate=CANDIDATE,
        peer=PeerDescription(change=PeerChange.UPDATE, name="n", hosts={"h": (b"1234",)}),
        pske=PresharedKeyEstablishment(b"k", b"c"),
        session=SESSION,
    )
)


def outcome(data: bytes) -> str:
    try:
        wire.decode_message(data)
    except wire.WireError as error:
        return error.reason
    return "read"


def test_every_cut_and_every_flipped_bit_is_read_or_refused_for_a_documented_reason() -> None:
    outcomes = {outcome(FULL[:length]) for length in range(len(FULL))}
    for position in range(len(FULL)):
        for bit in range(8):
            flipped = bytearray(FULL)
            flipped[position] ^= 1 << bit
            outcomes.add(outcome(bytes(flipped)))
    assert outcomes == {"read", "protobuf", "credentials", "session"}


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for decode in (
        wire.decode_message,
        wire.decode_envelope,
        wire.decode_subscribe_params,
        wire.decode_build_info,
        wire.decode_relays,
        wire.decode_relays_params,
        wire.decode_challenge,
        wire.decode_challenge_params,
        wire.decode_ack,
    ):
        with contextlib.suppress(wire.WireError):
            decode(data)


@pytest.mark.parametrize(
    ("malformed", "reason"),
    [
        (blob(1, text(1, "abc") + text(2, "p" * 22)), "credentials"),
        (blob(1, b""), "credentials"),
        (blob(1, integer(3, 1)), "credentials"),
        (blob(100, b""), "session"),
        (blob(100, SESSION_BYTES[2:]), "session"),
        (blob(100, SESSION_BYTES.replace(A.raw, bytes(32))), "session"),
        (blob(100, SESSION_BYTES.replace(B.raw, B.raw[1:] + b"\xff")), "session"),
        (blob(100, SESSION_BYTES.replace(bytes.fromhex("8877665544332211"), bytes(8))), "session"),
        (blob(100, SESSION_BYTES.replace(integer(8, 3), b"")), "session"),
        (b"\xff", "protobuf"),
        (blob(1, text(1, "x")[:-1] + b"\xff"), "protobuf"),
    ],
)
def test_a_malformed_part_drops_the_message_for_a_reason(malformed: bytes, reason: str) -> None:
    with pytest.raises(wire.WireError) as caught:
        wire.decode_message(malformed)
    assert caught.value.reason == reason


def test_a_higher_version_is_read_as_version_1() -> None:
    message = wire.decode_message(blob(100, integer(1, 9) + SESSION_BYTES[2:]))
    assert message.session == SESSION


@pytest.mark.parametrize(
    "unusable",
    [
        CANDIDATE_BYTES[2:],  # no type
        integer(1, 9) + CANDIDATE_BYTES[2:],  # a type nobody knows
        CANDIDATE_BYTES.replace(integer(2, 1), b""),  # no network type
        CANDIDATE_BYTES.replace(integer(2, 1), integer(2, 2)),  # IPv4 as UDP6
        CANDIDATE_BYTES.replace(integer(8, 40000), b""),  # port 0
        CANDIDATE_BYTES.replace(integer(8, 40000), integer(8, -1)),
        CANDIDATE_BYTES.replace(text(7, "203.0.113.9"), text(7, "example.org")),
        CANDIDATE_BYTES.replace(integer(3, 2), integer(3, 77)),
        CANDIDATE_BYTES.replace(integer(5, 1), b""),  # component 0
        CANDIDATE_BYTES.replace(text(4, "f1"), text(4, "f" * 33)),
        CANDIDATE_BYTES.replace(integer(2, 1) + integer(3, 2), integer(2, 2)).replace(
            text(7, "203.0.113.9"), text(7, "fe80::9%eth0")
        ),
    ],
)
def test_a_candidate_that_cannot_be_used_is_left_out(unusable: bytes) -> None:
    assert wire.decode_message(blob(2, unusable)).candidate is None
    described = SESSION_BYTES.replace(blob(6, CANDIDATE_BYTES), blob(6, unusable) + blob(6, CANDIDATE_BYTES))
    session = wire.decode_message(blob(100, described)).session
    assert session is not None
    assert session.candidates == (CANDIDATE,)


@pytest.mark.parametrize("number", [-1, 5, 2**31 - 1])
def test_a_relay_protocol_that_we_do_not_know_is_unspecified(number: int) -> None:
    data = CANDIDATE_BYTES.replace(integer(10, 3), integer(10, number))
    candidate = wire.decode_message(blob(2, data)).candidate
    assert candidate is not None
    assert candidate.relay_protocol is RelayProtocol.UNSPECIFIED


@pytest.mark.parametrize(
    ("address", "port"),
    [
        ("1" * 46, 5000),
        ("example.org", 5000),
        ("", 0),
        ("fe80::1%eth0", 1),
        ("10.0.0.2", 65536),
        ("10.0.0.2", -1),
    ],
)
def test_a_related_address_that_cannot_be_is_blanked(address: str, port: int) -> None:
    data = CANDIDATE_BYTES.replace(
        blob(9, text(1, "10.0.0.2") + integer(2, 5000)), blob(9, text(1, address) + integer(2, port))
    )
    assert wire.decode_message(blob(2, data)).candidate == replace(CANDIDATE, related=None)


def test_an_address_is_read_canonically() -> None:
    data = integer(1, 1) + integer(2, 2) + integer(5, 1) + text(7, "2001:DB8:0::1") + integer(8, 9)
    candidate = wire.decode_message(blob(2, data)).candidate
    assert candidate is not None
    assert candidate.address == "2001:db8::1"


def test_a_kind_of_change_that_we_do_not_know_is_left_out() -> None:
    for number in (3, -1):
        message = wire.decode_message(blob(3, integer(1, number)) + blob(4, blob(1, b"key")))
        assert message == Message(pske=PresharedKeyEstablishment(b"key"))


def test_fields_that_we_do_not_know_are_skipped() -> None:
    unknown = integer(99, 7) + text(102, "later")
    data = unknown + blob(100, SESSION_BYTES + unknown) + blob(2, CANDIDATE_BYTES + unknown)
    assert wire.decode_message(data) == Message(candidate=CANDIDATE, session=SESSION)


def test_text_that_is_not_utf_8_is_malformed_also_without_protobufs_c_library() -> None:
    program = "from warren import wire\ntry: wire.decode_message(bytes.fromhex('0a030a01ff'))"
    program += "\nexcept wire.WireError as error: print(error.reason)"
    environment = {**os.environ, "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "protobuf", done.stderr


def test_no_more_than_32_candidates_are_read() -> None:
    described = SESSION_BYTES + blob(6, CANDIDATE_BYTES) * 40
    session = wire.decode_message(blob(100, described)).session
    assert session is not None
    assert len(session.candidates) == 32


def test_no_more_than_16_relays_are_read() -> None:
    assert len(wire.decode_relays(blob(1, text(1, "turn:host")) * 40)) == 16


def test_a_subscription_to_a_key_that_is_not_canonical_is_refused() -> None:
    with pytest.raises(wire.WireError, match="key"):
        wire.decode_subscribe_params(blob(1, bytes(32)))
