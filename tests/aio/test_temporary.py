"""Which IPv6 addresses are temporary, and which beside them give us away."""

import pytest

from warren.aio.temporary import betrays, parse_if_inet6, temporary_addresses

TABLE = """\
00000000000000000000000000000001 01 80 10 80       lo
20010db800000000020000fffe000001 02 40 00 00     eth0
20010db800000000b3c155aa9e041d2f 02 40 00 01     eth0
fe80000000000000020000fffe000001 02 40 20 80     eth0
"""


def test_the_kernels_table_is_read() -> None:
    assert parse_if_inet6(TABLE) == {"2001:db8::b3c1:55aa:9e04:1d2f"}


def test_an_empty_table_has_none() -> None:
    assert parse_if_inet6("") == frozenset()


@pytest.mark.parametrize("row", ["xx 02 40 00 01 eth0", "00 02 40 00 zz eth0", "00 02 40 00 01 eth0"])
def test_what_is_no_table_is_refused(row: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_if_inet6(row)


def test_this_system_can_be_asked() -> None:
    assert "::1" not in temporary_addresses()


def test_an_ipv4_address_gives_nobody_away() -> None:
    assert not betrays("192.0.2.1", "2001:db8::1")
    assert not betrays("2001:db8::200:ff:fe00:1", "192.0.2.1")
