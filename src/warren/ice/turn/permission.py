"""Permissions: from which addresses an allocation lets packets in (RFC 8656, 9)."""

from typing import Final

from warren.ice.transport import Address

__all__ = ["Permission", "Permissions"]

LIFETIME: Final = 300.0  # RFC 8656, 9: 5 minutes.
REFRESH: Final = 240.0
REFUSED: Final = 60.0
"""How long a refusal is believed before the server is asked again."""
MAX_PERMISSIONS: Final = 1024
MAX_WAITING: Final = 16


class Permission:
    """That of one IP address. Asked for when somebody is expected or a packet is to go there, and renewed
    by what goes there: nobody renews what nobody uses."""

    __slots__ = ("_waiting", "address", "asking", "refresh_at", "until")

    def __init__(self, address: str) -> None:
        self.address = address
        self.asking = False
        """Whether a CreatePermission for it is under way."""
        self.until = 0.0
        """Until when it is granted."""
        self.refresh_at = 0.0
        """When the next packet asks for it, again or for the first time."""
        self._waiting: dict[Address, bytes] = {}

    def wait(self, peer: Address, data: bytes) -> None:
        """Keep a packet until the permission is there: the newest for each port."""
        if peer in self._waiting or len(self._waiting) < MAX_WAITING:
            self._waiting[peer] = data

    def granted(self, now: float) -> list[tuple[Address, bytes]]:
        """The server has granted it, as asked for at `now`; returns what has waited for it."""
        self.until = now + LIFETIME
        self.refresh_at = now + REFRESH
        return self._end()

    def refused(self, now: float) -> None:
        """The server will not have it: what waits is dropped, and so is what comes in the next minute."""
        self.refresh_at = now + REFUSED
        self._end()

    def unanswered(self) -> None:
        """The server was silent: the next packet asks again."""
        self._end()

    def _end(self) -> list[tuple[Address, bytes]]:
        self.asking = False
        waiting, self._waiting = self._waiting, {}
        return list(waiting.items())


class Permissions:
    """The permissions of one allocation by address; the oldest goes where there are too many."""

    __slots__ = ("_by_address",)

    def __init__(self) -> None:
        self._by_address: dict[str, Permission] = {}

    def of(self, address: str) -> Permission:
        """The permission for an address, granted or not."""
        permission = self._by_address.get(address)
        if permission is None:
            if len(self._by_address) >= MAX_PERMISSIONS:
                del self._by_address[next(iter(self._by_address))]
            permission = self._by_address[address] = Permission(address)
        return permission

    def known(self, address: str) -> bool:
        """Whether packets from there were ever asked for."""
        return address in self._by_address
