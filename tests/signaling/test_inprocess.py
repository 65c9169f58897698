import pytest

from tests.signaling.people import ALICE, BOB, sealed
from warren.errors import ConfigurationError
from warren.signaling.carrier import Identity
from warren.signaling.inprocess import InProcessCarrier, World, open_carrier
from warren.signaling.url import BackendUrl


def carrier(url: str) -> InProcessCarrier:
    return open_carrier(BackendUrl.parse(url))


async def reaches(one: InProcessCarrier, other: InProcessCarrier) -> bool:
    async with other.subscribe(Identity(BOB)):
        return await one.publish(sealed(ALICE, BOB.public)) > 0


async def test_same_name_is_the_same_world() -> None:
    assert await reaches(carrier("inprocess:here"), carrier("inprocess:here"))


async def test_no_name_is_a_world_too() -> None:
    assert await reaches(carrier("inprocess:"), carrier("inprocess:"))


async def test_other_name_is_another_world() -> None:
    assert not await reaches(carrier("inprocess:here"), carrier("inprocess:there"))


async def test_carriers_without_a_common_world_do_not_reach_each_other() -> None:
    assert not await reaches(InProcessCarrier(), InProcessCarrier())


async def test_nothing_is_kept_for_a_key_without_subscribers() -> None:
    world = World()
    one = InProcessCarrier(world)
    await one.publish(sealed(ALICE, BOB.public))
    async with one.subscribe(Identity(BOB)):
        assert list(world.subscriptions) == [BOB.public]
    assert world.subscriptions == {}


@pytest.mark.parametrize("url", ["inprocess://host", "inprocess:name?x=1"])
def test_url_with_a_host_or_options_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="inprocess"):
        carrier(url)
