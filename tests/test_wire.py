"""Every message has the bytes that are written out here, is padded, and is read as it was written."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.golden import CANDIDATE, CANDIDATE_BYTES, SESSION, SESSION_BYTES, A, B, blob, integer, text
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


def unpadded(message: Message) -> bytes:
    """What is encoded before the padding: field 101 is the last, its tag is aa 06."""
    data = wire.encode_message(message)
    body, _, padding = data.rpartition(bytes.fromhex("aa06"))
    assert set(padding[2:]) <= {0}
    return body


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


def test_keys_of_other_peers_do_not_change_the_bytes() -> None:
    other = PrivateKey(bytes(31) + b"\1").public
    assert wire.encode_subscribe_params(other) == blob(1, other.raw)
