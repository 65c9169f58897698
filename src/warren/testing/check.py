"""Check: one promise of an interface, which anything that claims to keep it can be put to."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

__all__ = ["TIMEOUT", "Check", "Closes", "Restart", "World"]

TIMEOUT = 10.0


class Closes(Protocol):
    """What a check opens, it closes."""

    async def aclose(self) -> None:
        """Free everything."""
        ...


Thing = TypeVar("Thing", bound=Closes)

Restart = Callable[[], Awaitable[None]]
"""Makes the place that all reach begin anew, as a server does that is killed and started again."""


class World(Generic[Thing]):
    """What a check works with: things that are closed afterwards, and a place that may be restarted."""

    def __init__(self, open_one: Callable[[], Thing], stack: AsyncExitStack, restart: Restart | None) -> None:
        self._open_one = open_one
        self.stack = stack
        self._restart = restart

    def open(self) -> Thing:
        """Open one more to the same place."""
        thing = self._open_one()
        self.stack.push_async_callback(thing.aclose)
        return thing

    async def restart(self) -> None:
        """Restart the place."""
        if self._restart is None:
            raise AssertionError("this check needs to be told how to restart: give it restart=")
        await self._restart()


@dataclass(frozen=True, slots=True)
class Check(Generic[Thing]):
    """One promise; printing it gives the sentence."""

    sentence: str
    work: Callable[[World[Thing]], Awaitable[None]]
    timeout: float = TIMEOUT

    @classmethod
    def of(cls, work: Callable[[World[Thing]], Awaitable[None]], timeout: float = TIMEOUT) -> "Check[Thing]":
        """Make a check of a function whose name is the sentence."""
        return cls(work.__name__.removeprefix("_").replace("_", " "), work, timeout)

    async def __call__(self, open_one: Callable[[], Thing], *, restart: Restart | None = None) -> None:
        """Put what is opened to the check.

        Raises:
            AssertionError: the promise is broken, something was raised, or nothing happened for too long.
        """
        try:
            async with asyncio.timeout(self.timeout), AsyncExitStack() as stack:
                await self.work(World(open_one, stack, restart))
        except TimeoutError:
            raise AssertionError(f"not within {self.timeout:g} s: {self}") from None
        except AssertionError:
            raise
        except Exception as error:
            while isinstance(error, ExceptionGroup):
                error = error.exceptions[0]
            text = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__} ({error})"
            raise AssertionError(f"{text}: {self}") from error

    def __str__(self) -> str:
        return self.sentence
