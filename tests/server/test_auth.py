from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.signaling.test_proof import AUTHORITY, CHALLENGE, CLIENT, MAC, SERVER, SESSION
from warren.keys import PrivateKey, PublicKey
from warren.messages import SubscribeProof
from warren.server.auth import TOKEN_LIFETIME, Authenticator, Fault, NotProven, key_pair
from warren.signaling.carrier import Identity
from warren.signaling.proof import prove

SECRET = b"\xaa" * 32
NOW = 1_800_000_000.0
OTHER = Identity(PrivateKey(bytes(31) + b"\1"))
PROOF = prove(CLIENT, CHALLENGE, authority=AUTHORITY, session=SESSION)


class CountingServer:
    """The server's key pair, which counts how often it agreed on something."""

    def __init__(self) -> None:
        self.public = SERVER.public
        self.agreed = 0

    def agree(self, key: PublicKey) -> bytes:
        self.agreed += 1
        return SERVER.agree(key)


def make(server: CountingServer | Identity = SERVER, *, secret: bytes = SECRET) -> Authenticator:
    """An authenticator that is called as in the vector and draws only ones."""
    return Authenticator(
        secret, server, is_own_name=AUTHORITY.__eq__, random_bytes=lambda size: b"\x11" * size
    )


def fault(call: Callable[[], object]) -> Fault:
    with pytest.raises(NotProven) as caught:
        call()
    assert str(caught.value) == caught.value.fault.value
    return caught.value.fault


def verify(proof: SubscribeProof | None, *, key: PublicKey = CLIENT.public, now: float = NOW) -> Fault:
    return fault(lambda: make().verify(key, proof, now))


def changed(**parts: object) -> SubscribeProof:
    """The proof of the vector with other parts."""
    return replace(PROOF, **parts)  # type: ignore[arg-type]  # parts of several types


def flip(data: bytes, at: int) -> bytes:
    flipped = bytearray(data)
    flipped[at] ^= 1
    return bytes(flipped)


# Proofs


def test_a_challenge_is_that_of_the_vector() -> None:
    assert make().challenge(CLIENT.public, NOW) == CHALLENGE


def test_a_challenge_is_good_for_30_seconds() -> None:
    assert CHALLENGE.ttl_ms == 30_000


def test_the_proof_of_the_vector_is_believed_and_names_its_session() -> None:
    assert PROOF.mac == MAC
    assert make().verify(CLIENT.public, PROOF, NOW) == SESSION


@pytest.mark.parametrize("age", [-5.0, 0.0, 30.0])
def test_a_challenge_is_taken_within_its_time(age: float) -> None:
    assert make().verify(CLIENT.public, PROOF, NOW + age) == SESSION


@pytest.mark.parametrize("age", [-5.001, 30.001, 3600.0, -3600.0])
def test_a_challenge_of_another_time_is_stale(age: float) -> None:
    assert verify(PROOF, now=NOW + age) is Fault.STALE


def test_without_a_proof_nothing_is_believed() -> None:
    assert verify(None) is Fault.MISSING


@pytest.mark.parametrize("version", [0, 2])
def test_another_version_is_not_known(version: int) -> None:
    assert verify(changed(version=version)) is Fault.VERSION


@pytest.mark.parametrize("size", [-1, 1])
@pytest.mark.parametrize("name", ["server_key", "challenge", "session", "mac"])
def test_a_part_of_another_length_is_malformed(name: str, size: int) -> None:
    value: bytes = getattr(PROOF, name)
    longer = value + bytes(size) if size > 0 else value[:size]
    assert verify(changed(**{name: longer})) is Fault.MALFORMED


@pytest.mark.parametrize("authority", ["", "a" * 262])
def test_an_authority_that_can_be_none_is_malformed(authority: str) -> None:
    assert verify(changed(authority=authority)) is Fault.MALFORMED


def test_a_challenge_for_another_key_is_none() -> None:
    proof = prove(OTHER, CHALLENGE, authority=AUTHORITY, session=SESSION)
    assert verify(proof, key=OTHER.public) is Fault.CHALLENGE


def test_a_challenge_under_another_secret_is_none() -> None:
    stranger = make(secret=bytes(32))
    assert fault(lambda: stranger.verify(CLIENT.public, PROOF, NOW)) is Fault.CHALLENGE


