"""The expected bytes are written out by the rules of protobuf: tag = number << 3 | type, then the value."""

import contextlib
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.test_keys import ALICE, BOB
from warren import wire
from warren.keys import PrivateKey
from warren.messages import (
    BuildInfo,
    Candidate,
    CandidateType,
    Challenge,
    Credentials,
    Message,
    NetworkType,
    PeerChange,
    PeerDescription,
    PresharedKeyEstablishment,
    RelayInfo,
    RelayProtocol,
    SessionDescription,
    SubscribeAck,
    SubscribeParams,
    SubscribeProof,
    TCPType,
)

A, B = ALICE.public, BOB.public


def text(number: int, value: str) -> bytes:
    return blob(number, value.encode())


def blob(number: int, value: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(value)) + value


def integer(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value % 2**64)


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def unpadded(message: Message) -> bytes:
    """What is encoded before the padding: field 101 is the last, its tag is aa 06."""
    data = wire.encode_message(message)
    body, _, padding = data.rpartition(bytes.fromhex("aa06"))
    assert set(padding[2:]) <= {0}
    return body


CANDIDATE = Candidate(
    type=CandidateType.SERVER_REFLEXIVE,
    network=NetworkType.UDP4,
    address="203.0.113.9",
    port=40000,
    priority=0x80000001,
    foundation="f1",
    related=("10.0.0.2", 5000),
    relay_protocol=RelayProtocol.TLS,
    tcp_type=TCPType.PASSIVE,
)
CANDIDATE_BYTES = (
    integer(1, 2)
    + integer(2, 1)
    + integer(3, 2)
    + text(4, "f1")
    + integer(5, 1)
    + integer(6, 0x80000001 - 2**32)
    + text(7, "203.0.113.9")
    + integer(8, 40000)
    + blob(9, text(1, "10.0.0.2") + integer(2, 5000))
    + integer(10, 3)
)
SESSION = SessionDescription(
    sender=A,
    recipient=B,
    session_id=0x1122334455667788,
    peer_session_id=5,
    candidates=(CANDIDATE,),
    end_of_candidates=True,
    revision=3,
    peer_revision=2,
    wants_answer=True,
)
SESSION_BYTES = (
    integer(1, 1)
    + blob(2, A.raw)
    + blob(3, B.raw)
    + b"\x21"
    + bytes.fromhex("8877665544332211")
    + b"\x29\x05"
    + bytes(7)
    + blob(6, CANDIDATE_BYTES)
    + integer(7, 1)
    + integer(8, 3)
    + integer(9, 2)
    + integer(10, 1)
)


def test_golden_bytes_of_credentials() -> None:
    message = Message(credentials=Credentials("ufra", "p" * 22, need_creds=True))
    expected = blob(1, text(1, "ufra") + text(2, "p" * 22) + integer(3, 1))
    assert unpadded(message) == expected
    assert expected.hex().startswith("0a20" + "0a0475667261" + "1216")


def test_golden_bytes_of_a_candidate() -> None:
    assert unpadded(Message(candidate=CANDIDATE)) == blob(2, CANDIDATE_BYTES)


def test_golden_bytes_of_a_peer_description() -> None:
    peer = PeerDescription(
        change=PeerChange.UPDATE,
        name="host",
        public_key=b"k",
        public_key_new=b"n",
        allowed_ips=("10.0.0.0/8",),
        build_info=BuildInfo(version="1.0", date=9, dirty=True),
        hosts={"h": (b"\x0a\0\0\1",)},
    )
    assert unpadded(Message(peer=peer)) == blob(
        3,
        integer(1, 2)
        + text(2, "host")
        + blob(3, b"k")
        + blob(4, b"n")
        + text(5, "10.0.0.0/8")
        + blob(6, text(1, "1.0") + blob(2, integer(1, 9)) + integer(9, 1))
        + blob(7, text(1, "h") + blob(2, blob(1, blob(1, b"\x0a\0\0\1")))),
    )


def test_golden_bytes_of_a_preshared_key_establishment() -> None:
    message = Message(pske=PresharedKeyEstablishment(b"key", b"text"))
    assert unpadded(message) == blob(4, blob(1, b"key") + blob(2, b"text"))


def test_golden_bytes_of_a_session_description() -> None:
    assert unpadded(Message(session=SESSION)) == blob(100, SESSION_BYTES)


def test_golden_bytes_of_a_padded_message_written_out() -> None:
    message = Message(
        credentials=Credentials("ufra", "p" * 22),
        candidate=Candidate(
            type=CandidateType.HOST,
            network=NetworkType.UDP4,
            address="192.0.2.1",
            port=40000,
            priority=2130706431,
            foundation="1",
        ),
    )
    credentials = "0a1e" + "0a0475667261" + "1216" + "70" * 22
    candidate = "121e" + "0801" + "1001" + "220131" + "2801" + "30fffffff707"
    candidate += "3a093139322e302e322e31" + "40c0b802"
    padding = "aa06" + "bc01" + "00" * 188
    assert wire.encode_message(message).hex() == credentials + candidate + padding


