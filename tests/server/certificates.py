"""Certificates for tests: an authority of our own, and files that a server can read."""

import datetime
import os
from pathlib import Path

import grpc
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from warren.server.tls import CertificateFiles

__all__ = ["issue", "self_signed", "trust", "write"]


def issue(authority: trustme.CA, folder: Path, *names: str) -> CertificateFiles:
    """Write a certificate and its key into the folder, in place of those that were there."""
    made = authority.issue_cert(*(names or ("localhost", "127.0.0.1")))
    chain = b"".join(blob.bytes() for blob in made.cert_chain_pems)
    return write(folder, chain, made.private_key_pem.bytes())


def self_signed(
    folder: Path,
    *,
    expires_in: datetime.timedelta = datetime.timedelta(days=1),
    curve: ec.EllipticCurve | None = None,
) -> CertificateFiles:
    """Write a certificate for which nobody vouches but itself."""
    key = ec.generate_private_key(curve or ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "warren test")])
    end = datetime.datetime.now(datetime.UTC) + expires_in
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(end - datetime.timedelta(days=30))
        .not_valid_after(end)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return write(folder, certificate.public_bytes(serialization.Encoding.PEM), pem)


def write(folder: Path, certificate: bytes, key: bytes) -> CertificateFiles:
    """Write the files as programs that renew certificates do: new ones take the place of the old."""
    files = CertificateFiles(folder / "cert.pem", folder / "key.pem")
    for path, data in ((files.certificate, certificate), (files.key, key)):
        new = path.with_suffix(".new")
        new.write_bytes(data)
        new.chmod(0o600)
        os.replace(new, path)
    return files


def trust(authority: trustme.CA) -> grpc.ChannelCredentials:
    """Make what a client needs to believe this authority."""
    return grpc.ssl_channel_credentials(authority.cert_pem.bytes())
