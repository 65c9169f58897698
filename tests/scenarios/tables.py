"""Counts what a node holds: walks everything reachable from it and compares each container with its bound."""

from collections import Counter, OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from warren.ice.candidate import LocalCandidate
from warren.ice.transport import Base, Route, Transmit
from warren.keys import PrivateKey, PublicKey
from warren.messages import Candidate, Credentials

__all__ = ["entries", "left_over", "sizes_over_bounds"]

DEFAULT: Final = 256

BOUNDS: Final[dict[str, int]] = {
    "_nonces": 4096,
    "_known": 4096,
    "_order": 4096,
    "_datagrams": 1024,
    "_by_address": 48,
    "_reflexive": 16,
    "_under_way": 128,
    "_by_id": 3 * 3 * 128,
    "_askers": 64,
    "_checks": 32,
    "history": 64,
    "_history": 64,
    "_tasks": 1200,
}
"""By the attribute that holds the container; the limits of ice.md, session.md and security.md."""

SETTLED: Final[dict[str, int]] = {"Generation": 3, "Attempt": 3}
"""What a session that is well may hold: the bound generation, an offer, one that has just retired."""

UFRAGS: Final = 3

CONTAINERS: Final = (dict, OrderedDict, Counter, list, set, frozenset, deque, tuple)

FIXED: Final = (Enum, LocalCandidate, Base, Route, Transmit, PrivateKey, PublicKey, Candidate, Credentials)
"""Values that hold nothing that could grow; most of what a walk meets is of these."""


def sizes_over_bounds(root: object) -> Iterator[tuple[str, int, int]]:
    """Yield (place, entries, bound) of each container in warren's objects under `root` that is too large."""
    for item, place in _walk(root):
        if _kinds[type(item)].container:
            bound = BOUNDS.get(place[1], DEFAULT)
            if len(item) > bound:
                yield _describe(place), len(item), bound


def entries(root: object) -> int:
    """Count what all containers in warren's objects under `root` hold together."""
    return sum(len(item) for item, _ in _walk(root) if _kinds[type(item)].container)


def left_over(root: object, sessions: int) -> Iterator[tuple[str, int, int]]:
    """Yield (what, how many, bound) of what a node with so many sessions, all well, has too many of."""
    found = Counter(type(item).__name__ for item, _ in _walk(root))
    for name, bound in SETTLED.items():
        if found[name] > bound * sessions:
            yield f"{name}s", found[name], bound * sessions
    for item, place in _walk(root):
        if place[1] == "_by_ufrag" and isinstance(item, dict) and len(item) > UFRAGS * sessions:
            yield "ufrags", len(item), UFRAGS * sessions


def _walk(root: object) -> Iterator[tuple[Any, tuple[Any, str]]]:
    """Yield everything of warren's under `root`, and every container, each once with its place."""
    seen: set[int] = set()
    waiting: list[tuple[Any, tuple[Any, ...], str]] = [(root, (), type(root).__name__)]
    while waiting:
        item, above, name = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        place = (above, name)
        yield item, place
        kind = _kinds[type(item)]
        if kind.container:
            values = item.values() if isinstance(item, dict) else item
            waiting.extend((value, above, name) for value in values if _kinds[type(value)].walked)
            continue
        for attribute, stored in kind.slots:
            value = getattr(item, stored, None)
            if _kinds[type(value)].walked:
                waiting.append((value, place, attribute))
        for attribute, value in getattr(item, "__dict__", {}).items():
            if _kinds[type(value)].walked:
                waiting.append((value, place, attribute))


def _describe(place: tuple[Any, ...]) -> str:
    names = []
    while place:
        place, name = place
        names.append(name)
    return ".".join(reversed(names))


@dataclass(frozen=True, slots=True)
class _Kind:
    """What there is to know of a type."""

    container: bool
    walked: bool
    """Whether it may hold what can grow: a container, or an object of warren's own."""
    slots: tuple[tuple[str, str], ...]
    """Its slots, each with the name under which it is stored."""


class _Kinds(dict[type, _Kind]):
    """Every type met so far; looking each up anew would cost half of the walk."""

    def __missing__(self, kind: type) -> _Kind:
        module = kind.__module__
        ours = module.startswith("warren.") and not module.startswith("warren.testing")
        container = issubclass(kind, CONTAINERS)
        slots = tuple(
            (name, f"_{one.__name__.lstrip('_')}{name}" if name.startswith("__") else name)
            for one in kind.__mro__
            for name in getattr(one, "__slots__", ())
        )
        known = self[kind] = _Kind(container, container or (ours and not issubclass(kind, FIXED)), slots)
        return known


_kinds: Final = _Kinds()
