"""Tests of two peers on one network that have nothing but multicast for signaling, on a real kernel."""

from pathlib import Path

import pytest

from tests.needs import needs
from tests.processes import make_keys, warren
from warren.cli.lab import Kind, Lab

pytestmark = [needs("netns", "nft", "ipv6"), pytest.mark.timeout(60)]


@pytest.mark.parametrize("second_is_smaller", [True, False], ids=["caller controls", "caller is controlled"])
@pytest.mark.parametrize("group", ["239.77.1.2", "[ff02::77:2]"])
async def test_hosts_on_a_bridge_connect_by_multicast_alone(
    tmp_path: Path, group: str, second_is_smaller: bool
) -> None:
    (left_file, left_key), (right_file, right_key) = make_keys(tmp_path, "multicast", second_is_smaller)
    signaling = f"--signaling=multicast://{group}:9999?interface=eth0"
    with Lab() as lab:
        left, right = (lab.add_site(name, Kind.PUBLIC) for name in ("left", "right"))
        listen = ("listen", f"--allow={right_key}", "--echo", f"--key={left_file}", signaling)
        ping = ("ping", str(left_key), "-c1", f"--key={right_file}", signaling)
        async with warren(*listen, prefix=lab.command(left)) as listening:
            await listening.until(lambda event: event["event"] == "listening")
            async with warren(*ping, prefix=lab.command(right)) as calling:
                assert await calling.wait() == 0
    assert [event["to"] for event in calling.of("state")].count("CONNECTED") == 1
    assert calling.of("path")[0]["remote"]["type"] == "host"