def test_golden_bytes_of_an_envelope() -> None:
    data = wire.encode_envelope(b"s", b"r", b"body", b"nonce")
    assert data == blob(1, b"s") + blob(2, b"r") + blob(3, blob(1, b"body") + blob(2, b"nonce"))
    assert wire.decode_envelope(data) == (b"s", b"r", b"body", b"nonce")


def test_golden_bytes_of_subscribe_params() -> None:
    assert wire.encode_subscribe_params(A) == blob(1, A.raw)
    assert wire.decode_subscribe_params(blob(1, A.raw)) == SubscribeParams(A)


PROOF = SubscribeProof(
    server_key=B.raw, challenge=b"c" * 64, session=b"s" * 16, authority="host:443", mac=b"m" * 32
)
PROOF_BYTES = (
    integer(1, 1)
    + blob(2, B.raw)
    + blob(3, b"c" * 64)
    + blob(4, b"s" * 16)
    + text(5, "host:443")
    + blob(6, b"m" * 32)
)


def test_golden_bytes_of_subscribe_params_with_a_proof() -> None:
    data = blob(1, A.raw) + blob(100, PROOF_BYTES)
    assert wire.encode_subscribe_params(A, PROOF) == data
    assert wire.decode_subscribe_params(data) == SubscribeParams(A, PROOF)


def test_a_proof_is_read_as_it_stands_whatever_is_wrong_with_it() -> None:
    empty = SubscribeProof(version=0, server_key=b"", challenge=b"", session=b"", authority="", mac=b"")
    assert wire.decode_subscribe_params(blob(1, A.raw) + blob(100, b"")) == SubscribeParams(A, empty)


def test_golden_bytes_of_an_ack() -> None:
    ack = SubscribeAck(authenticated=True, token=b"t", token_expires_ms=5)
    data = blob(100, integer(1, 1) + blob(2, b"t") + integer(3, 5))
    assert wire.encode_ack(ack) == data
    assert wire.decode_ack(data) == ack


def test_an_ack_that_says_no_is_still_one() -> None:
    ack = SubscribeAck(authenticated=False, token=b"", token_expires_ms=0)
    assert wire.encode_ack(ack) == blob(100, b"")
    assert wire.decode_ack(blob(100, b"")) == ack


@pytest.mark.parametrize("data", [b"", blob(1, A.raw) + blob(2, B.raw)])
def test_an_envelope_without_an_ack_has_none(data: bytes) -> None:
    assert wire.decode_ack(data) is None


def test_a_token_of_more_than_a_kibibyte_is_refused() -> None:
    assert wire.decode_ack(blob(100, blob(2, bytes(1024)))) is not None
    with pytest.raises(wire.WireError, match="token"):
        wire.decode_ack(blob(100, blob(2, bytes(1025))))


def test_golden_bytes_of_what_is_asked_for_a_key() -> None:
    for encode, decode in (
        (wire.encode_challenge_params, wire.decode_challenge_params),
        (wire.encode_relays_params, wire.decode_relays_params),
    ):
        assert encode(A) == blob(1, A.raw)
        assert decode(blob(1, A.raw)) == A
        with pytest.raises(wire.WireError, match="key"):
            decode(blob(1, bytes(32)))


def test_golden_bytes_of_a_challenge() -> None:
    challenge = Challenge(server_key=B, challenge=b"c" * 64, ttl_ms=30_000)
    data = blob(1, B.raw) + blob(2, b"c" * 64) + integer(3, 30_000)
    assert wire.encode_challenge(challenge) == data
    assert wire.decode_challenge(data) == challenge


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (blob(1, bytes(32)) + blob(2, bytes(64)), "key"),
        (blob(1, B.raw) + blob(2, bytes(63)), "challenge"),
        (blob(1, B.raw) + blob(2, bytes(65)), "challenge"),
        (b"", "challenge"),
    ],
)
def test_a_challenge_that_cannot_be_answered_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(wire.WireError, match=reason):
        wire.decode_challenge(data)


def test_golden_bytes_of_build_info() -> None:
    info = BuildInfo("v", 7, "c", "t", "b", "by", "os", "arch", dirty=True)
    expected = (
        text(1, "v")
        + blob(2, integer(1, 7))
        + text(3, "c")
        + text(4, "t")
        + text(5, "b")
        + text(6, "by")
        + text(7, "os")
        + text(8, "arch")
        + integer(9, 1)
    )
    assert wire.encode_build_info(info) == expected
    assert wire.decode_build_info(expected) == info


