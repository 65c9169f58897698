"""Gate: what a server makes of those who prove to hold a key, and of those who do not."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from warren import wire
from warren.keys import PublicKey
from warren.messages import SubscribeParams
from warren.server.auth import Authenticator, NotProven, Policy
from warren.server.relay import GREETING

__all__ = ["Gate"]


class Gate:
    """An authenticator under a policy.

    Args:
        clock: seconds since 1970.
    """

    def __init__(self, policy: Policy, authenticator: Authenticator, *, clock: Callable[[], float]) -> None:
        self.policy: Final = policy
        self.authenticator: Final = authenticator
        self.clock: Final = clock

    def admit(self, params: SubscribeParams) -> bytes | None:
        """Decide on who wants to subscribe: the session that was proven, or None for one without a proof.

        Raises:
            NotProven: the proof is wrong, or there has to be one.
        """
        if self.policy is Policy.OFF or (params.proof is None and self.policy is Policy.PREFER):
            return None
        return self.authenticator.verify(params.key, params.proof, self.clock())

    @contextmanager
    def subscribed(self, key: PublicKey, session: bytes | None) -> Iterator[bytes]:
        """While this lasts, the token of the subscription is good; gives the first envelope to send."""
        if session is None:
            yield GREETING
            return
        try:
            yield wire.encode_ack(self.authenticator.begin(key, session, self.clock()))
        finally:
            self.authenticator.end(key, session)

    def is_proven(self, token: bytes | None) -> bool:
        """Whether a publisher with this token has proved to hold a key; a token that is not good is none."""
        if token is None or self.policy is Policy.OFF:
            return False
        try:
            self.authenticator.holder(token, self.clock())
        except NotProven:
            return False
        return True
