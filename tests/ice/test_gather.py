"""A gatherer by numbers: what it sends, what it is answered, what it then offers."""

import pytest

from tests.ice.lab import (
    CAFE,
    GIVES_UP_AFTER,
    HOME,
    HOME_IPV6,
    ONE,
    ONE_IPV6,
    PUBLIC,
    PUBLIC_OTHER,
    TWO,
    Lab,
    lab,
)
from tests.ice.turn.rig import Server
from warren.ice import stun
from warren.ice.candidate import stream_preference
from warren.ice.server_url import TurnUrl
from warren.ice.stun import Class, Method
from warren.ice.transport import Address, Base
from warren.ice.turn.relays import RelayClosed, RelayOpened
from warren.messages import CandidateType, NetworkType, TCPType

# Host candidates


def test_base_is_a_host_candidate_at_once() -> None:
    world = lab(HOME, one=False)
    (local,) = world.gatherer.candidates
    assert local.base is HOME
    assert local.candidate.type == CandidateType.HOST
    assert local.candidate.network == NetworkType.UDP4
    assert local.candidate.transport == ("192.168.1.2", 4000)
    assert local.candidate.related is None


def test_base_of_ipv6_is_a_candidate_of_ipv6() -> None:
    (local,) = lab(HOME_IPV6, one=False).gatherer.candidates
    assert local.candidate.network == NetworkType.UDP6


def test_without_servers_gathering_is_complete_at_once() -> None:
    world = lab(HOME, one=False)
    assert world.gatherer.complete
    assert world.gatherer.deadline is None
    assert world.packets == []


def test_without_an_address_nothing_is_complete() -> None:
    assert not Lab().gatherer.complete


def test_gathering_is_not_complete_any_more_when_the_last_address_is_lost() -> None:
    world = lab(HOME, one=False)
    world.gatherer.remove_base(HOME, 1.0)
    assert not world.gatherer.complete


def test_gathering_is_not_complete_while_addresses_come_and_go() -> None:
    world = lab(HOME, one=False)
    assert world.gatherer.complete
    world.gatherer.expect_bases(True)
    world.gatherer.remove_base(HOME, 0.0)
    world.gatherer.add_base(CAFE, 0.0)
    assert not world.gatherer.complete
    world.gatherer.expect_bases(False)
    assert world.gatherer.complete


def test_first_base_has_the_highest_priority_and_the_families_take_turns() -> None:
    other_ipv6 = Base("2001:db8::3", 4003)
    world = lab(HOME, CAFE, HOME_IPV6, other_ipv6, one=False)
    by_priority = sorted(world.gatherer.candidates, key=lambda local: -local.candidate.priority)
    assert [local.base for local in by_priority] == [HOME_IPV6, HOME, other_ipv6, CAFE]


def test_bases_have_different_foundations() -> None:
    foundations = [local.candidate.foundation for local in lab(HOME, CAFE, one=False).gatherer.candidates]
    assert len(set(foundations)) == 2


def test_new_base_takes_the_priority_that_a_lost_one_left_free() -> None:
    world = lab(HOME, CAFE, one=False)
    first, second = (local.candidate.priority for local in world.gatherer.candidates)
    world.gatherer.remove_base(HOME, 1.0)
    world.gatherer.add_base(Base("192.168.7.7", 1), 2.0)
    assert [local.candidate.priority for local in world.gatherer.candidates] == [second, first]


def test_removed_base_takes_its_candidates_and_questions_with_it() -> None:
    world = lab(HOME, CAFE)
    world.answer(HOME, ONE, PUBLIC)
    world.gatherer.remove_base(HOME, 1.0)
    world.gatherer.remove_base(CAFE, 1.0)
    assert world.gatherer.candidates == ()
    assert len(world.transactions) == 0
    assert world.until(100.0) == []


