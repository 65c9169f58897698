import pytest

from warren.ice.nat_report import Mapping, ServerReport, mapping_of, summary_of, summary_of_peer
from warren.ice.transport import Address, Base
from warren.messages import Candidate, CandidateType, NetworkType

HOME = Base("192.168.1.2", 4000)
CAFE = Base("10.0.0.2", 4001)
ONE, TWO = ("198.51.100.1", 3478), ("198.51.100.2", 3478)
PUBLIC, OTHER = ("203.0.113.5", 61000), ("203.0.113.5", 61001)


def seen(
    address: Address, mapped: Address | None, *, base: Base = HOME, error: str | None = None
) -> ServerReport:
    return ServerReport(server="stun:x", address=address, base=base, mapped=mapped, error=error)


@pytest.mark.parametrize(
    ("reports", "complete", "mapping"),
    [
        ([], True, "no-servers"),
        ([seen(ONE, None)], False, "unknown"),
        ([seen(ONE, None, error="no answer")], True, "none-answered"),
        ([ServerReport(server="stun:x", error="cannot be resolved")], True, "none-answered"),
        ([seen(ONE, PUBLIC)], True, "unknown"),
        ([seen(ONE, PUBLIC), seen(TWO, PUBLIC)], True, "same"),
        ([seen(ONE, PUBLIC), seen(TWO, PUBLIC)], False, "same"),
        ([seen(ONE, PUBLIC), seen(TWO, OTHER)], False, "different"),
    ],
)
def test_mapping_is_what_the_servers_agree_on(
    reports: list[ServerReport], complete: bool, mapping: Mapping
) -> None:
    assert mapping_of(reports, complete=complete) == mapping


def test_one_server_under_two_names_is_no_second_opinion() -> None:
    assert mapping_of([seen(ONE, PUBLIC), seen(ONE, PUBLIC)], complete=True) == "unknown"


def test_two_bases_are_not_compared() -> None:
    assert mapping_of([seen(ONE, PUBLIC), seen(TWO, OTHER, base=CAFE)], complete=True) == "unknown"


def test_one_base_with_different_mappings_decides() -> None:
    same = [seen(ONE, PUBLIC, base=CAFE), seen(TWO, PUBLIC, base=CAFE)]
    assert mapping_of([*same, seen(ONE, PUBLIC), seen(TWO, OTHER)], complete=True) == "different"


def test_what_was_not_confirmed_the_last_time_does_not_count() -> None:
    assert mapping_of([seen(ONE, PUBLIC), seen(TWO, OTHER, error="no answer")], complete=True) == "unknown"


def test_summary_tells_what_every_server_said() -> None:
    reports = [
        seen(ONE, PUBLIC),
        seen(TWO, PUBLIC, error="no answer"),
        seen(TWO, None),
        seen(("2001:db8::1", 1), ("2001:db8::2", 7)),
        ServerReport(server="stun:y", error="cannot be resolved"),
    ]
    assert summary_of("different", reports) == (
        "the NAT's mapping is different at two STUN servers ("
        "stun:x from 192.168.1.2: 203.0.113.5:61000; "
        "stun:x from 192.168.1.2: no answer; "
        "stun:x from 192.168.1.2: has not answered yet; "
        "stun:x from 192.168.1.2: [2001:db8::2]:7; "
        "stun:y: cannot be resolved)"
    )


def test_summary_without_servers_is_short() -> None:
    assert summary_of("no-servers", []) == "no STUN server was asked"


def peers(*seen: tuple[str, int, int]) -> list[Candidate]:
    return [
        Candidate(
            type=CandidateType.SERVER_REFLEXIVE,
            network=NetworkType.UDP4,
            address=address,
            port=port,
            related=("10.0.0.2", base) if base else None,
        )
        for address, port, base in seen
    ]


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        ([], "no server-reflexive candidate"),
        ([("203.0.113.5", 1, 500)], "the same wherever it was seen"),
        ([("203.0.113.5", 1, 500), ("203.0.113.5", 2, 500)], "different at two STUN servers"),
        ([("203.0.113.5", 1, 500), ("203.0.113.5", 2, 501)], "the same wherever it was seen"),
        ([("203.0.113.5", 1, 0), ("203.0.113.5", 2, 0)], "the same wherever it was seen"),
    ],
)
def test_a_peers_candidates_tell_of_its_nat(seen: list[tuple[str, int, int]], says: str) -> None:
    assert says in summary_of_peer(peers(*seen))
