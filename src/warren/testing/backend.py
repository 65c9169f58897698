"""The contract of a backend: what the document says of its interface, for any implementation of `Backend`.

    @pytest.mark.parametrize("check", BACKEND_CHECKS, ids=str)
    async def test_backend_keeps_the_contract(check: Check) -> None:
        async with a_server_of_mine() as server:
            await check(lambda: connect(server.url))

Whoever writes a `Carrier` gets the backend from warren, and needs `warren.testing.carrier` only. Every
backend made so must reach the same place. A check raises AssertionError with a sentence.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from warren.errors import SignalingError
from warren.keys import KeyPair, PrivateKey, PublicKeyPair
from warren.messages import BackendType, Credentials, Message, PeerDescription
from warren.signaling.backend import Backend, SubscriptionChanged
from warren.testing import check

__all__ = ["BACKEND_CHECKS", "Check", "OpenBackend"]

OpenBackend = Callable[[], Backend]
"""Makes a new backend to the same place as before; the check closes it."""

Check = check.Check[Backend]
_World = check.World[Backend]

_checks: list[Check] = []


def _check(work: Callable[[_World], Awaitable[None]]) -> Callable[[_World], Awaitable[None]]:
    _checks.append(Check.of(work))
    return work


class _Ear:
    """A handler that remembers."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[tuple[PublicKeyPair, Message]] = asyncio.Queue()

    def __call__(self, pair: PublicKeyPair, message: Message) -> None:
        self.heard.put_nowait((pair, message))

    async def next(self) -> Message:
        return (await self.heard.get())[1]


class _Two:
    """Alice, who listens, and Bob, who speaks, each at a backend of their own."""

    def __init__(self, world: _World) -> None:
        self.alice, self.bob = PrivateKey.generate(), PrivateKey.generate()
        self.hers, self.his = world.open(), world.open()
        self.from_bob = KeyPair(self.alice, self.bob.public)
        self.from_anyone = KeyPair(self.alice, None)
        self.to_alice = KeyPair(self.bob, self.alice.public)

    async def listen(self, *ears: _Ear) -> None:
        """Let the ears have what Bob says, and wait until they do."""
        for ear in ears:
            await self.hers.subscribe(self.from_bob, ear)
        await self.hers.wait_live(self.alice.public)

    async def say(self, message: Message) -> None:
        await self.his.publish(self.to_alice, message)


# The interface's booleans


@_check
async def _subscribing_says_whether_it_is_the_first_for_our_key(world: _World) -> None:
    two, other = _Two(world), PrivateKey.generate()
    assert await two.hers.subscribe(two.from_bob, _Ear()) is True, "the first one is not"
    assert await two.hers.subscribe(two.from_bob, _Ear()) is False, "the second one is"
    assert await two.hers.subscribe(two.from_anyone, _Ear(), admit=_anyone) is False, "one for anyone is"
    assert await two.hers.subscribe(KeyPair(other, None), _Ear()) is True, "another key of ours is not"


@_check
async def _unsubscribing_says_whether_it_was_the_last_for_our_key(world: _World) -> None:
    two, first, second = _Two(world), _Ear(), _Ear()
    await two.hers.subscribe(two.from_bob, first)
    await two.hers.subscribe(two.from_anyone, second, admit=_anyone)
    assert await two.hers.unsubscribe(two.from_bob, first) is False, "one is left, and it was"
    assert await two.hers.unsubscribe(two.from_anyone, second) is True, "none is left, and it was not"


@_check
async def _who_never_subscribed_is_not_the_last(world: _World) -> None:
    two, ear = _Two(world), _Ear()
    assert await two.hers.unsubscribe(two.from_bob, ear) is False, "nobody had subscribed"
    await two.hers.subscribe(two.from_bob, ear)
    assert await two.hers.unsubscribe(two.from_bob, _Ear()) is False, "another handler had subscribed"


@_check
async def _the_same_handler_again_counts_once(world: _World) -> None:
    two, ear = _Two(world), _Ear()
    await two.hers.subscribe(two.from_bob, ear)
    assert await two.hers.subscribe(two.from_bob, ear) is False, "it counts as the first again"
    assert await two.hers.unsubscribe(two.from_bob, ear) is True, "it has to be taken away twice"


@_check
async def _after_the_last_one_the_next_is_the_first_again(world: _World) -> None:
    two, ear = _Two(world), _Ear()
    await two.hers.subscribe(two.from_bob, ear)
    await two.hers.unsubscribe(two.from_bob, ear)
    assert await two.hers.subscribe(two.from_bob, ear) is True, "it is not"
    await two.hers.wait_live(two.alice.public)
    await two.say(_numbered(1))
    assert await ear.next() == _numbered(1), "another message came than was sent"


# Messages


@_check
async def _a_message_arrives_as_it_was_with_both_ends(world: _World) -> None:
    two, ear = _Two(world), _Ear()
    await two.listen(ear)
    sent = Message(
        credentials=Credentials("u" * 16, "p" * 32), peer=PeerDescription(name="bob", public_key=bytes(32))
    )
    await two.say(sent)
    pair, got = await ear.heard.get()
    assert pair == PublicKeyPair(two.alice.public, two.bob.public), f"the handler is told of {pair}"
    assert got == sent, "another message came than was sent"


@_check
async def _every_handler_of_a_sender_gets_each_message_once(world: _World) -> None:
    two, one, other, anyone = _Two(world), _Ear(), _Ear(), _Ear()
    await two.hers.subscribe(two.from_anyone, anyone, admit=_anyone)
    await two.listen(one, other)
    for number in (1, 2):
        await two.say(_numbered(number))
    for ear in (one, other, anyone):
        got = [await ear.next(), await ear.next()]
        assert sorted(map(_number, got)) == [1, 2], f"a handler got {got}"


