"""A small internet of network namespaces on one machine: public hosts, and hosts behind NATs of every kind.

Linux only, as root, with `ip` and `nft`. Nothing outside the namespaces is touched, and leaving the context
removes them with everything that runs in them. `warren demo` and the tests with real kernels are built on it.
"""

import contextlib
import itertools
import os
import re
import shutil
import signal
import subprocess
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from warren.errors import WarrenError

__all__ = ["Kind", "Lab", "LabError", "Site", "Uplink", "nat_rules", "why_no_lab"]

SYSTEM_FOLDERS: Final = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""Where `ip` and `nft` are on systems that leave these folders out of a user's PATH."""

_numbers = itertools.count(1)


class LabError(WarrenError):
    """This machine, or this user, cannot make network namespaces; the text says why."""


class Kind(StrEnum):
    """How a host reaches the internet (names of RFC 3489, 5, as users know them)."""

    PUBLIC = "public"
    FULL_CONE = "full-cone"
    ADDRESS_RESTRICTED = "address-restricted"
    PORT_RESTRICTED = "port-restricted"
    SYMMETRIC = "symmetric"


@dataclass(frozen=True, slots=True, kw_only=True)
class Uplink:
    """One way of a host to the internet, by a NAT box."""

    interface: str
    """The host's."""
    address: str
    """The host's own, private."""
    gateway: str
    """The box's, inside."""
    public_address: str
    """The box's, outside."""
    box: str
    """The namespace of the box."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One host of the lab."""

    name: str
    kind: Kind
    namespace: str
    address: str
    """The address of the host itself: private behind a NAT."""
    public_address: str
    """The address under which the internet sees it."""
    uplink: Uplink | None = None
    """How it is connected, unless it is public."""


class Lab:
    """The internet of one process: a bridge in a namespace, servers' addresses on it, sites around it."""

    server_addresses: Final = ("203.0.113.1", "203.0.113.2")
    """Addresses in the namespace `internet`, for servers (RFC 5737, TEST-NET-3)."""
    server_ipv6: Final = "2001:db8::1"

    def __init__(self) -> None:
        if reason := why_no_lab():
            raise LabError(f"no network namespaces here: {reason}")
        self._prefix = _new_prefix()
        self._namespaces: list[str] = []
        self._plugs = itertools.count(10)
        self.sites: dict[str, Site] = {}
        self.internet = f"{self._prefix}-internet"

    def __enter__(self) -> Self:
        _remove_left_over()
        try:
            self._add_namespace(self.internet)
            addresses = "".join(f"address add {a}/24 dev wan\n" for a in self.server_addresses)
            _ip(
                self.internet,
                # Without one of its own the bridge takes another address whenever a host is plugged in, and
                # who has learned the one before talks to nobody for half a minute.
                "link add wan address 02:00:00:00:00:01 type bridge\nlink set wan up\n"
                f"{addresses}address add {self.server_ipv6}/64 dev wan nodad\n",
            )
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End what runs in the namespaces and remove them; closing twice is harmless."""
        while self._namespaces:
            _remove(self._namespaces[-1])
            self._namespaces.pop()
        self.sites.clear()

    def add_site(self, name: str, kind: Kind) -> Site:
        """Connect a host to the internet, behind a NAT box of its own unless it is public.

        Raises:
            LabError: a command failed; the text has its words.
        """
        host = self._add_namespace(f"{self._prefix}-{name}")
        if kind is Kind.PUBLIC:
            uplink, address = None, self._plug_in(host)
            public = address
        else:
            uplink = self._add_box(f"{self._prefix}-{name}-nat", host, "eth0", kind)
            address, public = uplink.address, uplink.public_address
            self.use(host, uplink)
        self.sites[name] = Site(
            name=name, kind=kind, namespace=host, address=address, public_address=public, uplink=uplink
        )
        return self.sites[name]

    def add_uplink(self, site: Site, kind: Kind) -> Uplink:
        """Give a site another way to the internet, by a NAT box of its own; `use` makes it go there."""
        return self._add_box(f"{self._prefix}-{site.name}-nat2", site.namespace, "eth1", kind)

    def use(self, host: str, uplink: Uplink) -> None:
        """Let a host (its namespace) go by this uplink."""
        _ip(
            host,
            f"address replace {uplink.address}/24 dev {uplink.interface}\nlink set {uplink.interface} up\n"
            f"route replace default via {uplink.gateway}\n",
        )

    def leave(self, host: str, uplink: Uplink) -> None:
        """Unplug a host (its namespace) from this uplink: the interface loses its address."""
        _ip(host, f"address flush dev {uplink.interface}\nlink set {uplink.interface} down\n")

    def command(self, where: Site | None, *command: str) -> list[str]:
        """Make of a command one that runs at this site, or among the servers of the internet."""
        namespace = self.internet if where is None else where.namespace
        return [_program("ip"), "netns", "exec", namespace, *command]

    def _add_namespace(self, name: str) -> str:
        _run("ip", "netns", "add", name)
        self._namespaces.append(name)
        _ip(name, "link set lo up\n")
        return name

    def _add_box(self, box: str, host: str, interface: str, kind: Kind) -> Uplink:
        self._add_namespace(box)
        public = self._plug_in(box)
        inside = f"10.0.{public.rpartition('.')[2]}"
        _ip(
            box,
            f"link add lan type veth peer name {interface} netns {host}\n"
            f"address add {inside}.1/24 dev lan\nlink set lan up\n",
        )
        _run("ip", "netns", "exec", box, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        _run("ip", "netns", "exec", box, _program("nft"), "-f", "-", text=nat_rules(kind, f"{inside}.2"))
        return Uplink(
            interface=interface,
            address=f"{inside}.2",
            gateway=f"{inside}.1",
            public_address=public,
            box=box,
        )

    def _plug_in(self, namespace: str) -> str:
        number = next(self._plugs)
        _ip(
            self.internet,
            f"link add port{number} type veth peer name eth0 netns {namespace}\n"
            f"link set port{number} master wan\nlink set port{number} up\n",
        )
        _ip(
            namespace,
            f"address add 203.0.113.{number}/24 dev eth0\naddress add 2001:db8::{number}/64 dev eth0 nodad\n"
            "link set eth0 up\n",
        )
        return f"203.0.113.{number}"


def why_no_lab() -> str | None:
    """Say in words what is missing for a lab on this machine, or None where it can be made."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "it takes root"
    for name, package in (("ip", "iproute2"), ("nft", "nftables")):
        if _find(name) is None:
            return f"{name} is not installed (package {package})"
    probe = _new_prefix()
    try:
        _run("ip", "netns", "add", probe)
    except LabError as error:
        return str(error)
    _remove(probe)
    return None


