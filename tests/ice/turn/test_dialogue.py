from collections import Counter
from random import Random

import pytest

from tests.ice.turn.rig import BASE, PEER, SERVER, Server
from warren.ice import stun
from warren.ice.stun import Attribute, Class, Method, Stun
from warren.ice.transaction import Transaction, Transactions
from warren.ice.transport import Address, Base
from warren.ice.turn.credentials import LongTerm
from warren.ice.turn.dialogue import MAX_CHALLENGES, NO_ANSWER, Answer, Dialogue

LIFETIME = (int(Attribute.LIFETIME), b"\0\0\2\x58")


class World:
    """A dialogue and what it has said."""

    def __init__(self, base: Base = BASE) -> None:
        self.server = Server()
        self.base = base
        self.drops: Counter[str] = Counter()
        self.transactions = Transactions(Random(1))
        self.dialogue = Dialogue(
            base,
            SERVER,
            LongTerm("ann", "p@ss"),
            owner=self,
            transactions=self.transactions,
            drops=self.drops,
        )
        self.answers: list[Answer] = []
        self.ignored = 0

    def response_received(
        self, transaction: Transaction, response: Stun, source: Address, base: Base, now: float
    ) -> None:
        answer = self.dialogue.take(transaction, response, source, base, now)
        if answer is None:
            self.ignored += 1
        else:
            self.answers.append(answer)

    def sent(self) -> list[Stun]:
        return [stun.parse(packet) for packet in self.dialogue.packets()]

    def answer(self, data: bytes, source: Address = SERVER, base: Base | None = None) -> None:
        response = stun.parse(data)
        transaction = self.transactions.get(response.transaction_id)
        assert transaction is not None
        self.response_received(transaction, response, source, base or self.base, 1.0)

    def authenticated(self) -> Stun:
        """Get a first request challenged; returns the second."""
        self.dialogue.ask(Method.REFRESH, (LIFETIME,), 0.0)
        (first,) = self.sent()
        self.answer(self.server.challenge(first))
        (second,) = self.sent()
        return second


def test_first_request_proves_nothing() -> None:
    world = World()
    world.dialogue.ask(Method.REFRESH, (LIFETIME,), 0.0)
    (request,) = world.sent()
    assert (request.method, request.cls) == (Method.REFRESH, Class.REQUEST)
    assert not request.has_integrity
    assert request.number(Attribute.LIFETIME) == 600


def test_challenged_request_is_sent_again_with_a_proof_as_a_new_transaction() -> None:
    world = World()
    world.dialogue.ask(Method.REFRESH, (LIFETIME,), 0.0)
    (first,) = world.sent()
    world.answer(world.server.challenge(first))
    (second,) = world.sent()
    assert stun.verify(second, world.server.key)
    assert second.value(Attribute.NONCE) == b"nonce"
    assert second.number(Attribute.LIFETIME) == 600
    assert second.transaction_id != first.transaction_id


def test_the_next_request_has_a_proof_at_once() -> None:
    world = World()
    world.authenticated()
    world.dialogue.ask(Method.REFRESH, (), 1.0)
    (request,) = world.sent()
    assert stun.verify(request, world.server.key)


def test_peer_is_written_into_each_transaction_anew() -> None:
    world = World()
    peer = ("2001:db8::2", 5000)
    world.dialogue.ask(Method.CHANNEL_BIND, (), 0.0, peer=peer)
    (first,) = world.sent()
    world.answer(world.server.challenge(first))
    (second,) = world.sent()
    assert first.xor_addresses(Attribute.XOR_PEER_ADDRESS) == [peer]
    assert second.xor_addresses(Attribute.XOR_PEER_ADDRESS) == [peer]


def test_success_ends_a_request() -> None:
    world = World()
    world.answer(world.server.refreshed(world.authenticated()))
    (answer,) = world.answers
    assert (answer.code, answer.request.method) == (200, Method.REFRESH)
    assert world.dialogue.deadline is None
    assert len(world.transactions) == 0


def test_error_ends_a_request_and_tells_its_words() -> None:
    world = World()
    world.answer(world.server.error(world.authenticated(), 403))
    assert (world.answers[0].code, world.answers[0].words) == (403, "answered 403 No")


def test_malformed_error_is_one_of_the_server() -> None:
    world = World()
    request = world.authenticated()
    world.answer(stun.build(request.method, Class.ERROR, request.transaction_id, [], world.server.key))
    assert (world.answers[0].code, world.answers[0].words) == (500, "answered 500 malformed")


@pytest.mark.parametrize("code", [437, 486])
def test_error_without_a_proof_is_believed(code: int) -> None:
    world = World()
    world.answer(world.server.error(world.authenticated(), code, proved=False))
    assert world.answers[0].code == code


