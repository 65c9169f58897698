"""Relayed pairs: the last to be nominated, the first to be left; their peers are announced to the server."""

from itertools import pairwise

import pytest

from tests.ice.link import HOST, Peer, candidate, host
from warren.ice import stun
from warren.ice.candidate import LocalCandidate
from warren.ice.choice import CLIMB, RELAY_WAIT
from warren.ice.outputs import ConsentLost, PairSelected, PeerExpected, Settled
from warren.ice.transport import Address, Base, Transmit
from warren.messages import CandidateType

A, R, B, S = ("10.0.0.1", 4000), ("203.0.113.4", 50000), ("198.51.100.2", 5000), ("203.0.113.4", 50009)
DIRECT, RELAYED = Base(*A), Base(*R, relayed=True)


class Rig:
    """One agent with a direct and a relayed base; the test answers its checks."""

    def __init__(self, *remotes: Address, controlling: bool = True) -> None:
        self.them = Peer("B", controlling=not controlling, bases=[Base(*B)])
        self.peer = Peer("A", controlling=controlling, bases=[DIRECT, RELAYED])
        self.agent = self.peer.agent
        self.told: list[object] = []
        self.now = 0.0
        self.checks: list[Transmit] = []
        self.agent.add_local(host(DIRECT), 0.0)
        self.agent.add_local(LocalCandidate(candidate(CandidateType.RELAY, *R), RELAYED), 0.0)
        self.agent.set_remote(self.them.credentials, 0.0)
        for remote in remotes or (B,):
            type = CandidateType.RELAY if remote == S else HOST
            self.agent.add_remote(candidate(type, *remote), 0.0)
        self.collect()

    def collect(self) -> list[Transmit]:
        """The checks sent since the last look."""
        outputs = self.agent.outputs()
        self.told += [output for output in outputs if not isinstance(output, Transmit)]
        packets = [output for output in outputs if isinstance(output, Transmit)]
        sent = [each for each in packets if stun.parse(each.data).cls is stun.Class.REQUEST]
        self.checks += sent
        return sent

    def answer(self, base: Base, remote: Address = B, now: float | None = None) -> None:
        """Let the newest check over this pair be answered."""
        self.collect()
        self.now = self.now if now is None else now
        check = next(c for c in reversed(self.checks) if (c.base, c.destination) == (base, remote))
        request = stun.parse(check.data)
        source = (check.base.address, check.base.port)
        response = stun.success(request, source, stun.prepare_key(self.them.credentials.pwd))
        self.peer.respond(response, remote, check.base, self.now)
        self.collect()

    def run(self, until: float, *, answering: tuple[Base, ...] = ()) -> list[tuple[float, Base]]:
        """Let time pass; checks from these bases are answered at once. Returns all checks and when."""
        sent = []
        while (due := self.agent.deadline) is not None and due <= until:
            self.now = max(due, self.now)
            self.agent.tick(self.now)
            new = self.collect()
            while new:
                sent += [(self.now, check.base) for check in new]
                fresh = []
                for check in new:
                    if check.base in answering:
                        before = len(self.checks)
                        self.answer(check.base, check.destination)
                        fresh += self.checks[before:]
                new = fresh
        self.now = until
        return sent

    @property
    def selected(self) -> Base | None:
        found = [output for output in self.told if isinstance(output, PairSelected)]
        if self.agent.selected is None or not found:
            return None
        return RELAYED if found[-1].local.type is CandidateType.RELAY else DIRECT

    @property
    def route(self) -> Base | None:
        return None if self.agent.route is None else self.agent.route.base

    def nominating(self, base: Base) -> bool:
        """Whether any check from this base nominates."""
        return any(stun.parse(c.data).use_candidate for c in self.checks if c.base is base)

    def request(self, base: Base, nomination: int | None = None) -> None:
        """Let a check of the peer come over the pair to B."""
        self.peer.check(self.them, base, B, self.now, nomination=nomination)
        self.collect()


def relayed(*, controlling: bool = True) -> Rig:
    """An agent whose path is relayed, since 150 ms after its start."""
    rig = Rig(controlling=controlling)
    rig.answer(RELAYED, now=0.05)
    if not controlling:
        rig.request(RELAYED, nomination=1)
    rig.run(RELAY_WAIT)
    assert rig.selected is RELAYED
    return rig


# What the server must let in


def test_peer_of_a_relayed_pair_is_announced_and_no_other() -> None:
    expected = [output for output in Rig(B, S).told if isinstance(output, PeerExpected)]
    assert expected == [PeerExpected(RELAYED, B), PeerExpected(RELAYED, S)]


def test_peer_is_not_announced_again_when_its_check_comes() -> None:
    rig = Rig()
    rig.request(RELAYED)
    assert len([output for output in rig.told if isinstance(output, PeerExpected)]) == 1


# At first


def test_relayed_pair_that_answers_carries_data_at_once_but_is_not_nominated() -> None:
    rig = Rig()
    rig.answer(RELAYED, now=0.05)
    assert (rig.route, rig.selected) == (RELAYED, None)
    assert not rig.nominating(RELAYED)


