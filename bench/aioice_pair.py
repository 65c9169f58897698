"""Two agents of aioice that stand where two of ours do: what several benchmarks compare with."""

import asyncio

import aioice
import aioice.ice

from tests.interop.world import Turn

__all__ = ["close", "connect", "gather"]

Pair = tuple[aioice.Connection, aioice.Connection]


async def gather(turn: Turn | None = None) -> Pair:
    """Make the controlling and the controlled one; each has one candidate on loopback, like ours."""
    # aioice leaves loopback out, and has no option for that.
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
    relayed = {} if turn is None else turn.for_aioice
    pair = aioice.Connection(True, **relayed), aioice.Connection(False, **relayed)
    for connection in pair:
        await connection.gather_candidates()
    return pair


async def connect(pair: Pair) -> None:
    """Hand credentials and candidates over directly, and wait until both are connected."""
    for one, other in (pair, pair[::-1]):
        one.remote_username, one.remote_password = other.local_username, other.local_password
        for candidate in other.local_candidates:
            await one.add_remote_candidate(candidate)
        await one.add_remote_candidate(None)
    await asyncio.gather(*(connection.connect() for connection in pair))


async def close(pair: Pair) -> None:
    """Close both."""
    await asyncio.gather(*(connection.close() for connection in pair))
