"""What a `grpc://` URL asks for: a server, and why we may trust it."""

import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from warren.errors import ConfigurationError
from warren.signaling.url import BackendUrl

__all__ = ["GrpcTarget"]

_PIN = re.compile(r"sha256:([0-9a-f]{64})")
_TRUE: Final = "?insecure=true"


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpcTarget:
    """A signaling server; TLS with the system's trust store unless told otherwise."""

    host: str
    """A name or an IP literal."""
    port: int
    insecure: bool = False
    """Plaintext, asked for by name."""
    roots: bytes | None = field(default=None, repr=False)
    """Certificates in PEM to trust; None for the system's, until it is dialled."""
    pin: bytes | None = None
    """SHA-256 of the only certificate to trust."""

    @classmethod
    def parse(cls, url: BackendUrl) -> "GrpcTarget":
        """Read the URL and the file that it names.

        Raises:
            ConfigurationError: the URL is wrong or the file no certificate; the text says what to do.
        """
        host, port = url.host_and_port()
        if "skip_verify" in url.options:
            raise ConfigurationError(
                f"{url}: ?skip_verify would trust anybody; trust a self-signed certificate "
                "by its fingerprint: ?pin=sha256:HEX"
            )
        url.refuse_options_but("insecure", "ca", "pin")
        target = cls(
            host=host,
            port=port,
            insecure=url.flag("insecure"),
            roots=_roots(url, url.options["ca"]) if "ca" in url.options else None,
            pin=_pin(url, url.options["pin"]) if "pin" in url.options else None,
        )
        if sum((target.insecure, target.roots is not None, target.pin is not None)) > 1:
            raise ConfigurationError(f"{url}: only one of {_TRUE}, ?ca= and ?pin= can be meant")
        return target

    @property
    def address(self) -> str:
        """`host:port`, an IPv6 literal in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"grpc://{self.address}"


def _roots(url: BackendUrl, path: str) -> bytes:
    try:
        pem = Path(path).read_bytes()
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem.decode("ascii"))
    except OSError as error:  # SSLError is one too.
        reason = "it holds no certificate in PEM" if isinstance(error, ssl.SSLError) else error.strerror
        raise ConfigurationError(f"{url}: cannot use ?ca={path}: {reason}") from error
    except ValueError as error:
        raise ConfigurationError(f"{url}: cannot use ?ca={path}: it holds no certificate in PEM") from error
    return pem


def _pin(url: BackendUrl, text: str) -> bytes:
    # OpenSSL prints fingerprints in capitals with colons between.
    algorithm, _, digits = text.lower().partition(":")
    match = _PIN.fullmatch(f"{algorithm}:{digits.replace(':', '')}")
    if match is None:
        raise ConfigurationError(
            f"{url}: ?pin= must be sha256: and 64 hexadecimal digits, the certificate's fingerprint"
        )
    return bytes.fromhex(match[1])
