"""Tests of `warren connect` over each backend, and over every two of them at once, with the real servers."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from itertools import combinations
from pathlib import Path

import pytest

from tests.needs import needs
from tests.places import PLACES
from tests.processes import make_keys, warren

DEAD = "grpc://127.0.0.1:9?insecure=true"
BETWEEN_PROCESSES = [name for name in PLACES if name != "inprocess"]


def over(*names: str) -> object:
    """One run over these places at once."""
    wants = {want for name in names for want in PLACES[name][1]}
    return pytest.param(names, id=" and ".join(names), marks=[needs(*wants)] if wants else [])


async def connects(urls: Sequence[str], folder: Path) -> None:
    """Let one peer call another with a line that comes back."""
    (bob_file, bob), (alice_file, alice) = make_keys(folder, "key", True)
    options = (*(f"--signaling={url}" for url in urls), "--loopback", "--interface=lo")
    async with warren("listen", f"--key={bob_file}", *options, f"--allow={alice}", "--echo") as listener:
        await listener.until(lambda event: event["event"] == "listening")
        async with warren("connect", str(bob), f"--key={alice_file}", *options) as caller:
            caller.say("there and back\n")
            await caller.until_output(1)
            caller.say(None)
            assert await caller.wait() == 0
    assert caller.output == ["there and back"]


@pytest.mark.parametrize(
    "names",
    [
        *(over(name) for name in BETWEEN_PROCESSES),
        *(over(*pair) for pair in combinations(BETWEEN_PROCESSES, 2)),
    ],
)
async def test_two_processes_connect_over(names: tuple[str, ...], tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        places = [await stack.enter_async_context(PLACES[name][0]()) for name in names]
        await connects([place.url for place in places], tmp_path)


@pytest.mark.parametrize("names", [over(name) for name in BETWEEN_PROCESSES])
async def test_a_dead_backend_beside_it_does_not_matter_to(names: tuple[str, ...], tmp_path: Path) -> None:
    async with PLACES[names[0]][0]() as place:
        await connects([DEAD, place.url], tmp_path)
