"""A line to a NATS server: what is written is confirmed, who hears is told when it ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final, Protocol

import nats.errors
from nats.aio.subscription import Subscription

from warren.errors import SignalingError
from warren.signaling.nats_client import NEVER, QuietClient
from warren.signaling.nats_target import NatsServer, NatsTarget
from warren.signaling.nats_words import dial_words, lost_words
from warren.signaling.system_words import harmless

__all__ = ["Ear", "Line"]

MAX_UNSENT: Final = 1024 * 1024
"""Bytes that may wait for the network before publishers do."""

_PERMISSION: Final = "permissions violation"


class Ear(Protocol):
    """What hears the messages on a subject."""

    def take(self, data: bytes) -> None:
        """Hear a payload."""

    def end(self, reason: str) -> None:
        """Hear no more, for a reason in words."""


class _Topic:
    """A subject and all who hear it: the server has one subscription for them."""

    def __init__(self) -> None:
        self.ears: list[Ear] = []
        self.subscription: Subscription | None = None

    def end(self, reason: str) -> None:
        """Let nobody hear more."""
        for ear in self.ears:
            ear.end(reason)


class _Request:
    """Something written to the server that it may yet refuse; `sign` is how its refusal names it."""

    def __init__(self, sign: str) -> None:
        self.sign = sign
        self.refusal = ""


class Line:
    """A connection to one server; it is of use until `trouble` says why it is not.

    What is written is confirmed in turns: one PING after all that was written so far, and its PONG says that
    the server has it. Where there is nothing to confirm, a PING now and then shows that the server lives.

    Args:
        server: where it goes.
        answer: how long the server may take to answer a PING; seconds.
        idle: how long to go without asking; seconds.
    """

    def __init__(self, server: NatsServer, *, answer: float, idle: float) -> None:
        self.server: Final = server
        self.trouble = ""
        self.users = 0
        self._answer = answer
        self._idle = idle
        self._client = QuietClient(heard=self._hear, refused=self._refuse, lost=self._lose)
        self._topics: dict[bytes, _Topic] = {}
        self._requests: dict[_Request, None] = {}
        self._said = ""
        self._asked = asyncio.Event()
        self._over = asyncio.Event()
        self._turn: asyncio.Future[None] | None = None
        self._life: asyncio.Task[None] | None = None

    async def dial(self, target: NatsTarget, *, timeout: float) -> None:
        """Connect, and stay so until the line ends.

        Raises:
            SignalingError: the server could not be reached or does not let us in; the text says why.
        """
        try:
            await self._client.dial(self.server, target, timeout=timeout)
        except Exception as error:  # A server can make the library raise anything.
            raise SignalingError(dial_words(self.server, target, error)) from None
        self._life = asyncio.create_task(self._live())

    @property
    def max_payload(self) -> int:
        """What the server takes at most, in bytes."""
        return self._client.max_payload

    @property
    def heard(self) -> bool:
        """Whether anybody hears anything by it."""
        return bool(self._topics)

    @property
    def closed(self) -> bool:
        """Whether nothing of it goes on."""
        return self._life is None or self._life.done()

    async def publish(self, subject: str, data: bytes) -> None:
        """Send; returns when the server has it.

        Raises:
            SignalingError: it has not, as far as is known.
        """
        while self._client.pending_data_size > MAX_UNSENT:
            await self._confirmed()
        self._check()
        try:
            await self._client.publish(subject, data)
        except nats.errors.MaxPayloadError:
            raise SignalingError(f"{self.server} takes {self.max_payload} bytes at most") from None
        await self._allowed(_publish_to(subject))

    @asynccontextmanager
    async def hearing(self, subject: str, ear: Ear) -> AsyncIterator[None]:
        """Let an ear hear a subject; entered when the server has confirmed it."""
        self._check()
        name = subject.encode()
        topic = self._topics.setdefault(name, _Topic())
        topic.ears.append(ear)
        try:
            if topic.subscription is None:
                topic.subscription = await self._client.subscribe(subject)
            await self._allowed(_subscription_to(subject))
            yield
        finally:
            topic.ears.remove(ear)
            if not topic.ears and self._topics.get(name) is topic:
                del self._topics[name]
                if topic.subscription is not None and not self.trouble:
                    await topic.subscription.unsubscribe()

    def end(self, trouble: str) -> None:
        """Be of no more use: all who hear by it, or wait for the server, are told why. Closing follows."""
        if self.trouble:
            return
        self.trouble = trouble
        for topic in self._topics.values():
            topic.end(trouble)
        self._answered(self._turn)
        self._over.set()

    async def aclose(self) -> None:
        """End, and wait until nothing of it goes on."""
        self.end(f"the connection to {self.server} is closed")
        if self._life is not None:
            await asyncio.wait([self._life])

    async def _live(self) -> None:
        asking = asyncio.create_task(self._keep_asking())
        try:
            await self._over.wait()
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            await self._client.shut()

    async def _keep_asking(self) -> None:
        while not self.trouble:
            await self._ask()

    async def _ask(self) -> None:
        """Wait until an answer is wanted, or for a time, and ask the server for one."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._idle):
                await self._asked.wait()
        self._asked.clear()
        turn, self._turn = self._turn, None
        try:
            async with asyncio.timeout(self._answer):
                await self._client.rtt(NEVER)
        except TimeoutError:
            self.end(f"lost NATS server {self.server}: it did not answer within {self._answer:g} s")
        finally:
            self._answered(turn)

    @staticmethod
    def _answered(turn: "asyncio.Future[None] | None") -> None:
        if turn is not None and not turn.done():
            turn.set_result(None)

    async def _confirmed(self) -> None:
        """Wait until the server has all that was written before."""
        self._check()
        if self._turn is None:
            self._turn = asyncio.get_running_loop().create_future()
            self._asked.set()
        await asyncio.shield(self._turn)
        self._check()

    async def _allowed(self, sign: str) -> None:
        """Wait until the server has what was written; raises what it says against it."""
        request = _Request(sign)
        self._requests[request] = None
        try:
            await self._confirmed()
        finally:
            del self._requests[request]
        if request.refusal:
            raise SignalingError(request.refusal)

    def _hear(self, subject: bytes, data: bytes) -> None:
        if (topic := self._topics.get(subject)) is not None:
            for ear in topic.ears:
                ear.take(data)

    def _refuse(self, text: str) -> None:
        """Find out what the server speaks of; what names no subject may be against all that is under way."""
        self._said = text
        words = f"NATS server {self.server} refused us: {harmless(text)}"
        for request in self._requests:
            if request.sign in text or _PERMISSION not in text:
                request.refusal = words
        for name, topic in list(self._topics.items()):
            if _subscription_to(name.decode()) in text:
                del self._topics[name]
                topic.end(words)

    def _lose(self, error: Exception) -> None:
        self.end(lost_words(self.server, error, self._said))

    def _check(self) -> None:
        if self.trouble:
            raise SignalingError(self.trouble)


def _publish_to(subject: str) -> str:
    return f'{_PERMISSION} for publish to "{subject.lower()}"'


def _subscription_to(subject: str) -> str:
    return f'{_PERMISSION} for subscription to "{subject.lower()}"'
