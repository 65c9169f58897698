from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.errors import ConfigurationError
from warren.keys import KeyPair, PrivateKey, PublicKey, PublicKeyPair

PRIME = 2**255 - 19

# RFC 7748, 6.1.
ALICE = PrivateKey(bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"))
ALICE_PUBLIC = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
BOB = PrivateKey(bytes.fromhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"))
BOB_PUBLIC = "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
SHARED = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"


def little(value: int) -> bytes:
    return value.to_bytes(32, "little")


def test_public_keys_are_those_of_rfc_7748() -> None:
    assert ALICE.public.raw.hex() == ALICE_PUBLIC
    assert BOB.public.raw.hex() == BOB_PUBLIC


def test_both_sides_agree_on_the_secret_of_rfc_7748() -> None:
    assert ALICE.agree(BOB.public).hex() == SHARED
    assert BOB.agree(ALICE.public).hex() == SHARED


def test_keys_are_read_as_they_are_written() -> None:
    key = PrivateKey.generate()
    assert PrivateKey.parse(key.encode()) == key
    assert PublicKey.parse(str(key.public)) == key.public
    assert bytes(key.public) == key.public.raw


def test_generated_keys_are_clamped_and_differ() -> None:
    keys = [PrivateKey.generate() for _ in range(8)]
    assert len({key.raw for key in keys}) == 8
    assert all(key.raw[0] & 7 == 0 and key.raw[31] & 0xC0 == 0x40 for key in keys)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "32 bytes"),
        (bytes(31), "32 bytes"),
        (bytes(33), "32 bytes"),
        (little(9 | 1 << 255), "top bit"),
        (little(PRIME), "below"),
        (little(PRIME + 1), "below"),
        (little(2**255 - 1), "below"),
        (little(0), "low order"),
        (little(1), "low order"),
        (little(PRIME - 1), "low order"),
        (bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"), "low order"),
        (bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"), "low order"),
    ],
)
def test_a_key_that_is_not_canonical_or_of_low_order_is_refused(raw: bytes, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        PublicKey(raw)


def test_the_largest_canonical_keys_are_taken() -> None:
    assert PublicKey(little(PRIME - 2)).raw == little(PRIME - 2)


@pytest.mark.parametrize("text", ["", "A" * 44, "A" * 43, "ä" * 44, "AAAA\nAAA" + "A" * 36, " " * 44])
def test_text_that_is_no_key_is_refused_without_being_quoted(text: str) -> None:
    for parse in (PublicKey.parse, PrivateKey.parse):
        with pytest.raises(ValueError, match="base64") as caught:
            parse(text)
        assert not text or text not in str(caught.value)


def test_base64_with_stray_bits_is_refused() -> None:
    text = str(ALICE.public)
    stray = text[:-2] + chr(ord(text[-2]) + 1) + "="
    with pytest.raises(ValueError, match="base64"):
        PublicKey.parse(stray)


def test_public_keys_are_ordered_as_big_endian_bytes() -> None:
    low, high = PublicKey(bytes([1]) + bytes(30) + b"\1"), PublicKey(bytes([2]) + bytes(31))
    assert low < high
    assert max(low, high) == high
    assert low <= PublicKey(low.raw)
    assert {low, PublicKey(low.raw)} == {low}


def test_a_private_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        PrivateKey(bytes(31))


def test_a_private_key_does_not_show_in_its_repr() -> None:
    assert ALICE.encode() not in repr(ALICE)
    assert repr(ALICE.raw) not in repr(ALICE)
    assert repr(KeyPair(ALICE, None)).count(str(ALICE.public)) == 1


def test_a_public_key_can_be_read_off_its_repr() -> None:
    assert repr(ALICE.public) == f"PublicKey.parse('{ALICE.public}')"


def test_a_pair_without_its_secret_is_public() -> None:
    assert KeyPair(ALICE, BOB.public).public == PublicKeyPair(ALICE.public, BOB.public)


def test_a_key_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(ALICE.encode() + "\n")
    file.chmod(0o600)
    assert PrivateKey.load(file) == ALICE


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o610])
def test_a_key_file_that_others_can_touch_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "key"
    file.write_text(ALICE.encode())
    file.chmod(mode)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        PrivateKey.load(file)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff" * 44, b"A" * 5000])
def test_a_malformed_key_file_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "key"
    file.write_bytes(content)
    file.chmod(0o600)
    with pytest.raises(ConfigurationError, match=f"key file {file} holds no private key"):
        PrivateKey.load(file)


def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"there is no key file {tmp_path / 'none'}: make one with"):
        PrivateKey.load(tmp_path / "none")


@pytest.mark.parametrize(
    ("name", "why"), [(".", "Is a directory"), ("x" * 300, "File name too long")], ids=["folder", "long name"]
)
def test_a_key_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=f"cannot read key file .*: {why}; name a file that"):
        PrivateKey.load(tmp_path / name)


@given(st.binary(min_size=32, max_size=32))
def test_every_private_key_has_a_usable_public_key(raw: bytes) -> None:
    assert PublicKey.parse(str(PrivateKey(raw).public)) == PrivateKey(raw).public


@given(st.binary(max_size=40))
def test_any_bytes_are_a_public_key_or_refused(raw: bytes) -> None:
    try:
        key = PublicKey(raw)
    except ValueError:
        return
    assert key.raw == raw
