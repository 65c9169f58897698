"""What a peer that does not know field 100 is told of TCP, and when."""

from random import Random

from warren.ice import stun
from warren.ice.transport import Base, Transmit
from warren.keys import PrivateKey
from warren.messages import (
    Candidate,
    CandidateType,
    Credentials,
    Message,
    NetworkType,
    SessionDescription,
    TCPType,
)
from warren.session.config import Config
from warren.session.node import NodeMachine, PublishTo

SMALLER, LARGER = sorted(PrivateKey(bytes([n]) * 32).public for n in (1, 2))
UDP = Base("192.0.2.1", 4000)
BASES = (UDP, Base("192.0.2.1", 0, "tcp"), Base("192.0.2.1", 8000, "tcp"))
THEIRS = Credentials("theirsufrag", "theirspassword" * 2)
THEM = Candidate(type=CandidateType.HOST, network=NetworkType.UDP4, address="198.51.100.1", port=5000)


class Rig:
    """A node whose peer is played by the test."""

    def __init__(self) -> None:
        self.node = NodeMachine(ours=SMALLER, dice=Random(1), config=Config())
        for base in BASES:
            self.node.add_base(base, 0.0)
        self.node.open(LARGER, 0.0)
        self.told: list[tuple[float, Candidate]] = []
        self.described: list[SessionDescription] = []
        self.sent: list[Transmit] = []
        self.drain(0.0)

    def drain(self, now: float) -> None:
        for output in self.node.outputs():
            match output:
                case PublishTo(_, message):
                    if message.candidate is not None:
                        self.told.append((now, message.candidate))
                    if message.session is not None:
                        self.described.append(message.session)
                case Transmit():
                    self.sent.append(output)

    def hear(self, message: Message, now: float) -> None:
        self.node.message_received(LARGER, message, now)
        self.drain(now)

    def run(self, until: float) -> "Rig":
        while (now := self.node.deadline) is not None and now <= until:
            self.node.tick(now)
            self.drain(now)
        return self

    def answer(self, now: float) -> None:
        """Let the peer answer the newest check."""
        check = self.sent[-1]
        request = stun.parse(check.data)
        data = stun.success(request, ("192.0.2.1", 4000), stun.prepare_key(THEIRS.pwd))
        self.node.datagram_received(UDP, check.destination, data, now)
        self.drain(now)

    @property
    def tcp(self) -> list[tuple[float, Candidate]]:
        return [(now, candidate) for now, candidate in self.told if candidate.network.is_tcp]


def plain() -> Rig:
    """A peer has told its credentials and a candidate, in cunīcu's fields."""
    rig = Rig()
    rig.hear(Message(credentials=THEIRS), 1.0)
    rig.hear(Message(candidate=THEM), 1.0)
    return rig


def test_a_plain_peer_hears_of_tcp_two_seconds_after_its_credentials_and_of_passive_ports_only() -> None:
    rig = plain().run(10.0)
    assert rig.tcp[0][0] == 3.0
    assert {(candidate.tcp_type, candidate.port) for _, candidate in rig.tcp} == {(TCPType.PASSIVE, 8000)}


def test_a_plain_peer_that_udp_reaches_hears_nothing_of_tcp() -> None:
    rig = plain()
    rig.answer(1.1)
    assert rig.run(10.0).tcp == []


def test_a_plain_peer_that_begins_anew_has_two_seconds_anew() -> None:
    rig = plain()
    rig.hear(Message(credentials=Credentials("otherufrag", "otherpassword" * 2, need_creds=True)), 2.0)
    rig.run(2.9)
    assert rig.tcp == []
    assert rig.run(10.0).tcp != []


def test_what_a_plain_peer_asks_for_again_has_the_tcp_port_in_it_once_it_was_offered() -> None:
    rig = plain().run(5.0)
    rig.hear(Message(credentials=Credentials(THEIRS.ufrag, THEIRS.pwd, need_creds=True)), 5.0)
    rig.run(5.0)
    assert rig.tcp[-1][0] == 5.0


def test_an_unknown_peer_hears_of_tcp_in_field_100_only() -> None:
    rig = Rig().run(10.0)
    assert rig.tcp == []
    assert [candidate.tcp_type for candidate in rig.described[0].candidates] == [
        TCPType.UNSPECIFIED,
        TCPType.ACTIVE,
        TCPType.PASSIVE,
    ]


def test_a_peer_that_shows_field_100_is_told_no_candidates_one_by_one() -> None:
    rig = plain()
    said = SessionDescription(sender=LARGER, recipient=SMALLER, session_id=7)
    rig.hear(Message(credentials=THEIRS, session=said), 1.5)
    assert rig.run(10.0).tcp == []
