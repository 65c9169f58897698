"""By which names clients reach a server: only a proof that names one of them is meant for it."""

from collections.abc import Iterable
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address

from warren.aio.network import SystemNetwork
from warren.errors import ConfigurationError
from warren.server.address import ListenAddress
from warren.server.tls import Certificate
from warren.signaling.trust import covers

__all__ = ["ServerNames"]


class ServerNames:
    """Hosts and `host:port` that are ours.

    Args:
        given: what the operator says: a host, at any port, or `host:port`.

    Raises:
        ConfigurationError: one of them is neither.
    """

    def __init__(self, given: Iterable[str] = ()) -> None:
        names = [_parse(name) for name in given]
        self._hosts = [host for host, port in names if port is None]
        self._places = {(host, port) for host, port in names if port is not None}
        self._certified: tuple[str, ...] = ()

    def certify(self, certificate: Certificate) -> None:
        """Take the names of the certificate in use in place of those of the one before."""
        self._certified = certificate.names

    def listening(self, host: str, resolved: Iterable[str], port: int) -> None:
        """Add where the server listens, by name and address; an unspecified one is all that we have now."""
        found = _expand(resolved)
        if not _is_unspecified(host):
            found.add(_canonical(host))
        self._places |= {(name, port) for name in found}

    def __contains__(self, authority: str) -> bool:
        """Whether `host:port`, as a client has dialled it, is one of ours."""
        try:
            address = ListenAddress.parse(authority)
        except ConfigurationError:
            return False
        host = _canonical(address.host)
        known = (*self._hosts, *self._certified)
        return (host, address.port) in self._places or any(covers(name, host) for name in known)


def _parse(name: str) -> tuple[str, int | None]:
    if ":" in name and _address(name) is not None:
        name = f"[{name}]"
    for text, any_port in ((name, False), (f"{name}:0", True)):
        with suppress(ConfigurationError):
            address = ListenAddress.parse(text)
            return _canonical(address.host), None if any_port else address.port
    raise ConfigurationError(f"{name!r} is no name of a server: write HOST or HOST:PORT, as clients dial it")


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _canonical(host: str) -> str:
    return str(_address(host) or host.lower())


def _is_unspecified(host: str) -> bool:
    address = _address(host)
    return address is not None and address.is_unspecified


def _expand(addresses: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for address in addresses:
        if _is_unspecified(address):
            # gRPC listens at both families then, whichever was given.
            found |= {item.address for item in SystemNetwork().interfaces()}
        else:
            found.add(address)
    if any(ip_address(address).is_loopback for address in found):
        found.add("localhost")
    return found
