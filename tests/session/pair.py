"""Two machines linked by signaling and a network, by numbers."""

import heapq
from collections.abc import Callable

from tests.session.side import ALICE, BOB, A, B, Side
from warren.ice.transport import Transmit
from warren.messages import Message
from warren.session.config import Config

S, D = 0.050, 0.020
"""One way through signaling, one way between the peers."""


class World:
    """Carries messages and datagrams between sides with delays; what `lose` names is lost."""

    def __init__(self, *sides: Side, now: float = 0.0, s: float = S, d: float = D) -> None:
        self.sides = sides
        self.now = now
        self.s, self.d = s, d
        self.lose: Callable[[Side, Message | bytes], bool] = lambda sender, what: False
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        self._sequence = 0
        self._published = [len(side.published) for side in sides]
        self._sent = [len(side.sent) for side in sides]

    def at(self, when: float, action: Callable[[], object]) -> None:
        """Do something at a time."""
        self._sequence += 1
        heapq.heappush(self._events, (when, self._sequence, action))

    def run(self, until: float) -> "World":
        """Let time pass."""
        self._carry()
        while True:
            deadlines = [side.machine.deadline for side in self.sides]
            timer = min((at for at in deadlines if at is not None), default=float("inf"))
            event = self._events[0][0] if self._events else float("inf")
            when = max(min(timer, event), self.now)
            if when > until:
                self._set(until)
                return self
            self._set(when)
            if event <= when:
                heapq.heappop(self._events)[2]()
            for side in self.sides:
                due = side.machine.deadline
                if due is not None and due <= when:
                    side.machine.tick(when)
                side.drained()
            self._carry()

    def _set(self, now: float) -> None:
        self.now = now
        for side in self.sides:
            side.now = now

    def _carry(self) -> None:
        for index, side in enumerate(self.sides):
            others = [other for other in self.sides if other is not side]
            for said in side.published[self._published[index] :]:
                if not self.lose(side, said.message):
                    for other in others:
                        self.at(self.now + self.s, _hearing(other, said.message))
            for _, transmit in side.sent[self._sent[index] :]:
                if not self.lose(side, transmit.data):
                    for other in others:
                        self.at(self.now + self.d, _receiving(other, transmit))
            self._published[index], self._sent[index] = len(side.published), len(side.sent)


def _hearing(side: Side, message: Message) -> Callable[[], object]:
    return lambda: side.hears(message)


def _receiving(side: Side, transmit: Transmit) -> Callable[[], object]:
    def receive() -> None:
        for base in side.bases:
            if (base.address, base.port) == transmit.destination:
                side.receives(transmit.data, (transmit.base.address, transmit.base.port), base)

    return receive


def both(*, seed: int = 1, config: Config | None = None) -> tuple[Side, Side]:
    """Alice and Bob, each with one address that the other can reach."""
    return Side(ALICE, BOB, A, seed=seed, config=config), Side(BOB, ALICE, B, seed=seed, config=config)
