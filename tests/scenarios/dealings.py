"""What must hold of peers that deal with a villain: they say little, and send nothing where none may."""

from collections import deque
from collections.abc import Callable
from typing import Final

from tests.scenarios.villain import NOWHERE
from warren.keys import PublicKey
from warren.messages import Message
from warren.testing.network import Packet

__all__ = ["Dealings"]

ANSWERS_PER_SECOND: Final = 300
"""200 messages at once and 50 a second are heard (security.md); there are answers, and what timers say."""

GENERATIONS_PER_MINUTE: Final = 16
"""3 at once and one in 5 s (security.md)."""


class Dealings:
    """Follows what each peer says and sends; what is wrong is told as (property, words)."""

    def __init__(self, broken: Callable[[str, str], None]) -> None:
        self._broken = broken
        self._said: dict[PublicKey, deque[float]] = {}
        self._generations: dict[PublicKey, dict[int, float]] = {}

    def came_up(self, peer: PublicKey) -> None:
        """A new life of a peer has begun: it does not know how much it has said."""
        self._said[peer], self._generations[peer] = deque(), {}

    def said(self, peer: PublicKey, message: Message, now: float) -> None:
        """A peer speaks to the villain."""
        times, session = self._said[peer], message.session
        times.append(now)
        while times[0] < now - 1.0:
            times.popleft()
        if len(times) > ANSWERS_PER_SECOND:
            self._broken("storm of answers", f"{peer} has said {len(times)} messages within a second")
        # An offer always names whom it is made to.
        if session is not None and not session.peer_session_id:
            begun = self._generations[peer]
            begun.setdefault(session.session_id, now)
            if (lately := sum(at > now - 60.0 for at in begun.values())) > GENERATIONS_PER_MINUTE:
                self._broken("generations", f"{peer} has begun {lately} generations in a minute")

    def packet(self, packet: Packet) -> None:
        """A datagram of a peer has met its fate."""
        if packet.destination[0] in NOWHERE:
            self._broken("sent nowhere", f"{packet.sender} has sent to {packet.destination}")