@_check
async def _a_handler_hears_its_sender_and_no_other(world: _World) -> None:
    two, ear, carol = _Two(world), _Ear(), PrivateKey.generate()
    await two.listen(ear)
    await two.his.publish(KeyPair(carol, two.alice.public), _numbered(1))
    await two.say(_numbered(2))
    assert _number(await ear.next()) == 2, "a message of another sender came"


@_check
async def _who_is_not_admitted_is_not_heard(world: _World) -> None:
    two, ear, carol = _Two(world), _Ear(), PrivateKey.generate()
    await two.hers.subscribe(two.from_anyone, ear, admit=lambda sender: sender == two.bob.public)
    await two.hers.wait_live(two.alice.public)
    await two.his.publish(KeyPair(carol, two.alice.public), _numbered(1))
    await two.say(_numbered(2))
    assert _number(await ear.next()) == 2, "a message of a sender that is not admitted came"


@_check
async def _who_subscribes_later_hears_what_comes_later(world: _World) -> None:
    two, early, late = _Two(world), _Ear(), _Ear()
    await two.listen(early)
    await two.say(_numbered(1))
    assert _number(await early.next()) == 1
    await two.listen(late)
    await two.say(_numbered(2))
    assert _number(await late.next()) == 2, "a late handler hears what came before it"


@_check
async def _who_has_unsubscribed_is_not_called(world: _World) -> None:
    two, gone, stays = _Two(world), _Ear(), _Ear()
    await two.listen(gone, stays)
    await two.hers.unsubscribe(two.from_bob, gone)
    await two.say(_numbered(1))
    assert _number(await stays.next()) == 1
    assert gone.heard.empty(), "it is called"


@_check
async def _a_handler_that_raises_hurts_nobody(world: _World) -> None:
    two, ear = _Two(world), _Ear()

    def broken(_: PublicKeyPair, __: Message) -> None:
        raise ZeroDivisionError

    await two.hers.subscribe(two.from_bob, broken)
    await two.listen(ear)
    for number in (1, 2):
        await two.say(_numbered(number))
        assert _number(await ear.next()) == number, "another message came than was sent"


@_check
async def _nobody_being_there_is_no_error(world: _World) -> None:
    two = _Two(world)
    count = await two.his.publish(two.to_alice, _numbered(1))
    assert count in (None, 0), f"publish says that {count} took it, where nobody is"


# Mistakes of ours, and the end


@_check
async def _a_message_to_nobody_is_refused(world: _World) -> None:
    two = _Two(world)
    await _refused(two.his.publish(KeyPair(two.bob, None), _numbered(1)), ValueError)


@_check
async def _a_message_that_fits_into_no_envelope_is_refused(world: _World) -> None:
    two, ear = _Two(world), _Ear()
    await two.listen(ear)
    large = Message(peer=PeerDescription(name="x" * 20_000, public_key=bytes(32)))
    await _refused(two.his.publish(two.to_alice, large), SignalingError)
    await two.say(_numbered(1))
    assert _number(await ear.next()) == 1, "after a refused message the next one does not come"


@_check
async def _waiting_for_a_key_that_nobody_has_subscribed_is_refused(world: _World) -> None:
    await _refused(world.open().wait_live(PrivateKey.generate().public), ValueError)


@_check
async def _watchers_learn_when_a_subscription_is_live(world: _World) -> None:
    two, live = _Two(world), asyncio.Event()
    changes: list[SubscriptionChanged] = []

    def watcher(change: SubscriptionChanged) -> None:
        changes.append(change)
        if change.live:
            live.set()

    unwatch = two.hers.watch(watcher)
    await two.listen(_Ear())
    await live.wait()
    assert changes[-1].key == two.alice.public, "a watcher is told of another key"
    unwatch()


@_check
async def _a_nudge_loses_nothing_that_is_said_afterwards(world: _World) -> None:
    two, ear = _Two(world), _Ear()
    await two.listen(ear)
    live = asyncio.Event()
    unwatch = two.hers.watch(lambda change: live.set() if change.live else None)
    two.hers.nudge()
    await live.wait()
    unwatch()
    await two.say(_numbered(1))
    assert _number(await ear.next()) == 1, "another message came than was sent"


@_check
async def _it_says_what_kind_it_is_and_counts_what_it_drops(world: _World) -> None:
    backend = world.open()
    assert isinstance(backend.type, BackendType), f"its type is {backend.type!r}"
    assert not backend.drops, f"it has dropped {backend.drops} before anything came"


@_check
async def _a_closed_backend_refuses_and_closing_twice_does_nothing(world: _World) -> None:
    two = _Two(world)
    await two.listen(_Ear())
    await two.hers.aclose()
    await two.hers.aclose()
    await _refused(two.hers.publish(two.from_bob, _numbered(1)), SignalingError)
    await _refused(two.hers.subscribe(two.from_bob, _Ear()), SignalingError)


BACKEND_CHECKS: Final[tuple[Check, ...]] = tuple(_checks)
"""All promises, in order."""


def _anyone(_: object) -> bool:
    return True


def _numbered(number: int) -> Message:
    return Message(credentials=Credentials(f"number{number}", "p" * 32))


def _number(message: Message) -> int:
    assert message.credentials is not None, "a message came that nobody has sent"
    return int(message.credentials.ufrag.removeprefix("number"))


async def _refused(work: Awaitable[object], error: type[Exception]) -> None:
    try:
        await work
    except error:
        return
    raise AssertionError(f"no {error.__name__}")
