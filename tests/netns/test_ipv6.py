"""Tests of two peers that have IPv6 only, on a real kernel."""

import subprocess
from pathlib import Path

import pytest

from tests.needs import needs
from tests.netns.servers import Servers, run_signaling
from tests.processes import make_keys, warren
from warren.cli.lab import Kind, Lab, Site

pytestmark = [needs("netns", "nft", "ipv6"), pytest.mark.timeout(60)]


async def test_hosts_with_ipv6_only_connect_over_it(tmp_path: Path) -> None:
    (left_file, left_key), (right_file, right_key) = make_keys(tmp_path, "ipv6", True)
    with Lab() as lab, run_signaling(lab, f"[{lab.server_ipv6}]") as (url, _):
        left, right = (without_ipv4(lab, lab.add_site(name, Kind.PUBLIC)) for name in ("left", "right"))
        options = Servers(url).options
        listen = ("listen", f"--allow={right_key}", "--echo", f"--key={left_file}", *options)
        ping = ("ping", str(left_key), "-c1", f"--key={right_file}", *options)
        async with warren(*listen, prefix=lab.command(left)) as listening:
            await listening.until(lambda event: event["event"] == "listening")
            async with warren(*ping, prefix=lab.command(right)) as calling:
                assert await calling.wait() == 0
    path = calling.of("path")[0]
    assert [path[end]["address"] for end in ("local", "remote")] == ["2001:db8::11", "2001:db8::10"]


def without_ipv4(lab: Lab, site: Site) -> Site:
    """Take the IPv4 address away from a site."""
    subprocess.run(lab.command(site, "ip", "-4", "address", "flush", "dev", "eth0"), check=True)
    return site
