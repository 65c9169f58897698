"""What every test of the command line gets."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Undo what a command does to logging: in life its process ends."""
    logger = logging.getLogger("warren")
    before = logger.level, logger.propagate, logger.handlers
    yield
    logger.level, logger.propagate, logger.handlers = before


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide what the user of this machine has set for warren."""
    for name in ("WARREN_KEY_FILE", "WARREN_SIGNALING", "WARREN_STUN", "WARREN_TURN"):
        monkeypatch.delenv(name, raising=False)
