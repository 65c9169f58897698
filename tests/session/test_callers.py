"""What of a node needs no I/O: signaling, calls of peers without a session, timers."""

from tests.session.nodes import CAROL, SERVER, Told, connect, node
from tests.session.partner import Partner
from tests.session.side import BOB
from warren.keys import PublicKey
from warren.session.callers import LIFETIME, MAX_CALLERS
from warren.session.node import NodeMachine
from warren.session.state import State

# Signaling


def test_sessions_that_are_not_connected_speak_when_the_subscription_is_live() -> None:
    machine = node()
    connect(machine, Partner(7))
    machine.open(CAROL, 0.0)
    told = Told(machine).drain()
    told.published.clear()
    machine.subscription_live(1.0)
    assert [published.peer for published in told.drain().published] == [CAROL]


def test_every_session_begins_its_back_off_anew_when_the_network_changes() -> None:
    machine = node()
    for peer in (BOB, CAROL):
        machine.open(peer, 0.0)
    told = Told(machine).drain()
    told.published.clear()
    machine.network_changed("a route has changed", 1.0)
    assert [published.peer for published in told.drain().published] == [BOB, CAROL]


def test_message_without_a_session_is_counted_where_nobody_listens() -> None:
    machine = node()
    machine.message_received(BOB, Partner(7).says(), 0.0)
    assert machine.drops["message-without-session"] == 1
    assert machine.outputs() == []


# Incoming calls


def listening() -> tuple[NodeMachine, Told]:
    machine = node()
    machine.listening = True
    return machine, Told(machine)


def caller(number: int) -> PublicKey:
    return PublicKey(number.to_bytes(2, "big") + bytes([9]) * 30)


def test_call_is_told_once_however_often_the_peer_repeats_it() -> None:
    machine, told = listening()
    for _ in range(3):
        machine.message_received(BOB, Partner(7).says(), 0.0)
    assert told.drain().callers == [BOB]


def test_newest_message_of_a_caller_is_fed_to_the_session_when_it_is_opened() -> None:
    machine, told = listening()
    newest = Partner(8)
    machine.message_received(BOB, Partner(7).says(), 0.0)
    machine.message_received(BOB, newest.says(), 1.0)
    session = machine.open(BOB, 2.0)
    assert session.state is State.CHECKING
    last = told.drain().published[-1].message.session
    assert last is not None
    assert last.peer_session_id == newest.f


def test_call_is_fed_once() -> None:
    machine, _ = listening()
    machine.message_received(BOB, Partner(7).says(), 0.0)
    machine.open(BOB, 0.0)
    machine.close(BOB, 0.0)
    assert machine.open(BOB, 1.0).state is State.IDLE


def test_call_waits_for_60_s() -> None:
    for waits, expected in ((LIFETIME, State.CHECKING), (LIFETIME + 0.001, State.IDLE)):
        machine, _ = listening()
        machine.message_received(BOB, Partner(7).says(), 0.0)
        assert machine.open(BOB, waits).state is expected
    assert machine.drops["caller-not-answered"] == 1


def test_caller_that_was_forgotten_is_told_anew() -> None:
    machine, told = listening()
    machine.message_received(BOB, Partner(7).says(), 0.0)
    machine.message_received(BOB, Partner(7).says(), 61.0)
    assert told.drain().callers == [BOB, BOB]


def test_64_callers_wait_and_the_one_silent_for_longest_goes_for_the_next() -> None:
    machine, told = listening()
    assert MAX_CALLERS == 64
    for number in range(64):
        machine.message_received(caller(number), Partner(7).says(), 0.0)
    machine.message_received(caller(0), Partner(7).says(), 1.0)
    assert machine.drops == {}
    machine.message_received(BOB, Partner(7).says(), 1.0)
    assert machine.drops == {"caller-pushed-out": 1}
    assert machine.open(caller(1), 1.0).state is State.IDLE
    assert machine.open(caller(0), 1.0).state is State.CHECKING
    assert machine.open(BOB, 1.0).state is State.CHECKING
    assert len(told.drain().callers) == 65


def test_message_for_an_open_session_is_no_call() -> None:
    machine, told = listening()
    machine.open(BOB, 0.0)
    machine.message_received(BOB, Partner(7).says(), 0.0)
    assert told.drain().callers == []


# Timers


def test_node_without_sessions_or_servers_has_no_deadline() -> None:
    assert node().deadline is None
    assert node(base=None).deadline is None


def test_deadline_is_the_first_of_all_sessions_and_the_gathering() -> None:
    machine = node()
    sessions = [machine.open(peer, 0.0) for peer in (BOB, CAROL)]
    first = [session.deadline for session in sessions]
    assert machine.deadline == min(at for at in first if at is not None)
    machine.add_server("stun.example", [SERVER], 0.0)
    assert machine.deadline == machine.gatherer.deadline


def test_only_what_is_due_is_ticked() -> None:
    machine = node()
    machine.open(BOB, 0.0)
    machine.open(CAROL, 100.0)
    told = Told(machine).drain()
    told.published.clear()
    machine.tick(99.0)
    assert [published.peer for published in told.drain().published] == [BOB]


def test_timer_that_became_too_early_finds_nothing_to_do_and_is_set_anew() -> None:
    machine, told = node(), None
    session = machine.open(BOB, 0.0)
    told = Told(machine).drain()
    early = machine.deadline
    assert early is not None
    machine.network_changed("a route has changed", early - 0.001)
    told.drain().published.clear()
    machine.tick(early)
    assert told.drain().published == []
    assert machine.deadline == session.deadline


def test_timers_of_a_closed_session_do_nothing() -> None:
    machine = node()
    machine.open(BOB, 0.0)
    machine.close(BOB, 0.0)
    machine.outputs()
    machine.tick(1000.0)
    assert machine.outputs() == []
    assert machine.deadline is None


def test_messages_do_not_print_secrets() -> None:
    machine = node()
    machine.open(BOB, 0.0)
    (published,) = Told(machine).drain().published
    credentials = published.message.credentials
    assert credentials is not None
    assert credentials.pwd not in repr(published)
