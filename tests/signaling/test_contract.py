"""Every carrier and every backend of ours keeps the contract that plug-ins are held to."""

from contextlib import AsyncExitStack

import pytest

from tests.needs import needs
from tests.server.process import signal_process
from tests.signaling.cunicu_server import CunicuServer
from tests.signaling.nats_server import free_port, nats_server
from warren.signaling import connect
from warren.signaling.grpc import open_carrier
from warren.signaling.inprocess import InProcessCarrier, World
from warren.signaling.multicast import open_carrier as open_multicast
from warren.signaling.nats import open_carrier as open_nats
from warren.signaling.url import BackendUrl
from warren.testing import backend
from warren.testing.backend import BACKEND_CHECKS
from warren.testing.carrier import CARRIER_CHECKS, RESTART_CHECKS, Check


@pytest.mark.parametrize("check", CARRIER_CHECKS, ids=str)
async def test_inprocess_carrier_keeps_the_contract(check: Check) -> None:
    world = World()
    await check(lambda: InProcessCarrier(world))


@pytest.mark.parametrize("check", CARRIER_CHECKS, ids=str)
async def test_grpc_carrier_keeps_the_contract_with_cunicus_server(check: Check) -> None:
    async with CunicuServer() as server:
        await check(lambda: open_carrier(BackendUrl.parse(server.url)))


@pytest.mark.parametrize("check", RESTART_CHECKS, ids=str)
async def test_grpc_carrier_survives_a_server_that_is_killed_and_started_again(check: Check) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(signal_process())
        url = f"grpc://127.0.0.1:{server.port}?insecure=true"

        async def restart() -> None:
            await server.kill()
            await stack.enter_async_context(signal_process(port=server.port))

        await check(lambda: open_carrier(BackendUrl.parse(url)), restart=restart)


@pytest.mark.parametrize("check", BACKEND_CHECKS, ids=str)
async def test_inprocess_backend_keeps_the_contract(check: backend.Check) -> None:
    await check(lambda: connect("inprocess:contract"))


@pytest.mark.parametrize("check", BACKEND_CHECKS, ids=str)
async def test_grpc_backend_keeps_the_contract(check: backend.Check) -> None:
    async with CunicuServer() as server:
        await check(lambda: connect(server.url))


@pytest.mark.parametrize("check", BACKEND_CHECKS, ids=str)
async def test_several_backends_at_once_keep_the_contract(check: backend.Check) -> None:
    async with CunicuServer() as server:
        await check(lambda: connect("inprocess:contract", server.url))


@pytest.mark.parametrize("check", BACKEND_CHECKS, ids=str)
async def test_several_backends_keep_the_contract_where_one_is_dead(check: backend.Check) -> None:
    await check(lambda: connect("grpc://127.0.0.1:9?insecure=true", "inprocess:contract"))


@needs("nats")
@pytest.mark.parametrize("check", CARRIER_CHECKS, ids=str)
async def test_nats_carrier_keeps_the_contract(check: Check) -> None:
    async with nats_server() as server:
        await check(lambda: open_nats(BackendUrl.parse(server.url)))


@needs("nats")
@pytest.mark.parametrize("check", RESTART_CHECKS, ids=str)
async def test_nats_carrier_survives_a_server_that_is_killed_and_started_again(check: Check) -> None:
    async with nats_server() as server:

        async def restart() -> None:
            await server.kill()
            await server.start()

        await check(lambda: open_nats(BackendUrl.parse(server.url)), restart=restart)


@needs("nats")
@pytest.mark.parametrize("check", BACKEND_CHECKS, ids=str)
async def test_nats_backend_keeps_the_contract(check: backend.Check) -> None:
    async with nats_server() as server:
        await check(lambda: connect(server.url))


@pytest.mark.parametrize("check", CARRIER_CHECKS, ids=str)
async def test_multicast_carrier_keeps_the_contract(check: Check) -> None:
    url = f"multicast://239.77.1.2:{free_port()}?interface=lo&ttl=0"
    await check(lambda: open_multicast(BackendUrl.parse(url)))


@pytest.mark.parametrize("check", BACKEND_CHECKS, ids=str)
async def test_multicast_backend_keeps_the_contract(check: backend.Check) -> None:
    url = f"multicast://239.77.1.2:{free_port()}?interface=lo&ttl=0"
    await check(lambda: connect(url))
