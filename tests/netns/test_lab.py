"""Tests of the lab: its NAT boxes map and filter as their kinds say, and nothing of it is left behind."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.needs import needs
from tests.netns.namespaces import udp
from warren.cli.lab import Kind, Lab, LabError, Site

pytestmark = needs("netns", "nft")

HERE, THERE = Lab.server_addresses


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        for kind in Kind:
            lab.add_site(kind, kind)
        yield lab


class Probe:
    """A socket of a site, and what servers of the internet see of it."""

    def __init__(self, lab: Lab, site: Site, port: int) -> None:
        self.inner = udp(site.namespace, site.address, port)
        self.servers = [udp(lab.internet, HERE), udp(lab.internet, HERE), udp(lab.internet, THERE)]
        self.seen = [self.seen_by(server) for server in self.servers[:1]]

    def seen_by(self, server: socket.socket) -> tuple[str, int]:
        """Send to a server; returns the address it sees."""
        self.inner.sendto(b"out", server.getsockname())
        source: tuple[str, int] = server.recvfrom(100)[1]
        return source

    def admits(self, number: int) -> bool:
        """Whether a packet of this server comes in before a later one of the contacted server."""
        self.servers[number].sendto(b"in", self.seen[0])
        self.servers[0].sendto(b"end", self.seen[0])
        return self.inner.recv(100) == b"in"

    def close(self) -> None:
        for one in (self.inner, *self.servers):
            one.close()


@pytest.fixture(params=list(Kind))
def kind(request: pytest.FixtureRequest) -> Kind:
    assert isinstance(request.param, Kind)
    return request.param


@pytest.fixture
def probe(lab: Lab, kind: Kind) -> Iterator[Probe]:
    probe = Probe(lab, lab.sites[kind], 0)
    yield probe
    probe.close()


def test_the_internet_sees_the_public_address(lab: Lab, kind: Kind, probe: Probe) -> None:
    assert probe.seen[0][0] == lab.sites[kind].public_address


def test_only_a_symmetric_nat_maps_anew_for_another_server(kind: Kind, probe: Probe) -> None:
    assert (probe.seen_by(probe.servers[2]) != probe.seen[0]) is (kind is Kind.SYMMETRIC)


def test_an_unknown_address_comes_in_where_the_kind_lets_it(kind: Kind, probe: Probe) -> None:
    assert probe.admits(2) is (kind in (Kind.PUBLIC, Kind.FULL_CONE))


def test_another_port_of_a_known_address_comes_in_where_the_kind_lets_it(kind: Kind, probe: Probe) -> None:
    assert probe.admits(1) is (kind in (Kind.PUBLIC, Kind.FULL_CONE, Kind.ADDRESS_RESTRICTED))


def test_a_packet_that_came_too_early_does_not_change_the_mapping(kind: Kind, probe: Probe) -> None:
    probe.servers[2].sendto(b"early", probe.seen[0])
    assert (probe.seen_by(probe.servers[2]) == probe.seen[0]) is (kind is not Kind.SYMMETRIC)


def test_nothing_is_left_of_a_lab_that_failed_half_way() -> None:
    with Lab() as lab:
        lab.add_site("one", Kind.PUBLIC)
        with pytest.raises(LabError, match="File exists"):
            lab.add_site("one", Kind.PUBLIC)
    assert not namespaces(lab.internet.removesuffix("internet"))


def test_nothing_is_left_of_a_lab_whose_process_was_killed() -> None:
    code = (
        "import os, signal\nfrom warren.cli.lab import Lab\nwith Lab(): os.kill(os.getpid(), signal.SIGKILL)"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        process.wait()
    assert namespaces(f"warren-{process.pid}-")
    with Lab():
        assert not namespaces(f"warren-{process.pid}-")


def namespaces(prefix: str) -> list[str]:
    return [path.name for path in Path("/run/netns").glob(f"{prefix}*")]
