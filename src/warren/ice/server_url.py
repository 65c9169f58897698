"""URLs of STUN servers (RFC 7064) and of TURN servers (RFC 7065), those with a user name and password."""

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import unquote_to_bytes

__all__ = ["StunUrl", "TurnUrl"]

DEFAULT_PORT: Final = 3478
DEFAULT_TLS_PORT: Final = 5349
MAX_LENGTH: Final = 300
_HOST_PORT = re.compile(
    r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<host>[^\s\[\]:/?#@]+))(?::(?P<port>[0-9]{1,5}))?"
)


@dataclass(frozen=True, slots=True)
class StunUrl:
    """A STUN server over UDP: `stun:host[:port]`."""

    host: str
    port: int = DEFAULT_PORT

    @classmethod
    def parse(cls, text: str) -> "StunUrl":
        """Read a URL.

        Raises:
            ValueError: it is not one, or of a kind that is not known; the text says what is expected.
        """
        scheme, colon, rest = text.partition(":")
        if not colon or scheme.lower() != "stun":
            raise ValueError(f"{text!r} is not the URL of a STUN server: expected stun:HOST[:PORT]")
        host, port = _read_host_port(rest, f"{text!r}", "stun:HOST[:PORT]", DEFAULT_PORT)
        return cls(host, port)

    def __str__(self) -> str:
        return f"stun:{_in_brackets(self.host)}:{self.port}"


_EXPECTED: Final = "turn:[USER:PASSWORD@]HOST[:PORT][?transport=udp|tcp], or turns: for TLS"


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnUrl:
    """A TURN server and who we are there: `turn:user:password@host:port?transport=udp`, `turns:` for TLS.

    User name and password are percent-encoded in it, and are never shown again.
    """

    host: str
    port: int
    transport: Literal["udp", "tcp"]
    tls: bool = False
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, text: str) -> "TurnUrl":
        """Read a URL.

        Raises:
            ValueError: it is not one, or of a kind that is not known; the text says what is expected, and
                repeats nothing of what stands before the host.
        """
        scheme, colon, rest = text.partition(":")
        tls = scheme.lower() == "turns"
        if not colon or scheme.lower() not in ("turn", "turns"):
            raise ValueError(f"not the URL of a TURN server: expected {_EXPECTED}")
        user, at, place = rest.rpartition("@")
        # What has no @ may be a password whose @ was forgotten.
        name = f"{scheme.lower()}:{place}" if at else "the URL of a TURN server"
        place, question, query = place.partition("?")
        default = DEFAULT_TLS_PORT if tls else DEFAULT_PORT
        host, port = _read_host_port(place, name, _EXPECTED, default)
        username, password = _read_user(user, name) if at else ("", "")
        return cls(
            host=host,
            port=port,
            transport=_read_transport(query if question else None, name, tls=tls),
            tls=tls,
            username=username,
            password=password,
        )

    def __str__(self) -> str:
        scheme = "turns" if self.tls else "turn"
        return f"{scheme}:{_in_brackets(self.host)}:{self.port}?transport={self.transport}"


def _read_user(text: str, name: str) -> tuple[str, str]:
    username, colon, password = text.partition(":")
    if not (username and colon and password):
        raise ValueError(f"{name}: before the @ stand USER:PASSWORD, percent-encoded")
    try:
        return unquote_to_bytes(username).decode(), unquote_to_bytes(password).decode()
    except UnicodeDecodeError:
        # Not `from`: the error shows the bytes.
        raise ValueError(f"{name}: user name and password are percent-encoded UTF-8") from None


def _read_transport(query: str | None, name: str, *, tls: bool) -> Literal["udp", "tcp"]:
    match query, tls:
        case (None, True) | ("transport=tcp", _):
            return "tcp"
        case (None | "transport=udp", False):
            return "udp"
        case ("transport=udp", True):
            raise ValueError(f"{name}: TLS over UDP is not known here; leave transport=udp out")
        case _:
            raise ValueError(f"{name}: expected {_EXPECTED}")


def _read_host_port(text: str, name: str, expected: str, default: int) -> tuple[str, int]:
    match = _HOST_PORT.fullmatch(text)
    if match is None or len(text) > MAX_LENGTH:
        raise ValueError(f"{name}: expected {expected}, an IPv6 address in brackets")
    if match["ipv6"]:
        try:
            host = str(ipaddress.IPv6Address(match["ipv6"]))
        except ValueError:
            raise ValueError(f"{name}: {match['ipv6']!r} is not an IPv6 address") from None
    else:
        host = match["host"]
    port = int(match["port"] or default)
    if not 0 < port < 65536:
        raise ValueError(f"{name}: {port} is not a port")
    return host, port


def _in_brackets(host: str) -> str:
    return f"[{host}]" if ":" in host else host
