"""Bugs in what is done for peers that know no field 100."""

from typing import Final

from tests.scenarios.planted.mutant import Mutant

__all__ = ["CUNICU"]

PLAIN: Final = "session/cunicu.py"
SPEECH: Final = "session/speech.py"

CUNICU: Final = (
    Mutant(
        "cunicu-restarts-each-other",
        PLAIN,
        "        elif bound.agent.authenticated:\n",
        "        elif True:\n",
    ),
    Mutant(
        "cunicu-gets-one-candidate",
        SPEECH,
        "            self._chronicle.put(Publish(Message(candidate=candidate)))\n",
        "            pass\n",
    ),
    Mutant(
        "cunicu-timer-never-stops",
        "session/rules.py",
        "        self.bind(PLAIN)\n        self.shown = True\n",
        "        self.bind(PLAIN)\n",
    ),
)
