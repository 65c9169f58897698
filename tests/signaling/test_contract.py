"""Every carrier of ours keeps the contract that plug-ins are held to."""

import pytest

from tests.signaling.cunicu_server import CunicuServer
from warren.signaling.grpc import open_carrier
from warren.signaling.inprocess import InProcessCarrier, World
from warren.signaling.url import BackendUrl
from warren.testing.carrier import CARRIER_CHECKS, Check


@pytest.mark.parametrize("check", CARRIER_CHECKS, ids=str)
async def test_inprocess_carrier_keeps_the_contract(check: Check) -> None:
    world = World()
    await check(lambda: InProcessCarrier(world))


@pytest.mark.parametrize("check", CARRIER_CHECKS, ids=str)
async def test_grpc_carrier_keeps_the_contract_with_cunicus_server(check: Check) -> None:
    async with CunicuServer() as server:
        await check(lambda: open_carrier(BackendUrl.parse(server.url)))
