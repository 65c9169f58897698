"""Backend URLs: `scheme:path?options` and `scheme://authority/path?options`."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import parse_qsl

from warren.errors import ConfigurationError

__all__ = ["BackendUrl"]

_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):"
    r"(?://(?P<authority>[^/?#]*))?"
    r"(?P<path>[^?#]*)"
    r"(?:\?(?P<query>[^#]*))?"
)
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?")
_MAX_LENGTH = 2048
_WORDS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendUrl:
    """A backend URL in its parts; printing it shows no secret: no option's value and no user."""

    scheme: str
    """In lower case."""
    authority: str = field(default="", repr=False)
    """What stands between `//` and the path, as written; it may hold a password."""
    path: str = field(default="", repr=False)
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def parse(cls, text: str) -> "BackendUrl":
        """Take a URL apart; what its parts mean is the carrier's matter.

        Raises:
            ConfigurationError: it is not a URL; the text says what is wrong and shows no secret.
        """
        if len(text) > _MAX_LENGTH or not text.isprintable() or " " in text:
            raise ConfigurationError("a backend URL is at most 2048 printable characters without spaces")
        match = _URL.fullmatch(text)
        if match is None:
            raise ConfigurationError(
                f"{_harmless(text)!r} is not a backend URL: write it like grpc://host:port or inprocess:name"
            )
        return cls(
            scheme=match["scheme"].lower(),
            authority=match["authority"] or "",
            path=match["path"],
            options=_options(match["query"] or "", match["scheme"].lower()),
        )

    def __str__(self) -> str:
        place = self.authority.rpartition("@")[2]
        path = self.path.rpartition("@")[2]  # A password may stand there too, if the slashes were forgotten.
        return f"{self.scheme}:{f'//{place}' if place else ''}{path}"

    def refuse_options_but(self, *known: str) -> None:
        """Check that there is no option beside the known ones.

        Raises:
            ConfigurationError: there is; the text names it and the known ones.
        """
        unknown = [name for name in self.options if name not in known]
        if unknown:
            names = ", ".join(f"?{name}=" for name in known) or "none"
            raise ConfigurationError(
                f"{self}: unknown option {', '.join(map(repr, unknown))}; {self.scheme} knows {names}"
            )

    def flag(self, name: str) -> bool:
        """Read an option that is true or false, false where it is not given.

        Raises:
            ConfigurationError: it is neither.
        """
        value = self.options.get(name, "false")
        try:
            return _WORDS[value.lower()]
        except KeyError:
            raise ConfigurationError(f"{self}: ?{name}= must be true or false") from None

    def host_and_port(self) -> tuple[str, int]:
        """Read the authority as one host and its port; the host is a name or an IP literal, without brackets.

        Raises:
            ConfigurationError: it is something else.
        """
        example = f"{self.scheme}://host:port"
        if "@" in self.authority:
            raise ConfigurationError(f"{self}: user names and passwords do not belong there; write {example}")
        if self.path not in ("", "/"):
            raise ConfigurationError(f"{self}: there is no place for a path; write {example}")
        host, colon, port = self.authority.rpartition(":")
        if not colon or not host or "]" in port:
            raise ConfigurationError(f"{self} lacks a host or a port: write {example}")
        if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):
            raise ConfigurationError(f"{self}: the port must be a number from 1 to 65535")
        return _host(host, self), int(port)


def _options(query: str, scheme: str) -> Mapping[str, str]:
    pairs = parse_qsl(query, keep_blank_values=True, separator="&")
    options = dict(pairs)
    if len(options) != len(pairs):
        raise ConfigurationError(f"a {scheme} URL gives an option twice")
    return MappingProxyType(options)


def _host(text: str, url: BackendUrl) -> str:
    if text.startswith("[") and text.endswith("]"):
        try:
            return str(ipaddress.IPv6Address(text[1:-1]))
        except ValueError:
            raise ConfigurationError(f"{url}: what stands in brackets is no IPv6 address") from None
    if ":" in text:
        raise ConfigurationError(f"{url}: write an IPv6 address in brackets: {url.scheme}://[::1]:port")
    if not text.isascii():
        try:
            text = text.encode("idna").decode("ascii")
        except UnicodeError:
            raise ConfigurationError(f"{url}: that is no host name") from None
    if not _HOST.fullmatch(text) or len(text) > 253:
        raise ConfigurationError(f"{url}: that is no host name")
    return text.lower()


def _harmless(text: str) -> str:
    """Show of a malformed URL only what cannot be a password."""
    return text.rpartition("@")[2].partition("?")[0]
