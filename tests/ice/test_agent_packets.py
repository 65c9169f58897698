"""What one agent makes of packets: before the peer is known, and where no answer fits."""

import pytest

from tests.ice.link import Peer
from tests.ice.rig import BASE, SOURCE, A, B, alone, answers, checks, describe, other, packets
from warren.ice import stun
from warren.ice.outputs import SourceProved
from warren.ice.transport import Transmit
from warren.messages import Credentials

# Before the peer is known


def test_a_check_is_answered_before_anything_is_known_of_the_peer() -> None:
    peer = alone()
    peer.check(other(), BASE, SOURCE, 0.0)
    assert [answer.cls for answer in answers(peer)] == [stun.Class.SUCCESS]


def test_an_answer_says_where_the_check_came_from() -> None:
    peer = alone()
    peer.check(other(), BASE, SOURCE, 0.0)
    assert answers(peer)[0].mapped_address == SOURCE


def test_an_answer_is_made_with_our_password() -> None:
    peer = alone()
    peer.check(other(), BASE, SOURCE, 0.0)
    assert stun.verify(answers(peer)[0], stun.prepare_key(peer.credentials.pwd))


def test_an_answer_leaves_from_where_it_was_asked_to_who_asked() -> None:
    peer = alone()
    peer.check(other(), BASE, SOURCE, 0.0)
    (answer,) = peer.agent.outputs()
    assert isinstance(answer, Transmit)
    assert (answer.base, answer.destination) == (BASE, SOURCE)


def test_a_stranger_is_not_checked() -> None:
    peer = alone()
    peer.check(other(), BASE, SOURCE, 0.0)
    assert checks(peer) == []


def test_an_early_check_proves_nothing_before_the_credentials_it_named_are_known() -> None:
    peer = alone()
    peer.check(other(), BASE, SOURCE, 0.0)
    assert not peer.agent.authenticated
    assert not any(isinstance(output, SourceProved) for output in peer.agent.outputs())


def test_with_the_credentials_an_early_source_is_checked_in_the_same_turn() -> None:
    peer = alone()
    peer.check(other(), BASE, SOURCE, 0.0)
    peer.agent.outputs()
    peer.agent.set_remote(other().credentials, 1.0)
    sent = [each for each in peer.agent.outputs() if isinstance(each, Transmit)]
    assert [each.destination for each in sent] == [SOURCE]


def test_with_the_credentials_an_early_source_is_proved() -> None:
    peer = alone()
    peer.check(other(), BASE, SOURCE, 0.0)
    peer.agent.set_remote(other().credentials, 1.0)
    assert SourceProved(BASE, SOURCE) in peer.agent.outputs()
    assert peer.agent.authenticated


def test_it_is_known_whose_early_checks_wait_for_credentials() -> None:
    peer = alone()
    peer.check(other(), BASE, SOURCE, 0.0)
    ufrag = other().credentials.ufrag
    assert (peer.agent.keeps(ufrag), peer.agent.keeps("somebodyelse")) == (True, False)
    peer.agent.set_remote(other().credentials, 1.0)
    assert not peer.agent.keeps(ufrag)


def test_an_early_source_under_another_ufrag_is_left_alone() -> None:
    peer = alone()
    peer.check(other(), BASE, SOURCE, 0.0, ufrag="somebodyelse")
    peer.agent.outputs()
    peer.agent.set_remote(other().credentials, 1.0)
    assert peer.agent.outputs() == []


def test_a_check_under_another_ufrag_than_the_present_one_is_answered_and_kept() -> None:
    peer = alone()
    peer.agent.set_remote(Credentials("firstguess", "x" * 24), 0.0)
    peer.check(other(), BASE, SOURCE, 1.0)
    assert [packet.cls for packet in packets(peer)] == [stun.Class.SUCCESS]
    peer.agent.set_remote(other().credentials, 2.0)
    assert len(checks(peer)) == 1


def test_an_early_nomination_counts_later() -> None:
    peer = alone(controlling=False)
    peer.check(other(), BASE, SOURCE, 0.0, nomination=1)
    peer.agent.outputs()
    peer.agent.set_remote(other().credentials, 1.0)
    (request,) = checks(peer)
    peer.respond(
        stun.success(request, (A, 4000), stun.prepare_key(other().credentials.pwd)), SOURCE, BASE, 0.1
    )
    assert peer.agent.selected is not None