def test_an_unknown_build_date_is_left_out() -> None:
    assert wire.encode_build_info(BuildInfo("v")) == text(1, "v")


def test_golden_bytes_of_relays() -> None:
    relays = (RelayInfo("turn:a", "user", "secret", 9), RelayInfo("turn:b"))
    expected = blob(1, text(1, "turn:a") + text(2, "user") + text(3, "secret") + blob(4, integer(1, 9)))
    expected += blob(1, text(1, "turn:b"))
    assert wire.encode_relays(relays) == expected
    assert wire.decode_relays(expected) == relays
    assert "secret" not in repr(relays)


def test_a_peer_that_skips_unknown_fields_reads_the_shared_ones() -> None:
    message = Message(credentials=Credentials("ufra", "p" * 22), session=SESSION)
    assert unpadded(message).startswith(blob(1, text(1, "ufra") + text(2, "p" * 22)))


@given(st.integers(0, 3000))
@example(0)
@example(128)
def test_every_message_is_padded_to_the_next_step_that_can_be_reached(size: int) -> None:
    message = Message(pske=PresharedKeyEstablishment(bytes(size)))
    data = wire.encode_message(message)
    assert len(data) % wire.PADDING_STEP == 0
    assert len(data) < size + 20 + 2 * wire.PADDING_STEP
    assert wire.decode_message(data) == message


@pytest.mark.parametrize(("size", "missing"), [(249, 1), (248, 2), (121, 131)])
def test_where_padding_cannot_fill_the_step_the_message_takes_the_next_one(size: int, missing: int) -> None:
    message = Message(pske=PresharedKeyEstablishment(bytes(size)))
    assert len(unpadded(message)) == wire.PADDING_STEP - missing
    data = wire.encode_message(message)
    assert len(data) == 2 * wire.PADDING_STEP
    assert wire.decode_message(data) == message


candidates = st.builds(
    lambda kind, ipv6, tcp, address, port, priority, foundation, component, tcp_type, relay, related: (
        Candidate(
            type=kind,
            network=NetworkType(1 + ipv6 + 2 * tcp),
            address=str(address[ipv6]),
            port=port,
            priority=priority,
            foundation=foundation,
            component=component,
            tcp_type=tcp_type,
            relay_protocol=relay,
            related=related,
        )
    ),
    st.sampled_from(CandidateType),
    st.booleans(),
    st.booleans(),
    st.tuples(st.ip_addresses(v=4), st.ip_addresses(v=6)),
    st.integers(1, 65535),
    st.integers(0, 2**32 - 1),
    st.text(max_size=8),
    st.integers(1, 256),
    st.sampled_from(TCPType),
    st.sampled_from(RelayProtocol),
    st.none() | st.tuples(st.ip_addresses().map(str), st.integers(0, 65535)),
)
ice_chars = st.sampled_from("abcXYZ019+/")
credentials = st.builds(
    Credentials, st.text(ice_chars, min_size=4, max_size=256), st.text(ice_chars, min_size=22), st.booleans()
)
sessions = st.builds(
    SessionDescription,
    sender=st.just(A),
    recipient=st.just(B),
    session_id=st.integers(1, 2**64 - 1),
    peer_session_id=st.integers(0, 2**64 - 1),
    candidates=st.lists(candidates, max_size=4).map(tuple),
    end_of_candidates=st.booleans(),
    revision=st.integers(1, 2**32 - 1),
    peer_revision=st.integers(0, 2**32 - 1),
    wants_answer=st.booleans(),
)
peers = st.builds(
    PeerDescription,
    change=st.sampled_from(PeerChange),
    name=st.text(max_size=9),
    public_key=st.binary(max_size=9),
    public_key_new=st.binary(max_size=9),
    allowed_ips=st.lists(st.text(max_size=9), max_size=3).map(tuple),
    build_info=st.none() | st.builds(BuildInfo, version=st.text(max_size=9), date=st.integers(0, 2**31 - 1)),
    hosts=st.dictionaries(
        st.text(max_size=9), st.lists(st.binary(max_size=16), max_size=3).map(tuple), max_size=3
    ),
)
messages = st.builds(
    Message,
    credentials=st.none() | credentials,
    candidate=st.none() | candidates,
    peer=st.none() | peers,
    pske=st.none() | st.builds(PresharedKeyEstablishment, st.binary(), st.binary()),
    session=st.none() | sessions,
)


@given(messages)
def test_every_message_is_read_as_it_was_written(message: Message) -> None:
    assert wire.decode_message(wire.encode_message(message)) == message


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


def test_keys_of_other_peers_do_not_change_the_bytes() -> None:
    other = PrivateKey(bytes(31) + b"\1").public
    assert wire.encode_subscribe_params(other) == blob(1, other.raw)
