"""One attempt at a peer: candidates as they come, checks and answers, and how it ends."""

import pytest

from tests.ice.link import HOST, SRFLX, Nat, Peer, World, behind, candidate, host, introduce, public, srflx
from warren.ice import stun
from warren.ice.outputs import ChecksFailed, ConsentLost, PairFormed, PairSelected, Settled, SourceProved
from warren.ice.transport import Address, Base, Transmit
from warren.messages import CandidateType

A, B = "10.0.0.1", "10.1.0.1"
BASE, OTHER = Base(A, 4000), Base("10.0.1.1", 4000)
SOURCE = (B, 4000)
THEM = Peer("B", controlling=False, bases=[Base(*SOURCE)])


class Rig:
    """One agent whose peer is played by the test."""

    def __init__(
        self,
        *,
        controlling: bool = True,
        renomination: bool = True,
        bases: tuple[Base, ...] = (BASE,),
        end: bool = False,
        patience: float = 39.5,
    ) -> None:
        self.peer = Peer(
            "A", controlling=controlling, bases=list(bases), renomination=renomination, patience=patience
        )
        self.agent = self.peer.agent
        for index, base in enumerate(bases):
            self.agent.add_local(host(base, index), 0.0)
        if end:
            self.agent.end_local(0.0)

    def describe(self, *ports: int, end: bool = False, now: float = 0.0) -> "Rig":
        self.agent.set_remote(THEM.credentials, now)
        for index, port in enumerate(ports):
            self.agent.add_remote(candidate(HOST, B, port, index), now)
        if end:
            self.agent.end_remote(now)
        return self

    def check(self, source: Address = SOURCE, now: float = 0.1, **how: object) -> None:
        """Let a check of the peer come."""
        self.peer.check(THEM, BASE, source, now, **how)  # type: ignore[arg-type]  # passed on as they are

    def outputs(self, kind: type) -> list[object]:
        return [output for output in self.agent.outputs() if isinstance(output, kind)]

    def sent(self) -> list[tuple[Address, stun.Stun]]:
        """The checks sent since the last look."""
        all = [output for output in self.agent.outputs() if isinstance(output, Transmit)]
        packets = [(output.destination, stun.parse(output.data)) for output in all]
        return [(to, packet) for to, packet in packets if packet.cls is stun.Class.REQUEST]

    def respond(
        self,
        request: stun.Stun,
        *,
        now: float = 0.1,
        source: Address = SOURCE,
        base: Base = BASE,
        mapped: Address = (A, 4000),
        error: tuple[int, str] | None = None,
        raw: bytes | None = None,
    ) -> None:
        key = stun.prepare_key(THEM.credentials.pwd)
        data = raw or (stun.error(request, *error, key) if error else stun.success(request, mapped, key))
        transaction = self.peer.transactions.get(request.transaction_id)
        assert transaction is not None
        self.agent.response_received(transaction, stun.parse(data), source, base, now)

    def pass_time(self, until: float) -> list[float]:
        """Let timers run; returns when checks were sent."""
        times = []
        while (now := self.agent.deadline) is not None and now <= until:
            self.agent.tick(now)
            times += [now] * len(self.sent())
        return times

    def states(self) -> list[str]:
        return [report.state for report in self.agent.pair_reports()]


def connected(*ports: int, **how: object) -> Rig:
    """A controlling agent whose first pair was answered, its nomination too."""
    rig = Rig(**how).describe(*(ports or (4000,)))  # type: ignore[arg-type]  # passed on as they are
    for _, request in rig.sent():
        if request is not None:
            rig.respond(request)
            break
    for to, request in rig.sent():
        if request.use_candidate:
            rig.respond(request, source=to)
    rig.agent.outputs()
    return rig


# Candidates


def test_a_late_candidate_of_ours_is_checked_at_once() -> None:
    rig = Rig(bases=()).describe(4000)
    rig.agent.add_local(host(BASE), 1.0)
    assert [to for to, _ in rig.sent()] == [SOURCE]


def test_a_late_candidate_of_the_peer_is_checked_at_once() -> None:
    rig = Rig().describe(4000)
    rig.sent()
    rig.agent.add_remote(candidate(HOST, B, 4001), 1.0)
    assert [to for to, _ in rig.sent()] == [(B, 4001)]


