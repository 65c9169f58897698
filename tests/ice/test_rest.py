"""A path on which nothing happens but that both sides keep consent."""

import random
from collections.abc import Sequence

import pytest

from tests.ice.parts import BASE, OURS, THEIRS, Nobody, form
from warren.ice import stun
from warren.ice.checklist import Checklist
from warren.ice.consent import Consent
from warren.ice.rest import Rest
from warren.ice.transaction import Transactions
from warren.ice.transport import Address

LOCAL, REMOTE = stun.prepare_key(OURS.pwd), stun.prepare_key(THEIRS.pwd)
DICE = random.Random(5)
US: Address = (BASE.address, BASE.port)
RTT = 0.02


def ours(*, nominates: bool = False) -> bytes:
    said = stun.check_attributes(
        username=f"{THEIRS.ufrag}:{OURS.ufrag}",
        priority=1,
        controlling=True,
        tie_breaker=1,
        use_candidate=nominates,
    )
    return stun.binding_request(DICE.randbytes(12), said, REMOTE)


def theirs(*, priority: int = 2, key: stun.Key = LOCAL) -> bytes:
    said = stun.check_attributes(
        username=f"{OURS.ufrag}:{THEIRS.ufrag}", priority=priority, controlling=False, tie_breaker=2
    )
    return stun.binding_request(DICE.randbytes(12), said, key)


def answer(request: bytes, *, seen: Address = US, key: stun.Key = REMOTE) -> bytes:
    return stun.success(stun.parse(request), seen, key)


class Path:
    """A path at rest since 0, at which the peer's last check came too."""

    def __init__(self, *, hasty_within: float = 0.0) -> None:
        self.woken = 0
        self.pair = form(Checklist(controlling=True))
        consent = Consent(dice=random.Random(1), timeout=5.0)
        consent.rest(0.0)
        check = ours()
        self.rest = Rest(
            owner=Nobody(),
            pair=self.pair,
            consent=consent,
            transactions=Transactions(random.Random(2)),
            local=LOCAL,
            remote=REMOTE,
            check=stun.parse(check),
            answered=stun.parse(answer(check)),
            asked=stun.parse(theirs()),
            heard_at=0.0,
            hasty_within=hasty_within,
            wake=self._wake,
        )

    def _wake(self) -> None:
        self.woken += 1

    def asks(self) -> tuple[float, bytes]:
        """Let the next check be due: when, and what it is."""
        now = self.rest.due
        check = self.rest.tick(now)
        assert check is not None
        return now, check

    def hears(self, data: bytes, now: float) -> Sequence[bytes] | None:
        return self.rest.datagram_received(data, now)


def test_a_check_is_due_four_to_six_seconds_after_the_last_answer() -> None:
    assert 4.0 <= Path().rest.due <= 6.0


def test_the_check_says_what_the_one_before_said() -> None:
    _, check = Path().asks()
    parsed = stun.parse(check)
    assert stun.verify(parsed, REMOTE)
    assert parsed.content == stun.parse(ours()).content


def test_each_check_has_an_id_of_its_own() -> None:
    path = Path()
    now, first = path.asks()
    path.hears(answer(first), now + RTT)
    _, second = path.asks()
    assert first[8:20] != second[8:20]


def test_the_answer_renews_consent_and_tells_the_round_trip() -> None:
    path = Path()
    now, check = path.asks()
    assert path.hears(answer(check), now + RTT) == ()
    assert now + RTT + 4.0 <= path.rest.due <= now + RTT + 6.0
    assert path.pair.rtt == pytest.approx(RTT)


def test_checks_and_answers_are_counted() -> None:
    path = Path()
    now, check = path.asks()
    path.hears(answer(check), now + RTT)
    assert (path.pair.sent, path.pair.answered) == (1, 1)


def test_a_check_that_is_not_answered_within_a_second_wakes_the_agent() -> None:
    path = Path()
    now, _ = path.asks()
    assert path.rest.due == now + 1.0
    assert path.rest.tick(now + 1.0) is None
    assert path.woken == 1


def test_a_second_answer_to_the_same_check_is_not_taken() -> None:
    path = Path()
    now, check = path.asks()
    path.hears(answer(check), now + RTT)
    due = path.rest.due
    assert path.hears(answer(check), now + 1.0) is None
    assert (path.rest.due, path.woken) == (due, 0)


def test_an_answer_to_an_older_check_is_not_taken() -> None:
    path = Path()
    now, first = path.asks()
    path.hears(answer(first), now + RTT)
    path.asks()
    assert path.hears(answer(first), now + 7.0) is None


def test_an_answer_with_a_wrong_proof_is_not_taken_and_wakes_nobody() -> None:
    path = Path()
    now, check = path.asks()
    assert path.hears(answer(check, key=LOCAL), now + RTT) is None
    assert (path.woken, path.rest.due) == (0, now + 1.0)


def test_an_answer_that_tells_another_address_of_ours_is_for_the_agent() -> None:
    path = Path()
    now, check = path.asks()
    assert path.hears(answer(check, seen=("192.0.2.9", 1)), now + RTT) is None
    assert path.woken == 1


def test_an_error_is_for_the_agent() -> None:
    path = Path()
    now, check = path.asks()
    assert path.hears(stun.error(stun.parse(check), 487, "Role Conflict", REMOTE), now + RTT) is None
    assert path.woken == 1


def test_a_check_of_the_peer_is_answered() -> None:
    check = theirs()
    (reply,) = Path().hears(check, 1.0) or ()
    assert reply == stun.success(stun.parse(check), ("198.51.100.1", 1000), LOCAL)


def test_a_check_that_says_something_else_is_not_taken() -> None:
    assert Path().hears(theirs(priority=3), 1.0) is None


def test_a_check_with_a_wrong_proof_is_not_taken_and_wakes_nobody() -> None:
    path = Path()
    assert path.hears(theirs(key=REMOTE), 1.0) is None
    assert path.woken == 0


@pytest.mark.parametrize("data", [b"", b"data", theirs()[:30], bytes(100)])
def test_other_bytes_are_not_taken(data: bytes) -> None:
    path = Path()
    assert path.hears(data, 1.0) is None
    path.asks()
    assert path.hears(data, 6.0) is None


def test_a_peer_that_asks_again_too_soon_is_for_the_agent() -> None:
    path = Path(hasty_within=0.45)
    assert path.hears(theirs(), 1.0) is not None
    assert path.hears(theirs(), 1.4) is None
    assert path.hears(theirs(), 1.5) is not None


def test_where_asking_again_tells_nothing_it_is_answered() -> None:
    path = Path()
    assert path.hears(theirs(), 1.0) is not None
    assert path.hears(theirs(), 1.1) is not None


def test_a_check_of_ours_goes_with_the_answer_four_seconds_after_the_last() -> None:
    path = Path()
    check, reply = path.hears(theirs(), 4.0) or ()
    assert stun.parse(check).content == stun.parse(ours()).content
    assert stun.parse(reply).cls is stun.Class.SUCCESS
    assert path.hears(answer(check), 4.0 + RTT) == ()


def test_no_check_goes_with_the_answer_while_one_is_under_way() -> None:
    path = Path()
    now, _ = path.asks()
    assert len(path.hears(theirs(), now + RTT) or ()) == 1
