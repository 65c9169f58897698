"""Streams: who owns which stream of a node; what comes by one finds its owner here."""

from warren.ice.transport import Base, StreamOwner

__all__ = ["Streams"]


class Streams:
    """All streams of a node by base, from the moment they are to be opened until they are closed.

    Whoever puts out `OpenStream` enters the base, whoever puts out `CloseStream` forgets it.
    """

    __slots__ = ("_owners",)

    def __init__(self) -> None:
        self._owners: dict[Base, StreamOwner] = {}

    def __len__(self) -> int:
        return len(self._owners)

    def enter(self, base: Base, owner: StreamOwner) -> None:
        """A stream is about to be opened, or was accepted: from now on its owner is told of it."""
        self._owners[base] = owner

    def owner(self, base: Base) -> StreamOwner | None:
        """Whose stream it is, None where it is closed."""
        return self._owners.get(base)

    def forget(self, base: Base) -> None:
        """The stream is closed, by whichever side; forgetting twice is harmless."""
        self._owners.pop(base, None)