def test_a_server_that_shares_the_secret_takes_the_challenge_of_another() -> None:
    one, other = (Authenticator(SECRET, key_pair(SECRET), is_own_name=AUTHORITY.__eq__) for _ in range(2))
    challenge = one.challenge(CLIENT.public, NOW)
    proof = prove(CLIENT, challenge, authority=AUTHORITY, session=SESSION)
    assert other.verify(CLIENT.public, proof, NOW) == SESSION


def test_servers_of_two_secrets_have_two_keys() -> None:
    assert key_pair(SECRET).public != key_pair(bytes(32)).public


def test_two_challenges_are_different() -> None:
    drawing = Authenticator(SECRET, SERVER, is_own_name=AUTHORITY.__eq__)
    assert drawing.challenge(CLIENT.public, NOW) != drawing.challenge(CLIENT.public, NOW)


def test_a_proof_for_another_servers_key_is_refused() -> None:
    assert verify(changed(server_key=OTHER.public.raw)) is Fault.SERVER_KEY


def test_a_proof_that_names_another_server_is_refused() -> None:
    proof = prove(CLIENT, CHALLENGE, authority="evil.example.org:443", session=SESSION)
    assert verify(proof) is Fault.AUTHORITY


def test_a_proof_of_who_does_not_hold_the_key_is_refused() -> None:
    class Liar:
        """It says that it holds the key of another."""

        public = CLIENT.public
        agree = OTHER.agree

    proof = prove(Liar(), CHALLENGE, authority=AUTHORITY, session=SESSION)
    assert verify(proof) is Fault.MAC


def test_another_name_of_the_server_is_no_excuse_for_a_mac_over_the_first() -> None:
    trusting = Authenticator(SECRET, SERVER, is_own_name=lambda _: True)
    proof = changed(authority="signal.example.net:443")
    assert fault(lambda: trusting.verify(CLIENT.public, proof, NOW)) is Fault.MAC