def test_a_repeated_candidate_is_not_checked_again() -> None:
    rig = Rig().describe(4000)
    rig.sent()
    rig.agent.add_remote(candidate(HOST, *SOURCE), 0.001)
    assert rig.sent() == []


def test_a_server_reflexive_address_of_ours_makes_no_pair_of_its_own() -> None:
    rig = Rig().describe(4000)
    rig.agent.add_local(srflx(BASE, ("198.51.100.1", 4000)), 0.0)
    assert len(rig.agent.pair_reports()) == 1


def test_candidates_of_different_families_make_no_pair() -> None:
    rig = Rig()
    rig.agent.set_remote(THEM.credentials, 0.0)
    rig.agent.add_remote(candidate(HOST, "2001:db8::1", 1), 0.0)
    rig.agent.add_local(host(Base("fd00::1", 1)), 0.0)
    rig.agent.add_local(host(Base("10.0.2.1", 1)), 0.0)
    assert [report.local.address for report in rig.agent.pair_reports()] == ["fd00::1"]


def test_pairs_beyond_100_are_counted() -> None:
    bases = tuple(Base(f"10.0.{number}.1", 4000) for number in range(4))
    rig = Rig(bases=bases).describe(*range(1, 33))
    assert len(rig.agent.pair_reports()) == 100
    assert rig.agent.drops["pairs-full"] > 0


def test_a_refused_candidate_is_counted() -> None:
    rig = Rig().describe()
    rig.agent.add_remote(candidate(HOST, "127.0.0.1", 1), 0.0)
    assert rig.agent.drops["candidate-loopback"] == 1


def test_a_source_that_nobody_told_of_becomes_a_peer_reflexive_candidate() -> None:
    rig = Rig().describe()
    rig.check((B, 777))
    (report,) = rig.agent.pair_reports()
    assert (report.remote.type, report.remote.transport) == (CandidateType.PEER_REFLEXIVE, (B, 777))


def test_signaling_may_tell_later_what_a_check_revealed() -> None:
    rig = Rig().describe()
    rig.check((B, 777))
    rig.agent.add_remote(candidate(SRFLX, B, 777), 0.2)
    (report,) = rig.agent.pair_reports()
    assert report.remote.type is SRFLX


def test_the_17th_unknown_source_is_counted_and_not_checked() -> None:
    rig = Rig().describe()
    for port in range(1, 18):
        rig.check((B, port))
    assert rig.agent.drops["prflx-full"] == 1
    assert len(rig.agent.pair_reports()) == 16


def test_a_check_that_comes_to_an_address_that_is_not_offered_is_counted() -> None:
    rig = Rig(bases=(OTHER,)).describe()
    rig.check()
    assert rig.agent.drops["check-on-unknown-base"] == 1
    assert rig.agent.pair_reports() == ()


def test_a_check_over_the_101st_pair_is_answered_and_counted() -> None:
    bases = (BASE, *(Base(f"10.0.{number}.1", 4000) for number in range(1, 4)))
    rig = Rig(bases=bases).describe(*range(1, 33))
    rig.agent.outputs()
    rig.check((B, 777))
    assert rig.agent.drops["pairs-full"] > 0
    assert rig.sent() == []


# Triggered checks


def test_a_check_of_the_peer_triggers_one_of_ours_in_the_same_turn() -> None:
    rig = Rig().describe()
    rig.check()
    assert [to for to, _ in rig.sent()] == [SOURCE]


def test_a_check_of_the_peer_triggers_one_though_ours_is_in_progress() -> None:
    rig = Rig().describe(4000)
    rig.sent()
    rig.check(now=0.001)
    assert [to for to, _ in rig.sent()] == [SOURCE]


def test_a_check_of_the_peer_over_a_pair_that_answers_triggers_none() -> None:
    rig = connected()
    rig.check(now=0.2)
    assert rig.sent() == []


def test_a_triggered_check_of_the_controlling_side_nominates() -> None:
    rig = Rig(controlling=True).describe()
    rig.check()
    assert [request.nomination for _, request in rig.sent()] == [1]


def test_a_triggered_check_of_the_controlled_side_does_not() -> None:
    rig = Rig(controlling=False).describe()
    rig.check()
    assert [request.use_candidate for _, request in rig.sent()] == [False]


def test_a_check_of_the_peer_proves_its_source_once() -> None:
    rig = Rig().describe()
    rig.check()
    rig.check(now=0.2)
    assert rig.outputs(SourceProved) == [SourceProved(BASE, SOURCE)]


