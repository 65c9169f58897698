"""An allocation at a TURN server: asked for, kept, moved to another server, given back."""

import pytest

from tests.ice.turn.rig import (
    BASE,
    MAPPED,
    OTHER,
    PEER,
    RELAYED,
    RELAYED6,
    SERVER,
    URL,
    Rig,
    Server,
    mapped_value,
)
from warren.ice.stun import Attribute, Method
from warren.ice.transport import Address, Base
from warren.ice.turn.allocation import MAX_REDIRECTS, Phase


def live(lifetime: int = 600, relayed: tuple[Address, ...] = (RELAYED,)) -> Rig:
    rig = Rig()
    rig.live(lifetime=lifetime, relayed=relayed)
    return rig


def redirect(rig: Rig, address: Address | None) -> bool:
    """Answer what was asked last with 300."""
    more = [] if address is None else [(int(Attribute.ALTERNATE_SERVER), mapped_value(address))]
    return rig.answer(rig.server.error(rig.request(), 300, *more, proved=False))


# Asking


def test_udp_of_both_families_is_asked_for() -> None:
    rig = Rig()
    rig.begin()
    request = rig.request()
    assert request.method is Method.ALLOCATE
    assert request.value(Attribute.REQUESTED_TRANSPORT) == b"\x11\0\0\0"
    assert request.value(Attribute.ADDITIONAL_ADDRESS_FAMILY) == b"\x02\0\0\0"
    assert rig.sent[0].base is BASE
    assert rig.sent[0].destination == SERVER


def test_granted_allocation_is_a_relayed_base() -> None:
    rig = live()
    (base,) = rig.allocation.bases
    assert (base.address, base.port, base.relayed, base.protocol) == (*RELAYED, True, "udp")
    assert rig.allocation.phase is Phase.LIVE
    assert rig.allocation.done_once


def test_one_of_each_family_is_taken() -> None:
    rig = live(relayed=(RELAYED, RELAYED6, ("203.0.113.4", 50002)))
    assert [base.is_ipv6 for base in rig.allocation.bases] == [False, True]


def test_mapped_address_is_known_from_the_answer() -> None:
    rig = live()
    assert rig.allocation.mapped == MAPPED
    assert str(rig.allocation.report) == (
        "turn:turn.example.org:3478?transport=udp from 192.0.2.1: 198.51.100.1:4000 "
        "relayed at 203.0.113.4:50000"
    )


@pytest.mark.parametrize("mapped", [None, ("0.0.0.0", 5), ("2001:db8::1", 5)])
def test_mapped_address_that_cannot_be_ours_is_left_out(mapped: Address | None) -> None:
    rig = Rig()
    rig.begin()
    rig.answer(rig.server.allocated(rig.request(), mapped=mapped))
    assert rig.allocation.phase is Phase.LIVE
    assert rig.allocation.mapped is None


@pytest.mark.parametrize("relayed", [("0.0.0.0", 5), ("224.0.0.1", 5), ("203.0.113.4", 0)])
def test_relayed_address_that_is_no_place_is_none(relayed: Address) -> None:
    rig = Rig()
    rig.begin()
    rig.answer(rig.server.allocated(rig.request(), relayed))
    assert rig.allocation.phase is Phase.WAITING
    assert rig.allocation.error == "answered without a usable address"


# What may go wrong


@pytest.mark.parametrize(
    ("code", "wait"), [(400, 300), (403, 300), (441, 300), (442, 300), (486, 60), (508, 60)]
)
def test_refusal_is_told_and_asked_about_again_later(code: int, wait: float) -> None:
    rig = Rig()
    rig.begin()
    rig.answer(rig.server.error(rig.request(), code))
    assert rig.allocation.error == f"answered {code} No"
    assert rig.allocation.done_once
    assert rig.allocation.deadline == wait
    rig.pass_time(wait)
    assert rig.allocation.phase is Phase.ASKING


