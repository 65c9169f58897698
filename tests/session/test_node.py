"""What of a node needs no I/O: its sessions, whose packet is whose, its addresses."""

import pytest

from tests.session.nodes import (
    CAROL,
    SERVER,
    THERE,
    Told,
    answer_checks,
    asked,
    connect,
    first_said,
    generation_of,
    link,
    node,
    two,
)
from tests.session.partner import Partner
from tests.session.side import ALICE, BOB, A, B
from warren.ice import stun
from warren.ice.policy import CandidatePolicy
from warren.ice.transport import Address, Base
from warren.session.config import Config
from warren.session.outputs import PathChanged, StateChanged
from warren.session.state import State

# Sessions


def test_two_nodes_connect_their_sessions() -> None:
    alice, bob = two()
    a, b = alice.open(BOB, 0.0), bob.open(ALICE, 0.0)
    link((alice, bob), 1.0)
    assert (a.state, b.state) == (State.COMPLETED, State.COMPLETED)
    assert a.history[-1].time == pytest.approx(0.090)


def test_session_with_oneself_is_refused() -> None:
    with pytest.raises(ValueError, match="our own public key"):
        node().open(ALICE, 0.0)


def test_second_session_with_a_peer_is_refused() -> None:
    machine = node()
    machine.open(BOB, 0.0)
    with pytest.raises(ValueError, match="open already"):
        machine.open(BOB, 0.0)


def test_open_sessions_are_known_and_listed_as_a_copy() -> None:
    machine = node()
    session = machine.open(BOB, 0.0)
    assert machine.sessions == {BOB: session}
    machine.sessions.clear()
    assert machine.knows(BOB)
    assert not machine.knows(CAROL)


def test_closed_session_is_forgotten_and_may_be_opened_anew() -> None:
    machine, partner = node(), Partner(7)
    session = connect(machine, partner)
    machine.close(BOB, 1.0)
    assert session.state is State.CLOSED
    assert not machine.knows(BOB)
    assert machine.datagram_received(A, THERE, b"data", 1.0) is None
    assert machine.open(BOB, 2.0) is not session


def test_closing_says_so_to_the_user() -> None:
    machine = node()
    machine.open(BOB, 0.0)
    told = Told(machine).drain()
    machine.close(BOB, 1.0)
    assert [event.event for event in told.drain().events][-1] == StateChanged(
        old=State.IDLE, new=State.CLOSED, reason="closed by the user", generation=1, time=1.0
    )


def test_closing_an_unknown_peer_is_ignored() -> None:
    machine = node()
    machine.close(BOB, 0.0)
    assert machine.outputs() == []


def test_closing_one_session_leaves_the_others_alone() -> None:
    machine, bob = node(), Partner(7)
    session = connect(machine, bob)
    machine.open(CAROL, 0.0)
    machine.close(CAROL, 0.0)
    assert machine.datagram_received(A, THERE, b"data", 0.0) == (session, b"data")


def test_what_a_session_says_goes_to_its_peer_and_what_happens_is_told() -> None:
    machine = node()
    session = machine.open(BOB, 0.0)
    told = Told(machine).drain()
    assert [published.peer for published in told.published] == [BOB]
    assert [(event.session, event.event.time) for event in told.events] == [(session, 0.0)]


def test_restart_given_to_the_session_itself_is_drained_on_demand() -> None:
    machine = node()
    session = machine.open(BOB, 0.0)
    told = Told(machine).drain()
    session.restart(1.0)
    assert len(told.drain().published) == 1
    machine.drain(session, 0.0)
    assert len(told.drain().published) == 2


def test_path_is_told_as_an_event() -> None:
    machine = node()
    session, told = machine.open(BOB, 0.0), Told(machine)
    partner = Partner(7)
    machine.message_received(BOB, partner.says(generation_of(first_said(told))), 0.0)
    answer_checks(machine, told.drain(), partner)
    events = [event.event for event in told.drain().events]
    (changed,) = [event for event in events if isinstance(event, PathChanged)]
    assert changed.path == session.path


# Datagrams


def test_data_from_a_proved_source_is_its_sessions() -> None:
    machine = node()
    session = connect(machine, Partner(7))
    assert machine.datagram_received(A, THERE, b"data", 0.0) == (session, b"data")


def test_the_session_that_expects_data_from_a_source_is_known_before_there_is_any() -> None:
    machine = node()
    session = connect(machine, Partner(7))
    assert machine.expecting(A, THERE) is session
    assert machine.expecting(A, (B.address, 4001)) is None


@pytest.mark.parametrize("source", [(B.address, 4001), ("198.51.100.3", B.port)])
def test_data_of_strangers_is_counted(source: Address) -> None:
    machine = node()
    connect(machine, Partner(7))
    assert machine.datagram_received(A, source, b"data", 0.0) is None
    assert machine.drops["data-from-stranger"] == 1