def test_removing_an_unknown_base_is_ignored() -> None:
    world = lab()
    changes = world.changes
    world.gatherer.remove_base(CAFE, 1.0)
    world.drain()
    assert world.changes == changes
    assert world.types == [CandidateType.HOST]


# Server-reflexive candidates


def test_every_base_asks_every_server_at_once() -> None:
    world = lab(HOME, CAFE, two=True)
    asked = [(packet.base, packet.destination) for packet in world.packets]
    assert asked == [(HOME, ONE), (CAFE, ONE), (HOME, TWO), (CAFE, TWO)]
    request = stun.parse(world.packets[0].data)
    assert (request.method, request.cls) == (Method.BINDING, Class.REQUEST)
    assert request.has_fingerprint


def test_base_that_comes_later_asks_the_servers_that_are_known() -> None:
    world = lab(HOME)
    world.gatherer.add_base(CAFE, 3.0)
    assert [packet.base for packet in world.drain()] == [CAFE]


def test_servers_are_asked_from_bases_of_their_family_only() -> None:
    world = Lab(HOME, HOME_IPV6, servers=[("stun:one", [ONE, ONE_IPV6])])
    asked = [(packet.base, packet.destination) for packet in world.packets]
    assert asked == [(HOME, ONE), (HOME_IPV6, ONE_IPV6)]


def test_answer_makes_a_server_reflexive_candidate() -> None:
    world = lab()
    assert world.answer(HOME, ONE, PUBLIC)
    (candidate,) = world.reflexive
    assert candidate.transport == PUBLIC
    assert candidate.related == ("192.168.1.2", 4000)
    assert candidate.network == NetworkType.UDP4
    assert candidate.priority < world.gatherer.candidates[0].candidate.priority
    assert candidate.foundation != world.gatherer.candidates[0].candidate.foundation
    assert world.gatherer.candidates[1].base is HOME


def test_answered_transaction_is_over() -> None:
    world = lab()
    world.answer(HOME, ONE, PUBLIC)
    assert len(world.transactions) == 0
    assert not world.answer(HOME, ONE, PUBLIC_OTHER)


def test_address_of_the_base_itself_is_no_new_candidate() -> None:
    world = lab()
    world.answer(HOME, ONE, (HOME.address, HOME.port))
    assert world.types == [CandidateType.HOST]
    assert world.gatherer.complete


def test_two_servers_that_see_the_same_make_one_candidate() -> None:
    world = lab(two=True)
    world.answer(HOME, TWO, PUBLIC)
    before = world.gatherer.candidates
    changes = world.changes
    world.answer(HOME, ONE, PUBLIC)
    assert world.gatherer.candidates == before
    assert world.changes == changes + 1  # Complete, and nothing else.


def test_two_servers_that_see_different_addresses_make_two_candidates_of_different_foundation() -> None:
    world = lab(two=True)
    world.answer(HOME, ONE, PUBLIC)
    world.answer(HOME, TWO, PUBLIC_OTHER)
    assert world.mapped == [PUBLIC, PUBLIC_OTHER]
    assert len({candidate.foundation for candidate in world.reflexive}) == 2


def test_two_bases_behind_one_address_keep_a_candidate_each() -> None:
    world = lab(HOME, CAFE)
    world.answer(HOME, ONE, PUBLIC)
    world.answer(CAFE, ONE, PUBLIC)
    assert [local.base for local in world.gatherer.candidates[2:]] == [HOME, CAFE]


def test_answer_from_elsewhere_than_was_asked_is_dropped() -> None:
    world = lab()
    assert world.answer(HOME, ONE, PUBLIC, source=TWO)
    assert world.reflexive == []
    assert world.gatherer.drops == {"stun-server-source": 1}
    assert world.answer(HOME, ONE, PUBLIC)
    assert world.mapped == [PUBLIC]


