"""Connections of sessions and of strangers, by numbers."""

from collections import Counter
from random import Random

from warren.ice import stun
from warren.ice.framing import frame
from warren.ice.streams import Streams
from warren.ice.timing import Pacer
from warren.ice.transaction import Transactions
from warren.ice.transport import Address, Base, CloseStream, Datagram, OpenStream, Transmit
from warren.keys import PrivateKey
from warren.session.config import Config
from warren.session.framed import (
    MAX_STRANGERS,
    MAX_STRANGERS_OF_ONE,
    STRANGER_BYTES,
    STRANGER_FRAME,
    STRANGER_SECONDS,
    FramedStreams,
)
from warren.session.machine import SessionMachine

HOME, LISTENER = Base("192.0.2.1", 0, "tcp"), Base("192.0.2.1", 8000, "tcp", "eth0")
SERVER = ("198.51.100.1", 8000)
GUEST = ("198.51.100.7", 50000)
CHECK = stun.server_request(bytes(12))


def session() -> SessionMachine:
    dice = Random(1)
    return SessionMachine(
        ours=PrivateKey(bytes([1]) * 32).public,
        theirs=PrivateKey(bytes([2]) * 32).public,
        transactions=Transactions(dice),
        pacer=Pacer(),
        dice=dice,
        config=Config(),
        describe_nat=lambda: "",
    )


class Rig:
    def __init__(self) -> None:
        self.put: list[OpenStream | CloseStream | Transmit] = []
        self.streams = Streams()
        self.drops: Counter[str] = Counter()
        self.framed = FramedStreams(streams=self.streams, drops=self.drops, put=self.put.append)

    def accept(self, source: Address = GUEST, now: float = 0.0) -> Base:
        base = self.framed.accepted(LISTENER, source, now)
        assert base is not None
        return base

    def receive(self, base: Base, data: bytes, now: float = 1.0) -> list[Datagram]:
        owner = self.streams.owner(base)
        assert owner is not None
        return list(owner.stream_received(base, data, now))


# Connections of sessions


def test_a_session_opens_sends_and_closes() -> None:
    rig = Rig()
    rig.framed.open(session(), OpenStream(HOME, SERVER))
    rig.framed.transmit(Transmit(HOME, SERVER, b"abc"))
    rig.framed.close(HOME)
    assert rig.put == [OpenStream(HOME, SERVER), Transmit(HOME, SERVER, b"\x00\x03abc"), CloseStream(HOME)]
    assert (len(rig.framed), len(rig.streams)) == (0, 0)


def test_what_is_sent_over_a_closed_connection_is_lost() -> None:
    rig = Rig()
    rig.framed.transmit(Transmit(HOME, SERVER, b"abc"))
    rig.framed.close(HOME)
    assert rig.put == []


def test_datagrams_come_out_of_a_connection_as_from_its_other_end() -> None:
    rig = Rig()
    rig.framed.open(session(), OpenStream(HOME, SERVER))
    stream = frame(b"one") + frame(b"") + frame(bytes(60000))
    assert rig.receive(HOME, stream[:4]) == []
    assert rig.receive(HOME, stream[4:]) == [
        Datagram(HOME, SERVER, b"one"),
        Datagram(HOME, SERVER, b""),
        Datagram(HOME, SERVER, bytes(60000)),
    ]


def test_a_connection_that_the_other_side_ends_is_forgotten() -> None:
    rig = Rig()
    rig.framed.open(session(), OpenStream(HOME, SERVER))
    owner = rig.streams.owner(HOME)
    assert owner is not None
    owner.stream_opened(HOME, ("192.0.2.1", 50000), 1.0)
    owner.stream_closed(HOME, "reset", 2.0)
    assert len(rig.framed) == 0
    assert rig.put == [OpenStream(HOME, SERVER)]


# Strangers


def test_a_stranger_gets_a_base_of_its_own_at_the_address_that_it_came_to() -> None:
    rig = Rig()
    one, other = rig.accept(), rig.accept()
    assert one is not other
    assert (one.address, one.port, one.protocol, one.interface) == ("192.0.2.1", 8000, "tcp", "eth0")