def test_data_to_another_base_is_a_strangers() -> None:
    machine = node()
    connect(machine, Partner(7))
    assert machine.datagram_received(Base(A.address, A.port), THERE, b"data", 0.0) is None


def test_source_that_another_session_proved_since_is_that_ones() -> None:
    machine = node()
    first = connect(machine, Partner(7))
    second = connect(machine, Partner(8, ours=CAROL))
    assert machine.datagram_received(A, THERE, b"data", 0.0) == (second, b"data")
    first.close(0.0)
    machine.drain(first, 0.0)
    assert machine.datagram_received(A, THERE, b"data", 0.0) == (second, b"data")
    second.close(0.0)
    machine.drain(second, 0.0)
    assert machine.datagram_received(A, THERE, b"data", 0.0) is None


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (bytes.fromhex("0001000c2112a442") + bytes(12), "stun-length"),
        (stun.build(stun.Method.ALLOCATE, stun.Class.REQUEST, bytes(12), []), "stun-method"),
        (stun.build(stun.Method.BINDING, stun.Class.INDICATION, bytes(12), []), "stun-indication"),
        (stun.server_request(bytes(12)), "stun-unknown-ufrag"),
        (stun.build(stun.Method.BINDING, stun.Class.SUCCESS, bytes(12), []), "stun-unknown-transaction"),
    ],
)
def test_packets_of_no_use_are_counted_by_reason_and_met_with_silence(packet: bytes, reason: str) -> None:
    machine = node()
    machine.open(BOB, 0.0)
    machine.outputs()
    assert machine.datagram_received(A, THERE, packet, 0.0) is None
    assert machine.drops == {reason: 1}
    assert machine.outputs() == []


def test_check_that_names_an_unknown_ufrag_is_counted() -> None:
    machine = node()
    machine.open(BOB, 0.0)
    request = stun.binding_request(
        bytes(12),
        stun.check_attributes(username="nobody:else", priority=1, controlling=False, tie_breaker=1),
        stun.prepare_key("p" * 22),
    )
    machine.datagram_received(A, THERE, request, 0.0)
    assert machine.drops["stun-unknown-ufrag"] == 1


def test_check_finds_its_session_by_the_ufrag_that_it_names() -> None:
    machine = node()
    for peer in (BOB, CAROL):
        machine.open(peer, 0.0)
    told = Told(machine).drain()
    theirs = told.published[1].message.credentials
    assert (told.published[1].peer, theirs is not None) == (CAROL, True)
    assert theirs is not None
    request = stun.binding_request(
        bytes(12),
        stun.check_attributes(
            username=f"{theirs.ufrag}:anybody", priority=1, controlling=False, tie_breaker=1
        ),
        stun.prepare_key(theirs.pwd),
    )
    machine.datagram_received(A, THERE, request, 0.0)
    assert [transmit.destination for transmit in told.drain().transmits] == [THERE]


@pytest.mark.parametrize(
    "config", [Config(candidates=CandidatePolicy.RELAY_ONLY), Config(exclude_networks=[f"{THERE[0]}/32"])]
)
def test_check_where_the_user_wants_none_is_met_with_silence(config: Config) -> None:
    machine = node(config=config)
    machine.open(BOB, 0.0)
    told = Told(machine)
    ours = first_said(told).credentials
    assert ours is not None
    request = stun.binding_request(
        bytes(12),
        stun.check_attributes(username=f"{ours.ufrag}:anybody", priority=1, controlling=False, tie_breaker=1),
        stun.prepare_key(ours.pwd),
    )
    before = len(told.transmits)
    machine.datagram_received(A, THERE, request, 0.0)
    assert len(told.drain().transmits) == before
    assert machine.drops["stun-excluded"] == 1


def test_with_relays_only_the_peer_is_told_of_no_other_address() -> None:
    machine = node(config=Config(candidates=CandidatePolicy.RELAY_ONLY))
    machine.open(BOB, 0.0)
    session = first_said(Told(machine)).session
    assert session is not None
    assert session.candidates == ()


def test_without_private_addresses_the_peer_is_told_what_servers_see_and_nothing_of_the_inside() -> None:
    inside = Base("192.168.0.7", 4000)
    machine = node(base=inside, config=Config(candidates=CandidatePolicy.NO_PRIVATE))
    machine.add_server("stun", [SERVER], 0.0)
    told = Told(machine)
    machine.open(BOB, 0.0)
    asked = stun.parse(told.drain().requests[0].data)
    machine.datagram_received(inside, SERVER, stun.success(asked, ("198.51.100.1", 5000), None), 0.1)
    seen = [said.message.session for said in told.drain().published]
    assert [session.candidates for session in seen[:-1] if session] == [()] * (len(seen) - 1)
    assert seen[-1] is not None
    (candidate,) = seen[-1].candidates
    assert (candidate.transport, candidate.related) == (("198.51.100.1", 5000), ("0.0.0.0", 0))
    assert not [said for said in told.published if "192.168.0.7" in repr(said.message)]


