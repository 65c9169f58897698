"""Backend: the interface of the document, and its one implementation over any carrier."""

import asyncio
import logging
import os
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

from warren.envelope import Envelope, EnvelopeError, Sealer
from warren.errors import SignalingError
from warren.keys import KeyPair, PrivateKey, PublicKey
from warren.messages import BackendType, Message, RelayInfo
from warren.sansio import Dice, RandomBytes
from warren.signaling.carrier import Carrier, CountsDrops, GivesRelays, Identity
from warren.signaling.inbox import Admit, Handler, Inbox
from warren.signaling.quiet import QuietLog
from warren.signaling.stats import BackendStats, Tally
from warren.signaling.subscription import Subscription, Timing

__all__ = ["Backend", "CarrierBackend", "Line", "SubscriptionChanged", "Watcher"]

MAX_SEALERS = 256

logger = logging.getLogger("warren.signaling")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SubscriptionChanged:
    """A subscription became live or was lost, or may have missed something while live (`reason` is "gap")."""

    key: PublicKey
    """Our own key."""
    live: bool
    reason: str
    """In words."""
    backend: str
    """Which backend, of several; a URL without secrets."""


Watcher = Callable[[SubscriptionChanged], None]


class Backend(Protocol):
    """Signaling: messages from key to key, sealed. Everything is called in one event loop."""

    @property
    def type(self) -> BackendType:
        """What kind of backend this is."""
        ...

    @property
    def drops(self) -> Counter[str]:
        """What was received and dropped, by reason."""
        ...

    @property
    def stats(self) -> tuple[BackendStats, ...]:
        """How it does; one of each backend where it stands for several."""
        ...

    async def publish(self, key_pair: KeyPair, message: Message) -> int | None:
        """Seal a message from `ours` to `theirs` and send it; return how many took it, where that is known.

        Raises:
            SignalingError: no backend took it; the text says why and what to do.
            ValueError: `theirs` is not set.
        """
        ...

    async def subscribe(self, key_pair: KeyPair, handler: Handler, *, admit: Admit | None = None) -> bool:
        """Let a handler have the messages to `ours` from `theirs`, or from anyone where that is not set.

        Returns at once; the subscription becomes live in the background and stays so (`wait_live`, `watch`).
        The same handler again for the same pair changes nothing but `admit`.

        Args:
            key_pair: our private key, and whose messages.
            handler: called in the loop, must not block.
            admit: where `theirs` is not set, asked for every sender before anything is computed for it.

        Returns:
            True for the first handler of `ours`.

        Raises:
            SignalingError: the backend is closed.
        """
        ...

    async def unsubscribe(self, key_pair: KeyPair, handler: Handler) -> bool:
        """Take the handler away; with the last one of `ours` the subscription is left before this returns.

        Returns:
            True for the last handler of `ours`.
        """
        ...

    async def wait_live(self, ours: PublicKey, timeout: float | None = None) -> None:
        """Wait until a subscription for our key is live.

        Raises:
            SignalingError: it is not within `timeout` seconds; the text says why.
            ValueError: nobody has subscribed for this key.
        """
        ...

    @property
    def gives_relays(self) -> bool:
        """Whether it may know of relays at all."""
        ...

    async def relays(self, ours: PublicKey) -> tuple[RelayInfo, ...]:
        """Ask for TURN servers and credentials, for a key that is subscribed; there may be none.

        Raises:
            SignalingError: nobody gave any, and somebody failed to.
        """
        ...

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Call the watcher with every change of a subscription; the returned function ends that."""
        ...

    def nudge(self) -> None:
        """Subscribe anew at once, since the network has changed."""
        ...

    async def aclose(self) -> None:
        """Leave all subscriptions and free everything; a second call does nothing."""
        ...


class Line:
    """A carrier, what people call it, and how it does."""

    __slots__ = ("carrier", "name", "tally")

    def __init__(self, carrier: Carrier, name: str) -> None:
        self.carrier = carrier
        self.name = name
        self.tally = Tally(name, carrier)


class _Own:
    """What is kept for one own key while anybody subscribes to it."""

    def __init__(self, inbox: Inbox) -> None:
        self.inbox = inbox
        self.subscriptions: list[Subscription] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.live = asyncio.Event()


class CarrierBackend:
    """A backend over one carrier: seals, subscriptions and handlers.

    Each own key has one subscription at the carrier, whatever the number of handlers.
    Closing it closes the carrier.

    Args:
        carrier: what moves the envelopes.
        name: what to call it in messages for people.
        random_bytes: where nonces come from.
        dice: for jitter; the system's by default.
        timing: of the subscriptions.
    """

    def __init__(
        self,
        carrier: Carrier,
        *,
        name: str = "",
        random_bytes: RandomBytes = os.urandom,
        dice: Dice | None = None,
        timing: Timing | None = None,
    ) -> None:
        self._lines: tuple[Line, ...] = (Line(carrier, name or carrier.type.name.lower()),)
        self._random_bytes = random_bytes
        self._dice: Dice = dice or random.SystemRandom()
        self._timing = timing or Timing()
        self._drops: Counter[str] = Counter()
        self._log = QuietLog(logger)
        self._owns: dict[PublicKey, _Own] = {}
        self._sealers: dict[PublicKey, Sealer] = {}
        self._watchers: list[Watcher] = []
        # A dict for its order: what is cancelled first must not depend on where objects lie in memory.
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._closed = False

    @property
    def type(self) -> BackendType:
        """The carrier's."""
        return self._lines[0].carrier.type

    @property
    def drops(self) -> Counter[str]:
        """What was received and dropped, by reason, here and in the carrier."""
        carriers = [line.carrier.drops for line in self._lines if isinstance(line.carrier, CountsDrops)]
        return sum(carriers, Counter(self._drops))

    @property
    def stats(self) -> tuple[BackendStats, ...]:
        """How each of the carriers does."""
        return tuple(line.tally.stats() for line in self._lines)

    async def publish(self, key_pair: KeyPair, message: Message) -> int | None:
        """Seal and send, as `Backend.publish` says."""
        self._check_open()
        if key_pair.theirs is None:
            raise ValueError("a message needs a recipient: set key_pair.theirs")
        try:
            envelope = self._sealer(key_pair.ours).seal(key_pair.theirs, message)
        except EnvelopeError as error:
            raise SignalingError(f"the message cannot be sealed: {error}") from error
        if (own := self._owns.get(key_pair.ours.public)) is not None:
            own.inbox.sent(envelope)
        return await self._send(envelope)

    async def subscribe(self, key_pair: KeyPair, handler: Handler, *, admit: Admit | None = None) -> bool:
        """Add a handler, as `Backend.subscribe` says."""
        self._check_open()
        ours = key_pair.ours.public
        first = ours not in self._owns
        if first:
            self._owns[ours] = self._begin(key_pair.ours)
        self._owns[ours].inbox.add(handler, key_pair.theirs, admit)
        return first

    async def unsubscribe(self, key_pair: KeyPair, handler: Handler) -> bool:
        """Take a handler away, as `Backend.unsubscribe` says."""
        ours = key_pair.ours.public
        own = self._owns.get(ours)
        if own is None or not own.inbox.remove(handler, key_pair.theirs) or len(own.inbox):
            return False
        del self._owns[ours]
        await _end(own.tasks)
        for line in self._lines:
            line.tally.left(ours)
        return True

    async def wait_live(self, ours: PublicKey, timeout: float | None = None) -> None:
        """Wait for a live subscription, as `Backend.wait_live` says."""
        if (own := self._owns.get(ours)) is None:
            raise ValueError(f"nobody has subscribed for {ours}")
        try:
            async with asyncio.timeout(timeout):
                await own.live.wait()
        except TimeoutError:
            reasons = [one.reason for one in own.subscriptions if one.reason]
            why = "; ".join(reasons) or "no answer yet"
            raise SignalingError(f"not subscribed within {timeout:g} s: {why}") from None

    @property
    def gives_relays(self) -> bool:
        """Whether any of the carriers knows where to get relays."""
        return any(isinstance(line.carrier, GivesRelays) for line in self._lines)

    async def relays(self, ours: PublicKey) -> tuple[RelayInfo, ...]:
        """Ask all carriers that know relays, at the same time, as `Backend.relays` says."""
        self._check_open()
        results = await asyncio.gather(*(self._relays_of(line, ours) for line in self._lines))
        found = [relay for relays, _ in results for relay in relays]
        errors = [trouble for _, trouble in results if trouble]
        if errors and not found:
            raise SignalingError("; ".join(errors))
        return tuple(dict.fromkeys(found))

    async def _relays_of(self, line: Line, ours: PublicKey) -> tuple[tuple[RelayInfo, ...], str]:
        if not isinstance(line.carrier, GivesRelays):
            return (), ""
        try:
            async with asyncio.timeout(self._timing.publish):
                return await line.carrier.relays(ours), ""
        except TimeoutError:
            return (), f"{line.name} did not answer within {self._timing.publish:g} s"
        except SignalingError as error:
            return (), str(error)
        except Exception as error:  # Whatever a plug-in raises.
            return (), f"{line.name} failed: {type(error).__name__}: {error}"

    def watch(self, watcher: Watcher) -> Callable[[], None]:
        """Tell the watcher of changes, as `Backend.watch` says."""
        entry = partial(watcher)  # An object of its own, so that the same watcher may watch twice.
        self._watchers.append(entry)

        def unwatch() -> None:
            self._watchers = [other for other in self._watchers if other is not entry]

        return unwatch

    def nudge(self) -> None:
        """Subscribe anew at once."""
        for own in self._owns.values():
            for subscription in own.subscriptions:
                subscription.nudge()

    async def aclose(self) -> None:
        """Leave all subscriptions and close the carrier."""
        if self._closed:
            return
        self._closed = True
        self._owns.clear()
        await _end(list(self._tasks))
        results = await asyncio.gather(
            *(line.carrier.aclose() for line in self._lines), return_exceptions=True
        )
        for line, error in zip(self._lines, results, strict=True):
            if isinstance(error, Exception):
                logger.error("closing %s failed", line.name, exc_info=error)

    async def _send(self, envelope: Envelope) -> int | None:
        return await self._hand_to(self._lines[0], envelope)

    async def _hand_to(self, line: Line, envelope: Envelope) -> int | None:
        try:
            taken = await self._publish_on(line, envelope)
        except SignalingError as error:
            line.tally.did_not_take(str(error))
            raise
        line.tally.took()
        return taken

    async def _publish_on(self, line: Line, envelope: Envelope) -> int | None:
        size, limit = len(envelope.serialize()), line.carrier.max_envelope
        if size > limit:
            raise SignalingError(f"{line.name} takes {limit} bytes at most; this message needs {size}")
        try:
            async with asyncio.timeout(self._timing.publish):
                return await line.carrier.publish(envelope)
        except SignalingError:
            raise
        except TimeoutError:
            raise SignalingError(
                f"{line.name} did not take an envelope within {self._timing.publish:g} s"
            ) from None
        except Exception as error:  # Whatever a plug-in raises.
            raise SignalingError(f"{line.name} failed: {type(error).__name__}: {error}") from error

    def _begin(self, private: PrivateKey) -> _Own:
        identity, sealer = Identity(private), self._sealer(private)
        clock = asyncio.get_running_loop().time
        own = _Own(Inbox(identity.public, sealer, drops=self._drops, log=self._log, clock=clock))
        for line in self._lines:
            subscription = Subscription(
                line.carrier,
                identity,
                received=partial(_received, line.tally, own.inbox),
                changed=partial(self._subscription_changed, own, line),
                probe=partial(sealer.seal, identity.public, Message()),
                dice=self._dice,
                timing=self._timing,
            )
            own.subscriptions.append(subscription)
            own.tasks.append(self._spawn(subscription.run()))
        return own

    def _subscription_changed(self, own: _Own, line: Line, live: bool, reason: str) -> None:
        line.tally.changed(own.inbox.ours, live, reason, asyncio.get_running_loop().time())
        if any(one.live for one in own.subscriptions):
            own.live.set()
        else:
            own.live.clear()
        logger.debug("%s: subscription %s: %s", line.name, "live" if live else "lost", reason)
        change = SubscriptionChanged(own.inbox.ours, live, reason, line.name)
        for watcher in list(self._watchers):
            try:
                watcher(change)
            except Exception as error:
                now = asyncio.get_running_loop().time()
                self._log.log(
                    logging.ERROR, "watcher", "a watcher of subscriptions failed", now=now, error=error
                )

    def _sealer(self, private: PrivateKey) -> Sealer:
        key = private.public
        sealer = self._sealers.pop(key, None) or Sealer(private, random_bytes=self._random_bytes)
        self._sealers[key] = sealer  # The newest last, so that the one unused longest goes.
        if len(self._sealers) > MAX_SEALERS:
            del self._sealers[next(iter(self._sealers))]
        return sealer

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[task] = None
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        del self._tasks[task]
        if not task.cancelled() and not isinstance(error := task.exception(), SignalingError | None):
            logger.error("a task of signaling failed", exc_info=error)

    def _check_open(self) -> None:
        if self._closed:
            raise SignalingError("the signaling backend is closed")


def _received(tally: Tally, inbox: Inbox, envelope: Envelope) -> None:
    tally.gave()
    inbox.receive(envelope)


async def _end(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