def test_the_33rd_early_source_is_counted_as_too_much() -> None:
    peer = alone()
    for port in range(1, 34):
        peer.check(other(), BASE, (B, port), 0.0)
    assert peer.agent.drops["early-checks-full"] == 1


@pytest.mark.parametrize("early", [True, False])
def test_a_check_from_port_0_is_counted_and_means_nothing(early: bool) -> None:
    peer = alone()
    if not early:
        peer.agent.set_remote(other().credentials, 0.0)
    peer.check(other(), BASE, (SOURCE[0], 0), 0.1)
    peer.agent.set_remote(other().credentials, 0.2)
    assert (peer.agent.drops["check-from-port-0"], packets(peer)) == (1, [])


def test_a_request_without_a_username_is_answered_and_means_nothing() -> None:
    peer = alone()
    data = stun.build(
        stun.Method.BINDING, stun.Class.REQUEST, bytes(12), [], stun.prepare_key(peer.credentials.pwd)
    )
    peer.agent.request_received(stun.parse(data), BASE, SOURCE, 0.0)
    peer.agent.set_remote(other().credentials, 1.0)
    assert [packet.cls for packet in packets(peer)] == [stun.Class.SUCCESS]


def test_a_check_with_our_password_is_verified() -> None:
    peer = alone()
    assert peer.agent.verify(peer.check(other(), BASE, SOURCE, 0.0))


def test_a_check_with_another_password_is_not_verified() -> None:
    peer = alone()
    request = stun.binding_request(
        bytes(12),
        stun.check_attributes(username="a:b", priority=1, controlling=False, tie_breaker=1),
        stun.prepare_key("wrong"),
    )
    assert not peer.agent.verify(stun.parse(request))


# Answers that are none


def test_an_answer_with_a_wrong_password_is_counted_and_the_check_goes_on() -> None:
    peer = alone()
    describe(peer)
    (request,) = checks(peer)
    peer.respond(stun.success(request, (A, 4000), stun.prepare_key("wrong")), SOURCE, BASE, 0.1)
    assert peer.agent.drops["response-bad-integrity"] == 1
    assert not peer.agent.valid
    assert peer.transactions.get(request.transaction_id) is not None


def test_an_answer_without_integrity_is_counted_and_the_check_goes_on() -> None:
    peer = alone()
    describe(peer)
    (request,) = checks(peer)
    peer.respond(stun.success(request, (A, 4000), None), SOURCE, BASE, 0.1)
    assert not peer.agent.authenticated


def test_an_answer_after_the_peer_was_forgotten_is_nothing() -> None:
    peer = alone()
    transaction = peer.transactions.begin(peer, BASE, SOURCE, 0.0, "nothing of the agent's")
    response = stun.parse(stun.success(stun.parse(stun.server_request(transaction.id)), SOURCE, None))
    peer.agent.response_received(transaction, response, SOURCE, BASE, 0.1)
    describe(peer)
    peer.agent.response_received(transaction, response, SOURCE, BASE, 0.1)
    assert not peer.agent.authenticated


# Attributes that nobody knows


def strange(peer: Peer, kind: int) -> stun.Stun:
    key = stun.prepare_key(peer.credentials.pwd)
    username = f"{peer.credentials.ufrag}:{other().credentials.ufrag}".encode()
    attributes = [(int(stun.Attribute.USERNAME), username), (kind, b"1234")]
    data = stun.build(stun.Method.BINDING, stun.Class.REQUEST, bytes(12), attributes, key)
    return stun.parse(data)


def test_an_unknown_required_attribute_gets_420_which_names_it() -> None:
    peer = alone()
    peer.agent.request_received(strange(peer, 0x7777), BASE, SOURCE, 0.0)
    (answer,) = answers(peer)
    assert answer.error == (420, "Unknown Attribute")
    assert answer.attributes[stun.Attribute.UNKNOWN_ATTRIBUTES] == b"\x77\x77"
    assert stun.verify(answer, stun.prepare_key(peer.credentials.pwd))
    assert peer.agent.drops["request-unknown-attribute"] == 1


@pytest.mark.parametrize("kind", [0x0030, 0xC057, 0x8FFF])
def test_an_old_renomination_and_optional_attributes_are_ignored(kind: int) -> None:
    peer = alone()
    peer.agent.request_received(strange(peer, kind), BASE, SOURCE, 0.0)
    assert [answer.cls for answer in answers(peer)] == [stun.Class.SUCCESS]
