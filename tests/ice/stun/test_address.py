from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warren.ice.stun.address import read_address, read_xor_address, write_xor_address
from warren.ice.transport import Address

ID = bytes(range(12))
ADDRESSES = st.tuples(
    st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str), st.integers(min_value=0, max_value=65535)
)


@given(ADDRESSES, st.binary(min_size=12, max_size=12))
def test_xor_address_comes_back(address: Address, transaction_id: bytes) -> None:
    assert read_xor_address(write_xor_address(address, transaction_id), transaction_id) == address


@given(st.binary(max_size=24))
def test_no_value_breaks_a_reader(value: bytes) -> None:
    for address in (read_address(value), read_xor_address(value, ID)):
        assert address is None or 0 <= address[1] < 65536


def test_ipv4_is_covered_by_the_cookie_alone() -> None:
    address = ("192.0.2.1", 32853)
    assert write_xor_address(address, ID) == write_xor_address(address, bytes(12))


def test_ipv6_is_covered_by_the_transaction_id_too() -> None:
    address = ("2001:db8::1", 32853)
    assert write_xor_address(address, ID) != write_xor_address(address, bytes(12))


def test_mapped_address_of_either_family_is_read_in_the_clear() -> None:
    assert read_address(b"\0\1\x13\x88" + IPv4Address("192.0.2.1").packed) == ("192.0.2.1", 5000)
    assert read_address(b"\0\2\x13\x88" + IPv6Address("2001:db8::1").packed) == ("2001:db8::1", 5000)


@pytest.mark.parametrize("value", [bytes(8), b"\0\3" + bytes(6), b"\0\2" + bytes(6), b"\0\1" + bytes(18)])
def test_family_that_does_not_fit_the_size_is_malformed(value: bytes) -> None:
    assert read_address(value) is None
    assert read_xor_address(value, ID) is None


def test_host_name_is_refused() -> None:
    with pytest.raises(ValueError, match="example"):
        write_xor_address(("example.org", 1), ID)
