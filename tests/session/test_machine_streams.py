"""What a session does with its connections, by numbers."""

from tests.ice.link import stream
from tests.session.partner import Partner
from tests.session.side import A, B, Side
from warren.ice import stun
from warren.ice.timing import STREAM_HOLD
from warren.ice.transport import Base, CloseStream, OpenStream
from warren.session.state import State

LISTENER = stream(Base(B.address, 8000, "tcp")).candidate


def connecting() -> tuple[Side, Partner, Base]:
    """Alice opens a connection to a peer that has no other address; with the connection's base."""
    alice, bob = (
        Side(local=[stream(Base(A.address, 0, "tcp"))]).open(),
        Partner(7, address=LISTENER.transport),
    )
    alice.hears(bob.says(alice.last.f, candidates=(LISTENER,)))
    alice.run(STREAM_HOLD)
    (order,) = alice.orders
    assert order == OpenStream(order.base, LISTENER.transport)
    return alice, bob, order.base


def connected() -> tuple[Side, Base]:
    alice, bob, base = connecting()
    alice.machine.stream_opened(base, alice.now)
    bob.answers(alice.drained())
    assert alice.state() is State.COMPLETED
    return alice, base


def test_nothing_is_sent_over_a_connection_before_it_stands() -> None:
    alice, _, _ = connecting()
    assert alice.sent == []


def test_the_first_check_leaves_as_soon_as_the_connection_stands() -> None:
    alice, bob, base = connecting()
    alice.machine.stream_opened(base, alice.now)
    ((_, check),) = alice.drained().sent
    assert (check.base, check.destination) == (base, bob.address)
    assert stun.parse(check.data).cls is stun.Class.REQUEST


def test_data_goes_over_the_connection_that_answered() -> None:
    alice, base = connected()
    assert alice.machine.route is not None
    assert alice.machine.route.base is base


def test_a_connection_that_is_refused_is_tried_five_times_and_is_the_reason_of_the_failure() -> None:
    alice, _, _ = connecting()
    for number in range(1, 6):
        assert len(alice.orders) == number
        alice.machine.stream_closed(alice.orders[-1].base, "connection refused", alice.now)
        alice.drained().run(alice.now + 8.0)
    assert len(alice.when(State.FAILED)) == 1
    assert "connection refused" in alice.last_move(State.FAILED).reason


def test_a_path_whose_connection_ends_is_connected_anew_while_nothing_is_sent() -> None:
    alice, base = connected()
    alice.run(10.0)
    alice.machine.stream_closed(base, "closed by the other end", alice.now)
    assert alice.drained().machine.route is None
    assert alice.state() is State.COMPLETED
    order = alice.orders[-1]
    assert order == OpenStream(order.base, LISTENER.transport)
    assert order.base is not base


def test_a_path_whose_connection_does_not_come_back_is_lost_with_the_reason() -> None:
    alice, base = connected()
    alice.machine.stream_closed(base, "closed by the other end", alice.now)
    alice.drained().run(alice.now + 6.0)
    assert "closed by the other end, and no path answered" in alice.last_move(State.DISCONNECTED).reason


def test_data_that_comes_by_a_connection_that_has_ended_is_nobodys() -> None:
    alice, base = connected()
    assert alice.sources == {(base, LISTENER.transport)}
    alice.machine.stream_closed(base, "closed by the other end", alice.now)
    assert alice.drained().sources == set()


def test_closing_the_session_ends_its_connections() -> None:
    alice, base = connected()
    assert alice.closes().orders[1:] == [CloseStream(base)]
