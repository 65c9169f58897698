"""One attempt at a peer: what the answers to its checks, and errors, make of pairs."""

from tests.ice.rig import BASE, OTHER, SOURCE, THEM, A, B, Rig, connected
from warren.ice import stun
from warren.ice.outputs import PairSelected
from warren.ice.transport import Transmit
from warren.messages import CandidateType


def test_an_answer_makes_the_pair_valid_and_gives_data_a_route() -> None:
    rig = Rig(controlling=False).describe(4000)
    (request,) = [packet for _, packet in rig.sent()]
    rig.respond(request)
    route = rig.agent.route
    assert rig.agent.valid
    assert route is not None
    assert (route.base, route.destination) == (BASE, SOURCE)


def test_an_answer_is_authenticated_traffic() -> None:
    rig = Rig().describe(4000)
    (request,) = [packet for _, packet in rig.sent()]
    rig.respond(request)
    assert rig.agent.authenticated


def test_with_the_answer_the_other_checks_of_the_pair_are_over() -> None:
    rig = Rig(controlling=False).describe(4000)
    (request,) = [packet for _, packet in rig.sent()]
    rig.pass_time(0.09)
    rig.respond(request)
    assert len(rig.peer.transactions) == 0


def test_with_the_answer_an_earlier_error_is_forgotten() -> None:
    rig = Rig().describe(4000)
    (request,) = [packet for _, packet in rig.sent()]
    rig.respond(request, error=(500, "Server Error"), now=0.005)
    rig.agent.tick(0.01)
    (request,) = [packet for _, packet in rig.sent()]
    rig.respond(request)
    assert rig.agent.pair_reports()[0].last_error is None


def test_the_round_trip_is_that_of_the_check_that_was_answered() -> None:
    rig = Rig().describe(4000)
    (request,) = [packet for _, packet in rig.sent()]
    rig.pass_time(0.05)
    rig.respond(request, now=0.06)
    assert rig.agent.selected is not None
    assert rig.agent.selected.rtt == 0.06


def test_the_selected_pair_is_named_by_the_address_that_the_peer_saw() -> None:
    rig = Rig().describe(4000)
    (request,) = [packet for _, packet in rig.sent()]
    rig.respond(request, mapped=("198.51.100.9", 999))
    assert rig.agent.selected is not None
    assert rig.agent.selected.local.type is CandidateType.PEER_REFLEXIVE


def test_a_selected_pair_is_told_again_when_the_peer_sees_us_at_another_address() -> None:
    rig = Rig().describe(4000, end=True)
    [(_, request)] = rig.sent()
    rig.respond(request)
    rig.agent.outputs()
    rig.agent.suspect("a test asks", 1.0)
    [(_, request)] = rig.sent()
    rig.respond(request, now=1.1, mapped=("198.51.100.9", 999))
    [told] = rig.outputs(PairSelected)
    assert isinstance(told, PairSelected)
    assert told.local.transport == ("198.51.100.9", 999)
    assert told.reason == "the peer sees us at another address"


def test_an_answer_from_another_address_fails_the_pair() -> None:
    rig = Rig().describe(4000)
    (request,) = [packet for _, packet in rig.sent()]
    rig.respond(request, source=(B, 4001))
    assert rig.states() == ["failed"]
    assert rig.agent.pair_reports()[0].last_error == "answered from another address"
    assert rig.agent.drops["response-from-elsewhere"] == 1


def test_an_answer_to_another_base_fails_the_pair() -> None:
    rig = Rig(bases=(BASE, OTHER)).describe(4000)
    request = next(packet for _, packet in rig.sent())
    rig.respond(request, base=OTHER)
    assert rig.states() == ["failed", "in progress"]


def test_a_failed_pair_is_not_checked_again_by_itself() -> None:
    rig = Rig().describe(4000)
    (request,) = [packet for _, packet in rig.sent()]
    rig.respond(request, source=(B, 4001))
    assert rig.pass_time(39.0) == []


def test_a_failed_pair_is_checked_again_when_the_peer_checks_it() -> None:
    rig = Rig().describe(4000)
    (request,) = [packet for _, packet in rig.sent()]
    rig.respond(request, source=(B, 4001))
    rig.check(now=1.0)
    assert [to for to, _ in rig.sent()] == [SOURCE]


def test_an_answer_from_elsewhere_does_not_harm_a_pair_that_works() -> None:
    rig = connected()
    rig.agent.suspect("to have it checked", 0.3)
    (request,) = [packet for _, packet in rig.sent()]
    rig.respond(request, source=(B, 4001), now=0.4)
    assert rig.states() == ["succeeded"]


