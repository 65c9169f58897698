"""Who an allocation is asked for as, when there are other credentials for its server, by numbers."""

from dataclasses import replace

from tests.ice.turn.rig import PEER, URL, Rig
from warren.ice.stun import Attribute, Method
from warren.ice.turn.allocation import Phase

BOB = replace(URL, username="bob", password="w0rd")


def user(rig: Rig) -> bytes | None:
    """As whom it asks once the server wants to know."""
    rig.answer(rig.server.challenge(rig.request(Method.ALLOCATE)))
    return rig.request(Method.ALLOCATE).value(Attribute.USERNAME)


def test_being_who_one_was_asks_nothing_again() -> None:
    rig = Rig()
    rig.begin()
    rig.answer(rig.server.error(rig.request(), 403))
    rig.allocation.renew(URL, 1.0)
    assert rig.allocation.phase is Phase.WAITING


def test_who_was_refused_asks_at_once_as_somebody_else() -> None:
    rig = Rig()
    rig.begin()
    rig.answer(rig.server.error(rig.request(), 403))
    rig.allocation.renew(BOB, 1.0)
    assert rig.allocation.phase is Phase.ASKING
    assert user(rig) == b"bob"


def test_what_is_granted_stays_with_who_asked_for_it() -> None:
    rig = Rig()
    rig.live()
    rig.allocation.renew(BOB, 1.0)
    rig.pass_time(20.0)
    assert rig.request(Method.REFRESH).value(Attribute.USERNAME) == b"ann"


def test_what_was_lost_is_asked_for_anew_with_the_newest_credentials() -> None:
    rig = Rig()
    rig.live()
    rig.allocation.renew(BOB, 1.0)
    rig.allocation.expect(PEER, 1.0)
    rig.answer(rig.server.error(rig.request(), 437))
    rig.pass_time(3.0)
    assert user(rig) == b"bob"