def test_an_answer_proves_its_source() -> None:
    rig = Rig().describe(4000)
    (request,) = [packet for _, packet in rig.sent()]
    rig.respond(request)
    assert rig.outputs(SourceProved) == [SourceProved(BASE, SOURCE)]


def test_a_peer_that_checks_for_ever_without_being_reached_is_checked_64_times() -> None:
    rig = Rig().describe()
    for step in range(1000):
        rig.check(now=step * 0.025)
    rig.agent.outputs()
    assert rig.agent.pair_reports()[0].sent == 64
    assert rig.agent.drops["triggered-too-often"] > 0


def test_a_pair_that_answered_may_be_triggered_as_often_again() -> None:
    rig = Rig(controlling=False).describe()
    requests = []
    for step in range(64):
        rig.check(now=step * 0.025)
        requests += [packet for _, packet in rig.sent()]
    rig.respond(requests[-1], now=1.7)
    rig.check(now=2.0, nomination=1)
    rig.agent.suspect("to have it checked", 3.0)
    rig.agent.outputs()
    rig.check(now=4.0)
    assert [to for to, _ in rig.sent()] == [SOURCE]


# Answers


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


# Nudges for a peer that is not ours


def test_while_such_a_peer_controls_each_answer_is_followed_by_a_check() -> None:
    rig = Rig(controlling=False, renomination=False).describe(4000)
    (request,) = [packet for _, packet in rig.sent()]
    rig.respond(request, now=0.05)
    rig.agent.outputs()
    rig.check(now=0.1)
    kinds = [stun.parse(output.data).cls for output in rig.outputs(Transmit)]  # type: ignore[attr-defined]
    assert kinds == [stun.Class.SUCCESS, stun.Class.REQUEST]


def test_a_check_over_a_pair_without_an_answer_is_followed_by_no_second_one() -> None:
    rig = Rig(controlling=False, renomination=False).describe()
    rig.check()
    assert len(rig.sent()) == 1


def test_while_such_a_peer_controls_the_valid_pair_is_checked_around_half_a_second() -> None:
    rig = Rig(controlling=False, renomination=False).describe(4000)
    (request,) = [packet for _, packet in rig.sent()]
    rig.check(now=0.0)
    rig.respond(request, now=0.05)
    rig.agent.outputs()
    times = rig.pass_time(0.6)
    assert times == pytest.approx([0.425, 0.45, 0.475, 0.5, 0.525, 0.55, 0.575])


def test_without_a_valid_pair_there_is_nothing_to_nudge_with() -> None:
    rig = Rig(controlling=False, renomination=False).describe(4000)
    rig.check(now=0.0)
    rig.agent.outputs()
    assert 0.425 not in rig.pass_time(0.45)


def test_nudging_ends_with_the_nomination() -> None:
    rig = Rig(controlling=False, renomination=False).describe(4000)
    (request,) = [packet for _, packet in rig.sent()]
    rig.respond(request, now=0.05)
    rig.check(now=0.1, use_candidate=True)
    rig.agent.outputs()
    assert rig.pass_time(2.0) == []


@pytest.mark.parametrize(("controlling", "renomination"), [(True, False), (False, True)])
def test_nobody_else_is_nudged(controlling: bool, renomination: bool) -> None:
    rig = Rig(controlling=controlling, renomination=renomination).describe(4000)
    (request,) = [packet for _, packet in rig.sent()]
    rig.respond(request, now=0.05)
    rig.agent.outputs()
    rig.check(now=0.1)
    assert rig.sent() == []


# Patience and failure


def test_after_the_time_of_patience_it_fails() -> None:
    rig = Rig(end=True).describe(4000, end=True)
    rig.pass_time(39.4)
    rig.agent.tick(39.5)
    (failed,) = rig.outputs(ChecksFailed)
    assert isinstance(failed, ChecksFailed)
    assert failed.reason.startswith("no pair was agreed upon: 1 pair tried with 18 checks in 39.5 s")


def test_patience_counts_from_the_first_pair() -> None:
    rig = Rig()
    rig.agent.set_remote(THEM.credentials, 0.0)
    rig.agent.add_remote(candidate(HOST, *SOURCE), 10.0)
    rig.pass_time(49.4)
    rig.agent.tick(49.49)
    assert rig.outputs(ChecksFailed) == []
    rig.agent.tick(49.5)
    assert len(rig.outputs(ChecksFailed)) == 1


