"""The certificate and key files of a server: read, held against each other, read again when they change."""

import logging
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

import grpc
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from warren.errors import ConfigurationError

__all__ = ["Certificate", "CertificateFiles", "server_credentials"]

T = TypeVar("T")

_log: Final = logging.getLogger(__name__)
_MAX_SIZE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate chain with its private key, both PEM, found to belong together."""

    chain: bytes = field(repr=False)
    key: bytes = field(repr=False)
    names: tuple[str, ...]
    """The host names and addresses that it is for."""
    fingerprint: str
    """What a client gives as `?pin=`: sha256:HEX of the certificate in DER."""
    self_signed: bool
    expires: datetime


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Where the PEM files are."""

    certificate: Path
    key: Path

    def load(self) -> Certificate:
        """Read and check both.

        Raises:
            ConfigurationError: one cannot be read or is malformed, or they do not belong together.
        """
        chain, key = _read(self.certificate, "certificate"), _read(self.key, "key")
        first = _parse(lambda: x509.load_pem_x509_certificates(chain)[0], self.certificate, "certificate")
        private = _parse(
            lambda: serialization.load_pem_private_key(key, password=None), self.key, "private key"
        )
        if _public_bytes(private.public_key()) != _public_bytes(first.public_key()):
            raise ConfigurationError(
                f"the TLS key {self.key} does not belong to the certificate {self.certificate}; "
                "the file of a chain begins with the server's own certificate"
            )
        if not _usable(private):
            raise ConfigurationError(
                f"the TLS key {self.key} is of a kind that gRPC clients do not know; use RSA, P-256 or P-384"
            )
        return Certificate(
            chain=chain,
            key=key,
            names=_names(first),
            fingerprint=f"sha256:{first.fingerprint(hashes.SHA256()).hex()}",
            self_signed=first.issuer == first.subject,
            expires=first.not_valid_after_utc,
        )

    def stamp(self) -> tuple[object, ...]:
        """Tell one version of the files from another.

        Raises:
            OSError: one of them is not there.
        """
        both = self.certificate.stat(), self.key.stat()
        return tuple((file.st_ino, file.st_size, file.st_mtime_ns) for file in both)


def server_credentials(
    files: CertificateFiles, loaded: Callable[[Certificate], None] | None = None
) -> tuple[grpc.ServerCredentials, Certificate]:
    """Make credentials that follow the files: each TLS handshake uses the newest pair that fits together.

    gRPC's own minimum for a server is TLS 1.2 with forward secrecy.

    Args:
        loaded: told of each certificate that takes another's place, in a thread of gRPC.

    Raises:
        ConfigurationError: the files cannot be used now. Later they may be wrong for a while: the last good
            pair stays, and the log says so.
    """
    stamp = files.stamp() if files.certificate.exists() and files.key.exists() else ()
    certificate = files.load()
    _warn(files, certificate)
    follower = _Follower(files, stamp, loaded)
    fetch = follower.fetch
    credentials = grpc.dynamic_ssl_server_credentials(_configuration(certificate), fetch)  # type: ignore[arg-type]  # the stub does not know that None means "unchanged"
    return credentials, certificate


class _Follower:
    """Looks at the files at every handshake; two calls of stat cost nothing beside one."""

    def __init__(
        self,
        files: CertificateFiles,
        stamp: tuple[object, ...],
        loaded: Callable[[Certificate], None] | None,
    ) -> None:
        self._files = files
        self._loaded = loaded
        self._stamp = stamp

    def fetch(self) -> grpc.ServerCertificateConfiguration | None:
        # Called in a thread of gRPC, which must never see an exception.
        try:
            stamp = self._files.stamp()
            if stamp == self._stamp:
                return None
            self._stamp = stamp
            certificate = self._files.load()
        except (OSError, ConfigurationError) as error:
            _log.error("the TLS certificate was not loaded again, the one before stays in use: %s", error)
            return None
        _warn(self._files, certificate)
        if self._loaded is not None:
            self._loaded(certificate)
        _log.info("loaded the TLS certificate again: %s", certificate.fingerprint)
        return _configuration(certificate)


def _configuration(certificate: Certificate) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(certificate.key, certificate.chain)])


def _warn(files: CertificateFiles, certificate: Certificate) -> None:
    if certificate.expires <= datetime.now(UTC):
        _log.warning(
            "the certificate %s has expired (%s); clients will refuse it",
            files.certificate,
            certificate.expires,
        )
    if files.key.stat().st_mode & stat.S_IROTH:
        _log.warning("everybody on this machine can read the TLS key %s: chmod o-r it", files.key)


def _read(path: Path, what: str) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_SIZE + 1)
    except OSError as error:
        raise ConfigurationError(
            f"cannot read the TLS {what} file {path}: {(error.strerror or str(error)).lower()}"
        ) from None
    if len(data) > _MAX_SIZE:
        raise ConfigurationError(f"the TLS {what} file {path} is larger than a mebibyte: that is not it")
    return data


def _parse(parse: Callable[[], T], path: Path, what: str) -> T:
    try:
        return parse()
    except TypeError:  # What cryptography says when a password is needed.
        raise ConfigurationError(
            f"{path} is protected by a password; a server needs it without one"
        ) from None
    except (ValueError, IndexError, UnsupportedAlgorithm):
        raise ConfigurationError(f"{path} holds no {what} in PEM (-----BEGIN …-----)") from None


def _usable(key: object) -> bool:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return isinstance(key.curve, (ec.SECP256R1, ec.SECP384R1))
    return isinstance(key, rsa.RSAPrivateKey)


def _public_bytes(key: object) -> bytes:
    # Every kind of public key of that library has this method; its common type does not say so.
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.DER, spki)  # type: ignore[attr-defined, no-any-return]  # see above


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return (
        *names.get_values_for_type(x509.DNSName),
        *map(str, names.get_values_for_type(x509.IPAddress)),
    )
