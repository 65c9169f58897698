"""Allocation: an address at a TURN server, asked for by one base, kept fresh, given back (RFC 8656, 6-8)."""

import ipaddress
from collections import Counter
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Final

from warren.backoff import Backoff
from warren.ice import stun
from warren.ice.inquiry import is_mapping
from warren.ice.nat_report import ServerReport
from warren.ice.server_url import TurnUrl
from warren.ice.streams import Streams
from warren.ice.stun import Attribute, Method, Stun
from warren.ice.timing import REFRESH
from warren.ice.transaction import Transaction, Transactions
from warren.ice.transport import Address, Base, CloseStream, Datagram, OpenStream, Transmit
from warren.ice.turn.credentials import LongTerm
from warren.ice.turn.dialogue import NO_ANSWER, Answer, Dialogue
from warren.ice.turn.framing import NotFramed, TurnDeframer
from warren.ice.turn.relay import Relay
from warren.sansio import Dice

__all__ = ["Allocation", "Phase"]

MAX_REDIRECTS: Final = 5
MIN_REFRESH: Final = 5.0
"""A server that gives less than twice this does not get more requests for it."""
DOUBT_GAP: Final = 1.0
"""Thousands of sessions may doubt their paths at the same moment."""
STABLE: Final = 60.0
"""An allocation that was lost sooner is not asked for again at once."""
AFTER_SILENCE: Final = Backoff(first=1.0, factor=2.0, limit=60.0, jitter=0.2)
# RFC 8656, 7.4: after 486 and 508 at least a minute. The others only change if somebody changes the server.
AFTER_REFUSAL: Final = 300.0
AFTER_FULL: Final = 60.0
FULL: Final = (486, 508)

_UDP: Final = (int(Attribute.REQUESTED_TRANSPORT), b"\x11\0\0\0")
_ALSO_IPV6: Final = (int(Attribute.ADDITIONAL_ADDRESS_FAMILY), b"\x02\0\0\0")
_ONLY_IPV6: Final = (int(Attribute.REQUESTED_ADDRESS_FAMILY), b"\x02\0\0\0")
_NO_TIME: Final = (int(Attribute.LIFETIME), bytes(4))


class Phase(Enum):
    """How far an allocation has come."""

    IDLE = "not asked for"
    ASKING = "asked for"
    LIVE = "there"
    WAITING = "to be asked for again later"
    LEAVING = "being given back"
    OVER = "given back"