def test_an_answer_without_an_address_is_counted() -> None:
    rig = Rig().describe(4000)
    (request,) = [packet for _, packet in rig.sent()]
    key = stun.prepare_key(THEM.credentials.pwd)
    raw = stun.build(stun.Method.BINDING, stun.Class.SUCCESS, request.transaction_id, [], key)
    rig.respond(request, raw=raw)
    assert rig.agent.drops["response-without-address"] == 1
    assert not rig.agent.valid


def test_an_answer_that_names_port_0_is_one_without_an_address() -> None:
    rig = Rig().describe(4000)
    (request,) = [packet for _, packet in rig.sent()]
    rig.respond(request, raw=stun.success(request, (A, 0), stun.prepare_key(THEM.credentials.pwd)))
    assert rig.agent.drops["response-without-address"] == 1
    assert not rig.agent.valid


def test_an_error_fails_the_pair_and_is_told() -> None:
    rig = Rig().describe(4000)
    (request,) = [packet for _, packet in rig.sent()]
    rig.respond(request, error=(400, "Bad Request"))
    (report,) = rig.agent.pair_reports()
    assert (report.state, report.last_error) == ("failed", "400 Bad Request")
    assert rig.agent.drops["error-400"] == 1


def test_an_error_without_a_code_fails_the_pair() -> None:
    rig = Rig().describe(4000)
    (request,) = [packet for _, packet in rig.sent()]
    key = stun.prepare_key(THEM.credentials.pwd)
    raw = stun.build(stun.Method.BINDING, stun.Class.ERROR, request.transaction_id, [], key)
    rig.respond(request, raw=raw)
    assert rig.agent.pair_reports()[0].last_error == "0 malformed error"


def test_a_server_error_leaves_the_pair_in_progress() -> None:
    rig = Rig().describe(4000)
    (request,) = [packet for _, packet in rig.sent()]
    rig.respond(request, error=(500, "Server Error"))
    assert rig.states() == ["in progress"]


def test_an_error_on_a_pair_that_works_leaves_it_to_consent() -> None:
    rig = connected()
    rig.agent.suspect("to have it checked", 0.3)
    (request,) = [packet for _, packet in rig.sent()]
    rig.respond(request, error=(400, "Bad Request"), now=0.4)
    assert rig.states() == ["succeeded"]


def test_a_role_conflict_switches_the_role_and_checks_again_at_once() -> None:
    rig = Rig(controlling=True).describe(4000)
    (request,) = [packet for _, packet in rig.sent()]
    rig.respond(request, error=(487, "Role Conflict"))
    assert not rig.agent.controlling
    assert [packet.controlled is not None for _, packet in rig.sent()] == [True]


def test_a_second_role_conflict_for_an_older_check_switches_nothing() -> None:
    rig = Rig(controlling=True).describe(4000, 4001)
    first, second = (packet for _, packet in rig.sent())
    rig.respond(first, error=(487, "Role Conflict"))
    rig.respond(second, error=(487, "Role Conflict"), source=(B, 4001))
    assert not rig.agent.controlling


def test_a_peer_that_answers_every_check_with_a_role_conflict_is_not_followed_for_ever() -> None:
    rig = Rig(controlling=True).describe(4000)
    requests = [packet for _, packet in rig.sent()]
    rounds = 0
    while requests and rounds < 500:
        rounds += 1
        rig.respond(requests[0], error=(487, "Role Conflict"), now=rounds * 0.03)
        requests = [packet for _, packet in rig.sent()]
    assert rounds < 100


def test_a_check_that_repeats_the_last_one_is_answered_and_moves_no_deadline() -> None:
    rig = connected()
    rig.check(now=1.0)
    rig.agent.outputs()
    deadline = rig.agent.deadline
    rig.check(now=2.0)
    kinds = [stun.parse(output.data).cls for output in rig.outputs(Transmit)]  # type: ignore[attr-defined]
    assert kinds == [stun.Class.SUCCESS]
    assert rig.agent.deadline == deadline


def test_a_check_that_repeats_the_last_one_means_a_conflict_once_we_have_changed_roles() -> None:
    rig = connected()
    rig.check(now=1.0, controlling=False)
    rig.agent.suspect("to have it checked", 1.1)
    rig.respond(rig.sent()[0][1], error=(487, "Role Conflict"), now=1.2)
    rig.respond(rig.sent()[0][1], now=1.3)
    assert not rig.agent.controlling
    rig.check(now=1.4, controlling=False)
    assert rig.agent.controlling


def test_a_nomination_before_the_answer_counts_with_the_answer() -> None:
    rig = Rig(controlling=False).describe(4000)
    (request,) = [packet for _, packet in rig.sent()]
    rig.check(now=0.01, nomination=1)
    assert rig.agent.selected is None
    rig.respond(request)
    assert rig.agent.selected is not None
