"""Two nodes of which one moves to another address: what it costs, on virtual time."""

import asyncio

import pytest

import warren
from tests.scenarios.two_nodes import LARGER, OPEN, SMALLER, World, world
from warren.testing.clock import run
from warren.testing.nat import NatKind


async def moved(here: World, *, gap: float) -> float:
    """Give the second host another address; returns the seconds from then until data crosses again."""
    (before,) = here.hosts[1].realms
    realm = here.hosts[1].realms[before]
    here.hosts[1].detach(before)
    await asyncio.sleep(gap)
    here.hosts[1].attach(f"{before.rpartition('.')[0]}.77", realm)
    began = here.network.loop.time()
    await here.crossed()
    return here.network.loop.time() - began


@pytest.mark.parametrize("keys", [(SMALLER, LARGER), (LARGER, SMALLER)])
@pytest.mark.parametrize("nat", [None, NatKind.PORT_RESTRICTED])
@pytest.mark.parametrize("gap", [0.0, 0.02, 3.0])
def test_a_move_begins_one_generation_and_data_flows_again_as_soon_as_the_network_allows(
    keys: tuple[warren.PrivateKey, ...], nat: NatKind | None, gap: float
) -> None:
    async def scene() -> None:
        async with world(OPEN, OPEN, keys=keys, nat=nat) as here:
            await here.connected()
            await asyncio.sleep(5)
            # 50 ms until the pieces of a change have come, then subscribing anew, an exchange, and checks.
            assert await moved(here, gap=gap) < 0.5
            generations = [
                change.generation for change in here.sessions[1].history if change.new is warren.State.IDLE
            ]
            assert generations == [1, 2]

    run(scene())
