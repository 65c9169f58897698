import hmac

import pytest

from warren.ice.stun.integrity import Key, prepare_key

# RFC 2202, 3: test cases 1 to 7 for HMAC-SHA1.
RFC_2202 = [
    (b"\x0b" * 20, b"Hi There", "b617318655057264e28bc0b6fb378c8ef146be00"),
    (b"Jefe", b"what do ya want for nothing?", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
    (b"\xaa" * 20, b"\xdd" * 50, "125d7342b9ac11cd91a39af48aa17b4f63f175d3"),
    (bytes(range(1, 26)), b"\xcd" * 50, "4c9007f4026250c6bc8414f9bf50c86c2d7235da"),
    (b"\x0c" * 20, b"Test With Truncation", "4c1a03424b55e07fe7f27be1d58bb9324a9a5a04"),
    (
        b"\xaa" * 80,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "aa4ae5e15272d00e95705637ce8a3b55ed402112",
    ),
    (
        b"\xaa" * 80,
        b"Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data",
        "e8e99d0f45237d786d6bbaa7965c7808bbff1a91",
    ),
]


@pytest.mark.parametrize(("secret", "message", "expected"), RFC_2202)
def test_mac_is_that_of_the_published_vectors(secret: bytes, message: bytes, expected: str) -> None:
    assert Key(secret).mac(message).hex() == expected


@pytest.mark.parametrize("size", [0, 63, 64, 65])
def test_keys_around_the_block_size_are_as_hmac_wants_them(size: int) -> None:
    secret = bytes(range(size))
    assert Key(secret).mac(b"message") == hmac.digest(secret, b"message", "sha1")


def test_key_proves_any_number_of_messages() -> None:
    key = Key(b"secret")
    first = key.mac(b"one")
    key.mac(b"two")
    assert key.mac(b"one") == first
    assert len(first) == Key.size


def test_password_is_taken_as_utf8() -> None:
    assert prepare_key("pässword").mac(b"") == prepare_key("pässword".encode()).mac(b"")


def test_key_does_not_print_its_secret() -> None:
    assert "7365637265742121" not in repr(prepare_key("secret!!"))
    assert "secret!!" not in repr(prepare_key("secret!!"))
