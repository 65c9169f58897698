"""The candidates of both sides, as they become known."""

from dataclasses import replace

import pytest

from tests.ice.link import HOST, SRFLX, candidate, host, srflx, stream
from warren.ice.addresses import LocalAddresses, RemoteAddresses, compatible, stands_on
from warren.ice.candidate import peer_reflexive_priority, priority
from warren.ice.transport import Base
from warren.messages import Candidate, CandidateType, NetworkType, TCPType

BASE = Base("192.0.2.1", 4000)
PUBLIC = ("198.51.100.7", 5000)
PRFLX = CandidateType.PEER_REFLEXIVE


def test_checks_go_out_once_for_each_base() -> None:
    addresses = LocalAddresses()
    addresses.add(host(BASE))
    addresses.add(srflx(BASE, PUBLIC))
    assert list(addresses) == [host(BASE)]


def test_the_best_candidate_of_a_base_stands_for_it_whatever_came_first() -> None:
    addresses = LocalAddresses()
    assert addresses.add(srflx(BASE, PUBLIC))
    assert addresses.add(host(BASE))
    assert addresses.of(BASE) == host(BASE)


def test_a_candidate_that_is_not_better_changes_nothing() -> None:
    addresses = LocalAddresses()
    addresses.add(host(BASE))
    assert not addresses.add(srflx(BASE, PUBLIC))


def test_a_removed_base_is_gone() -> None:
    addresses, other = LocalAddresses(), Base("192.0.2.2", 4000)
    addresses.add(host(BASE))
    addresses.add(host(other))
    addresses.remove(BASE)
    assert list(addresses) == [host(other)]


def test_a_removed_base_takes_its_names_with_it() -> None:
    addresses = LocalAddresses()
    addresses.add(host(BASE))
    addresses.remove(BASE)
    assert addresses.named(BASE, (BASE.address, BASE.port)) is None


def test_removing_an_unknown_base_is_harmless() -> None:
    addresses = LocalAddresses()
    addresses.add(host(BASE))
    addresses.remove(Base("192.0.2.9", 1))
    assert addresses.of(BASE) == host(BASE)


def test_the_address_that_a_server_saw_names_the_server_reflexive_candidate() -> None:
    addresses = LocalAddresses()
    addresses.add(host(BASE))
    addresses.add(srflx(BASE, PUBLIC))
    assert addresses.named(BASE, PUBLIC) == srflx(BASE, PUBLIC).candidate


def test_an_address_that_nobody_told_of_names_a_peer_reflexive_candidate() -> None:
    addresses = LocalAddresses()
    addresses.add(host(BASE))
    named = addresses.named(BASE, PUBLIC)
    assert named is not None
    assert (named.type, named.transport, named.related) == (PRFLX, PUBLIC, ("192.0.2.1", 4000))


def test_a_peer_reflexive_candidate_has_the_priority_that_its_check_carried() -> None:
    addresses = LocalAddresses()
    addresses.add(host(BASE))
    named = addresses.named(BASE, PUBLIC)
    assert named is not None
    assert named.priority == peer_reflexive_priority(host(BASE).candidate.priority)


def test_the_same_address_is_named_the_same_candidate_again() -> None:
    addresses = LocalAddresses()
    addresses.add(host(BASE))
    assert addresses.named(BASE, PUBLIC) is addresses.named(BASE, PUBLIC)


def test_no_more_than_16_peer_reflexive_candidates_are_made_of_ours() -> None:
    addresses = LocalAddresses()
    addresses.add(host(BASE))
    named = [addresses.named(BASE, ("198.51.100.7", port)) for port in range(1, 18)]
    assert [candidate is not None for candidate in named] == [True] * 16 + [False]


def test_a_candidate_of_the_peer_is_entered() -> None:
    told = candidate(HOST, "198.51.100.1", 1000)
    remote = RemoteAddresses()
    assert remote.add(told, loopback=False) == (told, None)
    assert list(remote) == [told]


def test_a_repeated_candidate_is_nothing_new_and_no_fault() -> None:
    told = candidate(HOST, "198.51.100.1", 1000)
    remote = RemoteAddresses()
    remote.add(told, loopback=False)
    assert remote.add(told, loopback=False) == (None, None)


def test_the_same_address_as_another_type_is_nothing_new() -> None:
    remote = RemoteAddresses()
    remote.add(candidate(HOST, "198.51.100.1", 1000), loopback=False)
    assert remote.add(candidate(SRFLX, "198.51.100.1", 1000), loopback=False) == (None, None)


