"""The contract of a backend finds what is broken: each promise is broken once, and seen."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from tests.signaling.virtual import on_virtual_time
from warren.errors import SignalingError
from warren.keys import KeyPair, PublicKey, PublicKeyPair
from warren.messages import BackendType, Message
from warren.signaling.backend import CarrierBackend
from warren.signaling.inbox import Admit, Handler
from warren.signaling.inprocess import InProcessCarrier, World
from warren.testing.backend import BACKEND_CHECKS


class Wrong(CarrierBackend):
    """A backend to be broken."""


class AlwaysFirst(Wrong):
    async def subscribe(self, key_pair: KeyPair, handler: Handler, *, admit: Admit | None = None) -> bool:
        await super().subscribe(key_pair, handler, admit=admit)
        return True


class NeverLast(Wrong):
    async def unsubscribe(self, key_pair: KeyPair, handler: Handler) -> bool:
        await super().unsubscribe(key_pair, handler)
        return False


class AlwaysLast(Wrong):
    async def unsubscribe(self, key_pair: KeyPair, handler: Handler) -> bool:
        await super().unsubscribe(key_pair, handler)
        return True


class Counts(Wrong):
    """The same handler again is another one."""

    async def subscribe(self, key_pair: KeyPair, handler: Handler, *, admit: Admit | None = None) -> bool:
        return await super().subscribe(key_pair, lambda pair, said: handler(pair, said), admit=admit)


class FirstOnce(Wrong):
    had: frozenset[PublicKey] = frozenset()

    async def subscribe(self, key_pair: KeyPair, handler: Handler, *, admit: Admit | None = None) -> bool:
        ours = key_pair.ours.public
        first = await super().subscribe(key_pair, handler, admit=admit) and ours not in self.had
        self.had |= {ours}
        return first


class SwapsEnds(Wrong):
    async def subscribe(self, key_pair: KeyPair, handler: Handler, *, admit: Admit | None = None) -> bool:
        def swapped(pair: PublicKeyPair, message: Message) -> None:
            assert pair.theirs is not None
            handler(PublicKeyPair(pair.theirs, pair.ours), message)

        return await super().subscribe(key_pair, swapped, admit=admit)


class SaysTwice(Wrong):
    async def publish(self, key_pair: KeyPair, message: Message) -> int | None:
        await super().publish(key_pair, message)
        return await super().publish(key_pair, message)


class HearsAll(Wrong):
    async def subscribe(self, key_pair: KeyPair, handler: Handler, *, admit: Admit | None = None) -> bool:
        return await super().subscribe(replace(key_pair, theirs=None), handler, admit=lambda _: True)


class AdmitsAll(Wrong):
    async def subscribe(self, key_pair: KeyPair, handler: Handler, *, admit: Admit | None = None) -> bool:
        return await super().subscribe(key_pair, handler, admit=admit and (lambda _: True))


class Remembers(Wrong):
    """It tells a new handler what was said before it came."""

    said: list[tuple[PublicKeyPair, Message]]

    async def subscribe(self, key_pair: KeyPair, handler: Handler, *, admit: Admit | None = None) -> bool:
        self.said = getattr(self, "said", [])
        for pair, message in self.said:
            handler(pair, message)

        def noted(pair: PublicKeyPair, message: Message) -> None:
            self.said.append((pair, message))
            handler(pair, message)

        return await super().subscribe(key_pair, noted, admit=admit)


class KeepsCalling(Wrong):
    async def unsubscribe(self, key_pair: KeyPair, handler: Handler) -> bool:
        return False


class StopsAtAnError(Wrong):
    stopped = False

    async def subscribe(self, key_pair: KeyPair, handler: Handler, *, admit: Admit | None = None) -> bool:
        def called(pair: PublicKeyPair, message: Message) -> None:
            if not self.stopped:
                self.stopped = True
                handler(pair, message)
                self.stopped = False

        return await super().subscribe(key_pair, called, admit=admit)


class WantsSomebody(Wrong):
    async def publish(self, key_pair: KeyPair, message: Message) -> int | None:
        count = await super().publish(key_pair, message)
        if not count:
            raise SignalingError("nobody is there")
        return count


class TakesAll(Wrong):
    async def publish(self, key_pair: KeyPair, message: Message) -> int | None:
        try:
            return await super().publish(key_pair, message)
        except (ValueError, SignalingError):
            return None


class WaitsForEver(Wrong):
    async def wait_live(self, ours: PublicKey, timeout: float | None = None) -> None:
        try:
            await super().wait_live(ours, timeout)
        except ValueError:
            await asyncio.Event().wait()


class SaysNothing(Wrong):
    def watch(self, watcher: Any) -> Any:
        return lambda: None


class Leaves(Wrong):
    def nudge(self) -> None:
        for own in self._owns.values():
            for task in own.tasks:
                task.cancel()


class Nameless(Wrong):
    @property
    def type(self) -> BackendType:
        return "in-process"  # type: ignore[return-value]  # Which is what is wrong with it.


class Undying(Wrong):
    async def aclose(self) -> None:
        """Go on."""


BROKEN: list[tuple[type[Wrong], str]] = [
    (AlwaysFirst, "subscribing says whether it is the first for our key"),
    (NeverLast, "unsubscribing says whether it was the last for our key"),
    (AlwaysLast, "who never subscribed is not the last"),
    (Counts, "the same handler again counts once"),
    (FirstOnce, "after the last one the next is the first again"),
    (SwapsEnds, "a message arrives as it was with both ends"),
    (SaysTwice, "every handler of a sender gets each message once"),
    (HearsAll, "a handler hears its sender and no other"),
    (AdmitsAll, "who is not admitted is not heard"),
    (Remembers, "who subscribes later hears what comes later"),
    (KeepsCalling, "who has unsubscribed is not called"),
    (StopsAtAnError, "a handler that raises hurts nobody"),
    (WantsSomebody, "nobody being there is no error"),
    (TakesAll, "a message to nobody is refused"),
    (TakesAll, "a message that fits into no envelope is refused"),
    (WaitsForEver, "waiting for a key that nobody has subscribed is refused"),
    (SaysNothing, "watchers learn when a subscription is live"),
    (Leaves, "a nudge loses nothing that is said afterwards"),
    (Nameless, "it says what kind it is and counts what it drops"),
    (Undying, "a closed backend refuses and closing twice does nothing"),
]


@pytest.mark.parametrize(
    ("broken", "sentence"), BROKEN, ids=[f"{broken.__name__}: {sentence}" for broken, sentence in BROKEN]
)
@on_virtual_time
async def test_broken_promise_is_found(broken: type[Wrong], sentence: str) -> None:
    world = World()
    [check] = [check for check in BACKEND_CHECKS if str(check) == sentence]
    made: list[CarrierBackend] = []

    def open_one() -> CarrierBackend:
        made.append(broken(InProcessCarrier(world)))
        return made[-1]

    with pytest.raises(AssertionError):
        await check(open_one)
    for backend in made:
        await CarrierBackend.aclose(backend)


def test_every_promise_has_been_broken_once() -> None:
    assert {str(check) for check in BACKEND_CHECKS} == {sentence for _, sentence in BROKEN}
