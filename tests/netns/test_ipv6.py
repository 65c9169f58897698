"""Tests of two peers that have IPv6 only, on a real kernel."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.needs import needs
from tests.netns.networks import ip, run
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


USABLE = """
from warren.aio.network import SystemNetwork, usable_addresses
from warren.session.config import Config
for item in usable_addresses(SystemNetwork().interfaces(), Config(exclude_interfaces=()))[0]:
    print(item.address, item.temporary)
"""


def test_beside_the_temporary_address_that_the_kernel_makes_that_of_the_hardware_is_not_offered() -> None:
    by_hardware = "2001:db8:7::200:ff:fe00:1"
    with Lab() as lab:
        site = lab.add_site("host", Kind.PUBLIC)
        run(site.namespace, "sh", "-c", "echo 2 > /proc/sys/net/ipv6/conf/eth0/use_tempaddr")
        lifetimes = "valid_lft 7200 preferred_lft 3600"
        ip(site.namespace, f"address add {by_hardware}/64 dev eth0 mngtmpaddr nodad {lifetimes}\n")
        told = subprocess.run(
            lab.command(site, sys.executable, "-c", USABLE), capture_output=True, check=True
        )
    offered = dict(line.split() for line in told.stdout.decode().splitlines())
    assert by_hardware not in offered
    assert [kind for address, kind in offered.items() if address.startswith("2001:db8:7:")] == ["True"]


def without_ipv4(lab: Lab, site: Site) -> Site:
    """Take the IPv4 address away from a site."""
    subprocess.run(lab.command(site, "ip", "-4", "address", "flush", "dev", "eth0"), check=True)
    return site
