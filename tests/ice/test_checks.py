"""Connectivity checks as they leave, and what is remembered of them."""

from tests.ice.link import host
from tests.ice.parts import BASE, OURS, THEIRS, form, sent, side
from warren.ice import stun
from warren.ice.candidate import peer_reflexive_priority
from warren.ice.checklist import Checklist, Pair
from warren.ice.checks import Checks
from warren.ice.side import Side
from warren.ice.transaction import Transaction
from warren.ice.transport import Base, Transmit

OTHER = Base("192.0.2.2", 4000)


class Rig:
    def __init__(self, *, controlling: bool = True, renomination: bool = True) -> None:
        self.side: Side = side(controlling=controlling, renomination=renomination)
        self.checks = Checks(self.side, THEIRS)
        self.pairs = Checklist(controlling=controlling)
        self.pair: Pair = form(self.pairs)

    def send(self, now: float = 0.0, nomination: int | None = None, pair: Pair | None = None) -> stun.Stun:
        self.checks.send(pair or self.pair, now, nomination)
        (packet,) = sent(self.side)
        return packet

    def transaction(self, packet: stun.Stun) -> Transaction | None:
        return self.side.transactions.get(packet.transaction_id)


def test_a_check_names_their_ufrag_and_then_ours() -> None:
    assert Rig().send().username == f"{THEIRS.ufrag}:{OURS.ufrag}"


def test_a_check_is_made_with_their_password() -> None:
    assert stun.verify(Rig().send(), stun.prepare_key(THEIRS.pwd))


def test_a_check_has_a_fingerprint() -> None:
    assert Rig().send().has_fingerprint


def test_a_check_carries_the_peer_reflexive_priority() -> None:
    rig = Rig()
    assert rig.send().priority == rig.pair.check_priority


def test_a_controlling_check_says_so_with_the_tie_breaker() -> None:
    packet = Rig(controlling=True).send()
    assert (packet.controlling, packet.controlled) == (99, None)


def test_a_controlled_check_says_so_with_the_tie_breaker() -> None:
    packet = Rig(controlling=False).send()
    assert (packet.controlling, packet.controlled) == (None, 99)


def test_a_check_nominates_only_where_it_is_told_to() -> None:
    packet = Rig().send()
    assert (packet.use_candidate, packet.nomination) == (False, None)


def test_a_nomination_carries_its_value_to_peers_that_know_renomination() -> None:
    packet = Rig(renomination=True).send(nomination=5)
    assert (packet.use_candidate, packet.nomination) == (True, 5)


def test_a_nomination_carries_no_value_to_others() -> None:
    packet = Rig(renomination=False).send(nomination=5)
    assert (packet.use_candidate, packet.nomination) == (True, None)


def test_a_check_leaves_from_the_base_of_its_pair_to_the_peer() -> None:
    rig = Rig()
    rig.checks.send(rig.pair, 0.0)
    (output,) = rig.side.outputs
    assert isinstance(output, Transmit)
    assert (output.base, output.destination) == (BASE, ("198.51.100.1", 1000))


def test_checks_of_a_pair_after_a_nomination_do_not_nominate_it() -> None:
    rig = Rig()
    packets = [rig.send(), rig.send(nomination=5), rig.send()]
    assert [packet.nomination for packet in packets] == [None, 5, None]


def test_a_check_after_a_change_of_roles_names_the_new_role() -> None:
    rig = Rig(controlling=True)
    rig.send()
    rig.side.controlling = False
    rig.pairs.switch_role(controlling=False)
    assert rig.send().controlled == 99


def test_a_check_after_a_better_candidate_of_its_base_came_carries_its_priority() -> None:
    rig = Rig()
    remote, better = rig.pair.remote, host(OTHER)
    pair = rig.pairs.form(host(OTHER, index=5), remote, remote.transport)
    assert pair is not None
    rig.send(pair=pair)
    rig.pairs.form(better, remote, remote.transport)
    assert rig.send(pair=pair).priority == peer_reflexive_priority(better.candidate.priority)


def test_a_check_is_counted_with_its_time() -> None:
    rig = Rig()
    rig.send(3.0)
    assert (rig.pair.sent, rig.pair.sent_at) == (1, 3.0)


def test_each_check_is_a_transaction_of_its_own() -> None:
    rig = Rig()
    assert rig.send().transaction_id != rig.send().transaction_id


def test_an_answered_check_is_remembered_with_its_pair_role_and_nomination() -> None:
    rig = Rig()
    transaction = rig.transaction(rig.send(nomination=5))
    assert transaction is not None
    check = rig.checks.finish(transaction)
    assert (check.pair, check.controlling, check.nomination) == (rig.pair, True, 5)


def test_an_answered_check_is_over() -> None:
    rig = Rig()
    packet = rig.send()
    transaction = rig.transaction(packet)
    assert transaction is not None
    rig.checks.finish(transaction)
    assert rig.transaction(packet) is None
    assert len(rig.checks) == 0


def test_where_a_pair_works_its_other_checks_are_over() -> None:
    rig = Rig()
    packet = rig.send()
    rig.checks.settle(rig.pair)
    assert rig.transaction(packet) is None


def test_where_a_pair_works_checks_that_nominate_it_go_on() -> None:
    rig = Rig()
    packet = rig.send(nomination=5)
    rig.checks.settle(rig.pair)
    assert rig.transaction(packet) is not None


def test_where_a_pair_works_checks_of_other_pairs_go_on() -> None:
    rig = Rig()
    packet = rig.send(pair=form(rig.pairs, 1001))
    rig.checks.settle(rig.pair)
    assert rig.transaction(packet) is not None


def test_checks_from_a_base_that_is_gone_are_over() -> None:
    rig = Rig()
    gone, stays = rig.send(), rig.send(pair=form(rig.pairs, 1001, base=OTHER))
    rig.checks.forget_base(BASE)
    assert rig.transaction(gone) is None
    assert rig.transaction(stays) is not None


def test_checks_are_forgotten_after_the_time_of_patience() -> None:
    rig = Rig()
    old, young = rig.send(0.0), rig.send(10.0)
    rig.checks.forget_old(40.0)
    assert rig.transaction(old) is None
    assert rig.transaction(young) is not None


def test_all_checks_can_grow_old() -> None:
    rig = Rig()
    rig.send(0.0)
    rig.checks.forget_old(40.0)
    assert len(rig.checks) == 0


def test_forgetting_all_leaves_no_transaction() -> None:
    rig = Rig()
    for _ in range(5):
        rig.send(nomination=1)
    rig.checks.forget_all()
    assert len(rig.side.transactions) == 0


def test_the_129th_check_pushes_out_the_oldest_where_that_is_late() -> None:
    rig = Rig()
    oldest = rig.send(0.0)
    for _ in range(127):
        rig.send(1.0)
    rig.send(2.0)
    assert rig.transaction(oldest) is None
    assert len(rig.checks) == 128


def test_the_129th_check_is_left_out_where_none_is_late() -> None:
    rig = Rig()
    for _ in range(128):
        rig.send(1.0)
    rig.checks.send(rig.pair, 2.9)
    assert rig.side.outputs == []
    assert rig.side.drops["checks-full"] == 1