def test_it_is_nominated_150_ms_after_the_first_pair() -> None:
    rig = Rig()
    rig.answer(RELAYED, now=0.05)
    rig.run(0.149)
    assert rig.selected is None
    rig.run(0.150)
    assert rig.selected is RELAYED
    assert rig.nominating(RELAYED)


def test_check_of_the_peer_over_it_is_not_answered_with_a_nomination_before() -> None:
    rig = Rig()
    rig.now = 0.05
    rig.request(RELAYED)
    assert not rig.nominating(RELAYED)


def test_direct_pair_that_answers_in_time_is_nominated_instead() -> None:
    rig = Rig()
    rig.answer(RELAYED, now=0.05)
    rig.answer(DIRECT, now=0.1)
    assert (rig.route, rig.selected) == (DIRECT, DIRECT)
    rig.run(1.0, answering=(DIRECT, RELAYED))
    assert not rig.nominating(RELAYED)


def test_it_is_nominated_at_once_where_no_direct_one_is_left() -> None:
    rig = Rig()
    rig.answer(RELAYED, now=0.05)
    rig.agent.remove_base(DIRECT, 0.06)
    rig.collect()
    assert rig.selected is RELAYED


def test_it_is_nominated_at_once_after_150_ms() -> None:
    rig = Rig()
    rig.run(0.2)
    rig.answer(RELAYED, now=0.25)
    assert rig.selected is RELAYED


def test_pair_to_a_relayed_candidate_of_the_peer_is_relayed_as_well() -> None:
    rig = Rig(B, S)
    rig.answer(DIRECT, S, now=0.05)
    assert (rig.route, rig.selected) == (DIRECT, None)


def test_controlled_side_follows_at_once() -> None:
    rig = Rig(controlling=False)
    rig.answer(RELAYED, now=0.05)
    rig.request(RELAYED, nomination=1)
    assert rig.selected is RELAYED


# While it is relayed


def test_direct_pairs_are_checked_on_by_their_schedule() -> None:
    rig = relayed()
    times = [at for at, base in rig.run(12.0, answering=(RELAYED,)) if base is DIRECT]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert times[0] < 0.2
    assert gaps[-4:] == pytest.approx([0.5, 1.0, 2.0, 4.0])


def test_direct_pair_that_answers_late_is_taken_at_once() -> None:
    rig = relayed()
    rig.run(1.0, answering=(RELAYED,))
    rig.answer(DIRECT)
    assert (rig.route, rig.selected) == (DIRECT, DIRECT)


def test_schedule_has_an_end() -> None:
    rig = relayed()
    rig.run(60.0, answering=(RELAYED,))
    (direct,) = [report for report in rig.agent.pair_reports() if report.local.type is HOST]
    assert (direct.state, direct.last_error) == ("failed", "no answer")
    assert direct.sent <= 20


def test_path_is_settled_when_the_schedule_has_ended() -> None:
    rig = relayed()
    rig.agent.end_local(0.2)
    rig.agent.end_remote(0.2)
    rig.run(20.0, answering=(RELAYED,))
    assert not [output for output in rig.told if isinstance(output, Settled)]
    rig.run(60.0, answering=(RELAYED,))
    assert [output for output in rig.told if isinstance(output, Settled)]


def test_afterwards_a_direct_pair_is_asked_once_a_minute() -> None:
    rig = relayed()
    rig.run(130.0, answering=(RELAYED,))
    sent = [at for at, base in rig.run(730.0, answering=(RELAYED,)) if base is DIRECT]
    assert 8 <= len(sent) <= 10
    assert all(later - earlier >= CLIMB[1] for earlier, later in pairwise(sent))


def test_direct_path_that_opens_late_ends_the_relayed_one() -> None:
    rig = relayed()
    rig.run(200.0, answering=(RELAYED,))
    rig.run(270.0, answering=(RELAYED, DIRECT))
    assert rig.selected is DIRECT
    assert not [output for output in rig.told if isinstance(output, ConsentLost)]


def test_relayed_pairs_that_failed_are_not_asked_again() -> None:
    rig = Rig(B, S)
    rig.answer(RELAYED, B, now=0.05)
    rig.run(0.2)
    rig.run(100.0, answering=(RELAYED,))
    before = [c for c in rig.checks if (c.base, c.destination) == (DIRECT, S)]
    rig.run(400.0, answering=(RELAYED,))
    assert [c for c in rig.checks if (c.base, c.destination) == (DIRECT, S)] == before


# Hysteresis


def flap(rig: Rig, now: float) -> None:
    """Let the direct path fall silent at this time, until the relay has taken over."""
    rig.run(now, answering=(DIRECT, RELAYED))
    while rig.selected is DIRECT:
        rig.run(rig.now + 0.5, answering=(RELAYED,))


def climbing(rig: Rig) -> float:
    """How long the direct path answers until it is taken again."""
    while not any(base is DIRECT for _, base in rig.run(rig.now + 0.01, answering=(DIRECT, RELAYED))):
        pass
    began = rig.now
    while rig.selected is RELAYED:
        rig.run(rig.now + 0.01, answering=(DIRECT, RELAYED))
    return rig.now - began


