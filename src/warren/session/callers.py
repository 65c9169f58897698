"""Callers: peers that call us and have no session here; the newest message of each waits."""

from collections import Counter
from typing import Final

from warren.keys import PublicKey
from warren.messages import Message

__all__ = ["LIFETIME", "MAX_CALLERS", "Callers"]

MAX_CALLERS: Final = 64
LIFETIME: Final = 60.0


class Callers:
    """At most 64 callers, for 60 s each; what goes unheard is counted."""

    __slots__ = ("_drops", "_waiting")

    def __init__(self, drops: Counter[str]) -> None:
        self._drops = drops
        self._waiting: dict[PublicKey, tuple[float, Message]] = {}

    def keep(self, caller: PublicKey, message: Message, now: float) -> bool:
        """Let a caller's message wait in place of an older one; says whether the caller is new."""
        self._forget_old(now)
        new = self._waiting.pop(caller, None) is None
        if len(self._waiting) >= MAX_CALLERS:
            del self._waiting[next(iter(self._waiting))]
            self._drops["caller-pushed-out"] += 1
        self._waiting[caller] = (now, message)
        return new

    def take(self, caller: PublicKey, now: float) -> Message | None:
        """Hand over what waits of this caller, if anything does."""
        self._forget_old(now)
        waiting = self._waiting.pop(caller, None)
        return None if waiting is None else waiting[1]

    def _forget_old(self, now: float) -> None:
        for caller in [caller for caller, (at, _) in self._waiting.items() if now - at > LIFETIME]:
            del self._waiting[caller]
            self._drops["caller-not-answered"] += 1
