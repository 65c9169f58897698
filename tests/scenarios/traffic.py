"""What may pass the network: not too much, little to those who never answer, and at the end in one voice."""

from collections import Counter, deque
from collections.abc import Callable, Container
from typing import Final

from tests.scenarios.villain import EVIL, VICTIMS, VILLAIN
from warren.ice import stun
from warren.ice.transport import Address
from warren.testing.network import Packet

__all__ = ["Traffic"]

PACKETS_PER_SECOND: Final = 400
"""What one host may send to all in any second, whatever happens to it; twice as much where a villain binds
each of its offers: what a silent address may get, it may get of each generation."""

DENSE: Final = 13
DENSE_TIME: Final = 2.0
SILENT: Final = 20
"""Checks that one generation may send to an address that never answers (security.md): then one a minute."""

USERNAME: Final = b"\x00\x06"


class Traffic:
    """Looks at every datagram of the peers.

    Args:
        broken: told of what is wrong, as (property, words).
        limited: the peers that spare those who never answer, as cunīcu does not.
        harmed: whether there is a villain.
    """

    def __init__(self, broken: Callable[[str, str], None], limited: Container[str], *, harmed: bool) -> None:
        self.sent: Counter[str] = Counter()
        """Datagrams by who sent them, for whoever counts them from a moment on."""
        self.usernames: set[tuple[str, str]] | None = None
        """(asked, asking) ufrags of the checks that were sent, for whoever collects them."""
        self._broken, self._limited = broken, limited
        self._most = PACKETS_PER_SECOND * (1 + harmed)
        self._times: dict[str, deque[float]] = {}
        self._silent: dict[tuple[str, Address, str], list[float]] = {}
        self._routable: set[tuple[str, Address]] = set()

    def packet(self, packet: Packet) -> None:
        """A datagram of a peer has met its fate."""
        if packet.destination[0] not in (VILLAIN, *VICTIMS):
            self.sent[packet.sender] += 1
        times = self._times.setdefault(packet.sender, deque())
        times.append(packet.time)
        while times[0] < packet.time - 1.0:
            times.popleft()
        if len(times) > self._most:
            self._broken("storm of packets", f"{packet.sender} has sent {len(times)} packets within a second")
        way = (packet.sender, packet.destination)
        if packet.fate != "no route":
            self._routable.add(way)
        elif way not in self._routable and packet.sender in self._limited:
            self._went_nowhere(packet)
        names = None if self.usernames is None else _usernames(packet.data)
        if self.usernames is not None and names is not None and not names[0].startswith(EVIL):
            self.usernames.add(names)

    def _went_nowhere(self, packet: Packet) -> None:
        if (names := _usernames(packet.data)) is None:
            return
        # Other credentials of the peer renew nothing.
        sent = self._silent.setdefault((packet.sender, packet.destination, names[1]), [])
        sent.append(packet.time)
        first = sum(at < sent[0] + DENSE_TIME for at in sent)
        allowed = SILENT + (packet.time - sent[0]) / 60.0 + 1.0
        if first > DENSE or len(sent) > allowed:
            self._broken(
                "checks into silence",
                f"{packet.sender} has sent {len(sent)} checks of one generation to {packet.destination}, "
                f"{first} of them in {DENSE_TIME:g} s, where nobody is",
            )


def _usernames(data: bytes) -> tuple[str, str] | None:
    """Read the two ufrags of a connectivity check, None where the datagram is none."""
    if not stun.is_stun(data) or data[:2] != b"\x00\x01" or data[20:22] != USERNAME:
        return None
    asked, _, asking = data[24 : 24 + int.from_bytes(data[22:24])].decode().partition(":")
    return asked, asking
