"""Bugs in the generation rules, in speech, in succession and roster, and in the limits."""

from typing import Final

from tests.scenarios.planted.mutant import Mutant

__all__ = ["SESSION"]

RULES: Final = "session/rules.py"
SPEECH: Final = "session/speech.py"
MACHINE: Final = "session/machine.py"
GENERATION: Final = "session/generation.py"
SUCCESSION: Final = "session/succession.py"
ROSTER: Final = "session/roster.py"
LIMITS: Final = "session/limits.py"
FLOW: Final = "session/flow.py"

SESSION: Final = (
    # Rule 2.
    Mutant(
        "2a-offer-never-binds",
        RULES,
        "t == self.open and (self.wanted or f != self.partner):",
        "t == self.open and self.wanted:",
    ),
    Mutant(
        "2a-answer-to-the-bound-one-binds-too",
        RULES,
        "if self.open and t == self.open and (self.wanted or f != self.partner):",
        "if self.open and t in (self.open, self.bound) and (self.wanted or f != self.partner):",
    ),
    Mutant(
        "2b-hello-binds",
        RULES,
        "            self.heard = f\n            return Verdict.HEARD\n",
        "            self.bind(f)\n            return Verdict.BIND\n",
    ),
    Mutant(
        "2c-news-is-not-taken",
        RULES,
        "return Verdict.NEWS if t == self.bound else Verdict.REPEAT",
        "return Verdict.REPEAT",
    ),
    Mutant(
        "2d-each-stranger-gets-a-new-offer",
        RULES,
        "        if not self.open:\n            self._open(drawn, wanted=False)\n",
        "        self._open(drawn, wanted=False)\n",
    ),
    Mutant(
        "2d-hello-restarts", RULES, "        if not self.bound:\n", "        if not self.bound or t == 0:\n"
    ),
    Mutant(
        "2d-hello-is-dropped",
        RULES,
        "if t not in (0, self.bound):",
        "if t == 0 and self.bound or t not in (0, self.bound):",
    ),
    Mutant("2e-old-opens-an-offer", RULES, "if t not in (0, self.bound):", "if t < 0:"),
    # Rule 3 and 4.
    # Rules 5 and 6.
    Mutant(
        "5-check-never-binds",
        RULES,
        "        if f and f == self.heard:\n            self.bind(f)\n            return Check.BIND\n",
        "",
    ),
    Mutant(
        "6-older-goes-when-the-next-is-bound",
        ROSTER,
        "if before.was_connected or (self.older is None and before.agent.valid):",
        "if before.agent.valid and before.state not in LIVE:",
    ),
    Mutant(
        "6-older-retires-when-the-next-is-bound",
        SUCCESSION,
        "        self.connect(generation, reason, now)\n        self._speech.wait_anew(now)\n",
        "        self.connect(generation, reason, now)\n        self._roster.retire_older(now)\n"
        "        self._speech.wait_anew(now)\n",
    ),
    # Speech.
    Mutant(
        "timer-runs-once",
        SPEECH,
        "        self._publish(generation, said[1], now, wants_answer=True)\n"
        "        self._say_at = now + next(self._delays)\n",
        "        self._publish(generation, said[1], now, wants_answer=True)\n        self._say_at = None\n",
    ),
    Mutant("revision-stays", GENERATION, "            self.revision += 1\n", ""),
    Mutant(
        "newest-revision-is-not-taken",
        GENERATION,
        "elif heard.revision > known.revision:",
        "elif heard.revision < known.revision:",
    ),
    Mutant(
        "live-subscription-moves-nobody",
        MACHINE,
        "if self._is_open and (self._rules.wanted or not self._rules.connected):",
        "if self._is_open and self._rules.wanted and self._rules.connected:",
    ),
    # Succession and roster.
    Mutant("agent-is-not-closed", ROSTER, "        generation.agent.close(now)\n", ""),
    Mutant(
        "sources-are-not-forgotten",
        ROSTER,
        "        self.forget_sources(generation)\n        generation.retire_at, ",
        "        generation.retire_at, ",
    ),
    Mutant("ufrag-leaks", ROSTER, "            self._chronicle.put(UfragRemoved(ufrag))\n", ""),
    Mutant(
        "restart-closes-what-carries",
        SUCCESSION,
        "        if roster.open is not None:\n"
        '            roster.close(roster.open, f"replaced: {reason}", now)\n',
        "        for one in (roster.open, roster.bound):\n            if one is not None:\n"
        '                roster.close(one, f"replaced: {reason}", now)\n',
    ),
    Mutant(
        "failure-is-final",
        SUCCESSION,
        '        self._begin_later(now + next(self._failures), "trying again")\n',
        "",
    ),
    Mutant(
        "failed-generation-stays-bound",
        SUCCESSION,
        "        self._rules.clear()\n        roster.release(generation, now)\n",
        "        roster.release(generation, now)\n",
    ),
    Mutant(
        "lost-consent-waits-for-the-peer",
        SUCCESSION,
        "        if generation is self._roster.bound and not self._rules.wanted:\n"
        "            self.begin(reason, now)\n",
        "",
    ),
    # Limits.
    Mutant(
        "no-answer-in-reserve",
        LIMITS,
        "if buckets[0].take(now) or (binds and buckets[1].take(now)):",
        "if buckets[0].take(now):",
    ),
    Mutant(
        "silence-is-not-noticed",
        FLOW,
        "            self.due = now + PAUSE\n            return self._questions.take(now)\n",
        "            self.due = now + PAUSE\n",
    ),
)
