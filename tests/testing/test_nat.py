"""Each kind of NAT maps and filters as RFC 4787 describes it."""

from itertools import combinations_with_replacement
from random import Random

import pytest

from warren.testing.nat import Nat, NatKind, direct_path_possible

INSIDE = ("192.168.1.2", 5000)
PEER = ("203.0.113.7", 7000)
PEER_OTHER_PORT = ("203.0.113.7", 7001)
STRANGER = ("203.0.113.8", 7000)
CONES = (NatKind.FULL_CONE, NatKind.ADDRESS_RESTRICTED, NatKind.PORT_RESTRICTED)
NATS = (*CONES, NatKind.SYMMETRIC)


def nat(kind: NatKind, *, timeout: float = 120.0, preserve_ports: bool = True) -> Nat:
    return Nat(kind, "198.51.100.1", Random(1), timeout=timeout, preserve_ports=preserve_ports)


@pytest.mark.parametrize("kind", CONES)
def test_cone_maps_one_inside_address_to_one_port_whatever_the_destination(kind: NatKind) -> None:
    box = nat(kind)
    assert box.outbound(INSIDE, PEER, 0.0) == box.outbound(INSIDE, STRANGER, 0.0)
    assert len(box) == 1


def test_symmetric_nat_takes_another_port_for_each_destination() -> None:
    box = nat(NatKind.SYMMETRIC)
    ports = {box.outbound(INSIDE, destination, 0.0) for destination in (PEER, PEER_OTHER_PORT, STRANGER)}
    assert len(ports) == 3


@pytest.mark.parametrize("kind", NATS)
def test_answer_from_the_destination_passes(kind: NatKind) -> None:
    box = nat(kind)
    outside = box.outbound(INSIDE, PEER, 0.0)
    assert box.inbound(PEER, outside, 1.0) == INSIDE


@pytest.mark.parametrize("kind", NATS)
def test_nothing_passes_before_something_was_sent(kind: NatKind) -> None:
    assert nat(kind).inbound(PEER, ("198.51.100.1", 5000), 0.0) is None


@pytest.mark.parametrize(
    ("kind", "passes"),
    [
        (NatKind.FULL_CONE, (True, True)),
        (NatKind.ADDRESS_RESTRICTED, (True, False)),
        (NatKind.PORT_RESTRICTED, (False, False)),
        (NatKind.SYMMETRIC, (False, False)),
    ],
)
def test_filter_asks_for_what_its_kind_says(kind: NatKind, passes: tuple[bool, bool]) -> None:
    box = nat(kind)
    outside = box.outbound(INSIDE, PEER, 0.0)
    found = tuple(box.inbound(source, outside, 1.0) == INSIDE for source in (PEER_OTHER_PORT, STRANGER))
    assert found == passes


def test_mapping_is_forgotten_after_its_timeout() -> None:
    box = nat(NatKind.FULL_CONE, timeout=30.0)
    outside = box.outbound(INSIDE, PEER, 0.0)
    assert box.inbound(PEER, outside, 30.0) == INSIDE
    assert box.inbound(PEER, outside, 30.1) is None


def test_packet_from_inside_refreshes_the_mapping_and_one_from_outside_does_not() -> None:
    box = nat(NatKind.PORT_RESTRICTED, timeout=30.0)
    outside = box.outbound(INSIDE, PEER, 0.0)
    box.inbound(PEER, outside, 25.0)
    assert box.inbound(PEER, outside, 31.0) is None
    outside = box.outbound(INSIDE, PEER, 40.0)
    assert box.outbound(INSIDE, PEER, 69.0) == outside
    assert box.inbound(PEER, outside, 98.0) == INSIDE


def test_permission_expires_by_itself_while_the_mapping_lives() -> None:
    box = nat(NatKind.PORT_RESTRICTED, timeout=30.0)
    outside = box.outbound(INSIDE, PEER, 0.0)
    box.outbound(INSIDE, STRANGER, 20.0)
    assert box.inbound(PEER, outside, 40.0) is None
    assert box.inbound(STRANGER, outside, 40.0) == INSIDE


def test_port_is_kept_where_it_is_free_and_drawn_where_it_is_not() -> None:
    box = nat(NatKind.FULL_CONE)
    assert box.outbound(INSIDE, PEER, 0.0) == ("198.51.100.1", 5000)
    _, port = box.outbound(("192.168.1.3", 5000), PEER, 0.0)
    assert port != 5000


def test_port_is_drawn_where_it_is_not_to_be_kept() -> None:
    assert nat(NatKind.FULL_CONE, preserve_ports=False).outbound(INSIDE, PEER, 0.0)[1] != 5000


def test_port_of_an_expired_mapping_is_free_again() -> None:
    box = nat(NatKind.FULL_CONE, timeout=30.0)
    box.outbound(INSIDE, PEER, 0.0)
    other = ("192.168.1.3", 5000)
    assert box.outbound(other, PEER, 31.0) == ("198.51.100.1", 5000)
    assert box.inbound(PEER, ("198.51.100.1", 5000), 32.0) == other
    assert len(box) == 1


def test_rebinding_forgets_all_and_may_change_the_address() -> None:
    box = nat(NatKind.FULL_CONE)
    outside = box.outbound(INSIDE, PEER, 0.0)
    box.rebind("198.51.100.2")
    assert len(box) == 0
    assert box.inbound(PEER, outside, 1.0) is None
    assert box.outbound(INSIDE, PEER, 1.0)[0] == "198.51.100.2"


def test_public_is_no_nat() -> None:
    with pytest.raises(ValueError, match="attach it to the internet"):
        nat(NatKind.PUBLIC)


def test_only_symmetric_with_symmetric_or_port_restricted_cannot_be_direct() -> None:
    impossible = [
        {a, b} for a, b in combinations_with_replacement(NatKind, 2) if not direct_path_possible(a, b)
    ]
    assert impossible == [{NatKind.PORT_RESTRICTED, NatKind.SYMMETRIC}, {NatKind.SYMMETRIC}]