def test_answer_at_another_base_than_asked_is_dropped() -> None:
    world = lab(HOME, CAFE)
    request = stun.parse(world.last_packet(HOME, ONE).data)
    world.receive(stun.success(request, PUBLIC, None), CAFE, ONE)
    assert world.reflexive == []
    assert world.gatherer.drops == {"stun-server-source": 1}


@pytest.mark.parametrize("mapped", [("0.0.0.0", 1), ("224.0.0.1", 1), ("203.0.113.5", 0), ("2001:db8::9", 1)])
def test_address_that_cannot_be_ours_is_not_believed(mapped: Address) -> None:
    world = lab()
    world.answer(HOME, ONE, mapped)
    assert world.reflexive == []
    assert world.gatherer.report[0].error == "answered without a usable address"
    assert world.gatherer.complete


def test_answer_without_an_address_is_of_no_use() -> None:
    world = lab()
    request = stun.parse(world.last_packet(HOME, ONE).data)
    world.receive(stun.build(Method.BINDING, Class.SUCCESS, request.transaction_id, []), HOME, ONE)
    assert world.reflexive == []
    assert world.gatherer.report[0].error == "answered without a usable address"


def test_error_response_ends_the_round_and_is_reported() -> None:
    world = lab()
    request = stun.parse(world.last_packet(HOME, ONE).data)
    world.receive(stun.error(request, 401, "Unauthorized"), HOME, ONE)
    assert world.gatherer.complete
    assert world.gatherer.report[0].error == "answered 401 Unauthorized"
    assert len(world.transactions) == 0


def test_error_response_without_a_code_is_reported_too() -> None:
    world = lab()
    request = stun.parse(world.last_packet(HOME, ONE).data)
    world.receive(stun.build(Method.BINDING, Class.ERROR, request.transaction_id, []), HOME, ONE)
    assert world.gatherer.report[0].error == "answered with an error"


# Servers come and go


def test_gathering_waits_for_a_server_that_is_being_resolved() -> None:
    world = lab(one=False)
    world.gatherer.expect_server("stun:one")
    assert not world.gatherer.complete
    world.gatherer.add_server("stun:one", [ONE], 1.0)
    world.drain()
    assert not world.gatherer.complete
    world.answer(HOME, ONE, PUBLIC)
    assert world.gatherer.complete


def test_gathering_does_not_wait_for_a_server_that_cannot_be_resolved() -> None:
    world = lab(one=False)
    world.gatherer.expect_server("stun:one")
    world.gatherer.server_failed("stun:one", "cannot be resolved")
    assert world.gatherer.complete


def test_server_that_is_resolved_after_all_is_asked() -> None:
    world = lab(one=False)
    world.gatherer.server_failed("stun:one", "cannot be resolved")
    world.gatherer.add_server("stun:one", [ONE], 5.0)
    assert [packet.destination for packet in world.drain()] == [ONE]
    assert [(entry.server, entry.error) for entry in world.gatherer.report] == [("stun:one", None)]


def test_addresses_that_are_known_are_not_asked_twice() -> None:
    world = lab()
    world.gatherer.add_server("stun:one", [ONE, ONE, TWO], 1.0)
    assert [packet.destination for packet in world.drain()] == [TWO]


# Relays


RELAY = TurnUrl(host="turn.example.org", port=3478, transport="udp", username="ann", password="p@ss")
RELAYED = ("198.51.100.1", 50000)


def with_relay(*servers: tuple[str, list[Address]]) -> Lab:
    """A base that has asked a TURN server, which has challenged it."""
    lab = Lab(HOME, servers=servers)
    lab.gatherer.relays.add(RELAY, [TWO], 0.0)
    lab.drain()
    return lab


def grant(lab: Lab, mapped: Address = PUBLIC) -> None:
    request = stun.parse(lab.last_packet(HOME, TWO).data)
    lab.receive(Server().allocated(request, RELAYED, mapped=mapped), HOME, TWO)


