"""NodeMachine: all of a node that needs no I/O: its sessions, the traffic of their sockets, the gathering."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import assert_never

from warren.ice import stun
from warren.ice.candidate import LocalCandidate
from warren.ice.gather import CandidatesChanged, Gatherer, MappingChanged
from warren.ice.outputs import PeerExpected
from warren.ice.policy import Networks, offered
from warren.ice.server_url import TurnUrl
from warren.ice.streams import Streams
from warren.ice.timing import Pacer
from warren.ice.transaction import Transactions
from warren.ice.transport import Address, Base, CloseStream, OpenStream, Transmit
from warren.ice.turn.allocation import Allocation
from warren.ice.turn.channel import is_channel_data
from warren.ice.turn.relays import RelayClosed, RelayOpened
from warren.keys import PublicKey
from warren.messages import Message
from warren.sansio import Dice, earliest
from warren.session.callers import Callers
from warren.session.config import Config
from warren.session.framed import FramedStreams
from warren.session.machine import SessionMachine
from warren.session.outputs import (
    PathChanged,
    PathRests,
    PathSuspected,
    Publish,
    SessionOutput,
    SourceForgotten,
    SourceLearned,
    StateChanged,
    UfragAdded,
    UfragRemoved,
)
from warren.session.resting import Resting
from warren.session.timers import Timers

__all__ = ["CallReceived", "Left", "NodeMachine", "NodeOutput", "PublishTo", "SessionEvent"]


@dataclass(frozen=True, slots=True)
class PublishTo:
    """Seal the message to this peer and give it to signaling."""

    peer: PublicKey
    message: Message = field(repr=False)


@dataclass(frozen=True, slots=True)
class SessionEvent:
    """Something happened in the session with this peer."""

    session: SessionMachine
    event: StateChanged | PathChanged


@dataclass(frozen=True, slots=True)
class CallReceived:
    """A peer that has no session here calls; its newest message waits for `open` (60 s)."""

    peer: PublicKey


@dataclass(frozen=True, slots=True)
class Left:
    """What was ours at servers has been given back, as far as they answered: the sockets may be closed."""


NodeOutput = (
    Transmit
    | OpenStream
    | CloseStream
    | RelayOpened
    | RelayClosed
    | PublishTo
    | SessionEvent
    | CallReceived
    | MappingChanged
    | Left
)


class NodeMachine:
    """Finds a packet's session, paces first checks, gathers once for all, keeps one heap of timers."""

    def __init__(self, *, ours: PublicKey, dice: Dice, config: Config) -> None:
        self.ours = ours
        self.drops: Counter[str] = Counter()
        """What strangers sent that no session wanted, by reason."""
        self.listening = False
        """Whether peers without a session may wait as callers."""
        self._dice = dice
        self._config = config
        self._excluded = Networks(config.exclude_networks)
        self._outputs: list[NodeOutput] = []
        self._transactions = Transactions(dice)
        self._streams = Streams()
        self._framed = FramedStreams(
            streams=self._streams, drops=self.drops, put=lambda output: self._outputs.append(output)
        )
        self._pacer = Pacer()
        self._gatherer = Gatherer(transactions=self._transactions, streams=self._streams, dice=dice)
        self._relays = self._gatherer.relays
        self._leaving = False
        self._sessions: dict[PublicKey, SessionMachine] = {}
        self._by_ufrag: dict[str, SessionMachine] = {}
        self._by_source: dict[tuple[Base, Address], SessionMachine] = {}
        self._callers = Callers(self.drops)
        self._timers: Timers[SessionMachine] = Timers()
        self._resting = Resting()

    @property
    def gatherer(self) -> Gatherer:
        """What is known of our own addresses and of the servers asked."""
        return self._gatherer

    @property
    def _offered(self) -> tuple[LocalCandidate, ...]:
        return offered(self._gatherer.candidates, self._config.candidates)

    @property
    def streams(self) -> Streams:
        """Who owns which stream."""
        return self._streams

    @property
    def sessions(self) -> dict[PublicKey, SessionMachine]:
        """The open sessions by peer, as a copy."""
        return dict(self._sessions)

    def knows(self, peer: PublicKey) -> bool:
        """True where a session with this peer is open."""
        return peer in self._sessions

    # The network

    def add_base(self, base: Base, now: float) -> None:
        """A local transport is there: its address is offered, and every server is asked about it."""
        self._gatherer.add_base(base, now)
        self._gatherer.needed(True, now)
        self._drain_gatherer(now)

    def remove_base(self, base: Base, now: float) -> None:
        """A local transport is gone: the pairs that used it fail."""
        self._gatherer.remove_base(base, now)
        # First, so that a generation begun in place of a lost one offers what is there still.
        self._drain_gatherer(now)
        self._forget_base(base, now)

    def _forget_base(self, base: Base, now: float) -> None:
        for session in self._sessions.values():
            session.remove_base(base, now)
            self._drain(session, now)

    def expect_bases(self, expected: bool, now: float) -> None:
        """Say whether bases come and go just now: our candidates are not final before that is over."""
        self._gatherer.expect_bases(expected)
        self._drain_gatherer(now)

    def expect_server(self, name: str, now: float) -> None:
        """A STUN server is being resolved: our candidates are not final before it has been asked."""
        self._gatherer.expect_server(name)
        self._drain_gatherer(now)

    def add_server(self, name: str, addresses: Sequence[Address], now: float) -> None:
        """A STUN server, resolved."""
        self._gatherer.add_server(name, addresses, now)
        self._drain_gatherer(now)

    def server_failed(self, name: str, reason: str, now: float) -> None:
        """A STUN server could not be resolved."""
        self._gatherer.server_failed(name, reason)
        self._drain_gatherer(now)

    def expect_relay(self, url: TurnUrl, now: float) -> None:
        """A TURN server is being resolved: our candidates are not final before it has been asked."""
        self._relays.expect(url)
        self._drain_gatherer(now)

    def add_relay(self, url: TurnUrl, addresses: Sequence[Address], now: float) -> None:
        """A TURN server, resolved."""
        self._relays.add(url, addresses, now)
        self._drain_gatherer(now)

    def relay_failed(self, url: TurnUrl, reason: str, now: float) -> None:
        """A TURN server could not be resolved."""
        self._relays.fail(url, reason)
        self._drain_gatherer(now)

    def renew_relay(self, url: TurnUrl, now: float) -> None:
        """There are other credentials for a TURN server that is known."""
        self._relays.renew(url, now)
        self._drain_gatherer(now)

    def leave(self, now: float) -> None:
        """Give back what is ours at servers; `Left` is put out when that is done."""
        self._leaving = True
        self._relays.give_back(now)
        self._drain_gatherer(now)

    def expecting(self, base: Base, source: Address) -> SessionMachine | None:
        """The session whose data is what comes to this base from there and is no STUN."""
        return self._by_source.get((base, source))

    def datagram_received(
        self, base: Base, source: Address, data: bytes, now: float
    ) -> tuple[SessionMachine, bytes] | None:
        """Take a datagram, unwrapped if relayed; returns whose data it is and the data, None for all else."""
        if (answers := self._resting.datagram_received(base, source, data, now)) is not None:
            self._outputs += answers
            return None
        if not stun.is_stun(data):
            session = self._by_source.get((base, source))
            return (session, data) if session is not None else self._stranger(base, source, data, now)
        try:
            packet = stun.parse(data)
        except stun.StunError as error:
            self.drops[f"stun-{error.reason}"] += 1
            return None
        if packet.cls == stun.Class.INDICATION:
            return self._indication_received(packet, base, source, now)
        if packet.cls != stun.Class.REQUEST:
            self._response_received(packet, base, source, now)
        elif packet.method == stun.Method.BINDING:
            self._request_received(packet, base, source, now)
        else:
            self.drops["stun-method"] += 1
        return None

    def _stranger(
        self, base: Base, source: Address, data: bytes, now: float
    ) -> tuple[SessionMachine, bytes] | None:
        """Take data that no session expects: a TURN server's, or nobody's."""
        relay = self._relays.relay_at(base, source)
        if relay is None or not is_channel_data(data):
            self.drops["data-from-stranger"] += 1
            return None
        came = relay.unwrap_channel(data)
        return None if came is None else self.datagram_received(*came, now)

    def _indication_received(
        self, packet: stun.Stun, base: Base, source: Address, now: float
    ) -> tuple[SessionMachine, bytes] | None:
        relay = self._relays.relay_at(base, source) if packet.method == stun.Method.DATA else None
        if relay is None:
            # A keepalive (RFC 8445, 11): nothing to answer, and it proves nothing.
            self.drops["stun-indication"] += 1
            return None
        came = relay.unwrap_indication(packet)
        heard = None if came is None else self.datagram_received(*came, now)
        if came is not None and heard is not None:
            relay.use_channel(came[1], now)
            self._drain_gatherer(now)
        return heard

    def _request_received(self, packet: stun.Stun, base: Base, source: Address, now: float) -> None:
        if not self._config.candidates.uses(base) or source[0] in self._excluded:
            self.drops["stun-excluded"] += 1
            return
        parts = packet.username_parts
        session = self._by_ufrag.get(parts[0]) if parts else None
        if session is None:
            self.drops["stun-unknown-ufrag"] += 1
            return
        session.request_received(packet, base, source, now)
        self._drain(session, now)

    def _response_received(self, packet: stun.Stun, base: Base, source: Address, now: float) -> None:
        transaction = self._transactions.get(packet.transaction_id)
        if transaction is None or transaction.method != packet.method:
            self.drops["stun-unknown-transaction"] += 1
            return
        owner = transaction.owner
        owner.response_received(transaction, packet, source, base, now)
        self._drain_owner(owner, now)

    def stream_accepted(self, listener: Base, source: Address, now: float) -> Base | None:
        """Somebody has connected where we listen; returns the stream's base, or None to refuse it."""
        return self._framed.accepted(listener, source, now)

    def stream_opened(self, base: Base, local: Address, now: float) -> None:
        """A stream that was to be opened is connected; `local` is our end of it."""
        if (owner := self._streams.owner(base)) is not None:
            owner.stream_opened(base, local, now)
            self._drain_owner(owner, now)

    def stream_received(self, base: Base, data: bytes, now: float) -> list[tuple[SessionMachine, bytes]]:
        """Take bytes of a stream; returns the data in them, each with the session whose it is."""
        owner = self._streams.owner(base)
        if owner is None:
            self.drops["stream-closed"] += 1  # Read before it was told to close.
            return []
        heard = []
        for packet in owner.stream_received(base, data, now):
            came = self.datagram_received(packet.base, packet.source, packet.data, now)
            if came is not None:
                heard.append(came)
        self._drain_owner(owner, now)
        return heard

    def stream_closed(self, base: Base, reason: str, now: float) -> None:
        """A stream could not be opened, or has ended, for this reason in words."""
        if (owner := self._streams.owner(base)) is not None:
            self._streams.forget(base)
            owner.stream_closed(base, reason, now)
            self._drain_owner(owner, now)

    def network_changed(self, reason: str, now: float) -> None:
        """Addresses or routes are not what they were, or the machine slept: doubt all that is known."""
        self._gatherer.refresh(now)
        for session in self._sessions.values():
            session.network_changed(reason, now)
            self._drain(session, now)
        self._drain_gatherer(now)

    # Signaling

    def message_received(self, sender: PublicKey, message: Message, now: float) -> None:
        """Take a message that was opened, is directed to us and came from a sender that may call."""
        session = self._sessions.get(sender)
        if session is not None:
            session.message_received(message, now)
            self._drain(session, now)
        elif not self.listening:
            self.drops["message-without-session"] += 1
        elif self._callers.keep(sender, message, now):
            self._outputs.append(CallReceived(sender))

    def subscription_live(self, now: float) -> None:
        """Our subscription is live (again), or has a gap: sessions that are not connected say so at once."""
        for session in self._sessions.values():
            session.subscription_live(now)
            self._drain(session, now)

    # Sessions

    def open(self, peer: PublicKey, now: float) -> SessionMachine:
        """Open the session with this peer; a call of it that waits is fed to it.

        Raises:
            ValueError: the peer's key is our own, or a session with it is open already.
        """
        if peer == self.ours:
            raise ValueError(f"{peer} is our own public key: a session needs the key of another peer")
        if peer in self._sessions:
            raise ValueError(f"a session with {peer} is open already")
        session = SessionMachine(
            ours=self.ours,
            theirs=peer,
            transactions=self._transactions,
            pacer=self._pacer,
            dice=self._dice,
            config=self._config,
            describe_nat=lambda: self._gatherer.summary,
            excluded=self._excluded,
        )
        self._sessions[peer] = session
        session.update_local(self._offered, self._gatherer.complete, now)
        session.open(now)
        if (call := self._callers.take(peer, now)) is not None:
            session.message_received(call, now)
        self._drain(session, now)
        return session

    def close(self, peer: PublicKey, now: float) -> None:
        """Close the session with this peer for good and forget it; unknown peers are ignored."""
        session = self._sessions.get(peer)
        if session is None:
            return
        session.close(now)
        self._drain(session, now)
        del self._sessions[peer]
        self._timers.forget(session)

    def drain(self, session: SessionMachine, now: float) -> None:
        """Take over what an input given to the session directly (such as `restart`) has put out."""
        self._drain(session, now)

    def drain_relay(self, allocation: Allocation) -> None:
        """Take over what data given to a relay directly has put out: requests for what it needs."""
        self._outputs += allocation.outputs()

    # The machine

    @property
    def deadline(self) -> float | None:
        """When `tick` wants to be called; may be early, never late."""
        return earliest(
            self._timers.deadline, self._resting.deadline, self._gatherer.deadline, self._framed.deadline
        )

    def tick(self, now: float) -> None:
        """Run the timers that are due."""
        due = self._gatherer.deadline
        if due is not None and due <= now:
            self._gatherer.tick(now)
            self._drain_gatherer(now)
        self._framed.tick(now)
        checks, awake = self._resting.tick(now)
        self._outputs += checks
        for owner in awake:
            self._drain_owner(owner, now)
        # All that are due are taken out before any runs: one that is due again at once cannot keep us here.
        for session in self._timers.pop_due(now):
            due = session.deadline
            if due is not None and due <= now:
                session.tick(now)
                self._drain(session, now)
            else:
                self._timers.set(session, due)  # What it waited for has come in the meantime.

    def outputs(self) -> list[NodeOutput]:
        """Hand over what is to be done or told, in order."""
        outputs, self._outputs = self._outputs, []
        return outputs

    def _drain_owner(self, owner: object, now: float) -> None:
        session: SessionMachine | None = getattr(owner, "session", None)
        if session is not None:
            self._drain(session, now)
        else:
            self._drain_gatherer(now)

    def _drain_gatherer(self, now: float) -> None:
        changed = False
        for output in self._gatherer.outputs():
            if isinstance(output, CandidatesChanged):
                changed = True
                continue
            self._outputs.append(output)
            if isinstance(output, RelayClosed):
                self._forget_base(output.base, now)
        if self._leaving and self._relays.left:
            self._leaving = False
            self._outputs.append(Left())
        if changed:
            candidates, complete = self._offered, self._gatherer.complete
            for session in self._sessions.values():
                session.update_local(candidates, complete, now)
                self._drain(session, now)

    def _relay(self, base: Base, peer: Address, data: bytes, now: float) -> None:
        """Send a packet from a relayed base: wrapped, and as soon as the server lets it pass."""
        if (allocation := self._relays.of(base)) is not None:
            allocation.send(peer, data, now)
            self._outputs += allocation.outputs()

    def _drain(self, session: SessionMachine, now: float) -> None:
        for output in session.outputs():
            self._perform(session, output, now)
        self._timers.set(session, session.deadline)

    def _perform(self, session: SessionMachine, output: SessionOutput, now: float) -> None:
        match output:
            case Transmit(base, destination, data):
                if base.relayed:
                    self._relay(base, destination, data, now)
                elif base.protocol == "tcp":
                    self._framed.transmit(output)
                else:
                    self._outputs.append(output)
            case OpenStream():
                self._framed.open(session, output)
            case CloseStream(base):
                self._framed.close(base)
            case PeerExpected(base, source):
                if (allocation := self._relays.of(base)) is not None:
                    allocation.expect(source, now)
                    self._outputs += allocation.outputs()
            case Publish(message):
                self._outputs.append(PublishTo(session.peer, message))
            case PathRests(rest):
                self._resting.enter(rest)
            case PathSuspected():
                self._gatherer.refresh(now)
                self._drain_gatherer(now)
            case StateChanged() | PathChanged():
                self._outputs.append(SessionEvent(session, output))
            case SourceLearned(base, source):
                self._by_source[base, source] = session
                self._framed.claim(base, session)
            case SourceForgotten(base, source):
                if self._by_source.get((base, source)) is session:
                    del self._by_source[base, source]
                    self._resting.forget(base, source)
                    self._framed.close(base)
            case UfragAdded(ufrag):
                self._by_ufrag[ufrag] = session
            case UfragRemoved(ufrag):
                self._by_ufrag.pop(ufrag, None)
            case _:
                assert_never(output)
