"""The checklist: every pair of a base of ours and an address of the peer, and which is to be checked next."""

import heapq
from collections.abc import Iterator
from enum import Enum
from typing import Final

from warren.ice.addresses import stands_on
from warren.ice.candidate import TYPE_PREFERENCE, LocalCandidate, pair_priority, peer_reflexive_priority
from warren.ice.stun import Stun
from warren.ice.transport import Address, Base
from warren.messages import Candidate, CandidateType

__all__ = ["MAX_DENSE", "MAX_PAIRS", "Checklist", "Pair", "PairState"]

MAX_PAIRS: Final = 100  # RFC 8445, 6.1.2.5.
MAX_DENSE: Final = 4  # ours: "the few best unanswered pairs" of ice.md.


class PairState(Enum):
    """How far a pair has come (RFC 8445, 6.1.2.6). With one component none is ever Frozen."""

    WAITING = "waiting"
    IN_PROGRESS = "in progress"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class Pair:
    """One way to the peer: a base of ours, an address of the peer, and what came of trying."""

    __slots__ = (
        "answered",
        "asked",
        "base",
        "check_priority",
        "connected",
        "connected_at",
        "destination",
        "dial_at",
        "dialed",
        "due",
        "error",
        "fresh",
        "heard",
        "home",
        "lapses",
        "local",
        "nomination",
        "order",
        "plain_check",
        "priority",
        "proved",
        "remote",
        "rtt",
        "sent",
        "sent_at",
        "state",
        "step",
        "tries",
        "triggered",
        "valid_local",
    )

    def __init__(
        self, local: LocalCandidate, remote: Candidate, destination: Address, priority: int, order: int
    ) -> None:
        self.home = local.base
        """The base that it was formed with: a connection that we are to open leaves from it."""
        self.base = local.base
        """What packets over it leave from: its connection while there is one, else `home`."""
        self.destination = destination
        self.local = local.candidate
        self.remote = remote
        self.priority = priority
        self.check_priority = _check_priority(local)
        self.plain_check: bytes | None = None
        """What a check says that does not nominate it; None where that is to be worked out (again)."""
        self.connected = not (self.is_stream and self.is_ours)
        """Whether packets can be sent over it; a connection that we are to open is to be opened first."""
        self.connected_at = 0.0
        self.dialed: Base | None = None
        """The connection that is being opened, if any: the first, or one to take the place of the present."""
        self.dial_at = 0.0
        """When it may be opened (again)."""
        self.tries = 0
        """How often that was begun since it last worked for a while."""
        self.order = order
        """Which pair of this checklist it is; decides between equal priorities."""
        self.state = PairState.WAITING
        self.step = 0
        """How far its schedule has come."""
        self.due: float | None = None
        """When the schedule wants to see it again."""
        self.sent = 0
        self.sent_at = 0.0
        self.answered = 0
        self.triggered = 0
        """How many checks the peer's checks made us send."""
        self.heard = False
        """Whether a check of the peer came over it."""
        self.asked: Stun | None = None
        """The newest one, as far as it would mean the same again."""
        self.proved = False
        """Whether it was said that the peer is there."""
        self.fresh = False
        """Whether it answered since the last suspicion."""
        self.lapses = 0
        """How often it was left because it had fallen silent."""
        self.nomination = -1
        """The highest value it was nominated with; 0 where nominations carry none, -1 if it never was."""
        self.rtt = 0.0
        self.error: str | None = None
        self.valid_local: Candidate | None = None
        """Which of our addresses the peer saw (RFC 8445, 7.2.5.3.2)."""

    @property
    def is_stream(self) -> bool:
        """Whether it is a TCP connection."""
        return self.base.protocol == "tcp"

    @property
    def is_ours(self) -> bool:
        """Whether it is for us to open it, if it is a connection."""
        return not self.base.port

    def replaces(self, other: "Pair") -> bool:
        """Whether the peer has opened it in place of the other: both came to us from the same candidate."""
        return (
            self.is_stream
            and not (self.is_ours or other.is_ours)
            and self.order > other.order
            and stands_on(self.base, other.base)
            and self.destination[0] == other.destination[0]
            and self.remote.priority == other.remote.priority
        )

    @property
    def worked(self) -> bool:
        """Whether a check over it was ever answered."""
        return self.answered > 0

    @property
    def relayed(self) -> bool:
        """Whether packets over it go by way of a TURN server, as far as is known."""
        remote = self.remote
        return self.base.relayed or remote.type is CandidateType.RELAY or _ranks_as_relayed(remote)

    @property
    def tier(self) -> int:
        """What kind of way it is, the best first: 0 directly, 1 over a connection, 2 by way of a relay."""
        return 2 if self.relayed else 1 if self.is_stream else 0

    @property
    def unanswered(self) -> bool:
        """Whether it may still turn out to work."""
        return self.state is PairState.WAITING or self.state is PairState.IN_PROGRESS

    @property
    def named_local(self) -> Candidate:
        """Our end of it as the peer knows it."""
        return self.valid_local or self.local

    @property
    def key(self) -> tuple[int, int]:
        """Sorts the better pair first, and always the same way."""
        return -self.priority, self.order


