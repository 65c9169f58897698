"""Pairs: formed, ordered, limited, scheduled."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.ice.link import HOST, SRFLX, candidate, host, srflx, stream
from tests.scenarios.tables import entries
from warren.ice.candidate import pair_priority, peer_reflexive_priority
from warren.ice.checklist import Checklist, Pair, PairState
from warren.ice.transport import Base
from warren.messages import CandidateType

BASE = Base("192.0.2.1", 4000)
SECOND = Base("192.0.2.2", 4000)
SIXTH = Base("2001:db8::1", 4000)
REMOTE = candidate(HOST, "198.51.100.1", 1000)


def form(
    pairs: Checklist, port: int = 1000, *, index: int = 0, base: Base = BASE, type: str = "host"
) -> Pair:
    """A pair from a base to a port of the peer; the higher the index the lower its priority."""
    address = "2001:db8::9" if base.is_ipv6 else "198.51.100.1"
    remote = candidate(HOST if type == "host" else SRFLX, address, port, index)
    pair = pairs.form(host(base), remote, remote.transport)
    assert pair is not None
    return pair


def waiting(pairs: Checklist) -> list[Pair]:
    """All waiting pairs in the order in which they are to be checked."""
    found = []
    while (pair := pairs.next_waiting()) is not None:
        found.append(pair)
        pairs.move(pair, PairState.IN_PROGRESS)
    return found


def dense(pairs: Checklist, all: Sequence[Pair]) -> list[int]:
    return [number for number, pair in enumerate(all) if pairs.is_dense(pair)]


def test_a_pair_is_found_by_its_base_and_the_address_of_the_peer() -> None:
    pairs = Checklist(controlling=True)
    pair = form(pairs)
    assert pairs.get(BASE, ("198.51.100.1", 1000)) is pair


def test_the_same_address_from_another_base_is_another_pair() -> None:
    pairs = Checklist(controlling=True)
    form(pairs)
    assert pairs.get(SECOND, ("198.51.100.1", 1000)) is None


@pytest.mark.parametrize("controlling", [True, False])
def test_the_priority_of_a_pair_depends_on_who_controls(controlling: bool) -> None:
    ours, theirs = host(BASE).candidate.priority, REMOTE.priority - 5
    remote = candidate(HOST, "198.51.100.1", 1000, index=9)
    pair = Checklist(controlling=controlling).form(host(BASE), remote, remote.transport)
    assert pair is not None
    theirs = remote.priority
    expected = pair_priority(ours, theirs) if controlling else pair_priority(theirs, ours)
    assert pair.priority == expected


def test_a_check_over_a_pair_carries_the_peer_reflexive_priority() -> None:
    pair = form(Checklist(controlling=True))
    assert pair.check_priority == peer_reflexive_priority(host(BASE).candidate.priority)


def test_a_check_from_a_relayed_base_carries_the_priority_of_its_candidate() -> None:
    relayed = host(Base("203.0.113.4", 50000, relayed=True))
    pair = Checklist(controlling=True).form(relayed, REMOTE, REMOTE.transport)
    assert pair is not None
    assert pair.check_priority == relayed.candidate.priority


def test_forming_a_pair_again_gives_the_one_that_is_there() -> None:
    pairs = Checklist(controlling=True)
    assert form(pairs) is form(pairs)
    assert len(pairs) == 1


def test_two_candidates_on_one_base_make_one_pair_which_keeps_the_better() -> None:
    pairs = Checklist(controlling=True)
    pairs.form(srflx(BASE, ("203.0.113.1", 4000)), REMOTE, REMOTE.transport)
    pair = pairs.form(host(BASE), REMOTE, REMOTE.transport)
    assert pair is not None
    assert pair.local == host(BASE).candidate
    assert pair.priority == pair_priority(host(BASE).candidate.priority, REMOTE.priority)


def test_a_pair_that_got_better_is_checked_in_its_new_place() -> None:
    pairs = Checklist(controlling=True)
    late = pairs.form(srflx(BASE, ("203.0.113.1", 4000)), REMOTE, REMOTE.transport)
    other = pairs.form(host(SECOND, index=7), REMOTE, REMOTE.transport)
    pairs.form(host(BASE), REMOTE, REMOTE.transport)
    assert waiting(pairs) == [late, other]


def test_a_worse_candidate_on_the_same_base_changes_nothing() -> None:
    pairs = Checklist(controlling=True)
    pair = form(pairs)
    pairs.form(srflx(BASE, ("203.0.113.1", 4000)), REMOTE, REMOTE.transport)
    assert pair.local == host(BASE).candidate


def test_the_best_pair_is_checked_first() -> None:
    pairs = Checklist(controlling=True)
    all = [form(pairs, port, index=index) for port, index in [(1, 2), (2, 0), (3, 1)]]
    assert waiting(pairs) == [all[1], all[2], all[0]]


def test_equal_priorities_are_checked_in_the_order_in_which_they_were_formed() -> None:
    pairs = Checklist(controlling=True)
    all = [form(pairs, port) for port in (5, 3, 4, 1)]
    assert waiting(pairs) == all


def test_a_waiting_pair_stays_until_it_is_moved() -> None:
    pairs = Checklist(controlling=True)
    pair = form(pairs)
    assert pairs.next_waiting() is pair
    assert pairs.next_waiting() is pair


def test_ranked_gives_the_best_first() -> None:
    pairs = Checklist(controlling=True)
    all = [form(pairs, port, index=index) for port, index in [(1, 2), (2, 0), (3, 1)]]
    assert pairs.ranked() == [all[1], all[2], all[0]]


def test_iterating_gives_them_as_they_were_formed() -> None:
    pairs = Checklist(controlling=True)
    all = [form(pairs, port, index=index) for port, index in [(1, 2), (2, 0), (3, 1)]]
    assert list(pairs) == all


def test_there_are_never_more_than_100_pairs() -> None:
    pairs = Checklist(controlling=True)
    for port in range(1, 151):
        remote = candidate(HOST, "198.51.100.1", port)
        pairs.form(host(BASE), remote, remote.transport)
    assert len(pairs) == 100


def full(index: int = 1) -> tuple[Checklist, list[Pair]]:
    pairs = Checklist(controlling=True)
    return pairs, [form(pairs, port, index=index) for port in range(1, 101)]


def test_the_101st_pair_is_not_formed_where_it_is_no_better() -> None:
    pairs, _ = full()
    remote = candidate(HOST, "198.51.100.1", 500, index=1)
    assert pairs.form(host(BASE), remote, remote.transport) is None


def test_a_better_pair_pushes_out_the_worst() -> None:
    pairs, all = full()
    form(pairs, 500, index=0)
    assert pairs.get(BASE, all[-1].destination) is None
    assert len(pairs) == 100


def test_a_pair_that_was_pushed_out_is_not_checked() -> None:
    pairs, all = full()
    best = form(pairs, 500, index=0)
    assert waiting(pairs) == [best, *all[:-1]]


def test_a_pair_that_was_pushed_out_is_not_due() -> None:
    pairs, all = full()
    pairs.schedule(all[-1], 1.0)
    form(pairs, 500, index=0)
    assert pairs.pop_due(2.0) is None


def test_a_pair_that_works_is_never_pushed_out() -> None:
    pairs, all = full()
    all[-1].answered = 1
    form(pairs, 500, index=0)
    assert pairs.get(BASE, all[-1].destination) is all[-1]


def test_a_pair_over_which_the_peer_was_heard_is_never_pushed_out() -> None:
    pairs, all = full()
    for pair in all:
        pairs.hear(pair)
    remote = candidate(HOST, "198.51.100.1", 500)
    assert pairs.form(host(BASE), remote, remote.transport) is None


def test_what_signaling_says_replaces_what_a_check_revealed() -> None:
    pairs = Checklist(controlling=True)
    pair, other = form(pairs, 1000, type="srflx"), form(pairs, 1001, type="srflx")
    pairs.replace_remote(REMOTE)
    assert (pair.remote, other.remote.type) == (REMOTE, SRFLX)
    assert pair.priority > other.priority


def test_a_pair_that_got_worse_is_checked_in_its_new_place() -> None:
    pairs = Checklist(controlling=True)
    worse, other = form(pairs, 1000), form(pairs, 1001, index=1)
    pairs.replace_remote(candidate(SRFLX, *worse.destination))
    assert waiting(pairs) == [other, worse]


def test_a_succeeded_pair_is_not_checked_again_because_its_candidate_was_replaced() -> None:
    pairs = Checklist(controlling=True)
    pairs.move(form(pairs), PairState.SUCCEEDED)
    pairs.replace_remote(candidate(HOST, *REMOTE.transport, index=3))
    assert pairs.next_waiting() is None


def test_switching_roles_again_and_again_leaves_nothing_behind() -> None:
    pairs = Checklist(controlling=True)
    for port in range(1, 11):
        form(pairs, port)
    before = entries(pairs)
    for switch in range(20):
        pairs.switch_role(controlling=bool(switch % 2))
    assert entries(pairs) == before
    assert len(waiting(pairs)) == 10


def test_with_the_role_all_priorities_switch() -> None:
    pairs = Checklist(controlling=True)
    pair = form(pairs, index=3)
    pairs.switch_role(controlling=False)
    assert pair.priority == pair_priority(pair.remote.priority, pair.local.priority)


def test_with_the_role_all_nominations_are_forgotten() -> None:
    pairs = Checklist(controlling=False)
    pair = form(pairs)
    pair.nomination = 7
    pairs.switch_role(controlling=True)
    assert pair.nomination == -1


def test_pairs_formed_after_a_switch_have_the_new_role() -> None:
    pairs = Checklist(controlling=True)
    pairs.switch_role(controlling=False)
    pair = form(pairs, index=3)
    assert pair.priority == pair_priority(pair.remote.priority, pair.local.priority)


def test_a_pair_is_due_at_its_time() -> None:
    pairs = Checklist(controlling=True)
    pair = form(pairs)
    pairs.schedule(pair, 3.0)
    assert pairs.deadline == 3.0
    assert pairs.pop_due(2.9) is None
    assert pairs.pop_due(3.0) is pair


def test_a_pair_is_due_once() -> None:
    pairs = Checklist(controlling=True)
    pairs.schedule(form(pairs), 3.0)
    pairs.pop_due(3.0)
    assert pairs.pop_due(9.0) is None


def test_pairs_come_due_in_the_order_of_their_times() -> None:
    pairs = Checklist(controlling=True)
    first, second = form(pairs, 1), form(pairs, 2)
    pairs.schedule(first, 2.0)
    pairs.schedule(second, 1.0)
    assert [pairs.pop_due(5.0), pairs.pop_due(5.0)] == [second, first]


def test_pairs_due_at_the_same_time_come_in_the_order_of_scheduling() -> None:
    pairs = Checklist(controlling=True)
    first, second = form(pairs, 1), form(pairs, 2)
    pairs.schedule(second, 1.0)
    pairs.schedule(first, 1.0)
    assert [pairs.pop_due(1.0), pairs.pop_due(1.0)] == [second, first]


def test_a_pair_that_is_scheduled_anew_is_not_due_at_its_old_time() -> None:
    pairs = Checklist(controlling=True)
    pair = form(pairs)
    pairs.schedule(pair, 1.0)
    pairs.schedule(pair, 4.0)
    assert pairs.pop_due(3.0) is None
    assert pairs.pop_due(4.0) is pair


def test_a_pair_can_be_taken_off_the_schedule() -> None:
    pairs = Checklist(controlling=True)
    pair = form(pairs)
    pairs.schedule(pair, 1.0)
    pairs.schedule(pair, None)
    assert pairs.pop_due(3.0) is None


def test_a_pair_that_succeeds_is_off_the_schedule() -> None:
    pairs = Checklist(controlling=True)
    pair = form(pairs)
    pairs.schedule(pair, 1.0)
    pairs.move(pair, PairState.SUCCEEDED)
    assert pairs.pop_due(3.0) is None


def test_a_pair_that_is_moved_to_where_it_is_stays_on_the_schedule() -> None:
    pairs = Checklist(controlling=True)
    pair = form(pairs)
    pairs.move(pair, PairState.IN_PROGRESS)
    pairs.schedule(pair, 1.0)
    pairs.move(pair, PairState.IN_PROGRESS)
    assert pairs.pop_due(1.0) is pair


def test_nothing_is_due_in_an_empty_list() -> None:
    assert Checklist(controlling=True).deadline is None


def test_the_four_best_unanswered_pairs_are_checked_densely() -> None:
    pairs = Checklist(controlling=True)
    all = [form(pairs, port, index=10 - port) for port in range(1, 8)]
    assert dense(pairs, all) == [3, 4, 5, 6]


def test_kinds_of_address_take_turns_in_being_checked_densely() -> None:
    pairs = Checklist(controlling=True)
    all = [form(pairs, port) for port in range(1, 8)]
    all += [form(pairs, 8, type="srflx"), form(pairs, 9, base=SIXTH), form(pairs, 10, base=SIXTH)]
    assert dense(pairs, all) == [0, 7, 8, 9]


def test_a_pair_over_which_the_peer_was_heard_is_checked_densely() -> None:
    pairs = Checklist(controlling=True)
    all = [form(pairs, port) for port in range(1, 8)]
    assert dense(pairs, all) == [0, 1, 2, 3]
    pairs.hear(all[6])
    assert dense(pairs, all) == [0, 1, 2, 6]


def test_hearing_the_peer_again_changes_no_order() -> None:
    pairs = Checklist(controlling=True)
    all = [form(pairs, port) for port in range(1, 8)]
    pairs.hear(all[6])
    pairs.hear(all[6])
    assert dense(pairs, all) == [0, 1, 2, 6]


def test_an_answered_pair_leaves_its_place_to_the_next() -> None:
    pairs = Checklist(controlling=True)
    all = [form(pairs, port) for port in range(1, 8)]
    assert pairs.is_dense(all[0])
    pairs.move(all[0], PairState.SUCCEEDED)
    pairs.move(all[1], PairState.FAILED)
    assert dense(pairs, all) == [2, 3, 4, 5]


def test_a_new_pair_takes_the_place_that_its_priority_gives_it() -> None:
    pairs = Checklist(controlling=True)
    all = [form(pairs, port, index=3) for port in range(1, 8)]
    assert not pairs.is_dense(all[4])
    all.append(form(pairs, 99, index=0))
    assert dense(pairs, all) == [0, 1, 2, 7]


def test_dense_pairs_to_one_address_are_counted() -> None:
    pairs = Checklist(controlling=True)
    one = form(pairs)
    form(pairs, base=SECOND)
    alone = form(pairs, 1001)
    assert (pairs.sharing(one), pairs.sharing(alone)) == (2, 1)


def test_a_pair_is_named_by_our_address_as_the_peer_saw_it() -> None:
    pair = form(Checklist(controlling=True))
    assert pair.named_local == host(BASE).candidate
    seen = srflx(BASE, ("203.0.113.1", 4000)).candidate
    pair.valid_local = seen
    assert pair.named_local == seen


# Streams

ACTIVE, PASSIVE = Base("192.0.2.1", 0, "tcp"), Base("198.51.100.1", 8000, "tcp")


def connection(pairs: Checklist, local: Base = ACTIVE) -> Pair:
    remote = stream(PASSIVE).candidate
    pair = pairs.form(stream(local), remote, remote.transport)
    assert pair is not None
    return pair


def test_a_connection_that_we_open_is_not_connected_yet() -> None:
    pair = connection(Checklist(controlling=True))
    assert (pair.is_stream, pair.is_ours, pair.connected) == (True, True, False)


def test_a_connection_that_was_accepted_is_connected() -> None:
    pair = connection(Checklist(controlling=True), Base("192.0.2.1", 8000, "tcp"))
    assert (pair.is_stream, pair.is_ours, pair.connected) == (True, False, True)


def test_a_pair_over_udp_needs_no_connection() -> None:
    pair = form(Checklist(controlling=True))
    assert (pair.is_stream, pair.connected) == (False, True)


def test_connections_are_not_checked_densely() -> None:
    pairs = Checklist(controlling=True)
    pair = connection(pairs)
    assert not pairs.is_dense(pair)


def test_a_connection_that_is_on_its_way_makes_no_room_for_others() -> None:
    pairs = Checklist(controlling=True)
    first = connection(pairs)
    first.dialed = Base("192.0.2.1", 0, "tcp")
    for port in range(1, 101):
        remote = candidate(HOST, "198.51.100.1", port)
        pairs.form(host(BASE), remote, remote.transport)
    assert pairs.get(ACTIVE, PASSIVE_ADDRESS) is first


def test_a_candidate_for_udp_does_not_replace_one_for_tcp() -> None:
    pairs = Checklist(controlling=True)
    pair = connection(pairs)
    pairs.replace_remote(candidate(HOST, *PASSIVE_ADDRESS))
    assert pair.remote == stream(PASSIVE).candidate


def test_a_direct_way_is_better_than_a_connection_and_that_than_a_relay() -> None:
    pairs = Checklist(controlling=True)
    relay = candidate(CandidateType.RELAY, "198.51.100.9", 1)
    relayed = pairs.form(host(BASE), relay, relay.transport)
    assert relayed is not None
    assert [form(pairs).tier, connection(pairs).tier, relayed.tier] == [0, 1, 2]


def test_only_a_better_kind_of_way_than_the_selected_one_is_wanted() -> None:
    pairs = Checklist(controlling=True)
    direct, over_tcp = form(pairs), connection(pairs)
    assert pairs.is_wanted(over_tcp)
    direct.fresh = over_tcp.fresh = True
    pairs.selected = over_tcp
    assert [pairs.is_wanted(pair) for pair in (direct, over_tcp)] == [True, False]
    pairs.selected = direct
    assert [pairs.is_wanted(pair) for pair in (direct, over_tcp)] == [False, False]


def test_while_the_selected_one_does_not_answer_every_kind_is_wanted() -> None:
    pairs = Checklist(controlling=True)
    direct, over_tcp = form(pairs), connection(pairs)
    pairs.selected = direct
    assert pairs.is_wanted(over_tcp)


PASSIVE_ADDRESS = (PASSIVE.address, PASSIVE.port)


def accepted(pairs: Checklist, port: int, *, address: str = "198.51.100.1", rank: int = 0) -> Pair:
    """A connection that came to us."""
    remote = replace(stream(Base(address, 0, "tcp"), rank).candidate, port=port)
    pair = pairs.form(stream(Base("192.0.2.1", 8000, "tcp")), remote, remote.transport)
    assert pair is not None
    return pair


def test_a_connection_replaces_an_earlier_one_from_the_same_candidate_and_no_other() -> None:
    pairs = Checklist(controlling=True)
    first, second = accepted(pairs, 40000), accepted(pairs, 40001)
    assert (second.replaces(first), first.replaces(second), second.replaces(second)) == (True, False, False)
    others = accepted(pairs, 40002, address="198.51.100.2"), accepted(pairs, 40003, rank=1)
    assert [other.replaces(second) for other in others] == [False, False]
    assert not accepted(pairs, 40004).replaces(connection(pairs))


def test_a_pair_on_another_base_is_found_there_and_begins_anew() -> None:
    pairs = Checklist(controlling=True)
    pair, other = connection(pairs), Base("192.0.2.1", 0, "tcp")
    pair.step, pair.triggered, pair.nomination = 3, 4, 5
    pair.heard = pair.proved = pair.fresh = True
    pairs.rebase(pair, other)
    assert (pairs.get(ACTIVE, PASSIVE_ADDRESS), pairs.get(other, PASSIVE_ADDRESS)) == (None, pair)
    assert (pair.base, pair.home) == (other, ACTIVE)
    assert (pair.step, pair.triggered, pair.nomination) == (0, 0, -1)
    assert (pair.heard, pair.proved, pair.fresh) == (False, False, False)


def test_a_pair_that_was_taken_out_is_due_no_more() -> None:
    pairs = Checklist(controlling=True)
    pair = form(pairs)
    pairs.schedule(pair, 1.0)
    pairs.remove(pair)
    assert (len(pairs), pairs.pop_due(2.0), pairs.next_waiting()) == (0, None, None)
