import pytest

from warren.aio.network import InterfaceAddress, SystemNetwork, usable_addresses
from warren.session.config import Config

ETHERNET = InterfaceAddress("eth0", "192.0.2.7")
LOOPBACK = InterfaceAddress("lo", "127.0.0.1")


def test_addresses_of_ordinary_interfaces_are_used() -> None:
    assert usable_addresses([ETHERNET], Config()) == ([ETHERNET], [])


def test_loopback_is_left_out_unless_asked_for() -> None:
    assert usable_addresses([LOOPBACK], Config()) == ([], [(LOOPBACK, "loopback")])
    assert usable_addresses([LOOPBACK], Config(loopback=True)) == ([LOOPBACK], [])


@pytest.mark.parametrize("name", ["wg0", "docker0", "br-12ab", "tun3", "tailscale0", "veth9f"])
def test_overlay_interfaces_are_left_out_with_the_pattern_that_says_so(name: str) -> None:
    used, left_out = usable_addresses([InterfaceAddress(name, "10.0.0.1")], Config())
    assert used == []
    assert left_out[0][1].startswith("interface excluded by ")


def test_an_overlay_interface_can_be_let_in() -> None:
    item = InterfaceAddress("wg0", "10.0.0.1")
    assert usable_addresses([item], Config(exclude_interfaces=())) == ([item], [])


def test_only_included_interfaces_are_used() -> None:
    other = InterfaceAddress("wlan0", "198.51.100.3")
    used, left_out = usable_addresses([ETHERNET, other], Config(include_interfaces=("wlan*",)))
    assert (used, left_out) == ([other], [(ETHERNET, "interface not included")])


def test_link_local_ipv6_is_left_out() -> None:
    item = InterfaceAddress("eth0", "fe80::1")
    assert usable_addresses([item], Config()) == ([], [(item, "IPv6 link-local")])


HARDWARE = InterfaceAddress("eth0", "2001:db8::200:ff:fe00:1")
CHOSEN = InterfaceAddress("eth0", "2001:db8::53")
TEMPORARY = InterfaceAddress("eth0", "2001:db8::b3c1:55aa:9e04:1d2f", temporary=True)


def test_an_address_made_of_the_hardwares_is_left_out_beside_a_temporary_one() -> None:
    used, left_out = usable_addresses([HARDWARE, TEMPORARY, CHOSEN, ETHERNET], Config())
    assert used == [TEMPORARY, CHOSEN, ETHERNET]
    assert left_out == [(HARDWARE, "IPv6 address made of the hardware's, beside a temporary one")]


@pytest.mark.parametrize(
    "other",
    [
        ETHERNET,
        CHOSEN,
        InterfaceAddress("eth1", TEMPORARY.address, temporary=True),
        InterfaceAddress("eth0", "2001:db8:0:1:b3c1:55aa:9e04:1d2f", temporary=True),
    ],
)
def test_it_is_used_where_no_temporary_one_of_its_network_is_beside_it(other: InterfaceAddress) -> None:
    assert HARDWARE in usable_addresses([HARDWARE, other], Config())[0]


@pytest.mark.parametrize("address", ["fec0::1", "::ffff:192.0.2.7"])
def test_ipv6_addresses_of_abandoned_kinds_are_left_out(address: str) -> None:
    item = InterfaceAddress("eth0", address)
    assert usable_addresses([item], Config()) == ([], [(item, "IPv6 address of a kind that is used no more")])


def test_addresses_in_excluded_networks_are_left_out() -> None:
    used, left_out = usable_addresses([ETHERNET], Config(exclude_networks=("192.0.2.0/24",)))
    assert (used, left_out) == ([], [(ETHERNET, "network excluded")])


def test_an_address_on_two_interfaces_is_used_once() -> None:
    again = InterfaceAddress("eth1", ETHERNET.address)
    assert usable_addresses([ETHERNET, again], Config())[0] == [ETHERNET]


@pytest.mark.parametrize("address", ["0.0.0.0", "224.0.0.1"])
def test_what_is_no_unicast_address_is_left_out(address: str) -> None:
    item = InterfaceAddress("eth0", address)
    assert usable_addresses([item], Config()) == ([], [(item, "not a unicast address")])


def test_the_system_has_a_loopback_address() -> None:
    assert any(item.address == "127.0.0.1" for item in SystemNetwork().interfaces())


async def test_literals_resolve_to_themselves() -> None:
    assert await SystemNetwork().resolve("127.0.0.1", 3478) == [("127.0.0.1", 3478)]
    assert await SystemNetwork().resolve("::1", 3478) == [("::1", 3478)]
