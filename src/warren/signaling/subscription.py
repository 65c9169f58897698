"""Staying subscribed: one piece of code that does it for every carrier."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from warren.backoff import Backoff
from warren.envelope import Envelope
from warren.errors import WarrenError
from warren.sansio import Dice
from warren.signaling.carrier import Carrier, Gap, Identity, Received

__all__ = ["GAP", "NUDGED", "Subscription", "Timing"]

GAP: Final = "gap"
"""The reason told when a live subscription may have missed envelopes."""

NUDGED: Final = "subscribing anew, for the network has changed"

GAP_INTERVAL = 1.0
STEADY = 1.0


AGAIN: Final = Backoff(first=0.35, factor=1.6, limit=4.0, jitter=0.4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """When a subscription does what; seconds."""

    enter: float = 10.0
    """How long it may take to become live."""

    quiet: float = 60.0
    """After so long without anything received we send an envelope to ourselves."""

    answer: float = 10.0
    """How long that may take before the subscription counts as deaf."""

    publish: float = 10.0
    """How long publishing an envelope may take."""

    again: Backoff = AGAIN
    """When to enter again: first within half a second, at most four seconds apart."""


class Subscription:
    """Keeps one key subscribed at one carrier while `run` runs: enters, reads, leaves, and enters again.

    A stream can be alive and deaf: after a time of silence a probe to our own key shows it, with any server.

    Args:
        carrier: where to subscribe.
        identity: for which key.
        received: gets every envelope but our own probes.
        changed: gets (live, reason in words) on each change; a gap is (true, `GAP`), once a second.
        probe: makes an envelope to our own key.
        dice: for jitter.
        timing: when to do what.
    """

    def __init__(
        self,
        carrier: Carrier,
        identity: Identity,
        *,
        received: Callable[[Envelope], None],
        changed: Callable[[bool, str], None],
        probe: Callable[[], Envelope],
        dice: Dice,
        timing: Timing,
    ) -> None:
        self._carrier = carrier
        self._identity = identity
        self._received = received
        self._changed = changed
        self._make_probe = probe
        self._dice = dice
        self._timing = timing
        self._live_since: float | None = None
        self._reason = ""
        self._heard_at = 0.0
        self._heard = asyncio.Event()
        self._nudged = asyncio.Event()
        self._limit: asyncio.Timeout | None = None
        self._probe_nonce = b""
        self._gap_due = 0.0
        self._gap_timer: asyncio.TimerHandle | None = None

    @property
    def live(self) -> bool:
        """Whether envelopes can be received now, as far as is known."""
        return self._live_since is not None

    @property
    def reason(self) -> str:
        """Why it is not live, in words; empty while nothing has failed."""
        return self._reason

    def nudge(self) -> None:
        """Enter anew at once: what the carrier stands on may be gone with the network that it went through.

        A probe would tell whether it is, but only after a time in which nobody could reach us.
        """
        self._nudged.set()
        if self._live_since is not None:
            self._reason = NUDGED
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(asyncio.get_running_loop().time())

    async def run(self) -> None:
        """Stay subscribed until cancelled."""
        loop = asyncio.get_running_loop()
        delays = self._timing.again.delays(self._dice)
        try:
            while True:
                reason = await self._stay()
                # A server that takes us in only to throw us out is not asked twice a second for ever.
                if self._live_since is not None and loop.time() - self._live_since >= STEADY:
                    delays = self._timing.again.delays(self._dice)
                self._lost(reason)
                if await self._nudged_within(next(delays)):
                    delays = self._timing.again.delays(self._dice)
                self._nudged.clear()
        finally:
            self._live_since = None
            self._forget_gap()

    async def _stay(self) -> str:
        """Be subscribed once, from entering to leaving; return why it is over, in words."""
        limit = self._limit = asyncio.timeout(self._timing.enter)
        try:
            async with limit, self._carrier.subscribe(self._identity) as stream:
                limit.reschedule(None)
                self._became_live()
                async with self._probing(limit):
                    async for item in stream:
                        self._take(item)
            return "the subscription ended"
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return "the carrier cancelled the subscription"  # Some libraries say so when they are closed.
        except Exception as error:  # Whatever a plug-in raises; the subscription has to survive it.
            if limit.expired():
                return self._why_expired()
            return str(error) if isinstance(error, WarrenError) else f"{type(error).__name__}: {error}"
        finally:
            self._limit = None

    def _why_expired(self) -> str:
        if self._live_since is None:
            return f"not subscribed within {self._timing.enter:g} s"
        return self._reason

    @asynccontextmanager
    async def _probing(self, limit: asyncio.Timeout) -> AsyncIterator[None]:
        watch = asyncio.create_task(self._watch(limit))
        try:
            yield
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)

    async def _watch(self, limit: asyncio.Timeout) -> None:
        """Probe a stream that is quiet; make `limit` end one that is deaf."""
        loop = asyncio.get_running_loop()
        while True:
            wait = self._heard_at + self._timing.quiet - loop.time()
            if wait > 0:
                await asyncio.sleep(wait)
                continue
            if trouble := await self._probe():
                self._reason = trouble
                limit.reschedule(loop.time())
                return

    async def _probe(self) -> str:
        """Send an envelope to ourselves; return nothing when anything is heard, else the trouble in words."""
        self._heard.clear()
        probe = self._make_probe()
        self._probe_nonce = probe.nonce
        trouble = ""
        try:
            async with asyncio.timeout(self._timing.answer):
                try:
                    await self._carrier.publish(probe)
                except Exception as error:
                    trouble = f" (it could not be sent: {error})"
                await self._heard.wait()
        except TimeoutError:
            if not self._heard.is_set():
                within = f"{self._timing.answer:g} s"
                return f"the subscription is deaf: our own probe did not come back within {within}{trouble}"
        return ""

    async def _nudged_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._nudged.wait()
        return self._nudged.is_set()

    def _take(self, item: Received) -> None:
        self._heard_at = asyncio.get_running_loop().time()
        self._heard.set()
        if isinstance(item, Gap):
            self._gap()
        elif item.sender != self._identity.public or item.nonce != self._probe_nonce:
            self._received(item)

    def _gap(self) -> None:
        """Tell of a gap, but once a second at most: each makes all sessions speak, and a server can lie."""
        loop = asyncio.get_running_loop()
        if loop.time() >= self._gap_due:
            self._tell_gap()
        elif self._gap_timer is None:
            self._gap_timer = loop.call_at(self._gap_due, self._tell_gap)

    def _tell_gap(self) -> None:
        self._forget_gap()
        self._gap_due = asyncio.get_running_loop().time() + GAP_INTERVAL
        self._changed(True, GAP)

    def _forget_gap(self) -> None:
        if self._gap_timer is not None:
            self._gap_timer.cancel()
            self._gap_timer = None

    def _became_live(self) -> None:
        self._live_since = self._heard_at = asyncio.get_running_loop().time()
        self._reason = ""
        self._changed(True, "subscribed")

    def _lost(self, reason: str) -> None:
        was_live, before = self.live, self._reason
        self._live_since, self._reason = None, reason
        self._forget_gap()
        # What fails again and again for the same reason is told once.
        if was_live or (reason != before and not self._nudged.is_set()):
            self._changed(False, reason)
