"""Tests of the check of a backend."""

import pytest

from tests.server.process import signal_process
from warren.errors import ConfigurationError
from warren.signaling.health import check


async def test_what_works_tells_how_long_it_takes() -> None:
    async with signal_process() as server:
        [health] = await check(f"grpc://127.0.0.1:{server.port}?insecure=true", timeout=10)
    assert health.works
    assert health.live_after is not None
    assert health.live_after > 0
    assert health.took is not None
    assert health.took > 0


async def test_one_that_cannot_be_reached_says_why_and_the_others_are_checked_all_the_same() -> None:
    dead, alive = await check("grpc://127.0.0.1:9?insecure=true", "inprocess:health", timeout=0.5)
    assert not dead.works
    assert dead.live_after is None
    assert "no route to signaling server grpc://127.0.0.1:9" in dead.trouble
    assert alive.works


async def test_one_that_cannot_be_used_says_why() -> None:
    [health] = await check("pigeon:loft", timeout=1)
    assert "unknown backend scheme 'pigeon'" in health.trouble


async def test_what_is_no_url_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="is not a backend URL"):
        await check("host:8080//", "nonsense", timeout=1)


async def test_a_password_is_not_shown() -> None:
    [health] = await check("pigeon://ann:secret@loft", timeout=1)
    assert health.url == "pigeon://loft"
    assert "secret" not in health.trouble
