"""Many suspect paths in one process: they are asked in turn, and no path is lost later for that."""

from itertools import pairwise

import pytest

from tests.ice.link import HOST, Peer, candidate, host
from warren.ice import stun
from warren.ice.outputs import ConsentLost, Suspected
from warren.ice.timing import PROBE_BURST, PROBE_GAP, Pacer
from warren.ice.transport import Base, Transmit

PEER = "10.1.0.1"


class Crowd:
    """Agents of one process, each connected by so many paths to a peer that falls silent."""

    def __init__(self, count: int, *, paths: int = 1) -> None:
        self.pacer = Pacer()
        self.destinations = [(PEER, 4000 + number) for number in range(paths)]
        # One after the other, since the bucket of first checks is theirs together.
        step = 0.006 * paths
        self.agents = [self._connected(number, (number - count) * step) for number in range(count)]
        self.sent: dict[Peer, list[float]] = {peer: [] for peer in self.agents}
        self.told: dict[Peer, dict[type, float]] = {peer: {} for peer in self.agents}

    def _connected(self, number: int, now: float) -> Peer:
        base = Base(f"10.0.{number // 250}.{number % 250 + 1}", 4000)
        us = Peer(f"A{number}", controlling=True, bases=[base], pacer=self.pacer)
        them = Peer("B", controlling=False, bases=[Base(PEER, 4000)])
        us.agent.add_local(host(base, 0), now)
        us.agent.set_remote(them.credentials, now)
        for destination in self.destinations:
            us.agent.add_remote(candidate(HOST, *destination), now)
        key = stun.prepare_key(them.credentials.pwd)
        while checks := [output for output in us.agent.outputs() if isinstance(output, Transmit)]:
            for check in checks:
                request = stun.parse(check.data)
                response = stun.parse(stun.success(request, (base.address, base.port), key))
                transaction = us.transactions.get(request.transaction_id)
                assert transaction is not None
                us.agent.response_received(transaction, response, check.destination, base, now)
        return us

    def suspect(self, now: float) -> None:
        """All doubt their paths at once."""
        for peer in self.agents:
            peer.agent.suspect("the network has changed", now)
            self._take(peer, now)

    def run(self, until: float) -> None:
        """Let time pass."""
        while True:
            due = [(peer.agent.deadline, peer) for peer in self.agents]
            now = min((at for at, _ in due if at is not None), default=until)
            if now >= until:
                return
            for at, peer in due:
                if at is not None and at <= now:
                    peer.agent.tick(now)
                    self._take(peer, now)

    def _take(self, peer: Peer, now: float) -> None:
        for output in peer.agent.outputs():
            if isinstance(output, Transmit):
                self.sent[peer].append(now)
            elif isinstance(output, Suspected | ConsentLost):
                self.told[peer][type(output)] = now

    def all_sent(self) -> list[float]:
        return sorted(at for sent in self.sent.values() for at in sent)


@pytest.fixture
def crowd() -> Crowd:
    """As many as are asked at once, and a second's worth more."""
    return Crowd(PROBE_BURST + 200)


def test_no_more_paths_are_asked_at_once_than_a_burst(crowd: Crowd) -> None:
    crowd.suspect(1.0)
    assert sum(len(sent) for sent in crowd.sent.values()) == PROBE_BURST


def test_who_has_two_paths_takes_two_places() -> None:
    crowd = Crowd(PROBE_BURST, paths=2)
    crowd.suspect(1.0)
    assert [len(sent) for sent in crowd.sent.values()] == [2] * (PROBE_BURST // 2) + [0] * (PROBE_BURST // 2)


def test_those_who_must_wait_are_asked_in_the_order_in_which_they_came(crowd: Crowd) -> None:
    crowd.suspect(1.0)
    crowd.run(1.2)
    waited = [crowd.sent[peer][0] for peer in crowd.agents[PROBE_BURST:]]
    assert waited == sorted(waited)
    assert [later - earlier for earlier, later in pairwise(waited)] == pytest.approx([PROBE_GAP] * 199)


def test_all_together_ask_no_more_often_than_the_brake_allows(crowd: Crowd) -> None:
    crowd.pacer.book(800, 1.0)  # By others, whose paths are suspect as well.
    crowd.suspect(1.0)
    crowd.run(4.0)
    sent = crowd.all_sent()
    assert all(late - early >= PROBE_GAP * 199 - 1e-6 for early, late in zip(sent, sent[200:], strict=False))


def test_every_path_is_asked_before_it_is_lost(crowd: Crowd) -> None:
    crowd.pacer.book(8000, 1.0)
    crowd.suspect(1.0)
    crowd.run(10.0)
    assert all(crowd.told[peer][ConsentLost] > crowd.sent[peer][0] for peer in crowd.agents)


def test_who_waits_for_longer_than_consent_lasts_loses_it_in_time() -> None:
    crowd = Crowd(1)
    crowd.pacer.book(100_000, 1.0)
    crowd.suspect(1.0)
    crowd.run(60.0)
    (peer,) = crowd.agents
    assert crowd.sent[peer] == []
    assert crowd.told[peer][ConsentLost] == pytest.approx(6.0)


def test_a_hundred_that_are_suspect_together_are_asked_as_one_alone_is() -> None:
    crowd, alone = Crowd(100), Crowd(1)
    for each in (crowd, alone):
        each.suspect(1.0)
        each.run(10.0)
    (wanted,) = alone.sent.values()
    assert all(sent == wanted for sent in crowd.sent.values())


def test_what_is_suspect_because_answers_are_missing_waits_for_its_turn_as_well() -> None:
    crowd = Crowd(1)
    (peer,) = crowd.agents
    crowd.pacer.book(30_000, 0.0)
    crowd.run(60.0)
    assert len(crowd.sent[peer]) == 2
    assert crowd.told[peer][ConsentLost] == pytest.approx(crowd.told[peer][Suspected] + 5.0)
