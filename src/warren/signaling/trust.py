"""Trust: the system's certificates, and servers that are trusted by their fingerprint."""

import asyncio
import hashlib
import ssl
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from warren.errors import ConfigurationError, SignalingError

__all__ = ["covers", "fetch_certificate", "fingerprint", "name_to_expect", "system_roots"]


def system_roots() -> bytes:
    """Collect what the system trusts, in PEM.

    Raises:
        ConfigurationError: it trusts nothing.
    """
    certificates = ssl.create_default_context().get_ca_certs(binary_form=True)
    pem = [ssl.DER_cert_to_PEM_cert(der) for der in certificates]
    if not pem:
        # OpenSSL reads a folder of certificates one by one as it needs them, so none is known yet.
        folder = ssl.get_default_verify_paths().capath
        files = sorted(Path(folder).glob("*.0")) if folder else []
        pem = [file.read_text("ascii", "ignore") for file in files]
    if not pem:
        raise ConfigurationError(
            "this system trusts no certificates: install ca-certificates, or name one by ?ca= or ?pin="
        )
    return "".join(pem).encode()


async def fetch_certificate(host: str, port: int) -> bytes:
    """Connect by TLS, trusting nobody and saying nothing, and return the server's certificate in DER.

    Raises:
        OSError: there is no TLS server.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
    try:
        certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    finally:
        writer.transport.abort()
    return bytes(certificate or b"")  # None is no pinned one either.


def fingerprint(certificate: bytes) -> bytes:
    """Compute the SHA-256 that `?pin=` names, of a certificate in DER."""
    return hashlib.sha256(certificate).digest()


def name_to_expect(certificate: bytes, host: str) -> str | None:
    """Say which of its names a pinned certificate is to be checked for; None: the host that was dialled.

    Raises:
        SignalingError: it has none, so that no TLS library would accept it.
    """
    try:
        names = _names(x509.load_der_x509_certificate(certificate))
    except ValueError as error:
        raise SignalingError(f"its certificate cannot be read: {error}") from None
    if any(covers(name, host) for name in names):
        return None
    if not names:
        raise SignalingError("its certificate has no name; make one with a subject alternative name")
    return names[0].replace("*", "any", 1)


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        san = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return [str(attribute.value) for attribute in common]
    addresses = [str(address) for address in san.get_values_for_type(x509.IPAddress)]
    return [*san.get_values_for_type(x509.DNSName), *addresses]


def covers(name: str, host: str) -> bool:
    """Say whether a name of a certificate, which may be a wildcard or an IP address, is that of this host."""
    try:
        return ip_address(name) == ip_address(host)
    except ValueError:
        # RFC 9525, 6.3: a wildcard stands for exactly the leftmost label.
        if name.startswith("*."):
            return host.partition(".")[2] == name[2:].lower()
        return host == name.lower()
