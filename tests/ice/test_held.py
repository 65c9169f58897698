from tests.ice.link import stream
from warren.ice.held import MAX_CONNECTIONS, HeldStreams
from warren.ice.timing import STREAM_HOLD
from warren.ice.transport import Base

HOME, OTHER = Base("10.0.0.1", 0, "tcp", "eth0"), Base("10.0.1.1", 0, "tcp")


def remote(port: int = 8000) -> Base:
    return Base("10.1.0.1", port, "tcp")


def test_nothing_is_held_at_first() -> None:
    held = HeldStreams()
    assert (bool(held), held.at) == (False, None)


def test_the_time_counts_from_the_first_that_is_held() -> None:
    held = HeldStreams()
    held.hold(stream(HOME), stream(remote()).candidate, 1.0)
    held.hold(stream(HOME), stream(remote(8001)).candidate, 1.3)
    assert held.at == 1.0 + STREAM_HOLD


def test_what_is_taken_is_held_no_more() -> None:
    held = HeldStreams()
    for port in (1, 2):
        held.hold(stream(HOME), stream(remote(port)).candidate, 1.0)
    assert [remote.port for _, remote in held.take()] == [1, 2]
    assert not held


def test_what_is_held_of_an_address_that_is_gone_is_dropped() -> None:
    held = HeldStreams()
    for base in (HOME, OTHER):
        held.hold(stream(base), stream(remote()).candidate, 1.0)
    held.drop(HOME)
    assert [local.base.address for local, _ in held.take()] == ["10.0.1.1"]


def test_taking_makes_no_room_for_more_than_16_in_all() -> None:
    held = HeldStreams()
    for port in range(1, MAX_CONNECTIONS + 1):
        assert held.hold(stream(HOME), stream(remote(port)).candidate, 1.0)
    held.take()
    assert not held.hold(stream(HOME), stream(remote(99)).candidate, 1.0)