class Allocation:
    """What one base has at one server; it goes on trying while it is needed. A sans-I/O machine."""

    session = None  # Its transactions are the node's, not a session's.

    def __init__(
        self,
        base: Base,
        url: TurnUrl,
        addresses: Sequence[Address],
        *,
        transactions: Transactions,
        streams: Streams,
        dice: Dice,
        drops: Counter[str],
    ) -> None:
        self.base = base
        self.carrier = base
        """What packets to the server leave from: the base itself, or a stream that begins at its address."""
        self.url = url
        self.phase = Phase.IDLE
        self.relay: Relay | None = None
        """What it passes on while it lives."""
        self.mapped: Address | None = None
        """Where our packets came from, as the server saw it."""
        self.error: str | None = None
        """Why there is none, or why it is not refreshed, in words."""
        self.done_once = False
        """Whether it has become clear once whether there will be one."""
        self._addresses = tuple(addresses)
        self._credentials = LongTerm(url.username, url.password)
        self._renewed = False
        self._transactions = transactions
        self._streams = streams
        self._deframer = TurnDeframer()
        self._dice = dice
        self._drops = drops
        self._needed = True
        self._retries = AFTER_SILENCE.delays(dice)
        self._begun_at = self._checked_at = 0.0
        self._silent = False
        self._refresh_at: float | None = None
        self._expires_at = 0.0
        self._retry_at: float | None = None
        self._outputs: list[Transmit | OpenStream | CloseStream] = []
        self._server = self._addresses[0]
        self._dialogue = self._talk()
        self._start_over()

    def _start_over(self) -> None:
        """Forget what the last round of asking has tried, and who we were where others are known."""
        if self._renewed:
            self._renewed = False
            self._credentials = LongTerm(self.url.username, self.url.password)
        self._left: Iterator[Address] = iter(self._addresses)
        self._tried: set[Address] = set()
        self._cleared = False
        self._family = _ALSO_IPV6

    # What can be read

    @property
    def server(self) -> Address:
        """Which address of the server is asked; another one after a redirection."""
        return self._server

    @property
    def bases(self) -> tuple[Base, ...]:
        """The relayed transport addresses."""
        return () if self.relay is None else self.relay.bases

    @property
    def report(self) -> ServerReport:
        """What there is to tell."""
        return ServerReport(
            server=str(self.url),
            address=self.server,
            base=self.base,
            mapped=self.mapped,
            relayed=tuple((base.address, base.port) for base in self.bases),
            error=self.error,
        )

    # Asking

    def begin(self, now: float) -> None:
        """Ask for it: each of the server's addresses in turn, until one answers."""
        self._start_over()
        self._begun_at = self._checked_at = now
        self._retry_at = None
        self._ask_at(next(self._left), now)

    def _ask_at(self, server: Address, now: float) -> None:
        self.phase = Phase.ASKING
        self._server = server
        self._tried.add(server)
        self._hang_up()
        if self.url.transport == "tcp":
            self.carrier = Base(self.base.address, 0, "tcp", self.base.interface)
            self._deframer = TurnDeframer()
            self._streams.enter(self.carrier, self)
            name = self.url.host if self.url.tls else None
            self._outputs.append(OpenStream(self.carrier, server, name))
        self._dialogue = self._talk()
        if self.url.transport == "udp":
            self._allocate(now)

    def _allocate(self, now: float) -> None:
        self._dialogue.ask(Method.ALLOCATE, (_UDP, self._family), now)

    def _hang_up(self) -> None:
        """Forget what is under way, and close the stream if there is one."""
        self._dialogue.stop()
        if self.carrier is not self.base:
            self._streams.forget(self.carrier)
            self._outputs.append(CloseStream(self.carrier))
            self.carrier = self.base

    def _talk(self) -> Dialogue:
        return Dialogue(
            self.carrier,
            self._server,
            self._credentials,
            owner=self,
            transactions=self._transactions,
            drops=self._drops,
        )

    def _asked(self, answer: Answer, now: float) -> None:
        """An Allocate request is over (RFC 8656, 7.3 and 7.4)."""
        code = answer.code
        if code == 200:
            self._allocated(answer, now)
        elif code == 300:
            self._redirected(answer.response, now)
        elif code == 437 and not self._cleared:
            # An earlier life of ours on this port has left one there. RFC 8656, 7.4 would take another port;
            # ours is shared, and whoever knows the password may give the old one back.
            self._cleared = True
            self._dialogue.ask(Method.REFRESH, (_NO_TIME,), now)
        elif code == 440 and self._family is _ALSO_IPV6:
            self._family = _ONLY_IPV6
            self._allocate(now)
        elif code == NO_ANSWER or code >= 500:
            self._fail_here(answer.words, AFTER_FULL if code in FULL else next(self._retries), now)
        else:
            self._fail(answer.words, AFTER_FULL if code in FULL else AFTER_REFUSAL, now)

    def _allocated(self, answer: Answer, now: float) -> None:
        response = answer.response
        assert response is not None
        relayed = {":" in host: (host, port) for host, port in _usable(response)}
        if not relayed:
            self._fail("answered without a usable address", AFTER_REFUSAL, now)
            return
        self.phase = Phase.LIVE
        self.error, self.done_once = None, True
        mapped = response.mapped_address
        if self.carrier is self.base and mapped is not None and is_mapping(mapped, self.base):
            self.mapped = mapped
        self.relay = Relay(
            list(relayed.values()),
            self._dialogue,
            padded=self.carrier is not self.base,
            random_bytes=self._dice.randbytes,
            drops=self._drops,
        )
        self._granted(response, answer.request.asked_at)

    def _redirected(self, response: Stun | None, now: float) -> None:
        """The server names another (RFC 8489, 10): go there, but not in circles."""
        value = None if response is None else response.value(Attribute.ALTERNATE_SERVER)
        server = None if value is None else stun.read_address(value)
        if server is None or not self._reaches(server):
            self._fail("answered 300 without an address that can be asked from here", AFTER_REFUSAL, now)
        elif server in self._tried or len(self._tried) >= MAX_REDIRECTS + len(self._addresses):
            self._fail("answered 300 again and again", AFTER_REFUSAL, now)
        else:
            self._ask_at(server, now)

    def _reaches(self, server: Address) -> bool:
        host, base = ipaddress.ip_address(server[0]), ipaddress.ip_address(self.base.address)
        return _is_place(server) and (host.version, host.is_loopback) == (base.version, base.is_loopback)

    def _fail_here(self, error: str, wait: float, now: float) -> None:
        """This address of the server is of no use now: the next one may be."""
        following = next((server for server in self._left if server not in self._tried), None)
        if following is not None:
            self._ask_at(following, now)
        else:
            self._fail(error, wait, now)

    def _fail(self, error: str, wait: float, now: float) -> None:
        self._hang_up()
        self.phase = Phase.WAITING
        self.error, self.done_once = error, True
        self._silent = not self._dialogue.heard
        self._retry_at = now + wait

    # Keeping

    def _granted(self, response: Stun, asked_at: float) -> None:
        lifetime = response.number(Attribute.LIFETIME) or 0
        self._expires_at = asked_at + lifetime
        # Much sooner than RFC 8656, 8 asks for: it also keeps the NAT's mapping, and tells of a server that
        # was restarted. Drawn, so that nodes that were started together do not ask together for ever.
        wait = min(REFRESH * self._dice.uniform(0.9, 1.0), lifetime / 2)
        self._refresh_at = asked_at + max(wait, MIN_REFRESH)

    def _refresh(self, now: float) -> None:
        self._refresh_at = None
        self._checked_at = now
        if now >= self._expires_at:
            self._lose(self.error or "it has expired", now)
        else:
            self._dialogue.ask(Method.REFRESH, (), now)

    def _refreshed(self, answer: Answer, now: float) -> None:
        if answer.code == 200 and answer.response is not None:
            self.error = None
            self._granted(answer.response, answer.request.asked_at)
        elif answer.code == 437:
            self._lose("the server has forgotten the allocation", now)
        else:
            # It lives on until its time is over; silence has taken some seconds already.
            self.error = answer.words
            self._refresh_at = now if answer.code == NO_ANSWER else now + REFRESH

    def _lose(self, error: str, now: float) -> None:
        """It is gone; ask for a new one, at once if the old one was no disappointment."""
        self._hang_up()
        self.relay = None
        self._refresh_at = None
        if now - self._begun_at >= STABLE:
            self._retries = AFTER_SILENCE.delays(self._dice)
            self.error = error
            self.begin(now)
        else:
            self._fail(error, next(self._retries), now)

    def doubt(self, now: float) -> None:
        """See now whether the server still has it, or whether it answers by now."""
        if now - self._checked_at < DOUBT_GAP:
            return
        if self.phase is Phase.LIVE and self._refresh_at is not None:
            self._refresh(now)
        elif self.phase is Phase.WAITING and self._silent:
            self.begin(now)

    def renew(self, url: TurnUrl, now: float) -> None:
        """Be somebody else when it is asked for the next time; at once if who we were was refused.

        What there is stays with who asked for it (RFC 8656, 8: another user would get 441).
        """
        if (url.username, url.password) != (self.url.username, self.url.password):
            self.url, self._renewed = url, True
            if self.phase is Phase.WAITING:
                self.begin(now)

    # Ending

    def give_back(self, now: float) -> None:
        """Let the server have the address back (RFC 8656, 8); the phase says when that is done."""
        if self.phase is Phase.LIVE:
            self.phase = Phase.LEAVING
            self._refresh_at = None
            self._dialogue.ask(Method.REFRESH, (_NO_TIME,), now)
        elif self.phase is Phase.ASKING and self._dialogue.heard:
            self.phase = Phase.LEAVING  # The answer is under way, and may be an allocation.
        elif self.phase is not Phase.LEAVING:
            self.stop()

    def stop(self) -> None:
        """Forget everything: the base is gone, or the server was left."""
        self._hang_up()
        self.phase = Phase.OVER
        self.relay = None
        self._refresh_at = self._retry_at = None

    def _left_behind(self, answer: Answer, now: float) -> None:
        """Something was answered after we began to leave."""
        if answer.request.method is Method.ALLOCATE and answer.code == 200:
            self._dialogue.ask(Method.REFRESH, (_NO_TIME,), now)
        elif answer.request.method in (Method.ALLOCATE, Method.REFRESH):
            self.stop()

    # As the owner of a stream to the server

    def stream_opened(self, base: Base, local: Address, now: float) -> None:
        """The server is connected."""
        self._allocate(now)

    def stream_received(self, base: Base, data: bytes, now: float) -> list[Datagram]:
        """Bytes of the server came."""
        try:
            packets = self._deframer.feed(data)
        except NotFramed as error:
            self._drops["turn-not-framed"] += 1
            self._broken(f"the server sent {error}", now)
            return []
        return [Datagram(base, self._server, packet) for packet in packets]

    def stream_closed(self, base: Base, reason: str, now: float) -> None:
        """The server could not be reached, or has closed the connection."""
        self._broken(reason, now)

    def _broken(self, reason: str, now: float) -> None:
        if self.phase is Phase.ASKING:
            self._fail_here(reason, next(self._retries), now)
        elif self.phase is Phase.LIVE:
            self._lose(reason, now)
        else:
            self.stop()

    # Traffic

    def expect(self, peer: Address, now: float) -> None:
        """Packets of this peer may come soon."""
        if self.relay is not None:
            self.relay.expect(peer, now)

    def send(self, peer: Address, data: bytes, now: float) -> None:
        """Send a packet to a peer by way of the server, as soon as the server lets it pass."""
        if self.relay is not None:
            packet = self.relay.wrap(peer, data, now, often=False)
            if packet is not None:
                self._outputs.append(Transmit(self.carrier, self._server, packet))

    def wrap(self, peer: Address, data: bytes, now: float) -> bytes | None:
        """Wrap data for a peer, past the outputs; None where it must wait for a permission, or has none."""
        return None if self.relay is None else self.relay.wrap(peer, data, now, often=True)

    @property
    def busy(self) -> bool:
        """Whether `wrap` has left something in the outputs."""
        return self._dialogue.busy

    # The machine

    @property
    def deadline(self) -> float | None:
        """When `tick` wants to be called."""
        times = [self._dialogue.deadline]
        if self._needed:
            times += [self._refresh_at, self._retry_at]
        return min((at for at in times if at is not None), default=None)

    def needed(self, needed: bool) -> None:
        """Say whether anyone needs it; else it is neither refreshed nor asked for again."""
        self._needed = needed

    def tick(self, now: float) -> None:
        """Repeat, refresh and ask again where it is time."""
        for answer in self._dialogue.tick(now):
            self._answered(answer, now)
        if self._needed and self._refresh_at is not None and self._refresh_at <= now:
            self._refresh(now)
        if self._needed and self._retry_at is not None and self._retry_at <= now:
            self.begin(now)

    def outputs(self) -> list[Transmit | OpenStream | CloseStream]:
        """Hand over what is to be sent, in order."""
        outputs, self._outputs = self._outputs, []
        packets = self._dialogue.packets()
        if self.relay is not None:
            packets += self.relay.ready()
        return [*outputs, *(Transmit(self.carrier, self._server, packet) for packet in packets)]

    def response_received(
        self, transaction: Transaction, response: Stun, source: Address, base: Base, now: float
    ) -> None:
        """Take what the server answers."""
        answer = self._dialogue.take(transaction, response, source, base, now)
        if answer is not None:
            self._answered(answer, now)

    def _answered(self, answer: Answer, now: float) -> None:
        method = answer.request.method
        if self.phase is Phase.LEAVING:
            self._left_behind(answer, now)
        elif method is Method.ALLOCATE:
            self._asked(answer, now)
        elif self.relay is None:
            self._allocate(now)  # What was in the way is given back, or will not be.
        elif method is Method.REFRESH:
            self._refreshed(answer, now)
        elif answer.code == 437:
            self._lose("the server has forgotten the allocation", now)
        else:
            self.relay.answered(answer, now)


def _usable(response: Stun) -> list[Address]:
    return [
        address for address in response.xor_addresses(Attribute.XOR_RELAYED_ADDRESS) if _is_place(address)
    ]


def _is_place(address: Address) -> bool:
    """Whether packets can be sent there at all."""
    host = ipaddress.ip_address(address[0])
    return address[1] != 0 and not (host.is_unspecified or host.is_multicast)
