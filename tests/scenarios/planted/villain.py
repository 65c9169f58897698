"""Bugs that only a peer can make use of which is allowed and means harm."""

from typing import Final

from tests.scenarios.planted.mutant import Mutant

__all__ = ["VILLAIN"]

ADDRESSES: Final = "ice/addresses.py"

VILLAIN: Final = (
    Mutant(
        "generations-without-limit",
        "session/succession.py",
        "        if allowed_at > now and not forced:\n",
        "        if allowed_at < now and not forced:\n",
    ),
    Mutant(
        "messages-without-limit",
        "session/machine.py",
        "elif not self._messages.take(now):",
        "elif self._messages.take(now) is None:",
        other=(("signaling/inbox.py", "if self._allowance < 1.0:", "if self._allowance < -1e9:"),),
    ),
    Mutant("askers-without-limit", "session/limits.py", "MAX_ASKERS: Final = 64", "MAX_ASKERS: Final = 6400"),
    Mutant(
        "other-credentials-renew-the-budget",
        "ice/attempt.py",
        "        self._side = side\n",
        "        self._side = side\n        side.budget = type(side.budget)()\n",
    ),
    Mutant(
        "candidates-without-limit",
        ADDRESSES,
        "if len(self._by_address) - len(self._reflexive) >= MAX_REMOTE:",
        "if len(self._reflexive) >= MAX_REMOTE:",
    ),
    Mutant(
        "sources-without-limit",
        ADDRESSES,
        "        if len(self._reflexive) >= MAX_REFLEXIVE:\n            return None\n        stream",
        "        stream",
    ),
    Mutant(
        "early-checks-without-limit",
        "ice/early.py",
        "full = len(self._checks) >= MAX_EARLY",
        "full = len(self._checks) < 0",
    ),
    Mutant(
        "each-switch-of-roles-leaves-something",
        "ice/checklist.py",
        "        self._waiting.clear()\n",
        "",
    ),
    Mutant(
        "multicast-is-checked",
        "ice/candidate.py",
        "if address.is_multicast:",
        "if address.is_multicast and loopback:",
    ),
    Mutant(
        "check-without-priority-raises",
        ADDRESSES,
        "        if check_priority is None:\n"
        "            check_priority = priority(CandidateType.PEER_REFLEXIVE, 0, stream=stream)\n",
        "        assert check_priority is not None\n",
    ),
)
