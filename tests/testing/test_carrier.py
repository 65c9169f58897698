"""The contract of a carrier finds what is broken: each promise is broken once, and seen."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.signaling.people import ALICE, BOB, sealed
from tests.signaling.virtual import on_virtual_time
from warren.envelope import Envelope
from warren.errors import SignalingError
from warren.signaling.backlog import Backlog
from warren.signaling.carrier import Gap, Identity, Received
from warren.signaling.inprocess import InProcessCarrier, World
from warren.testing.carrier import CARRIER_CHECKS, RESTART_CHECKS, Check


class Wrong(InProcessCarrier):
    """A carrier to be broken."""


class Changes(Wrong):
    async def publish(self, envelope: Envelope) -> int:
        other = Envelope(envelope.sender, envelope.recipient, envelope.body + b"!", envelope.nonce)
        return await super().publish(other)


class SkipsItself(Wrong):
    async def publish(self, envelope: Envelope) -> int:
        return 0 if envelope.sender == envelope.recipient else await super().publish(envelope)


class CutsShort(Wrong):
    async def publish(self, envelope: Envelope) -> int:
        cut = Envelope(envelope.sender, envelope.recipient, envelope.body[:1000], envelope.nonce)
        return await super().publish(cut)


class TakesAnySize(Wrong):
    async def publish(self, envelope: Envelope) -> int:
        return self._world.deliver(envelope, 1)


class Replaces(Wrong):
    """The newest subscriber to a key throws the others out."""

    async def publish(self, envelope: Envelope) -> int:
        newest = self._world.subscriptions.get(envelope.recipient, [])[-1:]
        for backlog in newest:
            backlog.put(envelope, 100)
        return len(newest)


class SendsToAll(Wrong):
    async def publish(self, envelope: Envelope) -> int:
        count = await super().publish(envelope)
        for key, backlogs in list(self._world.subscriptions.items()):
            if key != envelope.recipient:
                for backlog in backlogs:
                    backlog.put(envelope, 100)
        return count


class WantsSomebody(Wrong):
    async def publish(self, envelope: Envelope) -> int:
        if not (count := await super().publish(envelope)):
            raise SignalingError("nobody there")
        return count


class CountsWrong(Wrong):
    async def publish(self, envelope: Envelope) -> int:
        return await super().publish(envelope) + 1


class LosesSome(Wrong):
    count = 0

    async def publish(self, envelope: Envelope) -> int:
        self.count += 1
        return 0 if self.count % 5 == 0 else await super().publish(envelope)


class Silent:
    """Reads of it see no gaps."""

    def __init__(self, inner: AsyncIterator[Received]) -> None:
        self._inner = inner

    def __aiter__(self) -> AsyncIterator[Received]:
        return self

    async def __anext__(self) -> Received:
        while isinstance(item := await anext(self._inner), Gap):
            pass
        return item


class HidesGaps(Wrong):
    @asynccontextmanager
    async def subscribe(self, identity: Identity) -> AsyncIterator[AsyncIterator[Received]]:
        async with super().subscribe(identity) as stream:
            yield Silent(stream)


class NeverLeaves(Wrong):
    @asynccontextmanager
    async def subscribe(self, identity: Identity) -> AsyncIterator[AsyncIterator[Received]]:
        backlog = Backlog()
        self._world.add(identity.public, backlog)
        yield backlog


class Keeps(Wrong):
    """Whoever comes gets what was sent before."""

    sent: list[Envelope] = []  # noqa: RUF012  # kept on purpose

    async def publish(self, envelope: Envelope) -> int:
        self.sent.append(envelope)
        return await super().publish(envelope)

    @asynccontextmanager
    async def subscribe(self, identity: Identity) -> AsyncIterator[AsyncIterator[Received]]:
        async with super().subscribe(identity) as stream:
            for envelope in self.sent:
                if envelope.recipient == identity.public:
                    self._world.deliver(envelope, 100)
            yield stream


class LeavesAll(Wrong):
    @asynccontextmanager
    async def subscribe(self, identity: Identity) -> AsyncIterator[AsyncIterator[Received]]:
        async with super().subscribe(identity) as stream:
            yield stream
            self._world.subscriptions[identity.public] = [
                backlog for backlog in self._open if backlog is stream
            ]


class Swallows(Wrong):
    """Whatever happens inside does not come out."""

    @asynccontextmanager
    async def subscribe(self, identity: Identity) -> AsyncIterator[AsyncIterator[Received]]:
        async with super().subscribe(identity) as stream:
            try:
                yield stream
            except BaseException:  # Swallowed on purpose.
                return


class ClosesNothing(Wrong):
    async def aclose(self) -> None:
        self._closed = True


class Undead(Wrong):
    """It yields something when it is closed."""

    async def aclose(self) -> None:
        for backlog in self._open:
            backlog.put(sealed(ALICE, BOB.public), 100)


class ClosesOnce(Wrong):
    async def aclose(self) -> None:
        self._check_open()
        self._closed = True


class DeafToClosing(Wrong):
    def _check_open(self) -> None:
        """Go on."""


class JamsWhenCancelled(Wrong):
    jammed = False

    async def publish(self, envelope: Envelope) -> int:
        if self.jammed:
            return 0
        self.jammed = True
        await asyncio.sleep(0)
        self.jammed = False
        return await super().publish(envelope)


class ForgetsToLeave(Wrong):
    """It enters in two steps, and is not prepared to be cancelled between them."""

    @asynccontextmanager
    async def subscribe(self, identity: Identity) -> AsyncIterator[AsyncIterator[Received]]:
        unused = Backlog()
        self._world.add(identity.public, unused)
        await asyncio.sleep(0)
        self._world.remove(identity.public, unused)
        async with super().subscribe(identity) as stream:
            yield stream


class ReadsNoMore(Wrong):
    """A read that is cancelled is the last one, and nothing says so."""

    @asynccontextmanager
    async def subscribe(self, identity: Identity) -> AsyncIterator[AsyncIterator[Received]]:
        async def read(stream: AsyncIterator[Received]) -> AsyncIterator[Received]:
            async for item in stream:
                yield item

        async with super().subscribe(identity) as stream:
            yield Deafened(read(stream))


class Deafened(AsyncIterator[Received]):
    def __init__(self, stream: AsyncIterator[Received]) -> None:
        self._stream = stream

    async def __anext__(self) -> Received:
        try:
            return await anext(self._stream)
        except StopAsyncIteration:
            await asyncio.Event().wait()
            raise


class LeavesTasks(Wrong):
    async def publish(self, envelope: Envelope) -> int:
        self.task = asyncio.create_task(asyncio.Event().wait())
        return await super().publish(envelope)


BROKEN: list[tuple[type[Wrong], str]] = [
    (Changes, "what is published after entering arrives unchanged"),
    (SkipsItself, "it serves its own publisher too"),
    (CutsShort, "the largest envelope arrives"),
    (TakesAnySize, "a larger one is refused and does no harm"),
    (Replaces, "all who hold a key get each envelope"),
    (SendsToAll, "nobody gets what is sent to another key"),
    (WantsSomebody, "nobody being there is no error"),
    (CountsWrong, "nobody being there is no error"),
    (LosesSome, "many publishers at once are all heard"),
    (HidesGaps, "who does not read holds up nobody and learns of the gap"),
    (NeverLeaves, "who has left is gone"),
    (Keeps, "entering again works and brings nothing old"),
    (LeavesAll, "leaving one subscription leaves the others"),
    (NeverLeaves, "a reader can be cancelled"),
    (Swallows, "a reader can be cancelled"),
    (Swallows, "an exception inside comes out"),
    (ClosesNothing, "closing ends every subscription"),
    (Undead, "closing ends every subscription"),
    (ClosesOnce, "closing twice does nothing"),
    (DeafToClosing, "a closed carrier refuses with a signaling error"),
    (JamsWhenCancelled, "publishing can be cancelled at any point"),
    (ForgetsToLeave, "entering can be cancelled at any point"),
    (ReadsNoMore, "reading can be cancelled and gone on with"),
    (LeavesTasks, "closing leaves nothing running"),
]


@pytest.mark.parametrize(
    ("broken", "sentence"), BROKEN, ids=[f"{broken.__name__}: {sentence}" for broken, sentence in BROKEN]
)
@on_virtual_time
async def test_broken_promise_is_found(broken: type[Wrong], sentence: str) -> None:
    world = World()
    [check] = [check for check in CARRIER_CHECKS if str(check) == sentence]
    with pytest.raises(AssertionError):
        await check(lambda: broken(world))


def test_every_promise_has_been_broken_once() -> None:
    assert {str(check) for check in CARRIER_CHECKS} == {sentence for _, sentence in BROKEN}


@pytest.mark.parametrize("check", RESTART_CHECKS, ids=str)
@on_virtual_time
async def test_subscription_that_ends_with_its_server_is_in_order(check: Check) -> None:
    world = World()

    async def restart() -> None:
        for backlogs in world.subscriptions.values():
            for backlog in backlogs:
                backlog.end("the server was restarted")

    await check(lambda: InProcessCarrier(world), restart=restart)


@pytest.mark.parametrize("check", RESTART_CHECKS, ids=str)
@on_virtual_time
async def test_subscription_that_is_deaf_after_a_restart_is_found(check: Check) -> None:
    world = World()

    async def restart() -> None:
        for key in world.subscriptions:
            world.subscriptions[key] = [Backlog()]

    with pytest.raises(AssertionError, match="after a restart"):
        await check(lambda: InProcessCarrier(world), restart=restart)


@pytest.mark.parametrize("check", RESTART_CHECKS, ids=str)
@on_virtual_time
async def test_who_does_not_say_how_to_restart_is_told(check: Check) -> None:
    world = World()
    with pytest.raises(AssertionError, match="give it restart="):
        await check(lambda: InProcessCarrier(world))
