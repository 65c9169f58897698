"""Those who want to do harm: a signaling server that may do anything, and a host that forges packets."""

import asyncio
from typing import Final

from warren.envelope import Envelope, EnvelopeError
from warren.ice import stun
from warren.ice.transport import Address
from warren.keys import PrivateKey, PublicKey
from warren.sansio import Dice
from warren.testing.host import SimHost
from warren.testing.network import Packet, SimNetwork
from warren.testing.signaling import SimServer

__all__ = ["TRICKS", "Attacker", "HostileServer"]

TRICKS: Final = ("replay", "reflect", "reroute", "drop", "flip", "delay", "hold", "forge", "alias")
"""What a hostile server can do; a seed draws some of them."""

REMEMBERED: Final = 400
REPLAYS: Final = 300


class HostileServer(SimServer):
    """Repeats, reflects, misdirects, drops, damages and delays envelopes, each as the seed draws it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, dice: Dice, tricks: tuple[str, ...]) -> None:
        super().__init__(loop, dice)
        self.tricks = tricks
        self._seen: list[bytes] = []
        self._relented = False
        self._replayed = 0
        self._forger = PrivateKey(dice.randbytes(32))
        self._timer: asyncio.TimerHandle | None = None
        if "replay" in tricks:
            self._timer = loop.call_later(1.0, self._replay)

    def relent(self) -> None:
        """From now on every envelope gets through, in time; what should do no harm goes on."""
        self._relented = True

    def stop(self) -> None:
        """Do nothing on its own account any more."""
        if self._timer is not None:
            self._timer.cancel()
        self.tricks = ()

    def route(self, data: bytes) -> int:
        """Pass an envelope on, or not, or something else."""
        self._seen.append(data)
        del self._seen[:-REMEMBERED]
        envelope = Envelope.parse(data)
        for trick in self.tricks:
            if self.dice.random() < 0.3:
                self._play(trick, envelope, data)
        if not self._relented:
            if "drop" in self.tricks and self.dice.random() < 0.3:
                return 0
            if "flip" in self.tricks and self.dice.random() < 0.2:
                return 0  # Only the damaged copy arrives.
            if "delay" in self.tricks and self.dice.random() < 0.4:
                self.loop.call_later(self.dice.uniform(0.0, 30.0), self.deliver, envelope.recipient.raw, data)
                return 1
            if "hold" in self.tricks and self.dice.random() < 0.2:
                return 1  # Delayed for ever; as a replay it may still come.
        return super().route(data)

    def _play(self, trick: str, envelope: Envelope, data: bytes) -> None:
        sender, recipient = envelope.sender, envelope.recipient
        if trick == "reflect":
            # The seal opens on both sides alike, so with the names swapped it opens at its sender.
            swapped = Envelope(recipient, sender, envelope.body, envelope.nonce)
            self.deliver(sender.raw, swapped.serialize())
            self.deliver(sender.raw, data)
        elif trick == "reroute":
            for key in list(self.subscriptions):
                if key not in (sender.raw, recipient.raw):
                    self.deliver(key, data)
                    other = Envelope(sender, PublicKey(key), envelope.body, envelope.nonce)
                    self.deliver(key, other.serialize())
        elif trick == "flip":
            at = int(self.dice.random() * len(data))
            damaged = data[:at] + bytes([data[at] ^ 1 << int(self.dice.random() * 8)]) + data[at + 1 :]
            self.deliver(recipient.raw, damaged)
        elif trick == "forge":
            nonce = self.dice.randbytes(24)
            self.deliver(recipient.raw, Envelope(sender, recipient, envelope.body, nonce).serialize())
            false = Envelope(self._forger.public, recipient, envelope.body, envelope.nonce)
            self.deliver(recipient.raw, false.serialize())
        elif trick == "alias":
            raw = bytearray(data)
            at = data.find(sender.raw)
            raw[at + 31] |= 0x80
            self.deliver(recipient.raw, bytes(raw))

    def _replay(self) -> None:
        count = 1 + int(self.dice.random() * 5)
        for _ in range(count if self._seen else 0):
            data = self._seen[int(self.dice.random() * len(self._seen))]
            self._replayed += 1
            try:
                envelope = Envelope.parse(data)
            except EnvelopeError:
                continue
            self.deliver(envelope.recipient.raw, data)
            if "reflect" in self.tricks:
                # Its sender may have forgotten by now that these are its own words.
                self._play("reflect", envelope, data)
        if self._replayed < REPLAYS:
            self._timer = self.loop.call_later(self.dice.uniform(0.05, 3.0), self._replay)


WRAPPED: Final = (b"\x00\x16", b"\x00\x17")
"""How Send and Data indications begin (RFC 8656, 11)."""


class Attacker:
    """A host that sees what passes and sends what it likes, with false sources where that cannot succeed.

    What it says from `data_address` is never preceded by anything authentic from there, so no session may
    take it for its peer's.
    """

    def __init__(
        self, network: SimNetwork, host: SimHost, address: str, data_address: str, dice: Dice
    ) -> None:
        self.address = address
        self.data_address = data_address
        self._network, self._host, self._dice = network, host, dice
        self._socket = host.bind(address, 0, lambda data, source: None)
        self._data_socket = host.bind(data_address, 0, lambda data, source: None)
        self._seen: list[Packet] = []
        self._timer: asyncio.TimerHandle | None = network.loop.call_later(0.5, self._act)

    def packet_seen(self, packet: Packet) -> None:
        """Remember a datagram that passed."""
        if packet.fate == "delivered" and packet.sender != self._host.name:
            self._seen.append(packet)
            del self._seen[:-100]

    def stop(self) -> None:
        """Leave the network alone."""
        if self._timer is not None:
            self._timer.cancel()
        self._socket.close()
        self._data_socket.close()

    def _act(self) -> None:
        dice = self._dice
        for _ in range(min(len(self._seen), 3)):
            packet = self._seen[int(dice.random() * len(self._seen))]
            self._harm(packet, int(dice.random() * 6))
        self._timer = self._network.loop.call_later(dice.uniform(0.05, 2.0), self._act)

    def _harm(self, packet: Packet, kind: int) -> None:
        destination, data, dice = packet.destination, packet.data, self._dice
        if kind == 0:
            self._data_socket.send(b"evil data from nowhere", destination)
        elif kind == 1:
            at = int(dice.random() * len(data))
            damaged = data[:at] + bytes([data[at] ^ 1 << int(dice.random() * 8)]) + data[at + 1 :]
            # What TURN wraps is data or not by what is inside, and nobody proves that either.
            if stun.is_stun(data) and stun.is_stun(damaged) and data[:2] not in WRAPPED:
                self._network.forge(self._host, packet.source, destination, damaged)
        elif kind == 2 and stun.is_stun(data):
            # Not data: from an address that a repeated check has proved it would be taken (security.md).
            self._socket.send(data, destination)
        elif kind == 3 and stun.is_stun(data):
            self._network.forge(self._host, packet.source, destination, data)
        elif kind == 4:
            self._false_answer(packet.source, destination, data)
        else:
            self._data_socket.send(dice.randbytes(int(dice.random() * 200)), destination)

    def _false_answer(self, source: Address, destination: Address, data: bytes) -> None:
        """Answer a request in the name of whom it went to, with a wrong proof."""
        try:
            request = stun.parse(data)
        except stun.StunError:
            return
        if request.cls is stun.Class.REQUEST:
            key = stun.prepare_key("not-the-password-of-anybody")
            self._network.forge(self._host, destination, source, stun.success(request, source, key))
            self._network.forge(
                self._host, destination, source, stun.error(request, 487, "Role Conflict", key)
            )
            self._network.forge(self._host, destination, source, stun.error(request, 400, "Bad Request"))
