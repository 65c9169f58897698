"""Networks for the sites of a lab: those of `Kind`, some that are harder, and what can happen to them."""

import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from typing import Final

from tests.needs import program
from warren.cli.lab import Kind, Lab, Site, nat_rules

__all__ = ["Network", "add", "add_behind", "add_firewalled", "losing", "nft", "only_ipv6", "run"]


class Network(StrEnum):
    """How a host is connected: a row and a column of the matrix."""

    PUBLIC = "public"
    FULL_CONE = "full-cone"
    ADDRESS_RESTRICTED = "address-restricted"
    PORT_RESTRICTED = "port-restricted"
    SYMMETRIC = "symmetric"
    BLOCKED = "UDP blocked"
    DOUBLE = "double NAT"
    """Port-restricted behind port-restricted."""


NO_UDP: Final = """
table ip no_udp {
    chain forward { type filter hook forward priority -20; meta l4proto udp drop; }
}
"""

FIREWALL: Final = """
table ip6 firewall {
    chain input {
        type filter hook input priority 0; policy drop;
        iifname "lo" accept
        ct state established,related accept
        icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } accept
    }
}
"""

# Only what comes in: a drop on the way out would be an error of `send`.
LOSS: Final = """
table inet loss {{
    chain incoming {{
        type filter hook prerouting priority -300;
        iifname "eth0" numgen random mod 100 < {percent} drop
    }}
}}
"""


def add(lab: Lab, name: str, network: Network) -> Site:
    """Connect a host of this name to such a network."""
    if network is Network.DOUBLE:
        return _add_behind_two(lab, name)
    if network is Network.BLOCKED:
        site = lab.add_site(name, Kind.PORT_RESTRICTED)
        assert site.uplink is not None
        nft(site.uplink.box, NO_UDP)
        return site
    return lab.add_site(name, Kind(network))


def add_behind(lab: Lab, name: str, neighbour: Site) -> Site:
    """Connect a host to the network behind the NAT of another."""
    assert neighbour.uplink is not None
    box, gateway = neighbour.uplink.box, neighbour.uplink.gateway
    site = _unplugged(lab, name)
    ip(box, "address flush dev lan\nlink set lan down\nlink set lan name lan0\nlink add lan type bridge\n")
    ip(box, f"link add lan1 type veth peer name eth0 netns {site.namespace}\n")
    ip(box, "".join(f"link set {port} master lan\nlink set {port} up\n" for port in ("lan0", "lan1")))
    ip(box, f"address add {gateway}/24 dev lan\nlink set lan up\n")
    return _connected(site, gateway.removesuffix(".1") + ".3", gateway)


def add_firewalled(lab: Lab, name: str) -> Site:
    """Add a host that has IPv6 only, and a stateful firewall."""
    site = only_ipv6(lab.add_site(name, Kind.PUBLIC))
    nft(site.namespace, FIREWALL)
    return site


def only_ipv6(site: Site) -> Site:
    """Take the IPv4 address away from a site."""
    ip(site.namespace, "address del " + f"{site.address}/24 dev eth0\n")
    return site


@contextmanager
def losing(sites: Iterable[Site], percent: int) -> Iterator[None]:
    """Lose so many of a hundred packets, drawn at random, on their way from the internet to each site."""
    borders = [site.uplink.box if site.uplink else site.namespace for site in sites]
    for border in borders:
        nft(border, LOSS.format(percent=percent))
    try:
        yield
    finally:
        for border in borders:
            nft(border, "delete table inet loss")


def nft(namespace: str, rules: str) -> None:
    """Load nftables rules in a namespace."""
    run(namespace, "nft", "-f", "-", text=rules)


def ip(namespace: str, batch: str) -> None:
    """Run `ip` commands, one a line, in a namespace."""
    run(namespace, "ip", "-batch", "-", text=batch)


def run(namespace: str, *command: str, text: str = "") -> str:
    """Run a command in a namespace; returns what it wrote."""
    full = [
        program("ip") or "ip",
        "netns",
        "exec",
        namespace,
        program(command[0]) or command[0],
        *command[1:],
    ]
    done = subprocess.run(full, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout


def _add_behind_two(lab: Lab, name: str) -> Site:
    # The host of a site becomes the inner NAT: its way to the internet is the outer one.
    inner, site = lab.add_site(f"{name}-inner", Kind.PORT_RESTRICTED), _unplugged(lab, name)
    ip(
        inner.namespace,
        f"link add lan type veth peer name eth0 netns {site.namespace}\n"
        "address add 192.168.7.1/24 dev lan\nlink set lan up\n",
    )
    run(inner.namespace, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
    nft(inner.namespace, nat_rules(Kind.PORT_RESTRICTED, "192.168.7.2"))
    return replace(_connected(site, "192.168.7.2", "192.168.7.1"), uplink=inner.uplink)


def _unplugged(lab: Lab, name: str) -> Site:
    site = lab.add_site(name, Kind.PUBLIC)
    ip(site.namespace, "link delete eth0\n")
    return site


def _connected(site: Site, address: str, gateway: str) -> Site:
    ip(
        site.namespace,
        f"address add {address}/24 dev eth0\nlink set eth0 up\nroute add default via {gateway}\n",
    )
    return replace(site, address=address)