def test_a_check_of_a_stranger_is_passed_on() -> None:
    rig = Rig()
    base = rig.accept()
    assert rig.receive(base, frame(CHECK)) == [Datagram(base, GUEST, CHECK)]


def test_a_stranger_that_sends_anything_else_is_put_out() -> None:
    rig = Rig()
    base = rig.accept()
    assert rig.receive(base, frame(b"GET / HTTP/1.1") + frame(CHECK)) == []
    assert rig.put == [CloseStream(base)]
    assert rig.drops == {"stream-stranger-data": 1}


def test_a_stranger_that_announces_a_long_frame_is_put_out() -> None:
    rig = Rig()
    base = rig.accept()
    assert rig.receive(base, (STRANGER_FRAME + 1).to_bytes(2, "big")) == []
    assert rig.put == [CloseStream(base)]
    assert rig.drops == {"stream-frame-too-long": 1}


def test_a_stranger_may_send_so_many_bytes() -> None:
    rig = Rig()
    base = rig.accept()
    checks = STRANGER_BYTES // len(frame(CHECK))
    for _ in range(checks):
        rig.receive(base, frame(CHECK))
    assert rig.put == []
    rig.receive(base, frame(CHECK))
    assert rig.put == [CloseStream(base)]
    assert rig.drops == {"stream-stranger-bytes": 1}


def test_a_stranger_has_so_much_time() -> None:
    rig = Rig()
    base = rig.accept(now=5.0)
    assert rig.framed.deadline == 5.0 + STRANGER_SECONDS
    rig.framed.tick(5.0 + STRANGER_SECONDS - 0.001)
    assert rig.put == []
    rig.framed.tick(5.0 + STRANGER_SECONDS)
    assert rig.put == [CloseStream(base)]
    assert rig.drops == {"stream-stranger-silent": 1}
    assert rig.framed.deadline is None


def test_what_is_claimed_is_no_stranger_any_more() -> None:
    rig = Rig()
    base = rig.accept()
    rig.framed.claim(base, session())
    rig.framed.tick(100.0)
    assert rig.receive(base, frame(bytes(60000))) == [Datagram(base, GUEST, bytes(60000))]
    rig.receive(base, bytes(2 * STRANGER_BYTES))
    assert rig.put == []


def test_a_claim_of_what_is_no_stranger_changes_nothing() -> None:
    rig = Rig()
    rig.framed.open(session(), OpenStream(HOME, SERVER))
    rig.framed.claim(HOME, session())
    rig.framed.claim(Base("192.0.2.1", 4000), session())
    assert rig.put == [OpenStream(HOME, SERVER)]


def test_a_stranger_that_leaves_is_forgotten() -> None:
    rig = Rig()
    base = rig.accept()
    owner = rig.streams.owner(base)
    assert owner is not None
    owner.stream_opened(base, GUEST, 1.0)
    owner.stream_closed(base, "closed", 1.0)
    assert (len(rig.framed), rig.framed.deadline) == (0, None)


def test_one_address_may_have_8_strangers() -> None:
    rig = Rig()
    for port in range(MAX_STRANGERS_OF_ONE):
        rig.accept((GUEST[0], port + 1))
    assert rig.framed.accepted(LISTENER, (GUEST[0], 99), 0.0) is None
    assert rig.drops == {"stream-strangers-of-one-address": 1}
    assert rig.framed.accepted(LISTENER, ("198.51.100.8", 99), 0.0) is not None


def test_the_oldest_of_64_strangers_makes_room_for_a_new_one() -> None:
    rig = Rig()
    first = rig.accept(("198.51.100.1", 1))
    for number in range(1, MAX_STRANGERS):
        rig.accept((f"198.51.100.{number + 1}", 1))
    rig.accept(("203.0.113.1", 1))
    assert rig.put == [CloseStream(first)]
    assert len(rig.framed) == MAX_STRANGERS
    assert rig.drops == {"stream-strangers-full": 1}
