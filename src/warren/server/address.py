"""Where a server listens: HOST:PORT, tried before the engine binds it, so that errors say the reason."""

import errno
import re
import socket
from dataclasses import dataclass

from warren.errors import ConfigurationError, WarrenError

__all__ = ["ListenAddress"]

_HOST_AND_PORT = re.compile(
    r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<host>[^\s:\[\]/@?#]+)):(?P<port>[0-9]{1,5})"
)
_HINTS = {
    errno.EADDRINUSE: "another program listens there; choose another port, or 0 for any that is free",
    errno.EADDRNOTAVAIL: "this machine does not have that address",
    errno.EACCES: "only root may use that port; choose one above 1023",
}


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """A host (a name, or an IP literal without brackets) and a port; port 0 means any that is free."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "ListenAddress":
        """Read `HOST:PORT` or `[IPV6]:PORT`.

        Raises:
            ConfigurationError: it is something else.
        """
        match = _HOST_AND_PORT.fullmatch(text)
        if match is None or int(match["port"]) > 65535:
            raise ConfigurationError(
                f"{text!r} is no address to listen at: write HOST:PORT, such as 127.0.0.1:8080, "
                "0.0.0.0:443 or [::]:443; port 0 takes any that is free"
            )
        return cls(match["ipv6"] or match["host"], int(match["port"]))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def resolve(self) -> "tuple[ListenAddress, ...]":
        """Find the IP addresses of the host that this machine has and may listen at.

        Raises:
            WarrenError: there is none, or one of them cannot be bound; the text says why.
        """
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        except OSError as error:
            raise WarrenError(f"cannot listen at {self}: {_reason(error)}") from None
        usable: dict[ListenAddress, None] = {}
        absent: OSError | None = None
        for family, kind, _, _, where in found:
            try:
                _try_to_bind(family, kind, where)
            except OSError as error:
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise WarrenError(f"cannot listen at {self}: {_reason(error)}") from None
                absent = error
            else:
                usable[ListenAddress(str(where[0]), self.port)] = None
        if absent is not None and not usable:
            raise WarrenError(f"cannot listen at {self}: {_reason(absent)}")
        return tuple(usable)


def _try_to_bind(family: int, kind: int, where: tuple[object, ...]) -> None:
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(where)


def _reason(error: OSError) -> str:
    words = (error.strerror or str(error)).lower()
    hint = _HINTS.get(error.errno or 0)
    return f"{words}; {hint}" if hint else words
