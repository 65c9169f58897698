"""Priorities, foundations, and which candidates of a peer are refused."""

from dataclasses import replace

import pytest

from tests.ice.link import HOST, SRFLX
from warren.ice.candidate import (
    LocalCandidate,
    foundation,
    local_preference,
    pair_priority,
    peer_reflexive_priority,
    priority,
    refuse,
    stream_preference,
)
from warren.ice.policy import Networks
from warren.ice.transport import Base
from warren.messages import Candidate, CandidateType, NetworkType, TCPType

BASE = Base("192.0.2.1", 4000)


def told(address: str, port: int = 4000, component: int = 1, tcp: bool = False) -> Candidate:
    ipv6 = ":" in address
    network = NetworkType(1 + ipv6 + 2 * tcp)
    return Candidate(type=HOST, network=network, address=address, port=port, component=component)


@pytest.mark.parametrize(
    ("type", "expected"),
    [
        (CandidateType.HOST, 2130706431),
        (CandidateType.PEER_REFLEXIVE, 1862270975),
        (CandidateType.SERVER_REFLEXIVE, 1694498815),
        (CandidateType.RELAY, 16777215),
    ],
)
def test_priority_is_that_of_rfc_8445(type: CandidateType, expected: int) -> None:
    assert priority(type, 65535) == expected


def test_a_higher_component_lowers_the_priority_by_one() -> None:
    assert priority(HOST, 65535) - priority(HOST, 65535, component=2) == 1


def test_ipv6_goes_before_ipv4_of_the_same_interface() -> None:
    assert local_preference(0, is_ipv6=True) > local_preference(0, is_ipv6=False)


def test_ipv4_of_the_first_interface_goes_before_ipv6_of_the_second() -> None:
    assert local_preference(0, is_ipv6=False) > local_preference(1, is_ipv6=True)


def test_local_preference_never_falls_below_zero() -> None:
    assert local_preference(40000, is_ipv6=False) == 0


def test_a_connection_ranks_below_every_direct_way_over_udp_and_above_a_relay() -> None:
    best = priority(HOST, stream_preference(0, TCPType.ACTIVE, is_ipv6=True), stream=True)
    assert priority(CandidateType.RELAY, 65535) < best < priority(CandidateType.SERVER_REFLEXIVE, 0)


def test_a_relay_is_not_worth_less_than_nothing() -> None:
    assert priority(CandidateType.RELAY, 0, stream=True) == 255


def test_to_connect_ranks_above_being_connected_to_whatever_the_interface() -> None:
    # RFC 6544, 4.2: (2^13) * direction preference + other preference.
    assert stream_preference(0, TCPType.ACTIVE, is_ipv6=True) == 6 * 8192 + 8191
    assert stream_preference(5000, TCPType.ACTIVE, is_ipv6=False) == 6 * 8192
    assert stream_preference(0, TCPType.PASSIVE, is_ipv6=False) == 4 * 8192 + 8190


def test_a_check_over_a_connection_carries_its_own_peer_reflexive_priority() -> None:
    over_tcp = peer_reflexive_priority(priority(HOST, 1234, stream=True), stream=True)
    assert over_tcp == priority(CandidateType.PEER_REFLEXIVE, 1234, stream=True)


@pytest.mark.parametrize("tcp_type", [TCPType.ACTIVE, TCPType.PASSIVE])
def test_a_candidate_for_connections_is_not_refused(tcp_type: TCPType) -> None:
    assert refuse(replace(told("192.0.2.1", tcp=True), tcp_type=tcp_type), loopback=False) is None


def test_simultaneous_open_is_refused() -> None:
    both = replace(told("192.0.2.1", tcp=True), tcp_type=TCPType.SIMULTANEOUS_OPEN)
    assert refuse(both, loopback=False) == "candidate-tcp-type"


def test_a_check_carries_the_peer_reflexive_priority_of_the_same_interface() -> None:
    assert peer_reflexive_priority(priority(HOST, 1234)) == priority(CandidateType.PEER_REFLEXIVE, 1234)


def test_pair_priority_is_the_formula_of_rfc_8445() -> None:
    assert pair_priority(3, 2) == 2 * 2**32 + 2 * 3 + 1


def test_pair_priority_of_the_smaller_controlling_candidate_lacks_the_last_bit() -> None:
    assert pair_priority(2, 3) == 2 * 2**32 + 2 * 3


def test_foundation_is_the_same_for_the_same_type_address_and_server() -> None:
    one = foundation(SRFLX, BASE, "stun.example.org")
    assert one == foundation(SRFLX, Base("192.0.2.1", 5000), "stun.example.org")


def test_foundation_fits_the_wire() -> None:
    assert 0 < len(foundation(HOST, BASE)) <= 32


@pytest.mark.parametrize(
    "other",
    [
        foundation(SRFLX, BASE),
        foundation(HOST, Base("192.0.2.2", 4000)),
        foundation(HOST, Base("192.0.2.1", 4000, protocol="tcp")),
        foundation(HOST, BASE, "stun.example.org"),
    ],
    ids=["type", "address", "protocol", "server"],
)
def test_foundation_differs_where_its_ground_differs(other: str) -> None:
    assert foundation(HOST, BASE) != other


def test_two_bases_with_the_same_address_make_different_local_candidates() -> None:
    candidate = told("192.0.2.1")
    assert LocalCandidate(candidate, BASE) != LocalCandidate(candidate, Base("192.0.2.1", 4000))


@pytest.mark.parametrize("address", ["192.0.2.1", "10.0.0.1", "169.254.3.4", "2001:db8::1", "fd00::1"])
def test_an_ordinary_candidate_is_not_refused(address: str) -> None:
    assert refuse(told(address), loopback=False) is None


@pytest.mark.parametrize(
    ("candidate", "reason"),
    [
        (told("192.0.2.1", tcp=True), "candidate-tcp-type"),
        (told("2001:db8::1", tcp=True), "candidate-tcp-type"),
        (told("192.0.2.1", component=2), "candidate-component"),
        (told("127.0.0.1"), "candidate-loopback"),
        (told("::1"), "candidate-loopback"),
        (told("224.0.0.251"), "candidate-multicast"),
        (told("ff02::1"), "candidate-multicast"),
        (told("0.0.0.0"), "candidate-unspecified"),
        (told("0.1.2.3"), "candidate-unspecified"),
        (told("::"), "candidate-unspecified"),
        (told("240.0.0.1"), "candidate-reserved"),
        (told("255.255.255.255"), "candidate-reserved"),
        (told("::ffff:127.0.0.1"), "candidate-mapped"),
        (told("fe80::1"), "candidate-link-local"),
        (told("2001:db8::1%eth0"), "candidate-link-local"),
    ],
)
def test_a_hostile_or_useless_candidate_is_refused(candidate: Candidate, reason: str) -> None:
    assert refuse(candidate, loopback=False) == reason


def test_an_address_that_is_excluded_is_refused() -> None:
    excluded = Networks(["192.0.2.0/24"])
    assert refuse(told("192.0.2.1"), loopback=False, excluded=excluded) == "candidate-excluded"
    assert refuse(told("192.0.3.1"), loopback=False, excluded=excluded) is None


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_loopback_is_taken_where_it_was_asked_for(address: str) -> None:
    assert refuse(told(address), loopback=True) is None
