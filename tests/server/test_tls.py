import asyncio
import hashlib
import os
import socket
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization as s
from cryptography.hazmat.primitives.asymmetric import ec
from grpc import StatusCode

from tests.server.certificates import issue, self_signed, trust, write
from tests.server.client import Ending, connected
from tests.server.keys import envelope, key
from warren.errors import ConfigurationError
from warren.server.grpc import SignalServer, serve
from warren.server.tls import CertificateFiles


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@asynccontextmanager
async def serving(files: CertificateFiles) -> AsyncIterator[SignalServer]:
    async with serve("127.0.0.1:0", tls=files) as server:
        yield server


async def publishes(server: SignalServer, authority: trustme.CA) -> bool:
    """Whether a client that believes only this authority can use the server."""
    async with connected(server.address.port, credentials=trust(authority)) as client:
        answer = await client.publish(key(1))
        assert answer is None or (isinstance(answer, Ending) and answer.code is StatusCode.UNAVAILABLE)
        return answer is None


# What the files hold


def test_a_certificate_says_for_whom_and_how_long_it_is(authority: trustme.CA, tmp_path: Path) -> None:
    certificate = issue(authority, tmp_path, "signal.example.org", "192.0.2.7").load()
    assert certificate.names == ("signal.example.org", "192.0.2.7")
    assert not certificate.self_signed


def test_the_key_is_not_shown(authority: trustme.CA, tmp_path: Path) -> None:
    assert "PRIVATE KEY" not in repr(issue(authority, tmp_path).load())


def test_the_pin_of_a_self_signed_certificate_is_part_of_the_url(tmp_path: Path) -> None:
    files = self_signed(tmp_path)
    certificate = files.load()
    der = ssl.PEM_cert_to_DER_cert(files.certificate.read_text())
    assert certificate.self_signed
    assert certificate.fingerprint == f"sha256:{hashlib.sha256(der).hexdigest()}"


@pytest.mark.parametrize("missing", ["certificate", "key"])
def test_a_file_that_is_not_there_is_named(authority: trustme.CA, tmp_path: Path, missing: str) -> None:
    files = issue(authority, tmp_path)
    path: Path = getattr(files, missing)
    path.unlink()
    with pytest.raises(ConfigurationError, match=f"{path}: no such file"):
        files.load()


def test_a_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is a directory"):
        CertificateFiles(tmp_path, tmp_path).load()


def test_a_key_of_another_certificate_is_refused(authority: trustme.CA, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    files = CertificateFiles(issue(authority, tmp_path).certificate, issue(authority, tmp_path / "other").key)
    with pytest.raises(ConfigurationError, match="does not belong to the certificate"):
        files.load()


@pytest.mark.parametrize(
    "garbage", [b"", b"hello", b"-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----\n"]
)
def test_what_is_no_certificate_is_refused(authority: trustme.CA, tmp_path: Path, garbage: bytes) -> None:
    files = issue(authority, tmp_path)
    files.certificate.write_bytes(garbage)
    with pytest.raises(ConfigurationError, match="holds no certificate in PEM"):
        files.load()


def test_a_certificate_in_place_of_the_key_is_refused(authority: trustme.CA, tmp_path: Path) -> None:
    files = issue(authority, tmp_path)
    with pytest.raises(ConfigurationError, match="holds no private key in PEM"):
        CertificateFiles(files.certificate, files.certificate).load()


def test_a_key_with_a_password_is_refused(authority: trustme.CA, tmp_path: Path) -> None:
    files = issue(authority, tmp_path)
    private = s.load_pem_private_key(files.key.read_bytes(), None)
    files.key.write_bytes(
        private.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.BestAvailableEncryption(b"secret"))
    )
    with pytest.raises(ConfigurationError, match="is protected by a password"):
        files.load()


def test_a_kind_of_key_that_grpc_clients_do_not_know_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="use RSA, P-256 or P-384"):
        self_signed(tmp_path, curve=ec.SECP521R1()).load()


def test_an_rsa_key_will_do(tmp_path: Path) -> None:
    made = trustme.CA().issue_cert("localhost", key_type=trustme.KeyType.RSA)
    files = write(tmp_path, made.cert_chain_pems[0].bytes(), made.private_key_pem.bytes())
    assert files.load().names == ("localhost",)


