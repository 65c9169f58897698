"""Bugs in the ICE agent and in gathering."""

from typing import Final

from tests.scenarios.planted.mutant import Mutant

__all__ = ["ICE"]

AGENT: Final = "ice/agent.py"
ATTEMPT: Final = "ice/attempt.py"
CHOICE: Final = "ice/choice.py"
CONSENT: Final = "ice/consent.py"
PROBER: Final = "ice/prober.py"
NOMINATION: Final = "ice/nomination.py"
REST: Final = "ice/rest.py"

ICE: Final = (
    Mutant(
        "early-checks-are-forgotten",
        AGENT,
        "for check in self._early.take(remote.ufrag):",
        "for check in ():  # type: EarlyCheck",
    ),
    Mutant(
        "peers-checks-trigger-nothing",
        ATTEMPT,
        "if not pair.fresh and self._prober.may_trigger(pair, now):",
        "if pair.state is PairState.WAITING and self._prober.may_trigger(pair, now):",
    ),
    Mutant(
        "checks-trigger-checks-for-ever",
        ATTEMPT,
        "if not pair.fresh and self._prober.may_trigger(pair, now):",
        "if True:",
    ),
    Mutant(
        "response-is-not-verified",
        AGENT,
        "if not stun.verify(response, transaction.key):",
        "if not response.attributes:",
    ),
    Mutant(
        "nomination-of-least-value-wins",
        NOMINATION,
        "return -pair.nomination, *pair.key",
        "return pair.nomination, *pair.key",
    ),
    Mutant(
        "controlling-side-nominates-nothing",
        CHOICE,
        "        if self._side.controlling:\n            self._nominate(pair, now)\n        if before is",
        "        if before is",
    ),
    Mutant(
        "better-pair-is-not-taken",
        CHOICE,
        "if best is not None and best is not selected and not self._held:",
        "if best is not None and selected is None and not self._held:",
    ),
    Mutant(
        "consent-is-not-checked",
        CHOICE,
        "        self._checks.forget_old(now)\n        self._prober.check(selected, now)\n",
        "        self._checks.forget_old(now)\n",
    ),
    Mutant("rest-goes-on-beside-the-agent", AGENT, "self._rest, rest.over = None, True", "self._rest = None"),
    Mutant(
        "resting-path-is-not-checked",
        REST,
        "        if self.id:\n",
        '        if True:\n            return b""\n',
    ),
    Mutant("haste-is-patient", CONSENT, "HASTY_WAIT: Final = 0.1", "HASTY_WAIT: Final = 1.0"),
    Mutant(
        "pairs-below-a-dead-one-stay-unasked",
        PROBER,
        "if selected is not None and selected.fresh and pair.priority <= selected.priority:",
        "if selected is not None and pair.priority <= selected.priority:",
    ),
    Mutant(
        "consent-never-ends", CONSENT, "if now >= self._lost_at:", "if now < self._lost_at - self._timeout:"
    ),
    Mutant(
        "silent-address-costs-nothing",
        "ice/budget.py",
        "        if tally.sent >= self._until_selected:\n"
        "            return None\n"
        "        if tally.sent >= self._early:\n"
        "            return max(now, tally.first_at + EARLY)\n"
        "        return now\n",
        "        return now\n",
    ),
    Mutant(
        "silent-address-is-given-up-at-once",
        "ice/budget.py",
        "if tally.sent >= self._until_selected:",
        "if tally.sent >= 1:",
    ),
    Mutant(
        "family-is-not-asked",
        "ice/addresses.py",
        "base.protocol != remote.network.protocol or base.is_ipv6 != remote.network.is_ipv6",
        "base.protocol != remote.network.protocol",
    ),
    Mutant(
        "patience-has-no-end",
        ATTEMPT,
        '            self._give_up("no pair was agreed upon", now)\n            return\n',
        "            self._side.patience_at = None\n",
    ),
    Mutant(
        "patience-counts-from-the-start-of-time",
        ATTEMPT,
        "self._side.patience_at = now + self._side.patience",
        "self._side.patience_at = self._side.patience",
    ),
    Mutant("closed-attempt-goes-on", ATTEMPT, "        self.over = True\n", ""),
    Mutant(
        "mappings-are-not-refreshed",
        "ice/inquiry.py",
        "return self._refresh_at if self._transaction is None and refresh else self._due",
        "return self._due",
    ),
    Mutant(
        "new-mapping-is-not-told",
        "ice/gather.py",
        "if (candidates, complete) != (self._candidates, self._complete):",
        "if complete != self._complete:",
    ),
    Mutant(
        "mapping-is-told-once",
        "ice/inquiry.py",
        "        self.mapped = mapped\n",
        "        self.mapped = self.mapped or mapped\n",
    ),
    Mutant(
        "ended-path-has-the-time-of-a-stalled-one",
        CONSENT,
        "ends_at = now + self._timeout",
        "ends_at = now + self._grace",
    ),
    Mutant(
        "connection-that-ended-stays-a-path",
        ATTEMPT,
        "self._dialer.ended(pair)\n                self._connection_ended(pair, reason, now)\n",
        "pass\n",
    ),
    Mutant(
        "connections-are-tried-again-without-a-pause",
        "ice/dialer.py",
        "pair.dial_at = now + FIRST_WAIT * 2 ** (tries - 1) if tries else now",
        "pair.dial_at = now",
        other=(
            ("ice/dialer.py", "if pair.tries >= MAX_TRIES or not self", "if not self"),
            ("ice/dialer.py", "self._side.dials.spend(pair.destination, now)", "pass"),
        ),
    ),
    Mutant(
        "connection-that-was-lost-is-not-opened-again",
        PROBER,
        "        at = self._dialer.again_at(pair, now)\n        if at is None or",
        "        at = self._dialer.again_at(pair, now)\n        if pair.sent or",
    ),
)
