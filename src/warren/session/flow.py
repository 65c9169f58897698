"""Flow: counts what crosses, and notices within a moment that nothing comes any more while data flows."""

import math
from typing import Final

from warren.session.limits import Bucket

__all__ = ["SILENCE", "Traffic", "Watch"]

SILENCE: Final = 0.2
"""How long nothing may come while data flows until the path is asked whether it still works."""

PAUSE: Final = 0.5
"""How long after such a question the flow is looked at again."""

FLOWS: Final = 2
"""So many datagrams between two looks are a flow, whose end is worth a question: a single one is none."""


class Traffic:
    """The datagrams of a session, counted where they pass; nothing else happens for each of them."""

    __slots__ = ("heard_at", "received", "received_bytes", "resting", "sent", "sent_bytes")

    def __init__(self) -> None:
        self.sent = 0
        self.sent_bytes = 0
        self.received = 0
        self.received_bytes = 0
        self.heard_at = -math.inf
        """When the newest came (seconds on the clock of `now`)."""
        self.resting = True
        """Whether nobody looks: who counts the next datagram says so to the session."""


class Watch:
    """Looks at the traffic while there is any, five times a second at the most; without any it rests.

    Silence is no fault by itself: who receives does not know whether the other end still sends, and who
    sends hears nothing if the other end has nothing to say. So it is a reason to ask, once a second or less.
    """

    __slots__ = ("_flowed", "_questions", "_received", "_sent", "_traffic", "due")

    def __init__(self, traffic: Traffic) -> None:
        self.due: float | None = None
        """When to look; None at rest."""
        self._traffic = traffic
        self._questions = Bucket(1.0, 2)
        self._sent = self._received = 0
        self._flowed = False
        """Whether data flowed at the last look."""

    def begin(self, now: float) -> None:
        """A datagram has come or gone: look from now on."""
        self._traffic.resting = False
        self.due = now + SILENCE

    def rest(self) -> None:
        """Look no more, until somebody begins again."""
        self._traffic.resting = True
        self.due = None

    def look(self, now: float) -> bool:
        """Look; True where the path is to be asked."""
        traffic = self._traffic
        # Two looks can be so close to each other that hardly anything has come in between.
        flowed = self._flowed or traffic.sent > self._sent or traffic.received >= self._received + FLOWS
        self._sent, self._received = traffic.sent, traffic.received
        ceased = now >= traffic.heard_at + SILENCE
        self._flowed = flowed and not ceased
        if not ceased:
            self.due = traffic.heard_at + SILENCE
        elif flowed:
            self.due = now + PAUSE
            return self._questions.take(now)
        else:
            self.rest()
        return False