class Checklist:
    """All pairs with one remote description: by (base, address), the next to check, the next due."""

    __slots__ = ("_controlling", "_dense", "_due", "_formed", "_pairs", "_pushed", "_waiting", "selected")

    def __init__(self, *, controlling: bool) -> None:
        self._controlling = controlling
        self._pairs: dict[tuple[Base, Address], Pair] = {}
        self._waiting: list[tuple[int, int, Pair]] = []
        self._due: list[tuple[float, int, Pair]] = []
        self._dense: dict[Pair, None] | None = None
        self._formed = 0
        self._pushed = 0
        self.selected: Pair | None = None
        """The pair that both sides use, once there is one."""

    def __len__(self) -> int:
        return len(self._pairs)

    def __iter__(self) -> Iterator[Pair]:
        """In the order in which they were formed."""
        return iter(list(self._pairs.values()))

    def ranked(self) -> list[Pair]:
        """The best first."""
        return sorted(self._pairs.values(), key=_key)

    def get(self, base: Base, source: Address) -> Pair | None:
        """The pair that packets between these two belong to."""
        return self._pairs.get((base, source))

    def form(self, local: LocalCandidate, remote: Candidate, destination: Address) -> Pair | None:
        """Form the pair, or return the one that is there; None where 100 better ones leave no room.

        A reflexive candidate is replaced by its base (RFC 8445, 6.1.2.4), so two candidates on one base make
        one pair, which keeps the better of them.
        """
        priority = self._priority(local.candidate, remote)
        pair = self._pairs.get((local.base, destination))
        if pair is not None:
            if local.candidate.priority > pair.local.priority:
                pair.local = local.candidate
                pair.check_priority = _check_priority(local)
                pair.plain_check = None
                self._reprioritise(pair)
            return pair
        if len(self._pairs) >= MAX_PAIRS and not self._make_room(priority):
            return None
        self._formed += 1
        pair = Pair(local, remote, destination, priority, self._formed)
        self._pairs[local.base, destination] = pair
        heapq.heappush(self._waiting, (-priority, pair.order, pair))
        self._dense = None
        return pair

    def rebase(self, pair: Pair, base: Base) -> None:
        """Let packets of a pair leave from another base; what came over the one before is forgotten."""
        self.remove(pair)
        pair.base = base
        self._pairs[base, pair.destination] = pair
        pair.step = pair.triggered = 0
        pair.heard = pair.proved = pair.fresh = False
        pair.nomination = -1

    def remove(self, pair: Pair) -> None:
        """Take a pair out for good."""
        del self._pairs[pair.base, pair.destination]
        self._dense = None

    def replace_remote(self, remote: Candidate) -> None:
        """Take over what signaling says of a candidate that a check had revealed (RFC 8445, 7.3.1.3)."""
        for pair in self._pairs.values():
            if pair.destination == remote.transport and pair.base.protocol == remote.network.protocol:
                pair.remote = remote
                self._reprioritise(pair)

    def switch_role(self, *, controlling: bool) -> None:
        """Compute every priority anew: they depend on the role (RFC 8445, 7.3.1.1)."""
        self._controlling = controlling
        # Built anew, since what no longer counts in it would stay: a peer may have us switch with each check.
        self._waiting.clear()
        for pair in self._pairs.values():
            pair.nomination, pair.plain_check, pair.asked = -1, None, None
            self._reprioritise(pair)

    def move(self, pair: Pair, state: PairState) -> None:
        """Put a pair into another state; only what is in progress stays on the schedule."""
        if pair.state is state:
            return
        pair.state = state
        if state is not PairState.IN_PROGRESS:
            pair.due = None
        self._dense = None

    def hear(self, pair: Pair) -> None:
        """A check of the peer came over it."""
        if not pair.heard:
            pair.heard = True
            self._dense = None

    def next_waiting(self) -> Pair | None:
        """The best pair that was never checked; it stays until it is moved."""
        while self._waiting:
            priority, _, pair = self._waiting[0]
            if pair.state is PairState.WAITING and pair.priority == -priority and self._holds(pair):
                return pair
            heapq.heappop(self._waiting)
        return None

    def is_dense(self, pair: Pair) -> bool:
        """Whether it is among the few best unanswered pairs, which are checked densely.

        Those over which the peer was heard come first. Then kinds of address take turns: the best pair to a
        private address often leads nowhere, while the one that needs dense checks, between two NATs, ranks
        below all of that kind.
        """
        return pair in self._best()

    def is_wanted(self, pair: Pair) -> bool:
        """Whether its schedule goes on: nothing that answers is selected, or only a worse kind of way."""
        selected = self.selected
        return selected is None or not selected.fresh or pair.tier < selected.tier

    def sharing(self, pair: Pair) -> int:
        """How many densely checked pairs lead to its address, itself included."""
        others = (p for p in self._best() if p is not pair and p.destination == pair.destination)
        return 1 + sum(1 for _ in others)

    def schedule(self, pair: Pair, due: float | None) -> None:
        """Say when the pair wants to be seen again; None for never."""
        pair.due = due
        if due is not None:
            self._pushed += 1
            heapq.heappush(self._due, (due, self._pushed, pair))

    @property
    def deadline(self) -> float | None:
        """When the next pair is due, or earlier."""
        return self._due[0][0] if self._due else None

    def pop_due(self, now: float) -> Pair | None:
        """Take the next pair whose time has come."""
        while self._due and self._due[0][0] <= now:
            due, _, pair = heapq.heappop(self._due)
            if pair.due == due and self._holds(pair):
                pair.due = None
                return pair
        return None

    def _holds(self, pair: Pair) -> bool:
        return self._pairs.get((pair.base, pair.destination)) is pair

    def _priority(self, local: Candidate, remote: Candidate) -> int:
        if self._controlling:
            return pair_priority(local.priority, remote.priority)
        return pair_priority(remote.priority, local.priority)

    def _reprioritise(self, pair: Pair) -> None:
        pair.priority = self._priority(pair.local, pair.remote)
        if pair.state is PairState.WAITING:
            heapq.heappush(self._waiting, (-pair.priority, pair.order, pair))
        self._dense = None

    def _make_room(self, priority: int) -> bool:
        # What has worked or carries the peer's checks is worth more than any priority.
        idle = [pair for pair in self._pairs.values() if not (pair.worked or pair.heard or pair.dialed)]
        worst = max(idle, key=_key, default=None)
        if worst is None or worst.priority >= priority:
            return False
        del self._pairs[worst.base, worst.destination]
        return True

    def _best(self) -> dict[Pair, None]:
        if self._dense is None:
            seen: dict[tuple[int, bool], int] = {}
            turns: list[tuple[bool, int, int, int, Pair]] = []
            for pair in self.ranked():
                # A stream repeats by itself what is lost.
                if pair.unanswered and not pair.is_stream:
                    kind = (pair.remote.type, pair.base.is_ipv6)
                    turn = seen[kind] = seen.get(kind, 0) + 1
                    turns.append((not pair.heard, turn, *pair.key, pair))
            self._dense = {pair: None for *_, pair in sorted(turns)[:MAX_DENSE]}
        return self._dense


def _check_priority(local: LocalCandidate) -> int:
    """What PRIORITY a check says (RFC 8445, 7.1.1), but for relayed bases.

    What a peer learns from their checks before it is told is no peer-reflexive address but a relayed one; as
    a peer-reflexive one it would rank above the direct paths to us that servers have found.
    """
    if local.base.relayed:
        return local.candidate.priority
    return peer_reflexive_priority(local.candidate.priority, stream=local.base.protocol == "tcp")


def _ranks_as_relayed(remote: Candidate) -> bool:
    """Whether an address that a check has revealed is a relayed one, by the priority that the check told."""
    revealed = remote.type is CandidateType.PEER_REFLEXIVE
    return revealed and remote.priority >> 24 == TYPE_PREFERENCE[CandidateType.RELAY]


def _key(pair: Pair) -> tuple[int, int]:
    return pair.key