def test_patience_can_be_set() -> None:
    rig = Rig(patience=2.0).describe(4000)
    rig.agent.tick(2.0)
    assert len(rig.outputs(ChecksFailed)) == 1


def test_without_pairs_it_waits_for_the_peers_checks() -> None:
    rig = Rig(end=True).describe(end=True)
    assert rig.agent.deadline is None
    assert rig.outputs(ChecksFailed) == []


def test_after_failing_nothing_is_sent_or_told() -> None:
    rig = Rig(patience=2.0).describe(4000)
    rig.agent.tick(2.0)
    rig.agent.outputs()
    rig.agent.add_remote(candidate(HOST, B, 4001), 3.0)
    rig.agent.add_local(host(OTHER), 3.0)
    rig.agent.remove_base(OTHER, 3.0)
    rig.agent.end_remote(3.0)
    rig.agent.suspect("no reason", 3.0)
    rig.agent.tick(3.0)
    assert rig.agent.outputs() == []
    assert rig.agent.deadline is None


def test_after_failing_the_peers_checks_are_only_answered() -> None:
    rig = Rig(patience=2.0).describe(4000)
    rig.agent.tick(2.0)
    rig.agent.outputs()
    rig.check(now=3.0)
    (answer,) = rig.outputs(Transmit)
    assert isinstance(answer, Transmit)
    assert stun.parse(answer.data).cls is stun.Class.SUCCESS


def test_when_every_pair_has_failed_and_no_more_can_come_it_fails_early() -> None:
    rig = Rig(end=True).describe(4000, end=True)
    (request,) = [packet for _, packet in rig.sent()]
    rig.respond(request, error=(400, "Bad Request"))
    (failed,) = rig.outputs(ChecksFailed)
    assert isinstance(failed, ChecksFailed)
    assert failed.reason.startswith("every pair failed: 1 pair tried with 1 check in 0.1 s")


@pytest.mark.parametrize(("ours", "theirs"), [(False, True), (True, False)])
def test_while_candidates_may_come_it_does_not_fail_early(ours: bool, theirs: bool) -> None:
    rig = Rig(end=ours).describe(4000, end=theirs)
    (request,) = [packet for _, packet in rig.sent()]
    rig.respond(request, error=(400, "Bad Request"))
    assert rig.outputs(ChecksFailed) == []


def test_the_last_end_of_candidates_fails_it_where_every_pair_has_failed() -> None:
    rig = Rig().describe(4000, end=True)
    (request,) = [packet for _, packet in rig.sent()]
    rig.respond(request, error=(400, "Bad Request"))
    rig.agent.end_local(1.0)
    assert len(rig.outputs(ChecksFailed)) == 1


def test_a_controlled_agent_whose_peer_never_chooses_says_so() -> None:
    rig = Rig(controlling=False).describe(4000)
    (request,) = [packet for _, packet in rig.sent()]
    rig.respond(request)
    rig.pass_time(39.4)
    rig.agent.tick(39.5)
    (failed,) = rig.outputs(ChecksFailed)
    assert "the peer chose none" in repr(failed)


def test_an_agent_whose_peer_was_heard_says_so() -> None:
    world = World(public(A), public(B), controlling="B").introduce()
    world.link.drop = lambda packet: packet.sender is world.a
    world.run(45.0)
    (failed,) = world.a.all(ChecksFailed)
    assert "though the peer's checks reached us" in failed.reason
    (failed,) = world.b.all(ChecksFailed)
    assert "no check of the peer was seen" in failed.reason


# Settling


def test_with_one_pair_that_works_all_is_settled() -> None:
    world = World(public(A), public(B)).introduce().run(1.0)
    assert len(world.a.all(Settled)) == len(world.b.all(Settled)) == 1


def test_nothing_is_settled_while_candidates_may_come() -> None:
    world = World(public(A), public(B)).introduce(end=False).run(20.0)
    assert world.a.all(Settled) == []


def test_the_last_end_of_candidates_settles_it() -> None:
    world = World(public(A), public(B)).introduce(end=False).run(5.0)
    world.a.agent.end_remote(5.0)
    world.run(6.0)
    assert world.a.when(Settled) == [5.0]


def test_a_better_pair_without_an_answer_keeps_it_open_for_three_seconds() -> None:
    nats = behind(Nat("198.51.100.1"), A), behind(Nat("203.0.113.1"), B)
    world = World(*nats).introduce().run(10.0)
    assert world.a.when(Settled)[0] == pytest.approx(world.a.when(PairSelected)[0] + 3.0)


