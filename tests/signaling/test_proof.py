import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.keys import PrivateKey, PublicKey
from warren.messages import Challenge, SubscribeProof
from warren.signaling.carrier import Identity
from warren.signaling.proof import derive_key, prove, sign, told_at

# The test vector of the specification.
CLIENT = Identity(PrivateKey(bytes(range(0x01, 0x21))))
SERVER = Identity(PrivateKey(bytes(range(0x21, 0x41))))
AUTHORITY = "signal.example.org:443"
SESSION = bytes([0x22]) * 16
CHALLENGE = Challenge(
    server_key=SERVER.public,
    challenge=bytes.fromhex(
        "000001a3185c5000" + "11" * 24 + "5d40bae77ccab7c40ceb9a22b9881e8295f5de72f0f8947cb609fc86b609f539"
    ),
)
KEY = bytes.fromhex("6d0d3433bd1734738b4be682c00f32cb82f67176147dc1ddc3ad602749a1050d")
MAC = bytes.fromhex("a4b0273f0ee9123fd99efb851ff9dd93e0f40c23d2d278b4ac0e43f189912e38")


def test_the_public_keys_are_those_of_the_vector() -> None:
    assert CLIENT.public.raw.hex() == "07a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c"
    assert SERVER.public.raw.hex() == "5869aff450549732cbaaed5e5df9b30a6da31cb0e5742bad5ad4a1a768f1a67b"


def test_the_key_of_a_proof_is_that_of_the_vector_on_both_sides() -> None:
    assert derive_key(CLIENT.agree(SERVER.public), CLIENT.public, SERVER.public) == KEY
    assert derive_key(SERVER.agree(CLIENT.public), CLIENT.public, SERVER.public) == KEY


def test_a_proof_is_that_of_the_vector() -> None:
    assert prove(CLIENT, CHALLENGE, authority=AUTHORITY, session=SESSION) == SubscribeProof(
        version=1,
        server_key=SERVER.public.raw,
        challenge=CHALLENGE.challenge,
        session=SESSION,
        authority=AUTHORITY,
        mac=MAC,
    )


def test_the_authority_is_written_in_lower_case() -> None:
    proof = prove(CLIENT, CHALLENGE, authority="Signal.Example.ORG:443", session=SESSION)
    assert (proof.authority, proof.mac) == (AUTHORITY, MAC)


def test_the_time_of_a_challenge_is_the_servers() -> None:
    assert told_at(CHALLENGE) == 1_800_000_000_000


def test_a_prover_needs_no_more_than_a_public_key_and_an_agreement() -> None:
    class Token:
        """A holder whose private key is elsewhere."""

        public = CLIENT.public

        def agree(self, server_key: PublicKey) -> bytes:
            return CLIENT.agree(server_key)

    assert prove(Token(), CHALLENGE, authority=AUTHORITY, session=SESSION).mac == MAC


@pytest.mark.parametrize(
    "changed",
    [
        {"client": SERVER.public},
        {"server": CLIENT.public},
        {"challenge": bytes(64)},
        {"session": bytes(16)},
        {"authority": "signal.example.org:444"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_the_mac_covers_all_that_is_said(changed: dict[str, object]) -> None:
    said: dict[str, object] = {
        "client": CLIENT.public,
        "server": SERVER.public,
        "challenge": CHALLENGE.challenge,
        "session": SESSION,
        "authority": AUTHORITY,
    }
    assert sign(KEY, **said) == MAC  # type: ignore[arg-type]  # a table of values of several types
    assert sign(KEY, **said | changed) != MAC  # type: ignore[arg-type]  # likewise


@given(st.text(st.characters(codec="utf-8"), max_size=20), st.text(st.characters(codec="utf-8"), max_size=20))
def test_two_authorities_have_two_macs(one: str, other: str) -> None:
    macs = [prove(CLIENT, CHALLENGE, authority=text, session=SESSION).mac for text in (one, other)]
    assert (macs[0] == macs[1]) == (one.lower() == other.lower())
