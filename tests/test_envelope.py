import os

import nacl.bindings
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.test_keys import ALICE, BOB
from warren import wire
from warren.envelope import MAX_ENVELOPE, Envelope, EnvelopeError, Sealer
from warren.keys import PrivateKey
from warren.messages import Credentials, Message, PresharedKeyEstablishment, SessionDescription

# The box of the NaCl distribution's tests (tests/box.c), with the keys of RFC 7748.
NONCE = bytes.fromhex("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37")
PLAINTEXT = bytes.fromhex(
    "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c6129"
    "6cdc3c01233561f41db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde"
    "048977eb48f59ffd4924ca1c60902e52f0a089bc76897040e082f937763848645e0705"
)
BOX = bytes.fromhex(
    "f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186a"
    "c0dfc17c98dce87b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae"
    "90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74"
    "e355a5"
)

MESSAGE = Message(
    credentials=Credentials("ufrag", "p" * 32),
    session=SessionDescription(sender=ALICE.public, recipient=BOB.public, session_id=1),
)


def alice() -> Sealer:
    return Sealer(ALICE, random_bytes=os.urandom)


def bob() -> Sealer:
    return Sealer(BOB, random_bytes=os.urandom)


def reason(envelope: Envelope) -> str:
    with pytest.raises(EnvelopeError) as caught:
        bob().open(envelope)
    return caught.value.reason


def test_the_published_nacl_box_is_opened_and_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "encode_message", lambda _: PLAINTEXT)
    sealer = Sealer(ALICE, random_bytes=lambda _: NONCE)
    assert sealer.seal(BOB.public, MESSAGE).body == BOX
    monkeypatch.setattr(wire, "decode_message", lambda data: Message(pske=PresharedKeyEstablishment(data)))
    opened = bob().open(Envelope(ALICE.public, BOB.public, BOX, NONCE))
    assert opened.pske == PresharedKeyEstablishment(PLAINTEXT)


def test_what_is_sealed_can_be_opened_by_its_recipient() -> None:
    envelope = Envelope.parse(alice().seal(BOB.public, MESSAGE).serialize())
    assert (envelope.sender, envelope.recipient) == (ALICE.public, BOB.public)
    assert bob().open(envelope) == MESSAGE


def test_no_two_seals_are_alike() -> None:
    sealer = alice()
    assert sealer.seal(BOB.public, MESSAGE) != sealer.seal(BOB.public, MESSAGE)


def test_an_envelope_for_somebody_else_is_not_opened() -> None:
    other = PrivateKey.generate().public
    assert reason(alice().seal(other, MESSAGE)) == "not-for-us"


def test_our_own_words_are_not_taken_for_the_peers() -> None:
    envelope = bob().seal(ALICE.public, Message())
    turned = Envelope(ALICE.public, BOB.public, envelope.body, envelope.nonce)
    # The box itself opens on both sides: without a description inside, only its sender could tell.
    assert bob().open(turned) == Message()
    assert reason(Envelope(BOB.public, BOB.public, envelope.body, envelope.nonce)) == "reflected"


def test_a_description_sent_back_to_its_sender_is_misdirected() -> None:
    envelope = alice().seal(BOB.public, MESSAGE)
    with pytest.raises(EnvelopeError, match="misdirected"):
        alice().open(Envelope(BOB.public, ALICE.public, envelope.body, envelope.nonce))


def test_a_description_for_somebody_else_inside_is_misdirected() -> None:
    third = PrivateKey.generate().public
    inside = SessionDescription(sender=ALICE.public, recipient=third, session_id=1)
    assert reason(alice().seal(BOB.public, Message(session=inside))) == "misdirected"


def test_a_false_sender_does_not_open() -> None:
    envelope = alice().seal(BOB.public, MESSAGE)
    third = PrivateKey.generate().public
    assert reason(Envelope(third, BOB.public, envelope.body, envelope.nonce)) == "seal"


