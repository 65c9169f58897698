"""The candidates of both sides, as they become known."""

import pytest

from tests.ice.link import HOST, SRFLX, candidate, host, srflx
from warren.ice.addresses import LocalAddresses, RemoteAddresses, compatible
from warren.ice.candidate import peer_reflexive_priority, priority
from warren.ice.transport import Base
from warren.messages import Candidate, CandidateType, NetworkType

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
    learned = RemoteAddresses().learn(("2001:db8::7", 5000), 1234)
    assert learned is not None
    assert (learned.type, learned.network, learned.priority) == (PRFLX, NetworkType.UDP6, 1234)


def test_a_check_without_a_priority_reveals_the_least_of_its_kind() -> None:
    learned = RemoteAddresses().learn(PUBLIC, None)
    assert learned is not None
    assert learned.priority == priority(PRFLX, 0)


def test_the_17th_source_is_not_learned() -> None:
    remote = RemoteAddresses()
    learned = [remote.learn(("198.51.100.7", port), 1) for port in range(1, 18)]
    assert [candidate is not None for candidate in learned] == [True] * 16 + [False]


def test_sources_of_checks_leave_room_for_32_candidates_from_signaling() -> None:
    remote = RemoteAddresses()
    for port in range(1, 17):
        remote.learn(("198.51.100.7", port), 1)
    for port in range(1, 33):
        remote.add(candidate(HOST, "198.51.100.1", port), loopback=False)
    assert len(remote) == 48


def test_signaling_replaces_what_a_check_revealed() -> None:
    remote = RemoteAddresses()
    remote.learn(PUBLIC, 1)
    told = candidate(SRFLX, *PUBLIC)
    assert remote.add(told, loopback=False) == (told, None)
    assert remote.get(PUBLIC) == told


def test_a_replaced_source_makes_room_for_another() -> None:
    remote = RemoteAddresses()
    for port in range(1, 17):
        remote.learn(("198.51.100.7", port), 1)
    remote.add(candidate(SRFLX, "198.51.100.7", 1), loopback=False)
    assert remote.learn(PUBLIC, 1) is not None


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
