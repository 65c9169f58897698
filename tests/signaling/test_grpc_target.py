from pathlib import Path

import pytest
import trustme

from warren.errors import ConfigurationError
from warren.signaling.grpc_target import GrpcTarget
from warren.signaling.url import BackendUrl

DIGITS = "0123456789abcdef" * 4


def parse(text: str) -> GrpcTarget:
    return GrpcTarget.parse(BackendUrl.parse(text))


def test_tls_is_the_default() -> None:
    assert parse("grpc://host:443") == GrpcTarget(host="host", port=443)


def test_plaintext_is_asked_for_by_name() -> None:
    assert parse("grpc://host:80?insecure=true").insecure


def test_authority_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    pem = trustme.CA().cert_pem.bytes()
    file.write_bytes(pem)
    assert parse(f"grpc://host:443?ca={file}").roots == pem


@pytest.mark.parametrize(
    "text", [f"sha256:{DIGITS}", "SHA256:" + ":".join([DIGITS.upper()[i : i + 2] for i in range(0, 64, 2)])]
)
def test_pin_is_read_as_hex_with_or_without_colons(text: str) -> None:
    assert parse(f"grpc://host:443?pin={text}").pin == bytes.fromhex(DIGITS)


@pytest.mark.parametrize("text", ["", DIGITS, f"sha1:{DIGITS}", f"sha256:{DIGITS}0", "sha256:xyz", "sha256:"])
def test_malformed_pin_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"\?pin= must be sha256: and 64 hexadecimal digits"):
        parse(f"grpc://host:443?pin={text}")


@pytest.mark.parametrize("option", ["skip_verify", "skip_verify=true", "skip_verify=false"])
def test_skip_verify_is_refused_with_a_hint_at_pin(option: str) -> None:
    with pytest.raises(ConfigurationError, match=r"skip_verify would trust anybody.*\?pin=sha256:HEX"):
        parse(f"grpc://host:443?{option}")


def test_unknown_option_is_refused_by_name() -> None:
    with pytest.raises(
        ConfigurationError, match=r"unknown option 'tls'; grpc knows \?insecure=, \?ca=, \?pin="
    ):
        parse("grpc://host:443?tls=1")


def test_contradicting_options_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="only one of"):
        parse(f"grpc://host:443?insecure=true&pin=sha256:{DIGITS}")


def test_missing_file_is_told_with_its_name() -> None:
    with pytest.raises(ConfigurationError, match=r"cannot use \?ca=/no/such/file: No such file or directory"):
        parse("grpc://host:443?ca=/no/such/file")


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\xff\xfe", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_file_without_certificates_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match="it holds no certificate in PEM"):
        parse(f"grpc://host:443?ca={file}")


def test_addresses_are_written_as_urls_write_them() -> None:
    assert str(parse("grpc://[2001:db8::1]:443")) == "grpc://[2001:db8::1]:443"
    assert parse("grpc://host:443").address == "host:443"


def test_user_in_the_url_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="do not belong there"):
        parse("grpc://user:password@host:443")
