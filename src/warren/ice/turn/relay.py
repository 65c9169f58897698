"""Relay: the packets that one allocation passes on, each wrapped for the server and unwrapped again."""

from collections import Counter
from collections.abc import Iterable, Sequence

from warren.ice import stun
from warren.ice.stun import Attribute, Class, Method, Stun
from warren.ice.transport import Address, Base
from warren.ice.turn.channel import HEAD, Channel, Channels, read_channel_data
from warren.ice.turn.dialogue import NO_ANSWER, Answer, Dialogue
from warren.ice.turn.permission import Permission, Permissions
from warren.sansio import RandomBytes

__all__ = ["Relay"]

_PADDING = (b"", b"\0\0\0", b"\0\0", b"\0")


class Relay:
    """Permissions and channels of an allocation as long as it lives; a new allocation has a new one."""

    __slots__ = (
        "_by_family",
        "_channels",
        "_dialogue",
        "_drops",
        "_padded",
        "_permissions",
        "_random_bytes",
        "_ready",
        "bases",
    )

    def __init__(
        self,
        relayed: Sequence[Address],
        dialogue: Dialogue,
        *,
        padded: bool,
        random_bytes: RandomBytes,
        drops: Counter[str],
    ) -> None:
        self.bases = tuple(Base(host, port, relayed=True) for host, port in relayed)
        """The relayed transport addresses, at most one of each family."""
        self._by_family = {base.is_ipv6: base for base in self.bases}
        self._dialogue = dialogue
        self._padded = padded
        self._random_bytes = random_bytes
        self._drops = drops
        self._permissions = Permissions()
        self._channels = Channels()
        self._ready: list[bytes] = []

    # Outwards

    def expect(self, peer: Address, now: float) -> None:
        """Packets of this peer may come soon: ask for what lets them in."""
        self._ask_permission(self._permissions.of(peer[0]), now)

    def wrap(self, peer: Address, data: bytes, now: float, *, often: bool) -> bytes | None:
        """Wrap a packet for a peer; None where it must wait for a permission, or has none.

        `often` says that there is more to come, for which a channel is worth its while.
        """
        channel = self._channels.of(peer)
        if channel is not None and now < channel.until:
            if now >= channel.refresh_at:
                self._bind(channel, now)
            packet = HEAD.pack(channel.number, len(data)) + data
            # RFC 8656, 12.5: over TCP and TLS the next message begins at a multiple of four.
            return packet + _PADDING[len(packet) & 3] if self._padded else packet
        permission = self._permissions.of(peer[0])
        self._ask_permission(permission, now)
        if now >= permission.until:
            if permission.asking:
                permission.wait(peer, data)
            else:
                self._drops["turn-no-permission"] += 1
            return None
        if often:
            self.use_channel(peer, now)
        return self._indication(peer, data)

    def use_channel(self, peer: Address, now: float) -> None:
        """Data of this peer comes, and more will: what the server passes on needs a channel too."""
        self._bind(self._channels.of(peer) or self._channels.give(peer), now)

    def ready(self) -> list[bytes]:
        """Hand over what has waited and may leave now, wrapped."""
        ready, self._ready = self._ready, []
        return ready

    def _indication(self, peer: Address, data: bytes) -> bytes:
        id = self._random_bytes(12)
        attributes = [
            (int(Attribute.XOR_PEER_ADDRESS), stun.write_xor_address(peer, id)),
            (int(Attribute.DATA), data),
        ]
        return stun.build(Method.SEND, Class.INDICATION, id, attributes, fingerprint=False)

    def _ask_permission(self, permission: Permission, now: float) -> None:
        if permission.asking or now < permission.refresh_at:
            return
        permission.asking = True
        self._dialogue.ask(Method.CREATE_PERMISSION, (), now, permission, peer=(permission.address, 0))

    def _bind(self, channel: Channel | None, now: float) -> None:
        if channel is None or channel.asking or now < channel.refresh_at:
            return
        channel.asking = True
        number = (int(Attribute.CHANNEL_NUMBER), channel.number.to_bytes(2, "big") + b"\0\0")
        self._dialogue.ask(Method.CHANNEL_BIND, (number,), now, channel, peer=channel.peer)

    # What the server answers

    def answered(self, answer: Answer, now: float) -> None:
        """A request about a permission or a channel is over; a grant counts from when it was asked for."""
        about = answer.request.about
        if isinstance(about, Channel):
            self._bound(about, answer)
            return
        assert isinstance(about, Permission)
        if answer.code == 200:
            for peer, data in about.granted(answer.request.asked_at):
                self._ready.append(self._indication(peer, data))
        elif answer.code == NO_ANSWER:
            about.unanswered()
        else:
            self._drops[f"turn-permission-{answer.code}"] += 1
            about.refused(now)

    def _bound(self, channel: Channel, answer: Answer) -> None:
        asked_at = answer.request.asked_at
        if answer.code != 200:
            channel.refused(asked_at)
            return
        channel.bound(asked_at)
        for peer, data in self._permissions.of(channel.peer[0]).granted(asked_at):
            self._ready.append(self._indication(peer, data))

    # Inwards

    def unwrap_channel(self, packet: bytes) -> tuple[Base, Address, bytes] | None:
        """Read ChannelData: at which of our addresses it came, whose it is, and what it carries."""
        for base, peer, (data,) in self.unwrap_channels((packet,)):
            return base, peer, data
        return None

    def unwrap_channels(self, packets: Iterable[bytes]) -> list[tuple[Base, Address, list[bytes]]]:
        """Read ChannelData that came together; the same, once for each peer."""
        by_number: dict[int, list[bytes]] = {}
        for packet in packets:
            if (read := read_channel_data(packet)) is None:
                self._drops["turn-channel"] += 1
            else:
                by_number.setdefault(read[0], []).append(read[1])
        found = []
        for number, data in by_number.items():
            if (peer := self._channels.peer(number)) is None:
                self._drops["turn-channel"] += len(data)
            elif (base := self._base_for(peer)) is not None:
                found.append((base, peer, data))
        return found

    def unwrap_indication(self, packet: Stun) -> tuple[Base, Address, bytes] | None:
        """Read a Data indication; the same."""
        peers, data = packet.xor_addresses(Attribute.XOR_PEER_ADDRESS), packet.value(Attribute.DATA)
        # RFC 8656, 11.4: only from where we have asked for it.
        if not peers or data is None or not self._permissions.known(peers[0][0]):
            self._drops["turn-indication"] += 1
            return None
        base = self._base_for(peers[0])
        return None if base is None else (base, peers[0], data)

    def _base_for(self, peer: Address) -> Base | None:
        base = self._by_family.get(":" in peer[0])
        if base is None:
            self._drops["turn-family"] += 1
        return base
