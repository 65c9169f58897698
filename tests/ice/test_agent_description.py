"""One agent and the peer's description: candidates and credentials as they come, again, and others."""

from collections import Counter

from tests.ice.link import HOST, World, candidate, host, public
from tests.ice.rig import BASE, SOURCE, A, B, alone, checks, describe, other, together
from warren.ice.outputs import ChecksFailed, PairFormed, Settled, Suspected
from warren.ice.timing import PATIENCE
from warren.ice.transport import Base, Transmit
from warren.messages import Credentials


def test_the_first_check_goes_in_the_same_turn_as_the_first_pair() -> None:
    peer = alone()
    describe(peer)
    kinds = [type(output) for output in peer.agent.outputs()]
    assert kinds == [PairFormed, Transmit]


def test_the_first_pair_is_told_once() -> None:
    peer = alone()
    describe(peer)
    peer.agent.add_remote(candidate(HOST, B, 4001), 0.0)
    assert Counter(map(type, peer.agent.outputs()))[PairFormed] == 1


def test_the_same_credentials_again_change_nothing() -> None:
    peer = alone()
    describe(peer)
    peer.agent.outputs()
    describe(peer, 0.001)
    assert peer.agent.outputs() == []
    assert len(peer.agent.pair_reports()) == 1


def test_other_credentials_forget_the_peers_candidates() -> None:
    peer = alone()
    describe(peer)
    peer.agent.set_remote(Credentials("restarted", "y" * 24), 1.0)
    assert peer.agent.pair_reports() == ()


def test_the_same_ufrag_with_another_password_is_another_description() -> None:
    peer = alone()
    describe(peer)
    peer.agent.set_remote(Credentials(other().credentials.ufrag, "y" * 24), 1.0)
    assert peer.agent.pair_reports() == ()


def test_other_credentials_end_the_checks_under_the_old_ones() -> None:
    peer = alone()
    describe(peer)
    peer.agent.set_remote(Credentials("restarted", "y" * 24), 1.0)
    assert len(peer.transactions) == 0


def test_other_credentials_take_the_path_away() -> None:
    world = together().introduce().run(1.0)
    world.a.agent.set_remote(Credentials("restarted", "y" * 24), 1.0)
    agent = world.a.agent
    assert (agent.route, agent.selected, agent.valid, agent.authenticated) == (None, None, False, False)


def test_other_credentials_renew_no_patience() -> None:
    peer = alone()
    describe(peer)
    peer.agent.outputs()
    peer.agent.set_remote(Credentials("restarted", "y" * 24), 30.0)
    peer.agent.add_remote(candidate(HOST, *SOURCE), 30.0)
    assert PairFormed() not in peer.agent.outputs()
    peer.agent.tick(PATIENCE)
    assert any(isinstance(output, ChecksFailed) for output in peer.agent.outputs())


def test_after_a_path_was_found_other_credentials_get_patience_of_their_own() -> None:
    world = together().introduce().run(1.0)
    world.a.agent.set_remote(Credentials("restarted", "y" * 24), 50.0)
    world.a.agent.add_remote(candidate(HOST, *SOURCE), 50.0)
    world.a.agent.tick(50.0 + PATIENCE - 1.0)
    assert not any(isinstance(output, ChecksFailed) for output in world.a.agent.outputs())
    world.a.agent.tick(50.0 + PATIENCE)
    assert any(isinstance(output, ChecksFailed) for output in world.a.agent.outputs())


def test_other_credentials_renew_no_budget() -> None:
    peer = alone()
    for number in range(30):
        peer.agent.set_remote(Credentials(f"guess{number}", "y" * 24), 0.01 * number)
        peer.agent.add_remote(candidate(HOST, *SOURCE), 0.01 * number)
    assert len(checks(peer)) == 13


def test_every_pair_is_reported_the_best_first() -> None:
    peer = alone()
    describe(peer)
    peer.agent.add_remote(candidate(HOST, B, 4001, index=-1), 0.0)
    assert [report.remote.port for report in peer.agent.pair_reports()] == [4001, 4000]


def test_an_address_of_ours_that_comes_late_is_checked_from_at_once() -> None:
    peer = alone()
    describe(peer)
    peer.agent.outputs()
    late = Base("10.0.7.1", 4000)
    peer.agent.add_local(host(late, 1), 0.001)
    sent = [output.base for output in peer.agent.outputs() if isinstance(output, Transmit)]
    assert sent == [late]


def test_an_address_of_ours_that_is_known_is_ignored() -> None:
    peer = alone()
    describe(peer)
    peer.agent.outputs()
    peer.agent.add_local(host(BASE), 0.001)
    assert peer.agent.outputs() == []


def test_saying_late_that_our_addresses_are_final_settles_it() -> None:
    world = World(public(A), public(B), end=False).introduce().run(5.0)
    world.a.agent.end_local(5.0)
    world.link.drain()
    assert world.a.when(Settled) == [5.0]


def test_an_address_of_ours_that_goes_fails_its_pairs() -> None:
    peer = alone()
    describe(peer)
    peer.agent.remove_base(BASE, 0.1)
    assert [report.state for report in peer.agent.pair_reports()] == ["failed"]


def test_a_selected_pair_can_be_doubted() -> None:
    world = together().introduce().run(1.0)
    world.a.agent.suspect("unknown credentials came", 1.0)
    world.link.drain()
    assert world.a.all(Suspected) == [Suspected("unknown credentials came")]


def test_a_candidate_without_credentials_is_counted_and_dropped() -> None:
    peer = alone()
    peer.agent.add_remote(candidate(HOST, *SOURCE), 0.0)
    assert peer.agent.drops["candidate-without-credentials"] == 1


def test_a_hostile_candidate_is_counted_and_dropped() -> None:
    peer = alone()
    peer.agent.set_remote(other().credentials, 0.0)
    peer.agent.add_remote(candidate(HOST, "224.0.0.1", 1), 0.0)
    assert peer.agent.drops["candidate-multicast"] == 1
    assert peer.agent.pair_reports() == ()


def test_a_silent_victim_gets_13_checks_in_two_seconds_and_20_in_all() -> None:
    victim = (B, 53)
    world = World(public(A, "10.0.1.1", "10.0.2.1"), public("10.9.0.1"), end=False)
    world.a.agent.set_remote(world.b.credentials, 0.0)
    world.a.agent.add_remote(candidate(HOST, *victim), 0.0)
    world.run(1.999)
    assert len(world.link.requests(world.a, victim)) == 13
    world.run(60.0)
    assert len(world.link.requests(world.a, victim)) == 20


def test_once_connected_a_silent_victim_gets_one_check_a_minute() -> None:
    world = together().introduce().run(1.0)
    victim = candidate(HOST, "10.1.0.2", 53, index=0)
    for port in (53, 54):
        world.a.agent.add_remote(candidate(HOST, "10.1.0.2", port), 1.0)
    world.run(59.0)
    assert len(world.link.requests(world.a, victim.transport)) <= 1