def test_silence_is_told_and_asked_about_again_by_back_off() -> None:
    rig = Rig()
    rig.begin()
    rig.pass_time(5.0)
    assert (rig.allocation.error, rig.allocation.phase) == ("no answer", Phase.WAITING)
    assert rig.allocation.done_once
    due = rig.allocation.deadline
    assert due is not None
    assert 5.8 <= due <= 6.2
    rig.pass_time(12.0)
    due = rig.allocation.deadline
    assert due is not None
    assert due - rig.now > 0.5


def test_nobody_is_asked_again_where_nobody_needs_it() -> None:
    rig = Rig()
    rig.begin()
    rig.allocation.needed(False)
    rig.pass_time(5.0)
    assert rig.allocation.deadline is None
    rig.allocation.tick(500.0)
    assert rig.allocation.phase is Phase.WAITING


@pytest.mark.parametrize("code", [0, 500, 508])
def test_next_address_of_the_server_is_asked_where_the_first_is_of_no_use(code: int) -> None:
    rig = Rig(SERVER, OTHER)
    rig.begin()
    if code:
        rig.answer(rig.server.error(rig.request(), code))
    else:
        rig.pass_time(5.0)
    rig.collect()
    assert (rig.allocation.server, rig.allocation.phase) == (OTHER, Phase.ASKING)
    assert rig.sent[-1].destination == OTHER


def test_wrong_password_is_told() -> None:
    rig = Rig()
    rig.begin()
    for _ in range(2):
        rig.answer(rig.server.challenge(rig.request()))
    assert rig.allocation.error == "401: the server does not accept the user name or the password"
    assert "p@ss" not in f"{rig.allocation.report!r}"


def test_other_family_is_taken_where_the_server_has_no_other() -> None:
    rig = Rig()
    rig.begin()
    rig.answer(rig.server.error(rig.request(), 440))
    request = rig.request()
    assert request.value(Attribute.REQUESTED_ADDRESS_FAMILY) == b"\x02\0\0\0"
    rig.answer(rig.server.allocated(request, RELAYED6))
    assert [base.is_ipv6 for base in rig.allocation.bases] == [True]


def test_server_that_has_neither_family_is_left_alone() -> None:
    rig = Rig()
    rig.begin()
    for _ in range(2):
        rig.answer(rig.server.error(rig.request(), 440))
    assert (rig.allocation.phase, rig.allocation.error) == (Phase.WAITING, "answered 440 No")


def test_what_an_earlier_life_left_there_is_given_back_first() -> None:
    rig = Rig()
    rig.begin()
    rig.answer(rig.server.challenge(rig.request()))
    rig.answer(rig.server.error(rig.request(), 437))
    request = rig.request()
    assert (request.method, request.number(Attribute.LIFETIME)) == (Method.REFRESH, 0)
    rig.answer(rig.server.refreshed(request, 0))
    rig.answer(rig.server.allocated(rig.request(Method.ALLOCATE)))
    assert rig.allocation.phase is Phase.LIVE


def test_what_stays_in_the_way_is_told() -> None:
    rig = Rig()
    rig.begin()
    for _ in range(3):
        rig.answer(rig.server.error(rig.request(), 437))
    assert (rig.allocation.phase, rig.allocation.error) == (Phase.WAITING, "answered 437 No")


# Another server


def test_other_server_is_asked_where_the_first_one_says_so() -> None:
    rig = Rig()
    rig.begin()
    redirect(rig, OTHER)
    assert rig.allocation.server == OTHER
    rig.answer(rig.server.allocated(rig.request()))
    assert rig.allocation.phase is Phase.LIVE
    assert rig.sent[-1].destination == OTHER


def test_late_answer_of_the_first_server_is_unknown() -> None:
    rig = Rig()
    rig.begin()
    first = rig.request()
    redirect(rig, OTHER)
    assert not rig.answer(rig.server.allocated(first), SERVER)


def test_servers_that_send_to_each_other_end_it() -> None:
    rig = Rig()
    rig.begin()
    redirect(rig, OTHER)
    redirect(rig, SERVER)
    assert rig.allocation.error == "answered 300 again and again"


