"""Sweeping: mailboxes that nobody has written for a while are removed from a Kubernetes API server."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from warren.errors import SignalingError
from warren.signaling.kubernetes_api import ApiError, KubernetesApi
from warren.signaling.kubernetes_mailbox import IDLE, MailboxError, collection_path, mailbox_path, written_at

__all__ = ["PAGE", "Tally", "sweep"]

PAGE: Final = 50
"""Mailboxes asked for at once: when all are full, that is 17 MB."""

BEGINNINGS: Final = 3
"""How often a list is begun which the server forgets before its end."""

GONE: Final = 410
NOT_FOUND: Final = 404
CONFLICT: Final = 409

_Object = Mapping[str, Any]


@dataclass(slots=True)
class Tally:
    """What a sweep came across."""

    seen: int = 0
    idle: int = 0
    """How many of them nobody had written for long."""
    deleted: int = 0
    written: int = 0
    """How many of the idle ones were written before they could be deleted: they stay."""


async def sweep(
    api: KubernetesApi,
    tally: Tally,
    *,
    found: Callable[[str, float], None],
    idle: float = IDLE,
    dry_run: bool = False,
    page: int = PAGE,
) -> None:
    """Delete every mailbox of the namespace that nobody has written for a while, by the server's clock.

    Args:
        api: where.
        tally: is counted up as it goes: it is right even when an error ends the sweep.
        found: is told the name of each idle mailbox, and for how many seconds it was idle, before it goes.
        idle: for how long that must be; seconds.
        dry_run: delete nothing.
        page: how many to ask for at once.

    Raises:
        SignalingError: the server could not be asked, or refused; the text says why and what to do.
    """
    async for item, now in _list(api, page):
        tally.seen += 1
        try:
            age = now - written_at(item, now=now)
        except MailboxError:
            raise SignalingError("the API server lists objects without a time of creation") from None
        if age <= idle:
            continue
        tally.idle += 1
        found(item["metadata"]["name"], age)
        if not dry_run:
            await _delete(api, item["metadata"], tally)


async def _list(api: KubernetesApi, page: int) -> AsyncIterator[tuple[_Object, float]]:
    """Yield every object once, with the server's time."""
    names: set[str] = set()
    begun, more = 1, ""
    while True:
        query = {"limit": str(page), **({"continue": more} if more else {})}
        try:
            answer = await api.ask("list", collection_path(api.namespace), query=query)
        except ApiError as error:
            if error.status != GONE or not more or begun == BEGINNINGS:
                raise
            begun, more = begun + 1, ""
            continue
        try:
            new = {item["metadata"]["name"]: item for item in answer.data["items"]}
            more = answer.data["metadata"].get("continue", "")
        except (AttributeError, LookupError, TypeError):
            raise SignalingError("the API server did not answer with a list of mailboxes") from None
        for name, item in new.items():
            if name not in names:
                yield item, answer.clock.time(asyncio.get_running_loop().time())
        names |= new.keys()
        if not more:
            return


async def _delete(api: KubernetesApi, metadata: _Object, tally: Tally) -> None:
    """Delete one, unless it is no longer what was listed."""
    unchanged = {name: metadata.get(name) for name in ("uid", "resourceVersion")}
    path = mailbox_path(api.namespace, quote(str(metadata["name"]), safe=""))
    try:
        await api.ask("delete", path, body={"preconditions": unchanged})
    except ApiError as error:
        if error.status == CONFLICT:
            tally.written += 1
        elif error.status != NOT_FOUND:  # Another sweep was quicker.
            raise
    else:
        tally.deleted += 1
