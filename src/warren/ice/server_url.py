"""URLs of STUN servers (RFC 7064)."""

import ipaddress
import re
from dataclasses import dataclass

__all__ = ["StunUrl"]

DEFAULT_PORT = 3478
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
        match = _HOST_PORT.fullmatch(rest)
        if match is None or len(rest) > 300:
            raise ValueError(f"{text!r}: expected stun:HOST[:PORT], an IPv6 address in brackets")
        if match["ipv6"]:
            try:
                host = str(ipaddress.IPv6Address(match["ipv6"]))
            except ValueError:
                raise ValueError(f"{text!r}: {match['ipv6']!r} is not an IPv6 address") from None
        else:
            host = match["host"]
        port = int(match["port"] or DEFAULT_PORT)
        if not 0 < port < 65536:
            raise ValueError(f"{text!r}: {port} is not a port")
        return cls(host, port)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"stun:{host}:{self.port}"