def test_servers_that_send_on_for_ever_end_it() -> None:
    rig = Rig()
    rig.begin()
    count = 0
    while rig.allocation.phase is Phase.ASKING:
        count += 1
        redirect(rig, ("203.0.113.6", count))
    assert count == MAX_REDIRECTS + 1


@pytest.mark.parametrize(
    "address", [None, ("127.0.0.1", 3478), ("2001:db8::5", 3478), ("224.0.0.1", 1), ("203.0.113.5", 0)]
)
def test_redirection_to_nowhere_ends_it(address: Address | None) -> None:
    rig = Rig()
    rig.begin()
    redirect(rig, address)
    assert rig.allocation.error == "answered 300 without an address that can be asked from here"


def test_loopback_may_send_to_loopback() -> None:
    rig = Rig(("127.0.0.1", 3478), base=Base("127.0.0.1", 4000))
    rig.begin()
    redirect(rig, ("127.0.0.1", 3479))
    assert rig.allocation.server == ("127.0.0.1", 3479)


# Keeping


def test_it_is_refreshed_within_the_time_that_nats_keep_mappings() -> None:
    rig = live()
    due = rig.allocation.deadline
    assert due is not None
    assert 18.0 <= due <= 20.0
    rig.pass_time(due)
    assert rig.request().method is Method.REFRESH
    assert rig.request().number(Attribute.LIFETIME) is None


def test_short_allocation_is_refreshed_after_half_of_its_time() -> None:
    assert live(lifetime=20).allocation.deadline == 10.0


@pytest.mark.parametrize("lifetime", [0, 1, 4])
def test_server_that_gives_hardly_any_time_gets_no_more_requests_for_it(lifetime: int) -> None:
    assert live(lifetime=lifetime).allocation.deadline == 5.0


def test_refreshed_allocation_lives_on() -> None:
    rig = live(lifetime=60)
    for _ in range(10):
        rig.pass_time(rig.allocation.deadline or 0.0)
        rig.answer(rig.server.refreshed(rig.request(Method.REFRESH), 60))
    assert rig.now > 120.0
    assert rig.allocation.phase is Phase.LIVE


def test_it_is_not_refreshed_where_nobody_needs_it() -> None:
    rig = live()
    rig.allocation.needed(False)
    assert rig.allocation.deadline is None


def test_allocation_that_ended_meanwhile_is_lost_when_it_is_needed_again() -> None:
    rig = live()
    rig.allocation.needed(False)
    rig.now = 700.0
    rig.allocation.needed(True)
    rig.allocation.tick(700.0)
    assert (rig.allocation.bases, rig.allocation.error) == ((), "it has expired")
    assert rig.request().method is Method.ALLOCATE


def test_silence_is_borne_until_the_time_is_over() -> None:
    rig = live(lifetime=100)
    rig.pass_time(40.0)
    assert (rig.allocation.phase, rig.allocation.error) == (Phase.LIVE, "no answer")
    assert rig.allocation.bases
    rig.pass_time(110.0)
    assert rig.allocation.bases == ()


def test_server_that_answers_again_is_well_again() -> None:
    rig = live()
    rig.pass_time(40.0)
    rig.answer(rig.server.refreshed(rig.request(Method.REFRESH)))
    assert rig.allocation.error is None


def test_refused_refresh_is_tried_again_while_there_is_time() -> None:
    rig = live()
    rig.pass_time(20.0)
    rig.answer(rig.server.error(rig.request(Method.REFRESH), 403))
    assert (rig.allocation.phase, rig.allocation.error) == (Phase.LIVE, "answered 403 No")
    assert rig.allocation.deadline == 40.0


@pytest.mark.parametrize("method", [Method.REFRESH, Method.CREATE_PERMISSION])
def test_allocation_that_the_server_has_forgotten_is_asked_for_anew(method: Method) -> None:
    rig = live()
    for now in (20.0, 40.0, 60.0):
        rig.pass_time(now)
        rig.answer(rig.server.refreshed(rig.request(Method.REFRESH)))
    if method is Method.CREATE_PERMISSION:
        rig.allocation.expect(PEER, rig.now)
    else:
        rig.pass_time(80.0)
    rig.answer(rig.server.error(rig.request(method), 437, proved=False))
    assert (rig.allocation.phase, rig.allocation.bases) == (Phase.ASKING, ())
    assert rig.request().method is Method.ALLOCATE


