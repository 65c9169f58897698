"""Checks of a peer whose credentials we do not know yet: they are answered at once, and remembered."""

from dataclasses import dataclass
from typing import Final

from warren.ice.transport import Address, Base

__all__ = ["MAX_EARLY", "EarlyCheck", "EarlyChecks"]

MAX_EARLY: Final = 32


@dataclass(frozen=True, slots=True)
class EarlyCheck:
    """What one source has said so far."""

    base: Base
    source: Address
    priority: int | None
    nomination: int
    """The value it was nominated with, 0 without a value, -1 if it was not."""


class EarlyChecks:
    """The newest 32 sources by the ufrag that they named as the peer's (RFC 8445, 7.3)."""

    __slots__ = ("_checks",)

    def __init__(self) -> None:
        self._checks: dict[tuple[str, Base, Address], EarlyCheck] = {}

    def __len__(self) -> int:
        return len(self._checks)

    def __contains__(self, ufrag: str) -> bool:
        return any(key[0] == ufrag for key in self._checks)

    def keep(self, ufrag: str, check: EarlyCheck) -> bool:
        """Remember a source, the newest of it; False where the oldest one had to go for it."""
        key = ufrag, check.base, check.source
        known = self._checks.pop(key, None)
        if known is not None and known.nomination > check.nomination:
            check = EarlyCheck(check.base, check.source, check.priority, known.nomination)
        full = len(self._checks) >= MAX_EARLY
        if full:
            del self._checks[next(iter(self._checks))]
        self._checks[key] = check
        return not full

    def take(self, ufrag: str) -> list[EarlyCheck]:
        """Hand over what was kept under this ufrag, the oldest first."""
        taken = [key for key in self._checks if key[0] == ufrag]
        return [self._checks.pop(key) for key in taken]