def test_a_worse_pair_without_an_answer_is_not_waited_for() -> None:
    world = World(public(A), public(B)).introduce(end=False)
    world.run(0.0)
    for peer in (world.a, world.b):
        peer.agent.add_remote(candidate(SRFLX, "192.0.2.9", 9), 0.0)
        peer.agent.end_remote(0.0)
    world.run(1.0)
    assert world.a.when(Settled) == world.a.when(PairSelected)


def test_a_nomination_settles_the_controlled_side() -> None:
    rig = Rig(controlling=False, end=True).describe(4000, end=True)
    (request,) = [packet for _, packet in rig.sent()]
    rig.respond(request)
    rig.check(now=0.2, nomination=1)
    assert len(rig.outputs(Settled)) == 1


# Addresses that go


def test_the_pairs_of_a_base_that_is_gone_fail() -> None:
    rig = Rig(bases=(BASE, OTHER)).describe(4000)
    rig.agent.remove_base(BASE, 0.1)
    assert rig.states() == ["failed", "in progress"]
    assert rig.agent.pair_reports()[0].last_error == "the local address is gone"


def test_nothing_is_sent_from_a_base_that_is_gone() -> None:
    rig = Rig().describe(4000)
    rig.agent.remove_base(BASE, 0.1)
    rig.agent.outputs()
    assert rig.pass_time(39.0) == []


def test_no_answer_is_awaited_at_a_base_that_is_gone() -> None:
    rig = Rig().describe(4000)
    rig.agent.remove_base(BASE, 0.1)
    assert len(rig.peer.transactions) == 0


def test_when_the_last_base_goes_it_fails_early() -> None:
    rig = Rig(end=True).describe(4000, end=True)
    rig.agent.remove_base(BASE, 0.1)
    assert len(rig.outputs(ChecksFailed)) == 1


def test_when_the_base_of_the_only_path_goes_consent_is_lost_at_once() -> None:
    rig = connected()
    rig.agent.remove_base(BASE, 1.0)
    (lost,) = rig.outputs(ConsentLost)
    assert lost == ConsentLost("the local address of the path is gone, and there is no other")
    assert rig.agent.route is None


def test_when_the_bases_go_one_after_the_other_consent_is_lost_with_the_last() -> None:
    rig = Rig(bases=(BASE, OTHER), end=True).describe(4000, end=True)
    rig.respond(rig.sent()[0][1])
    rig.agent.remove_base(BASE, 1.0)
    rig.agent.remove_base(OTHER, 1.0)
    assert rig.outputs(ConsentLost) == [ConsentLost("the path is gone, and every other pair has failed")]


def test_a_base_that_carries_nothing_can_go() -> None:
    rig = connected(bases=(BASE, OTHER))
    rig.agent.remove_base(OTHER, 1.0)
    assert rig.agent.selected is not None


def test_data_does_not_go_over_a_valid_pair_whose_base_is_gone() -> None:
    rig = Rig(controlling=False).describe(4000)
    (request,) = [packet for _, packet in rig.sent()]
    rig.respond(request)
    rig.agent.remove_base(BASE, 1.0)
    assert rig.agent.route is None


# Time


def test_first_checks_beyond_the_burst_follow_by_themselves() -> None:
    rig = Rig().describe(*range(1, 13))
    sent = rig.sent()
    assert len(sent) == 8
    assert rig.agent.deadline == pytest.approx(0.005)
    rig.agent.tick(0.006)
    assert (B, 9) in [to for to, _ in rig.sent()]


def test_the_first_timer_is_the_next_dense_check() -> None:
    assert Rig().describe(4000).agent.deadline == 0.010


def test_a_tick_too_early_does_nothing() -> None:
    rig = Rig().describe(4000)
    rig.agent.outputs()
    rig.agent.tick(0.005)
    assert rig.agent.outputs() == []


def test_two_descriptions_in_a_row_tell_of_two_first_pairs() -> None:
    world = World(public(A), public(B)).introduce().run(1.0)
    again = Peer("C", controlling=False, bases=[Base("10.2.0.1", 4000)])
    introduce(world.a, again, [host(again.bases[0])], 1.0)
    world.run(1.5)
    assert len(world.a.all(PairFormed)) == 2