def test_a_file_of_gigabytes_is_not_read(authority: trustme.CA, tmp_path: Path) -> None:
    files = issue(authority, tmp_path)
    os.truncate(files.key, 1 << 33)
    with pytest.raises(ConfigurationError, match="larger than a mebibyte"):
        files.load()


# Serving with them


async def test_a_client_that_knows_the_authority_is_served(authority: trustme.CA, tmp_path: Path) -> None:
    async with serving(issue(authority, tmp_path)) as server:
        assert server.url == f"grpc://127.0.0.1:{server.address.port}"
        assert await publishes(server, authority)


async def test_a_client_that_knows_another_authority_refuses(authority: trustme.CA, tmp_path: Path) -> None:
    async with serving(issue(authority, tmp_path)) as server:
        assert not await publishes(server, trustme.CA())


async def test_a_client_without_tls_gets_nowhere(authority: trustme.CA, tmp_path: Path) -> None:
    async with serving(issue(authority, tmp_path)) as server, connected(server.address.port) as client:
        answer = await client.publish(key(1))
        assert isinstance(answer, Ending)
        assert answer.code is StatusCode.UNAVAILABLE


async def test_the_url_of_a_self_signed_server_has_its_pin(tmp_path: Path) -> None:
    files = self_signed(tmp_path)
    async with serving(files) as server:
        assert server.url.endswith(f"?pin={files.load().fingerprint}")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_tls_1_2_and_1_3_are_spoken(
    authority: trustme.CA, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    async with serving(issue(authority, tmp_path)) as server:
        assert await handshake(server.address.port, version) == version.name.replace("_", ".")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
async def test_older_versions_are_refused(
    authority: trustme.CA, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    async with serving(issue(authority, tmp_path)) as server:
        with pytest.raises(OSError, match=r"(?i)protocol.version|reset|EOF"):
            await handshake(server.address.port, version)


async def handshake(port: int, version: ssl.TLSVersion) -> str | None:
    """Shake hands with exactly this version, with every cipher that OpenSSL has."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # That they are old is the point.
        context.minimum_version = context.maximum_version = version

    def shake() -> str | None:
        with socket.create_connection(("127.0.0.1", port), 10) as plain, context.wrap_socket(plain) as safe:
            return safe.version()

    return await asyncio.to_thread(shake)


# When the files change


async def test_a_renewed_certificate_is_shown_to_the_next_client(
    authority: trustme.CA, tmp_path: Path
) -> None:
    async with serving(issue(authority, tmp_path)) as server:
        assert await publishes(server, authority)
        other = trustme.CA()
        issue(other, tmp_path)
        assert (await publishes(server, other), await publishes(server, authority)) == (True, False)


async def test_a_connection_outlives_the_certificate_it_was_made_with(
    authority: trustme.CA, tmp_path: Path
) -> None:
    async with (
        serving(issue(authority, tmp_path)) as server,
        connected(server.address.port, credentials=trust(authority)) as client,
    ):
        stream = await client.subscribe(key(1))
        issue(trustme.CA(), tmp_path)
        await client.publish(key(1))
        assert await stream.read() == envelope(key(1))


async def test_files_that_do_not_fit_together_change_nothing_and_are_logged_once(
    authority: trustme.CA, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = issue(authority, tmp_path)
    async with serving(files) as server:
        old_key = files.key.read_bytes()
        other = trustme.CA()
        files = issue(other, tmp_path)
        new_key = files.key.read_bytes()
        write(tmp_path, files.certificate.read_bytes(), old_key)  # Half of the renewal is done.
        assert await publishes(server, authority)
        assert await publishes(server, authority)
        errors = [record for record in caplog.records if record.name.startswith("warren")]
        assert len(errors) == 1
        assert "the one before stays in use" in errors[0].getMessage()
        write(tmp_path, files.certificate.read_bytes(), new_key)
        assert await publishes(server, other)


async def test_files_that_vanish_change_nothing(authority: trustme.CA, tmp_path: Path) -> None:
    files = issue(authority, tmp_path)
    async with serving(files) as server:
        files.key.unlink()
        assert await publishes(server, authority)


# Warnings


async def test_an_expired_certificate_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(self_signed(tmp_path, expires_in=timedelta(days=-1))):
        assert "has expired" in caplog.text


async def test_a_key_that_everybody_can_read_is_told(
    authority: trustme.CA, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = issue(authority, tmp_path)
    files.key.chmod(0o644)
    async with serving(files):
        assert "everybody on this machine can read the TLS key" in caplog.text
