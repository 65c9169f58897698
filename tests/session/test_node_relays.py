"""Tests of what the node's machine does with relays, by numbers."""

from dataclasses import replace
from random import Random

from tests.ice.turn.rig import BASE, PEER, RELAYED, SERVER, URL, Server, xor
from warren.ice import stun
from warren.ice.stun import Attribute, Class, Method, Stun
from warren.ice.transport import Base, Transmit
from warren.ice.turn.relays import RelayClosed, RelayOpened
from warren.keys import PrivateKey
from warren.messages import Candidate, CandidateType, Credentials, Message, NetworkType, SessionDescription
from warren.session.config import Config
from warren.session.node import Left, NodeMachine, NodeOutput, PublishTo

ALICE, BOB = sorted(PrivateKey(bytes([number] * 32)).public for number in (1, 2))
BOBS = Credentials("bobsbobsbobs", "password" * 4)


class World:
    """A node with one base and one TURN server, and all that it puts out."""

    def __init__(self) -> None:
        self.server = Server()
        self.machine = NodeMachine(ours=ALICE, dice=Random(1), config=Config())
        self.machine.add_base(BASE, 0.0)
        self.outputs: list[NodeOutput] = []
        self.now = 0.0

    def drain(self) -> list[Transmit]:
        """Take the outputs; returns the packets to the server among them."""
        new = self.machine.outputs()
        self.outputs += new
        return [one for one in new if isinstance(one, Transmit) and one.destination == SERVER]

    def request(self, method: Method) -> Stun:
        """The newest request of this method to the server."""
        self.drain()
        found = (
            stun.parse(one.data)
            for one in reversed(self.outputs)
            if isinstance(one, Transmit) and one.destination == SERVER and stun.is_stun(one.data)
        )
        return next(one for one in found if (one.method, one.cls) == (method, Class.REQUEST))

    def receive(self, data: bytes) -> object:
        """Let a packet of the server come."""
        return self.machine.datagram_received(BASE, SERVER, data, self.now)

    def relay(self) -> Base:
        """Let the server grant an allocation."""
        self.machine.add_relay(URL, [SERVER], self.now)
        self.receive(self.server.challenge(self.request(Method.ALLOCATE)))
        self.receive(self.server.allocated(self.request(Method.ALLOCATE)))
        self.drain()
        return next(one.base for one in reversed(self.outputs) if isinstance(one, RelayOpened))

    def call(self) -> str:
        """Open the session with Bob, who has told where he is; returns our ufrag."""
        self.machine.open(BOB, self.now)
        self.drain()
        ours = next(one.message for one in reversed(self.outputs) if isinstance(one, PublishTo))
        assert ours.session is not None
        assert ours.credentials is not None
        bob = Candidate(
            type=CandidateType.HOST, network=NetworkType.UDP4, address=PEER[0], port=PEER[1], priority=1000
        )
        said = SessionDescription(
            sender=BOB,
            recipient=ALICE,
            session_id=7,
            peer_session_id=ours.session.session_id,
            candidates=(bob,),
        )
        self.machine.message_received(BOB, Message(credentials=BOBS, session=said), self.now)
        self.pwd = ours.credentials.pwd
        return ours.credentials.ufrag

    def permit(self) -> None:
        self.receive(self.server.success(self.request(Method.CREATE_PERMISSION)))

    def indication(self, data: bytes) -> bytes:
        """What the server makes of a packet of Bob."""
        id = b"transaction!"
        request = stun.parse(stun.server_request(id))
        attributes = [xor(Attribute.XOR_PEER_ADDRESS, PEER, request), (int(Attribute.DATA), data)]
        return stun.build(Method.DATA, Class.INDICATION, id, attributes)

    def check(self, ufrag: str) -> bytes:
        """A check of Bob."""
        return stun.binding_request(
            b"bob's check!",
            stun.check_attributes(
                username=f"{ufrag}:{BOBS.ufrag}", priority=1, controlling=False, tie_breaker=1
            ),
            stun.prepare_key(self.pwd),
        )


def sent_by_relay(packets: list[Transmit]) -> list[bytes]:
    """What Send indications carry to Bob."""
    found = []
    for packet in packets:
        message = stun.parse(packet.data)
        if message.method is Method.SEND and message.xor_addresses(Attribute.XOR_PEER_ADDRESS) == [PEER]:
            data = message.value(Attribute.DATA)
            assert data is not None
            found.append(data)
    return found


def test_granted_allocation_is_told_and_offered() -> None:
    world = World()
    base = world.relay()
    assert (base.address, base.port) == RELAYED
    assert RELAYED in [local.candidate.transport for local in world.machine.gatherer.candidates]


def test_candidates_are_not_final_before_the_server_is_resolved() -> None:
    world = World()
    world.machine.expect_relay(URL, 0.0)
    assert not world.machine.gatherer.complete
    world.machine.relay_failed(URL, "no such name", 0.0)
    assert world.machine.gatherer.complete
    assert "no such name" in world.machine.gatherer.summary


def test_server_that_refused_is_asked_at_once_when_there_are_other_credentials() -> None:
    world = World()
    world.machine.add_relay(URL, [SERVER], 0.0)
    world.receive(world.server.error(world.request(Method.ALLOCATE), 403))
    world.machine.renew_relay(replace(URL, username="bob", password="w0rd"), 1.0)
    world.receive(world.server.challenge(world.request(Method.ALLOCATE)))
    assert world.request(Method.ALLOCATE).value(Attribute.USERNAME) == b"bob"


