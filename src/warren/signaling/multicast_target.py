"""What a `multicast://` URL asks for: a group, and how to send to it."""

import ipaddress
from dataclasses import dataclass
from typing import Final

from warren.errors import ConfigurationError
from warren.signaling.url import BackendUrl

__all__ = ["MulticastTarget"]

OPTIONS: Final = ("interface", "loopback", "ttl")


@dataclass(frozen=True, slots=True, kw_only=True)
class MulticastTarget:
    """A multicast group."""

    group: str
    """An IP literal."""
    port: int
    interface: str | None = None
    """A name or an address; None for the one that the system's routes choose."""
    loopback: bool = True
    """Whether other processes on this machine hear what we send; we ourselves always do."""
    ttl: int = 1
    """How many routers, less one, may pass it on; 0 keeps it on this machine."""

    @classmethod
    def parse(cls, url: BackendUrl) -> "MulticastTarget":
        """Read the URL.

        Raises:
            ConfigurationError: it is wrong; the text says what to do.
        """
        group, port = url.host_and_port()
        url.refuse_options_but(*OPTIONS)
        try:
            multicast = ipaddress.ip_address(group).is_multicast
        except ValueError:
            multicast = False
        if not multicast:
            raise ConfigurationError(
                f"{url}: {group} is no multicast group; use one of your own, like 239.1.2.3 or [ff02::239:1]"
            )
        if (interface := url.options.get("interface")) == "":
            raise ConfigurationError(f"{url}: ?interface= names none; leave it out for the system's choice")
        return cls(
            group=group,
            port=port,
            interface=interface,
            loopback=url.flag("loopback") if "loopback" in url.options else True,
            ttl=_ttl(url),
        )

    @property
    def ipv6(self) -> bool:
        """Whether the group is of IPv6."""
        return ":" in self.group

    def __str__(self) -> str:
        return (
            f"multicast://[{self.group}]:{self.port}"
            if self.ipv6
            else f"multicast://{self.group}:{self.port}"
        )


def _ttl(url: BackendUrl) -> int:
    text = url.options.get("ttl", "1")
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= 255):
        raise ConfigurationError(f"{url}: ?ttl= must be a number from 0 to 255")
    return int(text)