def test_path_that_has_fallen_silent_must_answer_for_longer_each_time() -> None:
    rig = Rig()
    rig.answer(DIRECT, now=0.05)
    rig.answer(RELAYED, now=0.06)
    took = []
    for _ in range(3):
        flap(rig, rig.now + 1.0)
        took.append(climbing(rig))
    assert took == pytest.approx([1.0, 2.0, 4.0], abs=0.05)


def test_path_on_trial_that_falls_silent_again_is_not_taken() -> None:
    rig = Rig()
    rig.answer(DIRECT, now=0.05)
    rig.answer(RELAYED, now=0.06)
    flap(rig, 1.0)
    while not any(base is DIRECT for _, base in rig.run(rig.now + 0.01, answering=(DIRECT, RELAYED))):
        pass
    rig.run(rig.now + 30.0, answering=(RELAYED,))
    assert rig.selected is RELAYED


def test_a_check_of_the_peer_does_not_have_a_path_on_trial_nominated() -> None:
    rig = Rig()
    rig.answer(DIRECT, now=0.05)
    rig.answer(RELAYED, now=0.06)
    flap(rig, 1.0)
    rig.run(rig.now + 1.0, answering=(RELAYED,))
    rig.request(DIRECT)
    (triggered,) = [check for check in rig.checks[-1:] if check.base is DIRECT]
    assert not stun.parse(triggered.data).use_candidate


def test_it_is_nominated_when_it_has_stood_its_trial_and_not_by_what_the_peer_asks_meanwhile() -> None:
    rig = Rig()
    rig.answer(DIRECT, now=0.05)
    rig.answer(RELAYED, now=0.06)
    flap(rig, 1.0)
    at = len(rig.checks)
    while rig.selected is RELAYED:
        before = [stun.parse(check.data).use_candidate for check in rig.checks[at:]]
        rig.request(DIRECT)
        rig.run(rig.now + 0.1, answering=(DIRECT, RELAYED))
    after = [stun.parse(check.data).use_candidate for check in rig.checks[at:]]
    assert (any(before), any(after)) == (False, True)


def test_where_nothing_else_answers_there_is_no_trial() -> None:
    rig = Rig()
    rig.answer(DIRECT, now=0.05)
    rig.answer(RELAYED, now=0.06)
    flap(rig, 1.0)
    while rig.selected is RELAYED:
        rig.run(rig.now + 0.1, answering=(DIRECT,))
    assert not [output for output in rig.told if isinstance(output, ConsentLost)]


def test_controlled_side_tries_nothing_by_itself() -> None:
    rig = relayed(controlling=False)
    rig.run(1.0, answering=(RELAYED,))
    rig.answer(DIRECT)
    assert rig.selected is RELAYED
    rig.request(DIRECT, nomination=2)
    assert rig.selected is DIRECT


def test_controlled_side_asks_a_better_pair_that_the_peer_has_left() -> None:
    rig = Rig(controlling=False)
    rig.answer(DIRECT, now=0.05)
    rig.answer(RELAYED, now=0.06)
    rig.request(DIRECT, nomination=1)
    rig.request(RELAYED, nomination=2)
    assert rig.selected is RELAYED
    sent = [at for at, base in rig.run(200.0, answering=(DIRECT, RELAYED)) if base is DIRECT]
    assert len(sent) >= 3


# What turns out to be relayed

UNTOLD: Address = ("203.0.113.4", 50009)


def revealed(rig: Rig, priority: int) -> None:
    """Let a check of the peer come from an address that it has not told."""
    rig.peer.check(rig.them, DIRECT, UNTOLD, rig.now, reveals=priority)
    rig.collect()


def test_check_from_a_relayed_base_tells_the_priority_of_the_relayed_candidate() -> None:
    rig = Rig()
    (check,) = [check for check in rig.checks if check.base is RELAYED]
    assert stun.parse(check.data).priority == candidate(CandidateType.RELAY, *R).priority


def test_address_that_a_check_reveals_with_such_a_priority_is_taken_for_relayed() -> None:
    rig = Rig()
    rig.now = 0.05
    revealed(rig, candidate(CandidateType.RELAY, *UNTOLD).priority)
    rig.answer(DIRECT, UNTOLD)
    assert (rig.route, rig.selected) == (DIRECT, None)


def test_nomination_is_taken_back_when_the_address_turns_out_to_be_relayed() -> None:
    rig = Rig()
    rig.answer(DIRECT, now=0.02)
    rig.now = 0.05
    revealed(rig, 2**31 - 1)
    nominated = [stun.parse(c.data).nomination for c in rig.checks if c.destination == UNTOLD]
    rig.agent.add_remote(candidate(CandidateType.RELAY, *UNTOLD), 0.06)
    rig.collect()
    rig.answer(DIRECT, UNTOLD, now=0.07)
    last = stun.parse(rig.checks[-1].data)
    assert rig.checks[-1].destination == B
    assert last.use_candidate
    assert last.nomination is not None
    assert nominated[-1] is not None
    assert last.nomination > nominated[-1]
