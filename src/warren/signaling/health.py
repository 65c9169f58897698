"""Whether backends work: subscribed to, published to, and heard, with keys that nobody else knows."""

import asyncio
from dataclasses import dataclass

from warren.errors import ConfigurationError, SignalingError
from warren.keys import KeyPair, PrivateKey, PublicKeyPair
from warren.messages import Message
from warren.signaling.backend import Backend
from warren.signaling.registry import connect
from warren.signaling.url import BackendUrl

__all__ = ["Health", "check"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What a check of one backend has shown."""

    url: str
    """Without secrets."""
    live_after: float | None = None
    """Seconds until the subscription was live; None where it never was."""
    took: float | None = None
    """Seconds from publishing an envelope until it came; None where it never did."""
    trouble: str = ""
    """Empty where it works; otherwise what is wrong and what to do, in words."""

    @property
    def works(self) -> bool:
        """Whether an envelope went through it."""
        return not self.trouble


async def check(*urls: str, timeout: float) -> list[Health]:
    """Send an envelope through each of these backends, from one throw-away key to another.

    Args:
        urls: one of a backend each.
        timeout: how long being subscribed may take, and the envelope once more (seconds).

    Raises:
        ConfigurationError: what was given is no URL.
    """
    names = [str(BackendUrl.parse(url)) for url in urls]
    # All are made before the clock of any starts: what they import takes its time.
    opened = [_open(url) for url in urls]
    return await asyncio.gather(
        *(_check(backend, name, timeout) for backend, name in zip(opened, names, strict=True))
    )


def _open(url: str) -> Backend | ConfigurationError:
    try:
        return connect(url)
    except ConfigurationError as error:
        return error


async def _check(backend: Backend | ConfigurationError, name: str, timeout: float) -> Health:
    if isinstance(backend, ConfigurationError):
        return Health(url=name, trouble=str(backend))
    try:
        return await _send(backend, name, timeout)
    finally:
        await backend.aclose()


async def _send(backend: Backend, name: str, timeout: float) -> Health:
    loop, arrived = asyncio.get_running_loop(), asyncio.Event()
    ours, theirs = PrivateKey.generate(), PrivateKey.generate()

    def handler(_: PublicKeyPair, __: Message) -> None:
        arrived.set()

    begun = loop.time()
    await backend.subscribe(KeyPair(ours, theirs.public), handler)
    try:
        await backend.wait_live(ours.public, timeout)
    except SignalingError as error:
        return Health(url=name, trouble=str(error))
    live_after, begun = loop.time() - begun, loop.time()
    try:
        async with asyncio.timeout(timeout):
            await backend.publish(KeyPair(theirs, ours.public), Message())
            await arrived.wait()
    except SignalingError as error:
        return Health(url=name, live_after=live_after, trouble=str(error))
    except TimeoutError:
        trouble = f"subscribed, but an envelope to ourselves did not come back within {timeout:g} s"
        return Health(url=name, live_after=live_after, trouble=trouble)
    return Health(url=name, live_after=live_after, took=loop.time() - begun)