def test_a_hostile_candidate_is_refused_by_its_reason() -> None:
    told = candidate(HOST, "127.0.0.1", 1000)
    assert RemoteAddresses().add(told, loopback=False) == (None, "candidate-loopback")


def test_a_missing_priority_is_computed() -> None:
    told = Candidate(type=HOST, network=NetworkType.UDP4, address="198.51.100.1", port=1000)
    added, _ = RemoteAddresses().add(told, loopback=False)
    assert added is not None
    assert added.priority == priority(HOST, 65534)


def test_the_33rd_candidate_is_refused() -> None:
    remote = RemoteAddresses()
    reasons = [remote.add(candidate(HOST, "198.51.100.1", port), loopback=False)[1] for port in range(1, 34)]
    assert reasons == [None] * 32 + ["candidates-full"]


def test_a_source_of_checks_becomes_a_peer_reflexive_candidate_with_their_priority() -> None:
    learned = RemoteAddresses().learn(BASE, ("2001:db8::7", 5000), 1234)
    assert learned is not None
    assert (learned.type, learned.network, learned.priority) == (PRFLX, NetworkType.UDP6, 1234)


def test_a_check_without_a_priority_reveals_the_least_of_its_kind() -> None:
    learned = RemoteAddresses().learn(BASE, PUBLIC, None)
    assert learned is not None
    assert learned.priority == priority(PRFLX, 0)


def test_the_17th_source_is_not_learned() -> None:
    remote = RemoteAddresses()
    learned = [remote.learn(BASE, ("198.51.100.7", port), 1) for port in range(1, 18)]
    assert [candidate is not None for candidate in learned] == [True] * 16 + [False]


def test_sources_of_checks_leave_room_for_32_candidates_from_signaling() -> None:
    remote = RemoteAddresses()
    for port in range(1, 17):
        remote.learn(BASE, ("198.51.100.7", port), 1)
    for port in range(1, 33):
        remote.add(candidate(HOST, "198.51.100.1", port), loopback=False)
    assert len(remote) == 48


def test_signaling_replaces_what_a_check_revealed() -> None:
    remote = RemoteAddresses()
    remote.learn(BASE, PUBLIC, 1)
    told = candidate(SRFLX, *PUBLIC)
    assert remote.add(told, loopback=False) == (told, None)
    assert remote.get(BASE, PUBLIC) == told


def test_a_replaced_source_makes_room_for_another() -> None:
    remote = RemoteAddresses()
    for port in range(1, 17):
        remote.learn(BASE, ("198.51.100.7", port), 1)
    remote.add(candidate(SRFLX, "198.51.100.7", 1), loopback=False)
    assert remote.learn(BASE, PUBLIC, 1) is not None


@pytest.mark.parametrize(
    ("base", "remote", "expected"),
    [
        (Base("192.0.2.1", 1), "198.51.100.1", True),
        (Base("192.0.2.1", 1), "2001:db8::1", False),
        (Base("2001:db8::2", 1), "2001:db8::1", True),
        (Base("192.0.2.1", 1, protocol="tcp"), "198.51.100.1", False),
        (Base("127.0.0.1", 1), "127.0.0.1", True),
        (Base("127.0.0.1", 1), "198.51.100.1", False),
        (Base("192.0.2.1", 1), "127.0.0.1", False),
        (Base("::1", 1), "::1", True),
        (Base("fe80::1%eth0", 1), "2001:db8::1", False),
    ],
)
def test_a_pair_is_of_one_family_protocol_and_scope(base: Base, remote: str, expected: bool) -> None:
    assert compatible(base, candidate(HOST, remote, 1000)) is expected


@pytest.mark.parametrize(
    ("relayed", "remote", "expected"),
    [
        ("203.0.113.4", "198.51.100.1", True),
        ("203.0.113.4", "192.168.0.1", False),
        ("203.0.113.4", "100.64.0.1", False),
        ("192.168.0.4", "192.168.0.1", True),
        ("2001:db8::4", "fd00::1", False),
        ("2001:db8::4", "2001:db8::1", True),
    ],
)
def test_a_relay_on_the_internet_reaches_no_private_address(
    relayed: str, remote: str, expected: bool
) -> None:
    assert compatible(Base(relayed, 4000, relayed=True), candidate(HOST, remote, 1000)) is expected


# Streams

ACTIVE, PASSIVE = Base("192.0.2.1", 0, "tcp"), Base("192.0.2.1", 8000, "tcp")
OPENED, ACCEPTED = Base("192.0.2.1", 0, "tcp"), Base("192.0.2.1", 8000, "tcp")