def test_permission_is_asked_for_with_the_first_word_of_the_peer() -> None:
    world = World()
    world.relay()
    world.call()
    request = world.request(Method.CREATE_PERMISSION)
    assert request.xor_addresses(Attribute.XOR_PEER_ADDRESS)[0][0] == PEER[0]


def test_check_leaves_right_after_the_permission() -> None:
    world = World()
    world.relay()
    world.call()
    world.permit()
    (check,) = sent_by_relay(world.drain())
    assert stun.parse(check).cls is Class.REQUEST


def test_check_that_comes_by_the_relay_is_answered_by_the_relay() -> None:
    world = World()
    world.relay()
    ufrag = world.call()
    world.permit()
    world.drain()
    assert world.receive(world.indication(world.check(ufrag))) is None
    answers = [stun.parse(data) for data in sent_by_relay(world.drain())]
    (answer,) = [one for one in answers if one.cls is Class.SUCCESS]
    assert answer.mapped_address == PEER


def test_data_that_comes_by_the_relay_is_the_session_s() -> None:
    world = World()
    relay = world.relay()
    ufrag = world.call()
    world.permit()
    world.receive(world.indication(world.check(ufrag)))
    allocation = next(one.allocation for one in world.outputs if isinstance(one, RelayOpened))
    session = world.machine.sessions[BOB]
    assert world.receive(world.indication(b"data of bob")) == (session, b"data of bob")
    allocation.wrap(PEER, b"data", world.now)
    world.machine.drain_relay(allocation)
    world.receive(world.server.success(world.request(Method.CHANNEL_BIND)))
    assert world.receive(b"\x40\0\0\4data") == (session, b"data")
    assert relay.relayed


def test_data_that_comes_in_an_indication_asks_for_a_channel() -> None:
    world = World()
    world.relay()
    ufrag = world.call()
    world.permit()
    world.receive(world.indication(world.check(ufrag)))
    world.receive(world.indication(b"data of bob"))
    request = world.request(Method.CHANNEL_BIND)
    assert request.xor_addresses(Attribute.XOR_PEER_ADDRESS) == [PEER]


def test_what_is_no_data_of_a_session_asks_for_no_channel() -> None:
    world = World()
    world.relay()
    ufrag = world.call()
    world.permit()
    world.receive(world.indication(b"too early"))
    world.receive(world.indication(world.check(ufrag)))
    assert Method.CHANNEL_BIND not in [stun.parse(packet.data).method for packet in world.drain()]


def test_channel_data_comes_only_from_a_turn_server() -> None:
    world = World()
    world.relay()
    assert world.machine.datagram_received(BASE, PEER, b"\x40\0\0\4data", 0.0) is None
    assert world.machine.drops["data-from-stranger"] == 1


def test_channel_data_of_nobody_is_dropped() -> None:
    world = World()
    world.relay()
    assert world.receive(b"\x40\0\0\4data") is None
    assert world.machine.gatherer.drops["turn-channel"] == 1


def test_server_s_other_data_is_a_stranger_s() -> None:
    world = World()
    world.relay()
    assert world.receive(b"\x80\0\0\4data") is None
    assert world.machine.drops["data-from-stranger"] == 1


def test_data_indication_of_a_stranger_is_dropped() -> None:
    world = World()
    world.relay()
    assert world.machine.datagram_received(BASE, PEER, world.indication(b"data"), 0.0) is None
    assert world.machine.drops["stun-indication"] == 1
    assert world.receive(world.indication(b"data")) is None
    assert world.machine.gatherer.drops["turn-indication"] == 1


def test_requests_of_turn_are_no_business_of_a_peer() -> None:
    world = World()
    world.receive(stun.build(Method.ALLOCATE, Class.REQUEST, bytes(12), []))
    assert world.machine.drops["stun-method"] == 1


def test_answer_about_something_else_is_unknown() -> None:
    world = World()
    world.machine.add_relay(URL, [SERVER], 0.0)
    request = world.request(Method.ALLOCATE)
    world.receive(stun.build(Method.BINDING, Class.SUCCESS, request.transaction_id, []))
    assert world.machine.drops["stun-unknown-transaction"] == 1


def test_lost_allocation_takes_its_pairs_with_it() -> None:
    world = World()
    base = world.relay()
    world.call()
    world.receive(world.server.error(world.request(Method.CREATE_PERMISSION), 437))
    world.drain()
    assert RelayClosed(base) in world.outputs
    world.machine.tick(60.0)
    assert sent_by_relay([one for one in world.drain() if stun.is_stun(one.data)]) == []


def test_what_wants_to_leave_by_a_relay_that_is_lost_meanwhile_goes_nowhere() -> None:
    world = World()
    world.relay()
    relays = world.machine.gatherer.relays
    relays.remove_base(BASE)
    assert relays.outputs()
    world.call()
    assert [one for one in world.drain() if stun.is_stun(one.data)] == []


def test_leaving_gives_back_and_tells_when_that_is_done() -> None:
    world = World()
    world.relay()
    world.machine.leave(1.0)
    request = world.request(Method.REFRESH)
    assert request.number(Attribute.LIFETIME) == 0
    assert Left() not in world.outputs
    world.receive(world.server.refreshed(request, 0))
    world.drain()
    assert world.outputs.count(Left()) == 1


def test_leaving_is_done_at_once_where_there_is_nothing_to_give_back() -> None:
    world = World()
    world.machine.leave(1.0)
    world.drain()
    assert Left() in world.outputs
