"""One generation: what the peer is told of us, and what it told."""

from dataclasses import replace

from tests.ice.link import HOST, SRFLX, candidate, host, srflx
from tests.session.partner import Partner, connected, generations
from tests.session.side import A, Side
from warren.ice.candidate import LocalCandidate
from warren.ice.transport import Base
from warren.messages import Candidate, CandidateType, Credentials
from warren.session.generation import MAX_CANDIDATES, Generation, Heard
from warren.session.outputs import UfragAdded
from warren.session.state import State

SEEN = srflx(A, ("203.0.113.9", 4000))
THEIRS = Credentials("theirufrag", "theirpassword" * 2)


def fresh(*, early: bool = True) -> Generation:
    return generations(Side(), early=early)(5)


def offered(*local: LocalCandidate, complete: bool = False, early: bool = True) -> Generation:
    generation = fresh(early=early)
    generation.offer(local, complete, 0.0)
    return generation


def relayed(port: int) -> LocalCandidate:
    base = Base("203.0.113.4", port, relayed=True)
    return LocalCandidate(candidate(CandidateType.RELAY, base.address, port), base)


def begun_by(late: LocalCandidate, local: LocalCandidate) -> int:
    """How many generations begin when a session that is connected by one candidate gets another late."""
    side = Side(base=local.base, local=[local])
    connected(side, Partner(7))
    before = len({said.f for said in side.said})
    side.machine.update_local([local, late], True, side.now)
    side.drained()
    return len({said.f for said in side.said}) - before


def heard(
    revision: int = 1, *candidates: Candidate, session_id: int = 7, ended: bool = False, pwd: str = THEIRS.pwd
) -> Heard:
    return Heard(
        session_id=session_id,
        credentials=Credentials(THEIRS.ufrag, pwd),
        revision=revision,
        candidates=candidates,
        ended=ended,
    )


def remote(port: int) -> Candidate:
    return candidate(HOST, "198.51.100.2", port)


# Our side


def test_new_generation_has_a_session_id_credentials_as_cunicu_makes_them_and_revision_1() -> None:
    generation = fresh()
    assert (generation.session_id, generation.revision, generation.candidates) == (5, 1, ())
    assert (len(generation.credentials.ufrag), len(generation.credentials.pwd)) == (16, 32)
    assert (generation.credentials.ufrag + generation.credentials.pwd).isalpha()
    assert generation.state is State.UNKNOWN


def test_hidden_candidate_is_used_and_not_told() -> None:
    hidden = replace(host(A), hidden=True)
    generation = offered(hidden, SEEN)
    assert generation.candidates == (SEEN.candidate,)
    assert not generation.offer([hidden, SEEN], True, 0.0)
    assert not generation.offer([hidden, SEEN], True, 0.0)


def test_no_two_generations_have_the_same_credentials() -> None:
    make = generations(Side())
    assert make(1).credentials != make(2).credentials


def test_revision_rises_whenever_candidates_or_their_end_change_and_never_else() -> None:
    generation = offered(host(A))
    assert generation.revision == 2
    generation.offer([host(A)], False, 0.0)
    assert generation.revision == 2
    generation.offer([host(A), SEEN], False, 0.0)
    assert generation.revision == 3
    generation.offer([host(A), SEEN], True, 0.0)
    assert generation.revision == 4
    assert generation.ended


def test_candidate_that_is_gone_is_still_told() -> None:
    generation = offered(host(A), SEEN)
    generation.offer([SEEN], False, 0.0)
    assert generation.candidates == (host(A).candidate, SEEN.candidate)


def test_candidate_that_comes_after_the_end_is_too_late_and_is_not_told() -> None:
    generation = offered(host(A), complete=True)
    assert not generation.offer([host(A)], True, 0.0)
    assert generation.offer([host(A), SEEN], True, 0.0)
    assert generation.candidates == (host(A).candidate,)


def test_relay_that_comes_after_the_end_begins_nothing_where_the_path_is_direct() -> None:
    assert begun_by(relayed(50000), host(A)) == 0
    assert begun_by(SEEN, host(A)) == 1


def test_relay_that_comes_after_the_end_begins_anew_where_the_path_is_relayed() -> None:
    assert begun_by(relayed(50001), relayed(50000)) == 1


def test_32_candidates_are_told_at_the_most() -> None:
    bases = [Base("192.0.2.1", port) for port in range(1, 41)]
    generation = offered(*(host(base) for base in bases))
    assert len(generation.candidates) == MAX_CANDIDATES == 32


def test_candidates_are_held_back_until_they_are_shared_and_then_told_as_one_revision() -> None:
    generation = offered(host(A), SEEN, early=False)
    assert (generation.candidates, generation.revision) == ((), 1)
    generation.share(complete=True)
    assert generation.candidates == (host(A).candidate, SEEN.candidate)
    assert (generation.revision, generation.ended) == (2, True)


def test_sharing_twice_is_sharing_once() -> None:
    generation = offered(host(A), early=False)
    generation.share(complete=False)
    generation.share(complete=True)
    assert not generation.ended


def test_likeliest_candidate_has_the_highest_priority() -> None:
    assert offered(SEEN, host(A)).likeliest == host(A).candidate
    assert fresh().likeliest is None


# The peer's side


def test_newest_revision_of_one_generation_of_the_peer_counts() -> None:
    generation = fresh()
    for said in (heard(2, remote(1)), heard(1), heard(3, remote(1), remote(2)), heard(3)):
        generation.hear(said)
    assert generation.heard == heard(3, remote(1), remote(2))
    assert generation.revision_of(7) == 3


def test_generation_of_the_peer_has_one_password_for_life() -> None:
    generation = fresh()
    generation.hear(heard(1))
    generation.hear(heard(2, pwd="another" * 4))
    assert generation.heard == heard(2)


def test_another_generation_of_the_peer_replaces_what_was_heard_whatever_its_revision() -> None:
    generation = fresh()
    generation.hear(heard(5, remote(1)))
    generation.hear(heard(1, session_id=8))
    assert generation.heard == heard(1, session_id=8)
    assert (generation.revision_of(7), generation.revision_of(8)) == (0, 1)


def test_nothing_heard_is_revision_0_and_nobodys_ufrag() -> None:
    generation = fresh()
    assert generation.revision_of(7) == 0
    generation.hand_over(0.0)
    assert generation.handed is None


def test_what_was_heard_is_handed_to_the_agent_once() -> None:
    generation = offered(host(A))
    generation.hear(heard(1, remote(1000), ended=True))
    generation.hand_over(0.0)
    assert [report.remote.port for report in generation.agent.pair_reports()] == [1000]
    handed = generation.handed
    generation.hand_over(0.0)
    assert generation.handed is handed is generation.heard


def test_response_is_passed_on_to_the_agent_and_the_session_hears_of_it() -> None:
    alice, bob = Side(), Partner(7)
    connected(alice, bob)
    assert alice.when(State.CONNECTED) == [0.0]


def test_related_address_of_a_candidate_makes_no_other_candidate() -> None:
    generation = offered(host(A), SEEN)
    assert {one.type for one in generation.candidates} == {HOST, SRFLX}


def test_secrets_of_the_peer_do_not_print() -> None:
    assert THEIRS.pwd not in repr(heard(1))
    assert UfragAdded(THEIRS.ufrag) == UfragAdded(THEIRS.ufrag)