def nat_rules(kind: Kind, host: str) -> str:
    """Write the nftables rules of a NAT box of this kind for the one host behind it.

    Mapping: the kernel's masquerade keeps the port where it can, so that one inner port is one outer port
    whatever the destination (RFC 4787: endpoint-independent); `fully-random` draws a new one for each
    destination. Filtering: what conntrack knows comes in (port-restricted); the wider kinds admit more by
    sets that the host's own packets fill. Everything else new from outside is dropped *unanswered*: an
    accepted packet would be a conntrack entry of the box itself, and make the kernel choose another port when
    the host sends to the same place.
    """
    rules = [_TRANSLATE.format(how="masquerade fully-random" if kind is Kind.SYMMETRIC else "masquerade")]
    if kind in _ADMITTED:
        types, learned, admitted = _ADMITTED[kind]
        rules.append(_ADMIT.format(types=types, learned=learned, admitted=admitted, host=host))
    return "table ip nat {\n" + "".join(rules) + "}\n"


_TRANSLATE: Final = """
    chain translate {{
        type nat hook postrouting priority srcnat;
        oifname "eth0" {how}
    }}
    chain input {{
        type filter hook input priority 0; policy drop;
        iifname "lan" accept
        ct state established,related accept
    }}
    chain forward {{
        type filter hook forward priority 0; policy drop;
        iifname "lan" accept
        ct state established,related accept
        ct status dnat accept
    }}
"""

_ADMIT: Final = """
    set opened {{
        type {types}; size 65535; flags dynamic,timeout; timeout 5m;
    }}
    chain learn {{
        type filter hook forward priority -10;
        iifname "lan" meta l4proto udp update @opened {{ {learned} }}
    }}
    chain admit {{
        type nat hook prerouting priority dstnat;
        iifname "eth0" {admitted} @opened dnat to {host}
    }}
"""

_ADMITTED: Final = {
    Kind.FULL_CONE: ("inet_service", "udp sport", "udp dport"),
    Kind.ADDRESS_RESTRICTED: (
        "ipv4_addr . inet_service",
        "ip daddr . udp sport",
        "ip saddr . udp dport",
    ),
}
"""By kind: the type of its set of openings, what a packet out opens, and what is open to a packet in."""


def _new_prefix() -> str:
    return f"warren-{os.getpid()}-{next(_numbers)}"


def _find(name: str) -> str | None:
    return shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", ""), *SYSTEM_FOLDERS)))


def _program(name: str) -> str:
    return _find(name) or name


def _run(name: str, *arguments: str, text: str | None = None) -> str:
    command = [_program(name), *arguments]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"{' '.join(command)} failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def _ip(namespace: str, batch: str) -> None:
    _run("ip", "-n", namespace, "-batch", "-", text=batch)


def _remove(namespace: str) -> None:
    """End the processes in a namespace, then unname it; what is gone already is no trouble."""
    with contextlib.suppress(LabError):
        for pid in _run("ip", "netns", "pids", namespace).split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
    with contextlib.suppress(LabError):
        _run("ip", "netns", "del", namespace)


def _remove_left_over() -> None:
    """Remove the namespaces of labs whose process was killed before it could."""
    for line in _run("ip", "netns", "list").splitlines():
        match = re.match(r"warren-(\d+)-\S*", line)
        if match and not Path("/proc", match[1]).exists():
            _remove(match[0])
