"""What must hold of sessions: they last, tell the truth, are there in time, and begin anew for a reason."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from tests.scenarios.peers import Peer
from tests.scenarios.plan import Plan, direct, reachable
from warren import Session, State, StateChanged
from warren.keys import PublicKey
from warren.session.state import MOVES
from warren.testing.nat import NatKind

__all__ = ["Sessions"]

LIVE: Final = (State.CONNECTED, State.COMPLETED)

IN_A_MINUTE: Final = 20
"""How many generations a session may begin in a minute: security.md allows 3 at once and one in 5 s."""

CONSENT: Final = 5.5
"""How long a session that has lost the address of its path may look for another way (RFC 7675)."""

DEAD: Final = 16.0
"""How long a path may seem to live when its other end is gone: a check of consent each 6 s, the second miss
2 s later, 5 s of suspicion."""

DEAD_STREAM: Final = 31.5
"""The same for a connection, on which what is lost comes late: 20 s of suspicion."""

RESTARTING: Final = 100.0
"""How long a restart by a user may take to be agreed upon: a peer may be deaf for 70 s."""

AT_ONCE: Final = 0.05
AT_ONCE_AGAIN: Final = 1.1
"""When a session that waits must have spoken since it can be heard; gaps are told once a second at most."""

SLOW: Final = 0.125
SLOW_SYMMETRIC: Final = 0.25
"""What a quiet world may add to 2s + 2d: a round trip to a STUN server; the first check through a symmetric
NAT is lost now and then."""

RELAYING: Final = 4
"""Round trips to a relay before a check may cross it: a connection, two for an allocation, a permission."""

SHARED: Final = 0.5
"""How long the pairs of one villain, 100 at the most, hold up ours in the bucket of all first checks."""


class Sessions:
    """Follows each session; what is wrong is told as (property, words)."""

    def __init__(
        self,
        plan: Plan,
        broken: Callable[[str, str], None],
        excused: Callable[[PublicKey, PublicKey], bool],
    ) -> None:
        self.plan = plan
        self.failures: dict[tuple[PublicKey, PublicKey], tuple[float, str]] = {}
        """When a session failed last, and the reason told."""
        self.restarts: dict[frozenset[PublicKey], float] = {}
        """When a user has restarted a session last."""
        self._broken, self._excused = broken, excused
        self._live: dict[Session, bool] = {}
        self._pathless: dict[Session, float] = {}
        self._spoke: dict[tuple[PublicKey, PublicKey], float] = {}
        self._expected: list[tuple[float, float, Peer, Session]] = []
        self._told: dict[PublicKey, float] = {}
        self._down: dict[PublicKey, float] = {}
        self._begun: dict[Session, deque[float]] = {}
        self._connected: dict[tuple[PublicKey, PublicKey], float] = {}

    def step(self, peers: Sequence[Peer], now: float) -> None:
        """Look at every session."""
        for peer in peers:
            if peer.is_up:
                self._down.pop(peer.public, None)
            else:
                self._down.setdefault(peer.public, now)
        for peer in peers:
            for session in peer.sessions.values():
                self._look(peer, session, now)
        for one in [one for one in self._expected if one[0] <= now]:
            self._expected.remove(one)
            self._speaks(*one[1:])

    def _look(self, peer: Peer, session: Session, now: float) -> None:
        live, path = session.state in LIVE, session.path
        if live is not self._live.get(session):
            if self._live.get(session) and not self._excused(peer.public, session.peer):
                last = session.history[-1]
                self._broken(
                    "live session torn down",
                    f"{peer.name}: {session.state.name} after {last.old.name} ({last.reason})",
                )
            self._live[session] = live
        if (path is not None) is live:
            self._pathless.pop(session, None)
        elif path is not None or now - self._pathless.setdefault(session, now) > CONSENT:
            self._broken("path and state", f"{peer.name}: {session.state.name} with path {path}")
        dead = DEAD if all(one.udp for one in self.plan.peers) else DEAD_STREAM
        if live and now - self._down.get(session.peer, now) > dead and not self._leaps:
            self._broken(
                "dead path", f"{peer.name}: {session.state.name}, but nobody is there for {dead:g} s"
            )

    @property
    def _leaps(self) -> bool:
        return any(trouble.kind == "leap" for trouble in self.plan.troubles)

    def may_hear(self, peer: Peer, now: float) -> None:
        """The peer's subscription is live, or has had a gap: who waits for an answer has to speak at once."""
        told, self._told[peer.public] = self._told.get(peer.public, -AT_ONCE_AGAIN), now
        due = now + (AT_ONCE if now - told > AT_ONCE_AGAIN else AT_ONCE_AGAIN)
        for session in peer.sessions.values():
            if session.state is State.IDLE:
                self._expected.append((due, now, peer, session))

    def spoke(self, sender: PublicKey, recipient: PublicKey, now: float) -> None:
        """One peer has published something for another one."""
        self._spoke[sender, recipient] = now

    def _speaks(self, since: float, peer: Peer, session: Session) -> None:
        waits = session in peer.sessions.values() and session.state is State.IDLE
        if waits and self._spoke.get((peer.public, session.peer), -1.0) < since:
            self._broken("speaks at once", f"{peer.name} can be heard since {since:.3f} s and says nothing")

    def changed(self, peer: Peer, session: Session, event: StateChanged) -> None:
        """A session has told of a new state."""
        ends = (peer.public, session.peer)
        if event.new not in MOVES[event.old]:
            self._broken("table", f"{peer.name}: {event.old.name} -> {event.new.name} is no move")
        if not event.reason:
            self._broken("reasons", f"{peer.name}: {event.new.name} without a reason")
        if event.new is State.FAILED:
            self.failures[ends] = (event.time, event.reason)
        if event.new is State.IDLE:
            self._begins(peer, session, event)
        if event.new is State.CONNECTED and ends not in self._connected:
            self._connected[ends] = event.time
            self._in_time(peer, session, event.time)

    def _begins(self, peer: Peer, session: Session, event: StateChanged) -> None:
        begun = self._begun.setdefault(session, deque())
        begun.append(event.time)
        while begun[0] < event.time - 60.0:
            begun.popleft()
        if len(begun) > IN_A_MINUTE:
            self._broken("generations", f"{peer.name} has begun {len(begun)} generations in a minute")
        restarted = self.restarts.get(frozenset((peer.public, session.peer)), -RESTARTING)
        cause = event.time < restarted + RESTARTING or self._excused(peer.public, session.peer) or self._leaps
        partner = next(one for one in peer.partners if one.public == session.peer)
        back = partner.sessions.get(peer.public)
        agreed = self._live.get(session) and back is not None and self._live.get(back)
        if self.plan.calm_network and agreed and not cause:
            self._broken("agreed pair", f"{peer.name} begins anew ({event.reason}) while all is well")

    def _in_time(self, peer: Peer, session: Session, at: float) -> None:
        """In a quiet world both are connected 2s + 2d after the later one has begun."""
        plan = self.plan
        one = peer.plan
        other = next(partner.plan for partner in peer.partners if partner.public == session.peer)
        others = one.cunicu or other.cunicu or one.listens or other.listens
        if not plan.quiet or others or not (one.udp and other.udp) or not reachable(plan, one, other):
            return
        best = max(one.start, other.start) + 2 * (plan.signaling_delay + one.delay + other.delay)
        slow = SLOW_SYMMETRIC if NatKind.SYMMETRIC in (one.nat, other.nat) else SLOW
        if not direct(one, other):
            slow += RELAYING * 2 * max(one.delay, other.delay)
        if plan.wiles:
            slow += SHARED
        if at > best + slow:
            self._broken("speed", f"{peer.name} is connected {at - best:.3f} s later than it could be")