def test_400_without_a_proof_is_not_believed() -> None:
    world = World()
    world.answer(world.server.error(world.authenticated(), 400, proved=False))
    assert (world.answers, world.drops["turn-bad-integrity"]) == ([], 1)


def test_success_without_a_proof_is_not_believed_and_the_request_goes_on() -> None:
    world = World()
    request = world.authenticated()
    world.answer(world.server.success(request, LIFETIME, proved=False))
    assert world.answers == []
    world.answer(world.server.refreshed(request))
    assert world.answers[0].code == 200


def test_wrong_proof_is_not_believed() -> None:
    world = World()
    request = world.authenticated()
    world.answer(Server(realm=b"example.net").refreshed(request))
    assert (world.answers, world.drops["turn-bad-integrity"]) == ([], 1)


@pytest.mark.parametrize(
    ("source", "base"), [(("203.0.113.5", 3478), BASE), (SERVER, Base("192.0.2.1", 4000))]
)
def test_answer_from_elsewhere_is_dropped(source: Address, base: Base) -> None:
    world = World()
    world.answer(world.server.refreshed(world.authenticated()), source, base)
    assert (world.answers, world.drops["turn-server-source"]) == ([], 1)


def test_server_without_users_answers_without_a_proof() -> None:
    world = World()
    world.dialogue.ask(Method.REFRESH, (), 0.0)
    (request,) = world.sent()
    world.answer(world.server.success(request, proved=False))
    assert world.answers[0].code == 200


def test_stale_nonce_is_replaced() -> None:
    world = World()
    request = world.authenticated()
    world.server.nonce = b"fresh"
    world.answer(world.server.challenge(request, 438))
    (again,) = world.sent()
    assert again.value(Attribute.NONCE) == b"fresh"


def test_two_requests_may_find_the_same_nonce_stale() -> None:
    world = World()
    first = world.authenticated()
    world.dialogue.ask(Method.REFRESH, (), 1.0)
    (second,) = world.sent()
    world.server.nonce = b"fresh"
    for request in (first, second):
        world.answer(world.server.challenge(request, 438))
        world.answer(world.server.refreshed(world.sent()[0]))
    assert [answer.code for answer in world.answers] == [200, 200]


@pytest.mark.parametrize("code", [401, 438])
def test_challenges_without_end_have_one(code: int) -> None:
    world = World()
    world.dialogue.ask(Method.REFRESH, (), 0.0)
    sent = 0
    while packets := world.sent():
        sent += len(packets)
        world.server.realm, world.server.nonce = b"realm %d" % sent, b"nonce %d" % sent
        world.answer(world.server.challenge(packets[0], 401 if sent == 1 else code))
    assert sent == 1 + MAX_CHALLENGES
    assert world.answers[0].words == f"{code}: the server asks for other credentials again and again"


def test_refused_challenge_is_told_without_secrets() -> None:
    world = World()
    world.answer(world.server.challenge(world.authenticated()))
    assert world.answers[0].words == "401: the server does not accept the user name or the password"


def test_request_is_repeated_over_udp_as_it_was() -> None:
    world = World()
    world.dialogue.ask(Method.REFRESH, (), 0.0)
    times, packets = [0.0], world.dialogue.packets()
    while not (answers := world.dialogue.tick(due := world.dialogue.deadline or 0.0)):
        times.append(due)
        packets += world.dialogue.packets()
    assert times == pytest.approx([0.0, 0.2, 0.6, 1.4, 3.0])
    assert len(set(packets)) == 1
    assert (answers[0].code, answers[0].words, due) == (NO_ANSWER, "no answer", 5.0)


def test_request_is_sent_once_over_a_stream_which_loses_nothing() -> None:
    world = World(Base("192.0.2.1", 0, "tcp"))
    world.dialogue.ask(Method.REFRESH, (), 0.0)
    assert len(world.sent()) == 1
    assert world.dialogue.deadline == 10.0
    assert [answer.code for answer in world.dialogue.tick(10.0)] == [NO_ANSWER]


def test_early_tick_does_nothing() -> None:
    world = World()
    world.dialogue.ask(Method.REFRESH, (), 0.0)
    world.sent()
    assert world.dialogue.tick(0.1) == []
    assert not world.dialogue.busy


def test_it_is_busy_while_something_is_to_be_sent() -> None:
    world = World()
    world.dialogue.ask(Method.REFRESH, (), 0.0, peer=PEER)
    assert world.dialogue.busy


def test_stopped_dialogue_forgets_everything() -> None:
    world = World()
    world.dialogue.ask(Method.REFRESH, (), 0.0)
    world.dialogue.stop()
    assert world.sent() == []
    assert world.dialogue.deadline is None
    assert len(world.transactions) == 0


def test_whether_the_server_was_ever_heard_is_known() -> None:
    world = World()
    assert not world.dialogue.heard
    world.authenticated()
    assert world.dialogue.heard