def test_relayed_candidate_comes_last() -> None:
    lab = with_relay()
    grant(lab)
    types = [local.candidate.type for local in lab.gatherer.candidates]
    assert types == [CandidateType.HOST, CandidateType.SERVER_REFLEXIVE, CandidateType.RELAY]


def test_turn_server_tells_the_mapped_address_too() -> None:
    lab = with_relay()
    grant(lab)
    assert PUBLIC in [local.candidate.transport for local in lab.gatherer.candidates]


def test_address_that_two_kinds_of_server_saw_is_one_candidate() -> None:
    lab = with_relay(("stun:one", [ONE]))
    lab.answer(HOME, ONE, PUBLIC)
    grant(lab)
    assert [local.candidate.transport for local in lab.gatherer.candidates].count(PUBLIC) == 1
    assert lab.gatherer.mapping == "same"


def test_gathering_waits_for_turn_servers_and_no_longer_than_they_take() -> None:
    lab = with_relay()
    assert not lab.gatherer.complete
    lab.until(GIVES_UP_AFTER)
    assert lab.gatherer.complete
    assert "no answer" in lab.gatherer.summary


def test_relay_is_opened_and_closed_with_its_base() -> None:
    lab = with_relay()
    grant(lab)
    lab.gatherer.remove_base(HOME, 1.0)
    lab.drain()
    assert [type(output) for output in lab.relays] == [RelayOpened, RelayClosed]


def test_deadline_is_the_first_of_all() -> None:
    lab = with_relay(("stun:one", [ONE]))
    lab.answer(HOME, ONE, PUBLIC)
    assert lab.gatherer.deadline == 0.2
    lab = Lab(HOME, servers=[("stun:one", [ONE])])
    assert lab.gatherer.deadline == 0.2


# TCP


CONNECTING, LISTENING = Base("192.168.1.2", 0, "tcp"), Base("192.168.1.2", 4711, "tcp")
LISTENING_IPV6 = Base("2001:db8::2", 4711, "tcp")


def offered(lab: Lab) -> list[tuple[NetworkType, TCPType, int]]:
    candidates = [local.candidate for local in lab.gatherer.candidates]
    return [(candidate.network, candidate.tcp_type, candidate.port) for candidate in candidates]


def test_a_base_for_connections_of_ours_is_an_active_candidate_at_the_discard_port() -> None:
    assert offered(Lab(CONNECTING)) == [(NetworkType.TCP4, TCPType.ACTIVE, 9)]


def test_a_base_that_is_listened_at_is_a_passive_candidate() -> None:
    assert offered(Lab(LISTENING, LISTENING_IPV6)) == [
        (NetworkType.TCP4, TCPType.PASSIVE, 4711),
        (NetworkType.TCP6, TCPType.PASSIVE, 4711),
    ]


def test_candidates_for_tcp_come_last_and_change_no_others_priority() -> None:
    alone = [local.candidate for local in Lab(HOME, CAFE).gatherer.candidates]
    mixed = [local.candidate for local in Lab(CONNECTING, HOME, LISTENING, CAFE).gatherer.candidates]
    assert mixed[:2] == alone
    assert [candidate.network.is_tcp for candidate in mixed] == [False, False, True, True]


def test_connecting_and_listening_are_ranked_each_by_themselves() -> None:
    other = Base("10.0.0.2", 0, "tcp")
    candidates = [local.candidate for local in Lab(CONNECTING, LISTENING, other).gatherer.candidates]
    expected = [
        stream_preference(0, TCPType.ACTIVE, is_ipv6=False),
        stream_preference(0, TCPType.PASSIVE, is_ipv6=False),
        stream_preference(1, TCPType.ACTIVE, is_ipv6=False),
    ]
    assert [candidate.priority >> 8 & 0xFFFF for candidate in candidates] == expected


def test_servers_are_not_asked_over_tcp() -> None:
    lab = Lab(CONNECTING, LISTENING, servers=[("one", [ONE])])
    assert lab.packets == []
    assert lab.gatherer.complete
