"""Bases: a node's UDP sockets, one for each usable address of the machine, and what is lent beside them."""

import errno
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from warren.aio.network import InterfaceAddress, Network, Received, Sender, UdpSocket, usable_addresses
from warren.errors import ConfigurationError
from warren.ice.transport import Address, Base
from warren.sansio import Dice
from warren.session.config import Config

__all__ = ["Bases"]

logger = logging.getLogger("warren")

IN_USE: Final = (errno.EADDRINUSE, errno.EACCES)


class Bases(Mapping[Base, Sender]):
    """What sends from each base: the open sockets, and what was lent, which only looking up finds.

    Args:
        network: whose addresses.
        config: which of them, and the ports.
        dice: where in a range of ports to begin.
        received: gets the datagrams, those that came together at once.
        opened: told of a base that is new.
        closed: told of one that is gone.
    """

    def __init__(
        self,
        network: Network,
        config: Config,
        *,
        dice: Dice,
        received: Callable[[Base, Sequence[bytes], Address], None],
        opened: Callable[[Base], None],
        closed: Callable[[Base], None],
    ) -> None:
        self.left_out: list[tuple[InterfaceAddress, str]] = []
        """Addresses that are not offered, each with the reason in words."""
        self._network, self._config, self._dice = network, config, dice
        self._received, self._opened, self._closed = received, opened, closed
        self._sockets: dict[Base, UdpSocket] = {}
        self._seen: set[InterfaceAddress | str] = set()
        self.senders: dict[Base, Sender] = {}
        """What sends from each base; only to be read: `lend` and `take_back` change it."""

    def __getitem__(self, base: Base) -> Sender:
        return self.senders[base]

    def __iter__(self) -> Iterator[Base]:
        return iter(self._sockets)

    def __len__(self) -> int:
        return len(self._sockets)

    def lend(self, base: Base, sender: Sender) -> None:
        """Let data leave from a base that is no socket: a relayed one."""
        self.senders[base] = sender

    def flush(self, base: Base) -> None:
        """Send now what waits at a socket; other senders let nothing wait."""
        if (sock := self._sockets.get(base)) is not None:
            sock.flush()

    def take_back(self, base: Base) -> None:
        """Undo `lend`."""
        self.senders.pop(base, None)

    async def open(self) -> None:
        """Bind a socket to every usable address.

        Raises:
            ConfigurationError: a port is in use, or there is no usable address; the text says what was seen.
        """
        await self._update(strict=True)
        if not self._sockets:
            seen = [f"{item.address} on {item.interface} ({why})" for item, why in self.left_out]
            raise ConfigurationError(
                f"no address of this machine can be offered to peers; left out: {', '.join(seen) or 'none'}"
            )

    async def update(self) -> bool:
        """Follow the machine's addresses; says whether there is anything new that packets may depend on.

        What is merely gone is nothing new: its pairs fail with it, and where only a link is down, consent
        gives the path its time.
        """
        return await self._update(strict=False)

    def close(self) -> None:
        """Close every socket."""
        for sock in self._sockets.values():
            sock.close()

    async def _update(self, *, strict: bool) -> bool:
        used, self.left_out = usable_addresses(self._network.interfaces(), self._config)
        seen = {item for item in used if item.running} | set(self._network.sources())
        before, self._seen = self._seen, seen
        addresses = {item.address for item in used}
        for base in [base for base in self._sockets if base.address not in addresses]:
            self._sockets.pop(base).close()
            del self.senders[base]
            self._closed(base)
        bound = {base.address for base in self._sockets}
        for item in used:
            if item.address not in bound:
                await self._open(item, strict=strict)
        return not seen <= before

    async def _open(self, item: InterfaceAddress, *, strict: bool) -> None:
        bases: list[Base] = []  # The base needs the port that the socket gets; nothing is received before.

        def received(datagrams: Sequence[bytes], source: Address) -> None:
            self._received(bases[0], datagrams, source)

        try:
            sock = await self._bind(item.address, received)
        except OSError as error:
            if strict and error.errno in IN_USE:
                first, last = _range(self._config.port)
                which = f"UDP port {first}" if first == last else f"every UDP port from {first} to {last}"
                raise ConfigurationError(
                    f"{which} of {item.address} cannot be used: {error.strerror}; choose another, or 0"
                ) from error
            # An address may vanish between being listed and being bound, or be tentative (RFC 4862, 5.4).
            logger.info("%s on %s is left out: %s", item.address, item.interface, error)
            self.left_out.append((item, str(error)))
            self._seen.discard(item)  # When it works, that will be new.
            return
        base = Base(sock.local[0], sock.local[1], interface=item.interface)
        bases.append(base)
        self._sockets[base] = self.senders[base] = sock
        self._opened(base)

    async def _bind(self, address: str, received: Received) -> UdpSocket:
        """Bind to the first port of the range that is free, beginning anywhere in it."""
        first, last = _range(self._config.port)
        ports = range(first, last + 1)
        begin = int(self._dice.random() * len(ports))
        for port in (*ports[begin:], *ports[:begin])[:-1]:
            try:
                return await self._network.open_udp(address, port, received)
            except OSError as error:
                if error.errno not in IN_USE:
                    raise
        return await self._network.open_udp(address, ports[begin - 1], received)


def _range(port: int | tuple[int, int]) -> tuple[int, int]:
    return (port, port) if isinstance(port, int) else port
