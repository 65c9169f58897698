"""What a node counts, beside what each of its sessions does."""

from collections.abc import Mapping
from dataclasses import dataclass

from warren.signaling.stats import BackendStats

__all__ = ["NodeStats"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStats:
    """What a node counts."""

    sessions: int
    """How many are open."""
    backends: tuple[BackendStats, ...]
    """Its signaling backends; one that is dead says why."""
    drops: Mapping[str, int]
    """What came from the network and was dropped before any session saw it, by reason."""
