"""Dialogue: requests to one TURN server with one user's credentials, each until it is answered for good."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from warren.ice import stun
from warren.ice.stun import Attribute, Class, Key, Method, Sha256Key, Stun
from warren.ice.transaction import Owner, Retransmission, Transaction, Transactions
from warren.ice.transport import Address, Base
from warren.ice.turn.credentials import ChallengeRefused, LongTerm

__all__ = ["NO_ANSWER", "Answer", "Dialogue", "Request"]

MAX_CHALLENGES: Final = 4
"""How often one request may be sent back for other credentials: realm, nonce, and one too old each."""

PATIENCE: Final = 10.0
"""How long a stream, which loses nothing, may take to bring an answer."""

NO_ANSWER: Final = 0
"""The code of silence."""


class Request:
    """One request that is under way, with all its repeats and challenges."""

    __slots__ = (
        "about",
        "asked_at",
        "attributes",
        "challenges",
        "due",
        "key",
        "method",
        "nonce",
        "packet",
        "peer",
        "resend",
        "transaction",
    )

    def __init__(
        self,
        method: Method,
        attributes: Sequence[tuple[int, bytes]],
        now: float,
        about: object,
        peer: Address | None,
    ) -> None:
        self.method = method
        self.attributes = attributes
        self.asked_at = now
        """When it was sent first: what is granted for a time lasts at least from then."""
        self.peer = peer
        """Whom it is about; written into each new transaction, whose id is mixed into IPv6 addresses."""
        self.about = about
        """What the asker wants to remember with it."""
        self.challenges = 0
        self.transaction: Transaction
        self.resend: Retransmission
        self.packet = b""
        self.key: Key | Sha256Key | None = None
        """What it was proved with when it was sent last."""
        self.nonce: bytes | None = None
        self.due = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request."""

    request: Request
    response: Stun | None
    code: int = 200
    """200 for success, NO_ANSWER for silence, else the error's (RFC 8489, 18.3)."""
    words: str = ""
    """What went wrong, for a person."""


class Dialogue:
    """Sends requests, repeats them over UDP, and gives the server the credentials that it asks for."""

    __slots__ = (
        "_base",
        "_credentials",
        "_drops",
        "_owner",
        "_packets",
        "_reliable",
        "_requests",
        "_server",
        "_transactions",
        "heard",
    )

    def __init__(
        self,
        base: Base,
        server: Address,
        credentials: LongTerm,
        *,
        owner: Owner,
        transactions: Transactions,
        drops: Counter[str],
    ) -> None:
        self.heard = False
        """Whether the server has answered anything."""
        self._base = base
        self._server = server
        self._credentials = credentials
        self._owner = owner
        self._transactions = transactions
        self._drops = drops
        self._reliable = base.protocol == "tcp"
        self._requests: dict[Request, None] = {}
        self._packets: list[bytes] = []

    @property
    def deadline(self) -> float | None:
        """When a repeat is due, or a request has waited long enough."""
        return min((request.due for request in self._requests), default=None)

    @property
    def busy(self) -> bool:
        """Whether there is something to be sent to the server."""
        return bool(self._packets)

    def ask(
        self,
        method: Method,
        attributes: Sequence[tuple[int, bytes]],
        now: float,
        about: object = None,
        peer: Address | None = None,
    ) -> Request:
        """Send a request now."""
        request = Request(method, attributes, now, about, peer)
        self._requests[request] = None
        self._send(request, now)
        return request

    def packets(self) -> list[bytes]:
        """Hand over what is to be sent to the server."""
        packets, self._packets = self._packets, []
        return packets

    def tick(self, now: float) -> list[Answer]:
        """Repeat what is due; returns what was not answered in time."""
        silent = []
        for request in [request for request in self._requests if request.due <= now]:
            if now < request.resend.ends_at:
                self._repeat(request, now)
            else:
                self._end(request)
                silent.append(Answer(request, None, NO_ANSWER, "no answer"))
        return silent

    def take(
        self, transaction: Transaction, response: Stun, source: Address, base: Base, now: float
    ) -> Answer | None:
        """Take a response; None where it ends nothing: it was not believed, or the request is sent anew."""
        if source != self._server or base is not self._base:
            self._drops["turn-server-source"] += 1
            return None
        request = transaction.purpose
        assert isinstance(request, Request)
        code, words = (200, "") if response.cls is Class.SUCCESS else response.error or (500, "malformed")
        if not self._believable(request, response, code):
            self._drops["turn-bad-integrity"] += 1
            return None
        self.heard = True
        self._end(request)
        if code not in (401, 438):
            return Answer(request, response, code, f"answered {code} {words}".rstrip() if words else "")
        try:
            self._challenge(request, response, code)
        except ChallengeRefused as refusal:
            return Answer(request, response, code, f"{code}: the server {refusal}")
        self._requests[request] = None
        self._send(request, now)
        return None

    def stop(self) -> None:
        """Forget everything that is under way."""
        for request in list(self._requests):
            self._end(request)
        self._packets.clear()

    def _believable(self, request: Request, response: Stun, code: int) -> bool:
        """Whether the server has said that, as far as can be known (RFC 8489, 9.2.5)."""
        if request.key is None or code in (401, 438):
            return True
        if response.has_integrity:
            return stun.verify(response, request.key)
        # Knowingly otherwise than the RFC: errors without a proof are believed (but for 400, as it says),
        # because common servers prove none, and who knows the transaction id can cut us off anyway.
        return response.cls is Class.ERROR and code != 400

    def _challenge(self, request: Request, response: Stun, code: int) -> None:
        request.challenges += 1
        if request.challenges > MAX_CHALLENGES:
            raise ChallengeRefused("asks for other credentials again and again")
        if code == 401:
            self._credentials.take_challenge(response, key=request.key)
        else:
            self._credentials.take_nonce(response, used=request.nonce)

    def _send(self, request: Request, now: float) -> None:
        credentials = self._credentials
        request.key, request.nonce = credentials.key, credentials.nonce
        transaction = self._transactions.begin(
            self._owner, self._base, self._server, now, request, request.key, request.method
        )
        request.transaction = transaction
        attributes = [*request.attributes, *credentials.attributes()]
        if request.peer is not None:
            written = stun.write_xor_address(request.peer, transaction.id)
            attributes.insert(0, (int(Attribute.XOR_PEER_ADDRESS), written))
        request.packet = stun.build(request.method, Class.REQUEST, transaction.id, attributes, request.key)
        if self._reliable:
            request.resend = Retransmission(now, (0.0,), PATIENCE)
        else:
            # As for STUN servers: sooner than RFC 8489, 6.2.1, and not for 39.5 s, since sessions wait.
            request.resend = Retransmission.doubling(now, rto=0.2, requests=5, last_wait=10.0)
        self._repeat(request, now)

    def _repeat(self, request: Request, now: float) -> None:
        # A driver that comes late sends once for all the times it has missed.
        request.due = next((at for at in request.resend if at > now), request.resend.ends_at)
        self._packets.append(request.packet)

    def _end(self, request: Request) -> None:
        del self._requests[request]
        self._transactions.end(request.transaction)
