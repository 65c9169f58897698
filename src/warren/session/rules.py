"""The rules by which the generations of two peers find each other, as numbers: a test exhausts them.

Generations are their session ids; 0 is none. A message is (f, t): the sender's generation, and the one of
ours that it answers. In the words of the rules: `bound` is x, `partner` is y, `open` is o.
"""

from enum import Enum, auto
from typing import Final

__all__ = ["PLAIN", "Check", "Rules", "Verdict"]

PLAIN: Final = -1
"""The partner that has no id of its own: a peer that does not know field 100."""


class Verdict(Enum):
    """What a message means (rule 2)."""

    BIND = auto()
    """The open generation is bound to f now; answer (a)."""
    HEARD = auto()
    """A wanted generation heard of f; answer, and where nothing is bound check f as a guess (b)."""
    NEWS = auto()
    """The partner speaks to the bound generation: take it if it is new, answer if it asks (c)."""
    REPEAT = auto()
    """The partner's generation does not name ours, so it is a repeat or has not heard: answer (c)."""
    OFFER = auto()
    """Somebody else may be there now: the open generation, an offer, heard of f; answer (d)."""
    CALL = auto()
    """As OFFER, but nothing is bound or open: begin a wanted generation and take the message again."""
    OLD = auto()
    """Drop it (e)."""


class Check(Enum):
    """What a proved check of the peer means (rule 5)."""

    ANSWER = auto()
    """Answer it."""
    BIND = auto()
    """Answer it; the generation that was asked is bound to the asking one now."""
    KEEP = auto()
    """Answer it, and keep where it came from until the credentials of who asks are known."""
    SILENCE = auto()
    """Do nothing."""


class Rules:
    """One side's view: what is bound, what is open, and what of the peer was heard last."""

    __slots__ = ("bound", "connected", "heard", "open", "partner", "shown", "wanted")

    def __init__(self) -> None:
        self.bound = 0
        """Our bound generation, x."""
        self.partner = 0
        """The peer's generation that it is bound to, y."""
        self.open = 0
        """Our open generation, o."""
        self.wanted = False
        """True where the open one is wanted, False where it is an offer."""
        self.heard = 0
        """The peer's generation that the open one answered last."""
        self.connected = False
        """A check of ours on the bound generation was answered (rule 6)."""
        self.shown = False
        """The peer has shown that it knows the newest revision of the bound generation."""

    def begin(self, drawn: int) -> None:
        """Rule 1: open a wanted generation; an unused offer or an older wanted one is forgotten."""
        self._open(drawn, wanted=True)

    def clear(self) -> None:
        """The bound generation has failed: nothing is bound or open."""
        self.bound = self.partner = self.open = self.heard = 0
        self.wanted = self.connected = self.shown = False

    def message(self, f: int, t: int, drawn: int) -> Verdict:
        """Rule 2; `drawn` is a number nobody had before, the offer's if one must be made."""
        if self.open and t == self.open and (self.wanted or f != self.partner):
            self.bind(f)
            return Verdict.BIND
        if self.wanted:
            self.heard = f
            return Verdict.HEARD
        if self.bound and f == self.partner:
            return Verdict.NEWS if t == self.bound else Verdict.REPEAT
        if t not in (0, self.bound):
            return Verdict.OLD
        if not self.bound:
            return Verdict.CALL
        if not self.open:
            self._open(drawn, wanted=False)
        self.heard = f
        return Verdict.OFFER

    def check(self, own: int, f: int) -> Check:
        """Rule 5 for the bound and the open generation; an older one answers its own partner only.

        `f` is 0 where it is not known who asks.
        """
        if own == self.bound:
            return Check.ANSWER if f == self.partner else Check.SILENCE
        if own != self.open:
            return Check.SILENCE
        if f and f == self.heard:
            self.bind(f)
            return Check.BIND
        return Check.KEEP if self.wanted else Check.SILENCE

    def bind(self, f: int) -> None:
        """Bind the open generation to f; only it is ever bound, and it is not open any more (rule 3)."""
        self.bound, self.partner = self.open, f
        self.open, self.wanted, self.heard = 0, False, 0
        self.connected = self.shown = False

    def bind_plain(self) -> None:
        """Bind the open generation to a peer that does not know field 100, and so will show no revision."""
        self.bind(PLAIN)
        self.shown = True

    def says(self) -> tuple[int, int] | None:
        """Rule 4: what is said by timer, (our generation, the peer's), or None where there is nothing."""
        if self.wanted:
            return self.open, 0
        if self.bound and not (self.connected and self.shown):
            return self.bound, self.partner
        return None

    def _open(self, drawn: int, *, wanted: bool) -> None:
        self.open, self.wanted, self.heard = drawn, wanted, 0