@given(st.data())
def test_any_flipped_bit_of_a_proof_is_found(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["server_key", "challenge", "session", "mac"]))
    value: bytes = getattr(PROOF, name)
    flipped = bytearray(value)
    flipped[data.draw(st.integers(0, len(value) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    expected = {"server_key": Fault.SERVER_KEY, "challenge": Fault.CHALLENGE}.get(name, Fault.MAC)
    assert verify(changed(**{name: bytes(flipped)})) is expected


# What it costs


@pytest.mark.parametrize(
    ("proof", "key", "now"),
    [
        (changed(version=2), CLIENT.public, NOW),
        (changed(mac=b""), CLIENT.public, NOW),
        (changed(challenge=flip(PROOF.challenge, 40)), CLIENT.public, NOW),
        (PROOF, OTHER.public, NOW),
        (PROOF, CLIENT.public, NOW + 31),
        (changed(server_key=OTHER.public.raw), CLIENT.public, NOW),
        (changed(authority="evil.example.org:443"), CLIENT.public, NOW),
    ],
    ids=["version", "length", "challenge", "other key", "stale", "server key", "authority"],
)
def test_what_can_be_seen_without_a_diffie_hellman_costs_none(
    proof: SubscribeProof, key: PublicKey, now: float
) -> None:
    server = CountingServer()
    fault(lambda: make(server).verify(key, proof, now))
    assert server.agreed == 0


@pytest.mark.parametrize("mac", [MAC, bytes(32)], ids=["right", "wrong"])
def test_a_proof_that_may_be_right_costs_one_diffie_hellman(mac: bytes) -> None:
    server = CountingServer()
    try:
        make(server).verify(CLIENT.public, changed(mac=mac), NOW)
    except NotProven:
        assert mac != MAC
    assert server.agreed == 1


# Each thing that is wrong, in the order of the checks; made wrong together with all that come after it.
WRONG: list[tuple[Fault, dict[str, object]]] = [
    (Fault.VERSION, {"version": 7}),
    (Fault.MALFORMED, {"session": bytes(15)}),
    (Fault.CHALLENGE, {"challenge": flip(PROOF.challenge, 63)}),
    (Fault.SERVER_KEY, {"server_key": OTHER.public.raw}),
    (Fault.AUTHORITY, {"authority": "evil.example.org:443"}),
    (Fault.MAC, {"mac": bytes(32)}),
]


@pytest.mark.parametrize("first", range(len(WRONG)), ids=[wrong.name for wrong, _ in WRONG])
def test_the_first_of_many_faults_is_the_one_that_is_named(first: int) -> None:
    changes: dict[str, object] = {}
    for _, change in WRONG[first:]:
        changes |= change
    assert verify(changed(**changes)) is WRONG[first][0]


def test_a_stale_challenge_is_found_before_whose_key_it_is_for() -> None:
    assert verify(changed(server_key=OTHER.public.raw), now=NOW + 31) is Fault.STALE


def test_a_challenge_that_is_not_ours_is_not_asked_for_its_age() -> None:
    assert verify(changed(challenge=bytes(64))) is Fault.CHALLENGE


def test_what_happened_is_counted() -> None:
    authenticator = make()
    authenticator.verify(CLIENT.public, PROOF, NOW)
    fault(lambda: authenticator.verify(CLIENT.public, None, NOW))
    fault(lambda: authenticator.holder(None, NOW))
    assert authenticator.counts == {"proven": 1, "unproven-missing": 1, "unproven-token": 1}


# Tokens


def test_a_token_is_laid_out_as_it_should_be() -> None:
    ack = make().begin(CLIENT.public, SESSION, NOW)
    expires = int((NOW + 3600) * 1000)
    assert ack.token[:-32] == b"\x01" + CLIENT.public.raw + expires.to_bytes(8, "big") + SESSION
    assert (ack.authenticated, ack.token_expires_ms) == (True, expires)


def test_a_token_names_its_holder_for_an_hour() -> None:
    authenticator = make()
    token = authenticator.begin(CLIENT.public, SESSION, NOW).token
    assert authenticator.holder(token, NOW + TOKEN_LIFETIME - 0.001) == CLIENT.public
    assert fault(lambda: authenticator.holder(token, NOW + TOKEN_LIFETIME)) is Fault.EXPIRED


def test_a_token_ends_with_its_subscription() -> None:
    authenticator = make()
    token = authenticator.begin(CLIENT.public, SESSION, NOW).token
    authenticator.end(CLIENT.public, SESSION)
    assert fault(lambda: authenticator.holder(token, NOW)) is Fault.ENDED


def test_a_token_lives_on_with_another_subscription_of_its_session() -> None:
    authenticator = make()
    token = authenticator.begin(CLIENT.public, SESSION, NOW).token
    renewed = authenticator.begin(CLIENT.public, SESSION, NOW + 3000).token
    authenticator.end(CLIENT.public, SESSION)
    assert authenticator.holder(token, NOW + 3000) == CLIENT.public
    assert authenticator.holder(renewed, NOW + 6000) == CLIENT.public


def test_a_token_of_a_session_of_the_same_name_and_another_key_ends_with_its_own() -> None:
    authenticator = make()
    authenticator.begin(OTHER.public, SESSION, NOW)
    token = authenticator.begin(CLIENT.public, SESSION, NOW).token
    authenticator.end(CLIENT.public, SESSION)
    assert fault(lambda: authenticator.holder(token, NOW)) is Fault.ENDED


def test_a_token_of_a_server_with_another_secret_is_none() -> None:
    token = make(secret=bytes(32)).begin(CLIENT.public, SESSION, NOW).token
    authenticator = make()
    authenticator.begin(CLIENT.public, SESSION, NOW)
    assert fault(lambda: authenticator.holder(token, NOW)) is Fault.TOKEN


@pytest.mark.parametrize("token", [None, b"", b"\x01", bytes(89), bytes(10_000)])
def test_what_is_no_token_is_none(token: bytes | None) -> None:
    assert fault(lambda: make().holder(token, NOW)) is Fault.TOKEN


@given(st.integers(0, 88), st.integers(0, 7))
def test_any_flipped_bit_of_a_token_is_found(at: int, bit: int) -> None:
    authenticator = make()
    token = bytearray(authenticator.begin(CLIENT.public, SESSION, NOW).token)
    token[at] ^= 1 << bit
    assert fault(lambda: authenticator.holder(bytes(token), NOW)) is Fault.TOKEN


def test_a_token_is_not_good_for_another_key() -> None:
    authenticator = make()
    token = authenticator.begin(CLIENT.public, SESSION, NOW).token
    assert authenticator.holder(token, NOW, claimed=CLIENT.public) == CLIENT.public
    assert fault(lambda: authenticator.holder(token, NOW, claimed=OTHER.public)) is Fault.OTHER_KEY


def test_no_secret_shows_in_what_is_given() -> None:
    ack = make().begin(CLIENT.public, SESSION, NOW)
    assert repr(ack.token) not in repr(ack)