@pytest.mark.parametrize("closes", [False, True])
def test_check_of_a_generation_that_is_gone_is_an_unknown_ufrags(closes: bool) -> None:
    machine = node()
    session = machine.open(BOB, 0.0)
    told = Told(machine)
    gone = first_said(told).credentials
    assert gone is not None
    if closes:
        machine.close(BOB, 0.0)
    else:
        session.restart(0.0)
        machine.drain(session, 0.0)
    request = stun.binding_request(
        bytes(12),
        stun.check_attributes(username=f"{gone.ufrag}:anybody", priority=1, controlling=False, tie_breaker=1),
        stun.prepare_key(gone.pwd),
    )
    machine.datagram_received(A, THERE, request, 0.0)
    assert machine.drops == {"stun-unknown-ufrag": 1}


# Our addresses


def test_bases_and_servers_make_candidates_for_every_session() -> None:
    machine = node()
    sessions = [machine.open(peer, 0.0) for peer in (BOB, CAROL)]
    told = Told(machine).drain()
    machine.add_server("stun.example", [SERVER], 0.0)
    (asked,) = told.drain().requests
    assert asked.destination == SERVER
    response = stun.success(stun.parse(asked.data), ("203.0.113.9", 5000), None)
    told.published.clear()
    machine.datagram_received(A, SERVER, response, 0.1)
    said = [published.message for published in told.drain().published]
    assert len(said) == len(sessions)
    for message in said:
        assert message.session is not None
        assert [candidate.port for candidate in message.session.candidates] == [A.port, 5000]


def test_candidates_are_not_final_while_a_server_is_being_resolved() -> None:
    machine = node()
    machine.expect_server("stun.example", 0.0)
    machine.open(BOB, 0.0)
    told = Told(machine).drain()
    first = told.published[-1].message.session
    assert first is not None
    assert not first.end_of_candidates
    machine.server_failed("stun.example", "no such name", 1.0)
    last = told.drain().published[-1].message.session
    assert last is not None
    assert last.end_of_candidates


def test_candidates_are_not_final_while_addresses_come_and_go() -> None:
    machine = node()
    machine.expect_bases(True, 0.0)
    machine.open(BOB, 0.0)
    told = Told(machine).drain()
    first = told.published[-1].message.session
    assert first is not None
    assert not first.end_of_candidates
    machine.expect_bases(False, 1.0)
    last = told.drain().published[-1].message.session
    assert last is not None
    assert last.end_of_candidates


def test_server_that_is_silent_is_given_up_by_the_nodes_timer() -> None:
    machine = node()
    machine.add_server("stun.example", [SERVER], 0.0)
    now = 0.0
    while not machine.gatherer.complete:
        assert machine.deadline is not None
        now = max(now, machine.deadline)
        machine.tick(now)
    assert 1.0 < now < 60.0


def test_base_that_is_gone_is_gone_for_all_sessions() -> None:
    machine = node()
    session = connect(machine, Partner(7))
    machine.remove_base(A, 1.0)
    assert session.path is None
    assert machine.gatherer.candidates == ()


def test_failure_says_what_is_known_of_our_nat() -> None:
    machine = node()
    session, told, partner = machine.open(BOB, 0.0), Told(machine), Partner(7)
    machine.message_received(BOB, partner.says(generation_of(first_said(told))), 0.0)
    machine.remove_base(A, 1.0)
    assert session.failure is not None
    assert f"this side: {machine.gatherer.summary}" in session.failure


def test_change_of_the_network_asks_every_server_again() -> None:
    machine, told = asked()
    machine.network_changed("a route has changed", 2.0)
    assert [transmit.destination for transmit in told.drain().requests] == [SERVER]


def test_path_that_falls_silent_asks_every_server_again() -> None:
    machine, told = asked()
    connect(machine, Partner(7))
    told.drain().transmits.clear()
    now = 0.0
    while now < 9.0:
        assert machine.deadline is not None
        now = max(now, machine.deadline)
        machine.tick(now)
    assert SERVER in {transmit.destination for transmit in told.drain().requests}


def test_new_mapping_is_told() -> None:
    machine, told = asked()
    machine.network_changed("a route has changed", 2.0)
    (request,) = told.drain().requests
    moved = stun.success(stun.parse(request.data), ("203.0.113.99", 5000), None)
    machine.datagram_received(A, SERVER, moved, 2.1)
    assert told.drain().moved == 1
