"""A session with a peer that does not know field 100, at the stages at which tests begin."""

from tests.ice.link import HOST, candidate, host, srflx
from tests.session.partner import Partner
from tests.session.side import A, Side
from warren.ice.candidate import LocalCandidate
from warren.messages import Message
from warren.session.state import State

THEIR_ADDRESS = ("198.51.100.9", 4000)


def cunicu(number: int = 7) -> Partner:
    return Partner(number, address=THEIR_ADDRESS)


def local(count: int) -> list[LocalCandidate]:
    return [host(A), *(srflx(A, ("203.0.113.9", port)) for port in range(1, count))]


def bound(side: Side | None = None) -> tuple[Side, Partner]:
    """Alice has the peer's credentials and a candidate."""
    alice, bob = side or Side(), cunicu()
    alice.open()
    alice.hears(bob.tells(candidate=True))
    return alice, bob


def live() -> tuple[Side, Partner]:
    alice, bob = bound()
    bob.answers(alice)
    assert alice.state() is State.CONNECTED
    return alice, bob


def only(port: int) -> Message:
    return Message(candidate=candidate(HOST, THEIR_ADDRESS[0], port))


def keep_alive(side: Side, partner: Partner, until: float) -> None:
    """Let time pass while the peer answers checks."""
    while side.now < until:
        side.run(min(side.now + 0.25, until))
        partner.answers(side)
