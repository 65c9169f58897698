"""Tests on virtual time: `@on_virtual_time` before an async test."""

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec

from warren.testing.clock import run

__all__ = ["on_virtual_time"]

P = ParamSpec("P")


def on_virtual_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an async test on a loop whose clock jumps; every sleep in it takes no time."""

    @wraps(test)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
        run(test(*args, **kwargs))

    return wrapper