def with_streams() -> LocalAddresses:
    local = LocalAddresses()
    for base in (ACTIVE, PASSIVE):
        local.add(stream(base))
    return local


def test_a_stream_stands_on_the_candidate_that_it_was_opened_from_or_accepted_at() -> None:
    local = with_streams()
    assert local.of(OPENED) == stream(ACTIVE)
    assert local.of(ACCEPTED) == stream(PASSIVE)
    assert local.of(Base("192.0.2.9", 0, "tcp")) is None


def test_a_stream_of_an_address_that_is_gone_stands_on_nothing() -> None:
    local = with_streams()
    local.remove(PASSIVE)
    assert local.of(ACCEPTED) is None
    assert local.named(ACCEPTED, ("192.0.2.1", 8000)) is None


def test_an_accepted_connection_is_known_by_the_candidate_that_it_came_to() -> None:
    assert with_streams().named(ACCEPTED, ("192.0.2.1", 8000)) == stream(PASSIVE).candidate


def test_a_connection_of_ours_is_a_host_candidate_with_the_port_that_the_system_chose() -> None:
    named = with_streams().named(OPENED, ("192.0.2.1", 50000))
    assert named == replace(stream(ACTIVE).candidate, port=50000)


def test_a_connection_of_ours_behind_a_nat_is_peer_reflexive_and_active() -> None:
    named = with_streams().named(OPENED, PUBLIC)
    assert named is not None
    assert (named.type, named.network, named.tcp_type) == (PRFLX, NetworkType.TCP4, TCPType.ACTIVE)
    assert named.priority == peer_reflexive_priority(stream(ACTIVE).candidate.priority, stream=True)


def test_ports_of_tcp_and_udp_are_different_candidates_of_the_peer() -> None:
    remote = RemoteAddresses()
    over_udp, over_tcp = candidate(HOST, *PUBLIC), stream(Base(*PUBLIC, "tcp")).candidate
    for told in (over_udp, over_tcp):
        assert remote.add(told, loopback=False) == (told, None)
    assert (remote.get(BASE, PUBLIC), remote.get(ACTIVE, PUBLIC)) == (over_udp, over_tcp)


def test_a_connection_to_us_reveals_an_active_candidate() -> None:
    learned = RemoteAddresses().learn(ACCEPTED, ("2001:db8::7", 5000), None)
    assert learned is not None
    assert (learned.network, learned.tcp_type) == (NetworkType.TCP6, TCPType.ACTIVE)
    assert learned.priority == priority(PRFLX, 0, stream=True)


@pytest.mark.parametrize(
    ("base", "remote", "expected"),
    [
        (ACTIVE, PASSIVE, True),
        (ACTIVE, ACTIVE, False),
        (PASSIVE, ACTIVE, False),
        (PASSIVE, PASSIVE, False),
        (ACTIVE, Base("2001:db8::1", 8000, "tcp"), False),
    ],
)
def test_pairs_are_formed_from_active_to_passive_only(base: Base, remote: Base, expected: bool) -> None:
    assert compatible(base, stream(remote).candidate) is expected


def test_a_base_stands_on_itself_and_a_stream_on_its_candidate_alone() -> None:
    assert stands_on(BASE, BASE)
    assert stands_on(OPENED, ACTIVE)
    assert not stands_on(OPENED, PASSIVE)
    assert not stands_on(Base(BASE.address, BASE.port), BASE)


def test_each_connection_of_ours_behind_a_nat_has_a_name_without_an_end() -> None:
    addresses = with_streams()
    names = [addresses.named(Base("192.0.2.1", 0, "tcp"), ("203.0.113.1", port)) for port in range(1, 100)]
    assert None not in names


def test_who_came_by_a_connection_that_has_ended_is_forgotten_and_makes_room() -> None:
    remotes, base = RemoteAddresses(), Base("192.0.2.1", 8000, "tcp")
    for port in range(1, 100):
        assert remotes.learn(base, ("198.51.100.7", port), 5) is not None
        remotes.forget(base, ("198.51.100.7", port))
    assert len(remotes) == 0


def test_what_the_peer_has_told_is_not_forgotten_with_a_connection() -> None:
    remotes = RemoteAddresses()
    told = stream(Base("198.51.100.7", 8000, "tcp")).candidate
    remotes.add(told, loopback=False)
    remotes.forget(Base("192.0.2.1", 0, "tcp"), told.transport)
    assert list(remotes) == [told]
