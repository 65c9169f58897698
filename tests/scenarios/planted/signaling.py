"""Bugs in the seal, the inbox, and in staying subscribed."""

from typing import Final

from tests.scenarios.planted.mutant import Mutant

__all__ = ["SIGNALING"]

ENVELOPE: Final = "envelope.py"
INBOX: Final = "signaling/inbox.py"
SUBSCRIPTION: Final = "signaling/subscription.py"
BACKEND: Final = "signaling/backend.py"

SIGNALING: Final = (
    Mutant(
        "direction-is-not-checked",
        ENVELOPE,
        "if session is not None and (session.sender != envelope.sender or session.recipient != ours):",
        "if session is not None and session.sender == session.recipient:",
    ),
    Mutant(
        "own-words-are-not-remembered",
        BACKEND,
        "            own.inbox.sent(envelope)\n",
        "            pass\n",
    ),
    Mutant(
        "repeats-are-taken",
        INBOX,
        "if peer is not None and envelope.nonce in peer:",
        "if peer is not None and not envelope.nonce:",
    ),
    Mutant(
        "bad-seal-raises",
        ENVELOPE,
        "        except (CryptoError, ValueError):\n"
        '            raise EnvelopeError("seal") from None\n'
        "        try:",
        '        except ValueError:\n            raise EnvelopeError("seal") from None\n        try:',
    ),
    Mutant(
        "recipient-is-not-checked",
        INBOX,
        "if envelope.recipient != self.ours:",
        "if not envelope.recipient:",
        ((ENVELOPE, "if envelope.recipient != ours:", "if not ours:"),),
    ),
    Mutant(
        "ended-subscription-is-not-entered-again",
        SUBSCRIPTION,
        "                self._lost(reason)\n",
        "                self._lost(reason)\n                return\n",
    ),
    Mutant(
        "deaf-subscription-stays",
        SUBSCRIPTION,
        "                limit.reschedule(loop.time())\n                return\n",
        "                return\n",
    ),
    Mutant(
        "quiet-subscription-is-not-probed",
        SUBSCRIPTION,
        "            if wait > 0:\n                await asyncio.sleep(wait)\n",
        "            if wait > 0 or not self._heard.is_set():\n"
        "                await asyncio.sleep(max(wait, self._timing.quiet))\n",
    ),
    Mutant(
        "gap-is-ignored",
        SUBSCRIPTION,
        "            self._gap()\n        elif",
        "            pass\n        elif",
    ),
    Mutant(
        "subscription-tells-nobody-that-it-lives",
        SUBSCRIPTION,
        '        self._changed(True, "subscribed")\n',
        "",
    ),
)
