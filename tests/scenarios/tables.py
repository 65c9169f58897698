"""Counts what a node holds: walks everything reachable from it and compares each container with its bound."""

from collections import Counter, OrderedDict, deque
from collections.abc import Iterator
from typing import Any, Final

__all__ = ["sizes_over_bounds"]

DEFAULT: Final = 256

BOUNDS: Final[dict[str, int]] = {
    "_nonces": 4096,
    "_known": 4096,
    "_order": 4096,
    "_datagrams": 1024,
    "history": 64,
    "_history": 64,
    "_tasks": 1200,
}
"""By the attribute that holds the container; the limits of ice.md, session.md and security.md."""

CONTAINERS: Final = (dict, OrderedDict, Counter, list, set, frozenset, deque, tuple)


def sizes_over_bounds(root: object) -> Iterator[tuple[str, int, int]]:
    """Yield (place, entries, bound) of each container in warren's objects under `root` that is too large."""
    seen: set[int] = set()
    waiting: list[tuple[str, str, Any]] = [(type(root).__name__, "", root)]
    while waiting:
        place, attribute, item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, CONTAINERS):
            bound = BOUNDS.get(attribute, DEFAULT)
            if len(item) > bound:
                yield place, len(item), bound
            values = item.values() if isinstance(item, dict) else item
            waiting.extend((f"{place}[]", attribute, value) for value in values if _is_ours(value))
            continue
        for name, value in _attributes(item):
            if _is_ours(value):
                waiting.append((f"{place}.{name}", name, value))


def _is_ours(value: object) -> bool:
    module = type(value).__module__
    ours = module.startswith("warren.") and not module.startswith("warren.testing")
    return ours or isinstance(value, CONTAINERS)


def _attributes(item: object) -> Iterator[tuple[str, object]]:
    yield from getattr(item, "__dict__", {}).items()
    for kind in type(item).__mro__:
        for name in getattr(kind, "__slots__", ()):
            full = f"_{kind.__name__.lstrip('_')}{name}" if name.startswith("__") else name
            if hasattr(item, full):
                yield name, getattr(item, full)
