"""Tests of two peers between which a real kernel lets no UDP pass: the session comes by TCP."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.needs import needs
from tests.netns.servers import Servers, run_signaling
from tests.processes import make_keys, warren
from warren.cli.lab import Kind, Lab, Site

pytestmark = [needs("netns", "nft"), pytest.mark.timeout(120)]

NO_UDP: Final = """
table inet no_udp {
    chain in { type filter hook input priority 0; meta l4proto udp drop; }
    chain out { type filter hook output priority 0; meta l4proto udp drop; }
}
"""


def block_udp(lab: Lab, site: Site) -> None:
    """Drop every datagram to and from a site."""
    subprocess.run(lab.command(site, "nft", "-f", "-"), input=NO_UDP, text=True, check=True)


@pytest.mark.parametrize("kind", [Kind.PUBLIC, Kind.SYMMETRIC])
@pytest.mark.parametrize("smaller_calls", [True, False], ids=["caller controls", "listener controls"])
async def test_where_udp_is_dropped_the_session_comes_by_tcp(
    tmp_path: Path, kind: Kind, smaller_calls: bool, record_property: Callable[[str, object], None]
) -> None:
    (left_file, left_key), (right_file, right_key) = make_keys(tmp_path, "tcp", smaller_calls)
    with Lab() as lab, run_signaling(lab, lab.server_addresses[0]) as (url, _):
        left, right = lab.add_site("left", Kind.PUBLIC), lab.add_site("right", kind)
        block_udp(lab, right)
        options = Servers(url).options
        listen = ("listen", f"--allow={right_key}", "--echo", f"--key={left_file}", *options)
        ping = ("ping", str(left_key), "-c3", "--interval=0.2", f"--key={right_file}", *options)
        async with warren(*listen, prefix=lab.command(left)) as listening:
            await listening.until(lambda event: event["event"] == "listening")
            async with warren(*ping, prefix=lab.command(right)) as calling:
                assert await calling.wait() == 0
    connected = next(event for event in calling.of("state") if event["to"] == "CONNECTED")
    record_property("table", f"connected over TCP after {connected['elapsed']:.3f} s")
    path = calling.of("path")[0]
    assert [path[end]["transport"] for end in ("local", "remote")] == ["tcp", "tcp"]
    assert not path["relayed"]
    (statistics,) = calling.of("statistics")
    assert (statistics["sent"], statistics["received"]) == (3, 3)