def test_a_body_too_short_for_a_box_does_not_open() -> None:
    assert reason(Envelope(ALICE.public, BOB.public, b"short", bytes(24))) == "seal"


def test_nonsense_under_a_right_seal_is_a_malformed_message() -> None:
    shared = nacl.bindings.crypto_box_beforenm(BOB.public.raw, ALICE.raw)
    body = nacl.bindings.crypto_box_afternm(b"\xff", NONCE, shared)
    assert reason(Envelope(ALICE.public, BOB.public, body, NONCE)) == "message"


def test_a_message_too_large_for_an_envelope_is_refused() -> None:
    with pytest.raises(EnvelopeError, match="oversized"):
        alice().seal(BOB.public, Message(pske=PresharedKeyEstablishment(bytes(MAX_ENVELOPE))))


def test_the_largest_message_fits_an_envelope() -> None:
    size = MAX_ENVELOPE - 512 - 20
    data = alice().seal(BOB.public, Message(pske=PresharedKeyEstablishment(bytes(size)))).serialize()
    assert len(data) <= MAX_ENVELOPE
    Envelope.parse(data)


GOOD = alice().seal(BOB.public, MESSAGE).serialize()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (bytes(MAX_ENVELOPE + 1), "oversized"),
        (b"\xff", "malformed"),
        (b"", "nonce"),
        (wire.encode_envelope(ALICE.public.raw, BOB.public.raw, b"", bytes(23)), "nonce"),
        (wire.encode_envelope(bytes(32), BOB.public.raw, b"", bytes(24)), "key"),
        (wire.encode_envelope(ALICE.public.raw, BOB.public.raw[:31] + b"\xff", b"", bytes(24)), "key"),
        (wire.encode_envelope(b"short", BOB.public.raw, b"", bytes(24)), "key"),
    ],
)
def test_bytes_that_are_no_envelope_are_refused_for_a_reason(data: bytes, says: str) -> None:
    with pytest.raises(EnvelopeError) as caught:
        Envelope.parse(data)
    assert caught.value.reason == says


def test_every_cut_and_every_flipped_bit_ends_in_a_documented_reason() -> None:
    opener = bob()
    reasons = set()
    damaged = [GOOD[:length] for length in range(len(GOOD))]
    damaged += [
        bytes((*GOOD[:at], GOOD[at] ^ 1 << bit, *GOOD[at + 1 :]))
        for at in range(len(GOOD))
        for bit in (0, 3, 7)
    ]
    for data in damaged:
        try:
            opener.open(Envelope.parse(data))
        except EnvelopeError as error:
            reasons.add(error.reason)
        else:
            reasons.add("opened")
    assert reasons <= {"malformed", "nonce", "key", "not-for-us", "seal"}
    assert {"malformed", "seal", "not-for-us"} <= reasons


@given(st.binary(max_size=200))
def test_any_bytes_are_an_envelope_or_refused(data: bytes) -> None:
    try:
        envelope = Envelope.parse(data)
    except EnvelopeError:
        return
    assert Envelope.parse(envelope.serialize()) == envelope


def test_the_sealer_knows_whom_it_has_a_shared_key_with() -> None:
    sealer = alice()
    assert not sealer.knows(BOB.public)
    sealer.seal(BOB.public, MESSAGE)
    assert sealer.knows(BOB.public)


def test_the_least_used_shared_key_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warren.envelope.SHARED_KEYS", 2)
    sealer = alice()
    first, second, third = (PrivateKey.generate().public for _ in range(3))
    for peer in (first, second, first, third):
        sealer.seal(peer, Message())
    assert [sealer.knows(peer) for peer in (first, second, third)] == [True, False, True]


def test_sealed_bytes_do_not_show_in_a_repr() -> None:
    envelope = alice().seal(BOB.public, MESSAGE)
    assert repr(envelope.body)[2:10] not in repr(envelope)
