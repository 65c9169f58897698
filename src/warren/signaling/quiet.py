"""Quiet logging: at most one line a minute for each kind of trouble, so that nobody can flood a log."""

import logging
from collections import Counter

__all__ = ["QuietLog"]

INTERVAL = 60.0


class QuietLog:
    """Logs a kind of trouble when it is new, and then once a minute with how often it happened meanwhile."""

    def __init__(self, logger: logging.Logger, interval: float = INTERVAL) -> None:
        self._logger = logger
        self._interval = interval
        self._due: dict[str, float] = {}
        self._kept_back: Counter[str] = Counter()

    def log(
        self, level: int, kind: str, text: str, *, now: float, error: BaseException | None = None
    ) -> None:
        """Log the text, or only count it; `kind` is one of the program's own few words, `now` in seconds."""
        if now < self._due.get(kind, now):
            self._kept_back[kind] += 1
            return
        self._due[kind] = now + self._interval
        more = self._kept_back.pop(kind, 0)
        self._logger.log(level, "%s%s", text, f" (and {more} more since)" if more else "", exc_info=error)
