import pytest

from warren.ice.candidate import LocalCandidate
from warren.ice.policy import PRIVATE, CandidatePolicy, Networks, offered
from warren.ice.transport import Base
from warren.messages import Candidate, CandidateType, NetworkType

HOME = Base("192.168.1.2", 4000)
PUBLIC = Base("203.0.113.9", 4001)
HOME_IPV6 = Base("fd00::2", 4002)
RELAY = Base("198.51.100.1", 50000, relayed=True)


def local(
    base: Base, type: CandidateType, address: str, related: tuple[str, int] | None = None
) -> LocalCandidate:
    network = NetworkType.UDP6 if base.is_ipv6 else NetworkType.UDP4
    return LocalCandidate(
        Candidate(type=type, network=network, address=address, port=4000, related=related), base
    )


HOST = local(HOME, CandidateType.HOST, HOME.address)
SRFLX = local(HOME, CandidateType.SERVER_REFLEXIVE, "203.0.113.5", (HOME.address, HOME.port))
PUBLIC_HOST = local(PUBLIC, CandidateType.HOST, PUBLIC.address)
HOST_IPV6 = local(HOME_IPV6, CandidateType.HOST, HOME_IPV6.address)
SRFLX_IPV6 = local(HOME_IPV6, CandidateType.SERVER_REFLEXIVE, "2001:db8::7", ("fd00::2", 4002))
RELAYED = local(RELAY, CandidateType.RELAY, RELAY.address, ("203.0.113.5", 61000))
EVERYTHING = (HOST, SRFLX, PUBLIC_HOST, HOST_IPV6, SRFLX_IPV6, RELAYED)


def test_by_default_peers_learn_every_address() -> None:
    assert offered(EVERYTHING, CandidatePolicy.ALL) == EVERYTHING


def test_no_private_hides_private_hosts_and_the_related_addresses_that_would_tell_of_them() -> None:
    hidden = {
        item.base: item.hidden for item in offered((HOST, PUBLIC_HOST, HOST_IPV6), CandidatePolicy.NO_PRIVATE)
    }
    assert hidden == {HOME: True, PUBLIC: False, HOME_IPV6: True}
    reflexive = offered((SRFLX, SRFLX_IPV6, RELAYED), CandidatePolicy.NO_PRIVATE)
    assert [item.candidate.related for item in reflexive] == [
        ("0.0.0.0", 0),
        ("::", 0),
        ("203.0.113.5", 61000),
    ]
    assert not any(item.hidden for item in reflexive)


def test_no_private_still_checks_from_private_addresses() -> None:
    assert [item.base for item in offered((HOST,), CandidatePolicy.NO_PRIVATE)] == [HOME]
    assert CandidatePolicy.NO_PRIVATE.uses(HOME)


def test_relay_only_leaves_relayed_addresses_and_blanks_where_the_server_sees_us() -> None:
    (item,) = offered(EVERYTHING, CandidatePolicy.RELAY_ONLY)
    assert (item.base, item.candidate.related) == (RELAY, ("0.0.0.0", 0))


def test_relay_only_uses_no_other_base() -> None:
    assert CandidatePolicy.RELAY_ONLY.uses(RELAY)
    assert not CandidatePolicy.RELAY_ONLY.uses(PUBLIC)


@pytest.mark.parametrize(
    "address",
    [
        "10.1.2.3", "172.31.0.1", "192.168.0.1", "100.64.0.1", "169.254.3.4", "127.0.0.1",
        "fd12::1", "fe80::1%eth0", "::1",
    ],
)  # fmt: skip
def test_private_addresses_are_known(address: str) -> None:
    assert address in PRIVATE


@pytest.mark.parametrize("address", ["172.32.0.1", "203.0.113.1", "100.128.0.1", "2001:db8::1"])
def test_other_addresses_are_not_private(address: str) -> None:
    assert address not in PRIVATE


def test_no_networks_contain_nothing() -> None:
    assert "10.0.0.1" not in Networks(())


def test_what_is_no_network_is_refused() -> None:
    with pytest.raises(ValueError, match="not a network"):
        Networks(["not a network"])
