import asyncio
import datetime
import hashlib
import ipaddress
import ssl
import warnings
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from warren.errors import ConfigurationError, SignalingError
from warren.signaling.trust import fetch_certificate, fingerprint, name_to_expect, system_roots


def certificate(common: str | None, *names: x509.GeneralName) -> bytes:
    """Make a self-signed certificate in DER."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)] if common else [])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def dns(name: str) -> x509.GeneralName:
    return x509.DNSName(name)


def ip(address: str) -> x509.GeneralName:
    return x509.IPAddress(ipaddress.ip_address(address))


# What the system trusts


def test_systems_certificates_are_found_in_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pem = trustme.CA().cert_pem.bytes()
    (tmp_path / "ca.pem").write_bytes(pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    assert system_roots().split() == pem.split()


def test_systems_certificates_are_found_in_its_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pem = trustme.CA().cert_pem.bytes()
    (tmp_path / "0123abcd.0").write_bytes(pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert system_roots() == pem


def test_system_that_trusts_nobody_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    with pytest.raises(ConfigurationError, match="install ca-certificates"):
        system_roots()
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    with pytest.raises(ConfigurationError, match="install ca-certificates"):
        system_roots()


# Names of a pinned certificate


@pytest.mark.parametrize(
    ("der", "host"),
    [
        (certificate("x", dns("other"), dns("Host.example")), "host.example"),
        (certificate("x", dns("*.example.org")), "host.example.org"),
        (certificate("x", ip("192.0.2.1")), "192.0.2.1"),
        (certificate("x", ip("2001:db8::1")), "2001:db8::1"),
        (certificate("host.example"), "host.example"),
    ],
)
def test_certificate_for_the_host_is_checked_for_it(der: bytes, host: str) -> None:
    assert name_to_expect(der, host) is None


@pytest.mark.parametrize(
    ("der", "host", "name"),
    [
        (certificate("x", dns("signal.example")), "localhost", "signal.example"),
        (certificate("x", dns("*.example.org")), "a.b.example.org", "any.example.org"),
        (certificate("x", dns("*.example.org")), "example.org", "any.example.org"),
        (certificate("x", ip("192.0.2.1")), "192.0.2.2", "192.0.2.1"),
        (certificate("signal"), "localhost", "signal"),
        (certificate("localhost", dns("signal")), "localhost", "signal"),
    ],
)
def test_certificate_for_another_host_is_checked_for_a_name_of_its_own(
    der: bytes, host: str, name: str
) -> None:
    assert name_to_expect(der, host) == name


def test_certificate_without_a_name_is_refused() -> None:
    with pytest.raises(SignalingError, match="has no name"):
        name_to_expect(certificate(None), "host")


def test_bytes_that_are_no_certificate_are_refused() -> None:
    with pytest.raises(SignalingError, match="cannot be read"):
        name_to_expect(b"hello", "host")


# Fetching


def test_fingerprint_is_the_sha256_of_the_certificate() -> None:
    der = certificate("x")
    assert fingerprint(der) == hashlib.sha256(der).digest()


async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve a connection that says nothing."""
    await reader.read()
    writer.close()


async def test_certificate_is_fetched_from_a_server_that_nobody_trusts() -> None:
    leaf = trustme.CA().issue_cert("other.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    async with await asyncio.start_server(swallow, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        fetched = await fetch_certificate("127.0.0.1", port)
    assert fetched == ssl.PEM_cert_to_DER_cert(leaf.cert_chain_pems[0].bytes().decode())


async def test_server_below_tls_1_2_is_not_spoken_to() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Old versions are what is wanted here.
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with await asyncio.start_server(swallow, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(OSError):  # noqa: PT011  # which one depends on who closes first
            await fetch_certificate("127.0.0.1", port)
