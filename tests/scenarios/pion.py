"""An ICE agent that behaves as pion v4.0.10 does inside cunīcu, traps included."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from warren.ice import stun
from warren.ice.transport import Address
from warren.messages import Candidate, CandidateType, Credentials, NetworkType
from warren.sansio import Dice
from warren.testing.host import SimHost, SimSocket

__all__ = ["PionAgent"]

TICK: Final = 0.2
MAX_CHECKS: Final = 8
KEEPALIVE: Final = 2.0
DISCONNECTED: Final = 5.0
CHECKING_LIMIT: Final = 30.0
NOMINATION_WAIT: Final = {
    CandidateType.HOST: 0.0,
    CandidateType.SERVER_REFLEXIVE: 0.5,
    CandidateType.PEER_REFLEXIVE: 1.0,
    CandidateType.RELAY: 2.0,
}
TYPE_PREFERENCE: Final = {
    CandidateType.HOST: 126,
    CandidateType.PEER_REFLEXIVE: 110,
    CandidateType.SERVER_REFLEXIVE: 100,
    CandidateType.RELAY: 0,
}


@dataclass(eq=False)
class Local:
    """A local candidate with a socket of its own."""

    type: CandidateType
    socket: SimSocket
    priority: int
    sent_to: dict[Address, None] = field(default_factory=dict)


@dataclass(eq=False)
class Remote:
    """A remote candidate."""

    type: CandidateType
    address: Address
    priority: int


@dataclass(eq=False)
class Pair:
    """A pair and how it stands: waiting, in-progress, succeeded or failed."""

    local: Local
    remote: Remote
    priority: int
    state: str = "waiting"
    checks: int = 0
    nominate_on_success: bool = False


class PionAgent:
    """One agent, from gathering to closing; tells `found` of candidates and `lost` when it is over.

    Args:
        host: where it binds its sockets.
        server: the STUN server it asks.
        controlling: its role; it never changes it.
        local: its own credentials.
        dice: chance.
        found: gets each local candidate.
        lost: told once when the agent was silent for 5 s or never connected in 30 s.
        data: gets what comes over the selected pair's sockets from known addresses.
    """

    def __init__(
        self,
        host: SimHost,
        server: Address | None,
        *,
        controlling: bool,
        local: Credentials,
        dice: Dice,
        found: Callable[[Candidate], None],
        lost: Callable[[str], None],
        data: Callable[[bytes], None],
    ) -> None:
        self.selected: Pair | None = None
        self.pairs: list[Pair] = []
        self._loop = asyncio.get_running_loop()
        self._host, self._server = host, server
        self._controlling, self._local, self._dice = controlling, local, dice
        self._found, self._lost, self._data = found, lost, data
        self._remote: Credentials | None = None
        self._locals: list[Local] = []
        self._remotes: list[Remote] = []
        self._pending: dict[bytes, tuple[Local, Address, bool]] = {}
        self._asked: dict[bytes, Local] = {}
        self._nominated: Pair | None = None
        self._started = 0.0
        self._heard = 0.0
        self._sent = 0.0
        self._tie_breaker = dice.getrandbits(64)
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def gather(self) -> None:
        """Bind a socket for each address, and another for each that a STUN server is asked about."""
        for index, item in enumerate(self._host.interfaces()):
            local = self._bind(CandidateType.HOST, item.address, index)
            self._add_local(local, local.socket.local, None)
        for index, item in enumerate(self._host.interfaces()):
            if self._server is not None and (":" in item.address) == (":" in self._server[0]):
                local = self._bind(CandidateType.SERVER_REFLEXIVE, item.address, index)
                self._ask(local, 0)

    def start(self, remote: Credentials) -> None:
        """Begin the checks."""
        self._remote = remote
        self._started = self._heard = self._loop.time()
        self._tick()

    def add_remote(self, candidate: Candidate) -> None:
        """Take a candidate; one with a known address and type is ignored, another type revives its pairs."""
        if candidate.network.is_tcp:
            return  # cunīcu can be told to leave TCP out, and this one was.
        if any(one.type == candidate.type and one.address == candidate.transport for one in self._remotes):
            return
        remote = Remote(candidate.type, candidate.transport, candidate.priority)
        self._remotes.append(remote)
        for local in self._locals:
            self._pair(local, remote)
        if self._remote is not None:
            self._contact()

    def send(self, data: bytes) -> bool:
        """Send over the selected pair; false where there is none."""
        if self.selected is None:
            return False
        self.selected.local.socket.send(data, self.selected.remote.address)
        return True

    def close(self) -> None:
        """Close the sockets, stop the timer."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for local in self._locals + list(self._asked.values()):
            local.socket.close()

    # Gathering

    def _bind(self, type: CandidateType, address: str, index: int) -> Local:
        def received(data: bytes, source: Address) -> None:
            if not self._closed:
                self._received(local, data, source)

        socket = self._host.bind(address, 0, received)
        preference = 65535 - index
        local = Local(type, socket, TYPE_PREFERENCE[type] << 24 | preference << 8 | 255)
        return local

    def _ask(self, local: Local, attempt: int) -> None:
        if self._closed or attempt == 5 or local in self._locals or self._server is None:
            return
        transaction = self._dice.randbytes(12)
        self._asked[transaction] = local
        local.socket.send(stun.server_request(transaction), self._server)
        self._loop.call_later(0.3 * 2**attempt, self._ask, local, attempt + 1)

    def _add_local(self, local: Local, address: Address, related: Address | None) -> None:
        self._locals.append(local)
        for remote in self._remotes:
            self._pair(local, remote)
        network = NetworkType.UDP6 if ":" in address[0] else NetworkType.UDP4
        self._found(
            Candidate(
                type=local.type,
                network=network,
                address=address[0],
                port=address[1],
                priority=local.priority,
                foundation=f"{local.type}{address[0]}"[:32],
                related=related,
            )
        )

    def _pair(self, local: Local, remote: Remote) -> Pair | None:
        if (":" in local.socket.local[0]) != (":" in remote.address[0]):
            return None
        g, d = local.priority, remote.priority
        if not self._controlling:
            g, d = d, g
        pair = Pair(local, remote, min(g, d) << 32 | max(g, d) << 1 | (g > d))
        self.pairs.append(pair)
        return pair

    # Checks

    def _tick(self) -> None:
        if self._closed:
            return
        now = self._loop.time()
        if self.selected is None and now - self._started > CHECKING_LIMIT:
            return self._lost("no pair worked in 30 s")
        if self.selected is not None and now - self._heard > DISCONNECTED:
            return self._lost("5 s of silence")
        self._contact()
        self._timer = self._loop.call_later(TICK, self._tick)

    def _contact(self) -> None:
        now = self._loop.time()
        if self.selected is not None:
            if now - self._sent >= KEEPALIVE or now - self._heard >= KEEPALIVE:
                self._check(self.selected.local, self.selected.remote.address)
            return
        if self._controlling:
            if self._nominated is not None:
                return self._check(self._nominated.local, self._nominated.remote.address, use=True)
            best = self._best_valid()
            if best is not None and self._may_nominate(best):
                return self._nominate(best)
        for pair in list(self.pairs):
            self._check_pair(pair)

    def _check_pair(self, pair: Pair) -> None:
        if pair.state == "waiting":
            pair.state = "in-progress"
        elif pair.state != "in-progress":
            return
        if pair.checks >= MAX_CHECKS:
            pair.state = "failed"
            return
        pair.checks += 1
        self._check(pair.local, pair.remote.address)

    def _check(self, local: Local, destination: Address, *, use: bool = False) -> None:
        if self._remote is None:
            return
        transaction = self._dice.randbytes(12)
        self._pending[transaction] = (local, destination, use)
        while len(self._pending) > 256:
            del self._pending[next(iter(self._pending))]
        local.sent_to[destination] = None
        self._sent = self._loop.time()
        request = stun.binding_request(
            transaction,
            stun.check_attributes(
                username=f"{self._remote.ufrag}:{self._local.ufrag}",
                priority=TYPE_PREFERENCE[CandidateType.PEER_REFLEXIVE] << 24 | local.priority & 0xFFFFFF,
                controlling=self._controlling,
                tie_breaker=self._tie_breaker,
                use_candidate=use,
            ),
            stun.prepare_key(self._remote.pwd),
        )
        local.socket.send(request, destination)

    def _best_valid(self) -> Pair | None:
        valid = [pair for pair in self.pairs if pair.state == "succeeded"]
        return max(valid, key=lambda pair: pair.priority, default=None)

    def _may_nominate(self, pair: Pair) -> bool:
        wait = max(NOMINATION_WAIT[pair.local.type], NOMINATION_WAIT[pair.remote.type])
        return self._loop.time() - self._started > wait

    def _nominate(self, pair: Pair) -> None:
        self._nominated = pair
        self._check(pair.local, pair.remote.address, use=True)

    # What comes in

    def _received(self, local: Local, data: bytes, source: Address) -> None:
        # Anything with the cookie at bytes 4 to 7 is taken for STUN.
        if data[4:8] != b"\x21\x12\xa4\x42":
            if any(remote.address == source for remote in self._remotes):
                self._heard = self._loop.time()
                self._data(data)
            return
        try:
            packet = stun.parse(data)
        except stun.StunError:
            return
        if packet.cls is stun.Class.SUCCESS and (asking := self._asked.get(packet.transaction_id)):
            if asking not in self._locals and packet.mapped_address is not None:
                if packet.mapped_address == asking.socket.local:
                    return
                self._add_local(asking, packet.mapped_address, asking.socket.local)
        elif packet.cls is stun.Class.REQUEST:
            self._request(local, packet, source)
        elif packet.cls is stun.Class.SUCCESS:
            self._success(packet, source)

    def _request(self, local: Local, packet: stun.Stun, source: Address) -> None:
        if self._remote is None or packet.username != f"{self._local.ufrag}:{self._remote.ufrag}":
            return
        if not stun.verify(packet, stun.prepare_key(self._local.pwd)):
            return
        # Silent on the wrong role: no 487.
        if (packet.controlling is not None) == self._controlling:
            return
        if local.type is CandidateType.SERVER_REFLEXIVE and source not in local.sent_to:
            return
        remote = self._find_remote(source) or self._add_peer_reflexive(packet, source)
        self._heard = self._loop.time()
        pair = self._find(local, remote) or self._pair(local, remote)
        if pair is None:
            return
        local.socket.send(stun.success(packet, source, stun.prepare_key(self._local.pwd)), source)
        if self._controlling:
            free = pair.state == "succeeded" and self._nominated is None and self.selected is None
            if free and self._best_valid() is pair and self._may_nominate(pair):
                self._nominate(pair)
            return
        if packet.use_candidate:
            if pair.state == "succeeded":
                self._select(pair)
            else:
                pair.nominate_on_success = True
        self._check(local, source)

    def _success(self, packet: stun.Stun, source: Address) -> None:
        pending = self._pending.get(packet.transaction_id)
        if pending is None or self._remote is None:
            return
        local, destination, use = pending
        remote = self._find_remote(source)
        if remote is None or not stun.verify(packet, stun.prepare_key(self._remote.pwd)):
            return
        del self._pending[packet.transaction_id]
        if destination != source:
            return
        self._heard = self._loop.time()
        pair = self._find(local, remote)
        if pair is None:
            return
        pair.state = "succeeded"
        if self._controlling:
            if use and self.selected is None:
                self._select(pair)
        elif pair.nominate_on_success:
            self._select(pair)

    def _select(self, pair: Pair) -> None:
        # As controlled it takes a later nomination only at equal or higher priority.
        if self.selected is None or (pair is not self.selected and pair.priority >= self.selected.priority):
            self.selected = pair

    def _find(self, local: Local, remote: Remote) -> Pair | None:
        for pair in self.pairs:
            if pair.local is local and pair.remote.address == remote.address and pair.state != "failed":
                return pair
        return next((pair for pair in self.pairs if pair.local is local and pair.remote is remote), None)

    def _find_remote(self, source: Address) -> Remote | None:
        return next((remote for remote in self._remotes if remote.address == source), None)

    def _add_peer_reflexive(self, packet: stun.Stun, source: Address) -> Remote:
        remote = Remote(CandidateType.PEER_REFLEXIVE, source, packet.priority or 0)
        self._remotes.append(remote)
        for local in self._locals:
            self._pair(local, remote)
        return remote
