from collections.abc import Iterable

from warren.ice.streams import Streams
from warren.ice.transport import Address, Base, Datagram


class Owner:
    def stream_opened(self, base: Base, local: Address, now: float) -> None: ...

    def stream_received(self, base: Base, data: bytes, now: float) -> Iterable[Datagram]:
        return ()

    def stream_closed(self, base: Base, reason: str, now: float) -> None: ...


def test_a_stream_has_the_owner_that_entered_it() -> None:
    streams, owner, base = Streams(), Owner(), Base("192.0.2.1", 0, "tcp")
    streams.enter(base, owner)
    assert streams.owner(base) is owner
    assert len(streams) == 1


def test_a_stream_that_looks_the_same_is_another() -> None:
    streams = Streams()
    streams.enter(Base("192.0.2.1", 0, "tcp"), Owner())
    assert streams.owner(Base("192.0.2.1", 0, "tcp")) is None


def test_a_forgotten_stream_has_no_owner_and_can_be_forgotten_again() -> None:
    streams, base = Streams(), Base("192.0.2.1", 0, "tcp")
    streams.enter(base, Owner())
    streams.forget(base)
    streams.forget(base)
    assert streams.owner(base) is None