def test_allocation_that_does_not_last_is_not_asked_for_at_once() -> None:
    rig = live()
    rig.allocation.expect(PEER, rig.now)
    rig.answer(rig.server.error(rig.request(), 437))
    assert rig.allocation.phase is Phase.WAITING


def test_doubt_asks_the_server_at_once_but_not_always() -> None:
    rig = live()
    rig.collect()
    rig.now = 2.0
    rig.allocation.doubt(2.0)
    assert rig.requests() == [Method.REFRESH]
    rig.allocation.doubt(2.5)
    rig.allocation.doubt(3.5)
    assert rig.requests() == []


def test_doubt_asks_a_server_again_that_was_silent() -> None:
    rig = Rig()
    rig.begin()
    rig.pass_time(5.0)
    rig.allocation.doubt(5.0)
    assert rig.allocation.phase is Phase.ASKING


def test_doubt_does_not_ask_a_server_again_that_has_refused() -> None:
    rig = Rig()
    rig.begin()
    rig.answer(rig.server.error(rig.request(), 403))
    rig.allocation.doubt(5.0)
    assert rig.allocation.phase is Phase.WAITING


# Giving back


def test_it_is_given_back_by_a_refresh_without_time() -> None:
    rig = live()
    rig.collect()
    rig.allocation.give_back(1.0)
    request = rig.request()
    assert (request.method, request.number(Attribute.LIFETIME)) == (Method.REFRESH, 0)
    assert rig.allocation.phase is Phase.LEAVING
    rig.answer(rig.server.refreshed(request, 0))
    assert (rig.allocation.phase, rig.allocation.deadline) == (Phase.OVER, None)


def test_giving_back_ends_in_silence_too() -> None:
    rig = live()
    rig.allocation.give_back(0.0)
    rig.allocation.give_back(0.0)
    rig.pass_time(5.0)
    assert rig.allocation.phase is Phase.OVER


def test_what_is_granted_after_leaving_is_given_back() -> None:
    rig = Rig()
    rig.begin()
    rig.answer(rig.server.challenge(rig.request()))
    rig.allocation.give_back(0.0)
    rig.answer(rig.server.allocated(rig.request()))
    request = rig.request(Method.REFRESH)
    assert request.number(Attribute.LIFETIME) == 0
    rig.answer(rig.server.refreshed(request, 0))
    assert rig.allocation.phase is Phase.OVER


def test_what_is_refused_after_leaving_is_the_end() -> None:
    rig = Rig()
    rig.begin()
    rig.answer(rig.server.challenge(rig.request()))
    rig.allocation.give_back(0.0)
    rig.answer(rig.server.error(rig.request(), 486))
    assert rig.allocation.phase is Phase.OVER


def test_other_answers_do_not_end_the_leaving() -> None:
    rig = live()
    rig.allocation.expect(PEER, 0.0)
    rig.allocation.give_back(0.0)
    rig.answer(rig.server.success(rig.request(Method.CREATE_PERMISSION)))
    assert rig.allocation.phase is Phase.LEAVING


def test_server_that_never_answered_is_not_waited_for() -> None:
    rig = Rig()
    rig.begin()
    rig.allocation.give_back(0.0)
    assert rig.allocation.phase is Phase.OVER


def test_nothing_is_sent_from_what_is_not_there() -> None:
    rig = Rig()
    rig.allocation.expect(PEER, 0.0)
    rig.allocation.send(PEER, b"x", 0.0)
    assert rig.allocation.wrap(PEER, b"x", 0.0) is None
    assert rig.collect() == []
    assert rig.allocation.deadline is None


def test_user_name_and_password_do_not_print() -> None:
    assert "p@ss" not in f"{Rig().allocation!r} {URL!r} {Server()!r}"
