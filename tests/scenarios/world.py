"""One seed, one run: builds the world of a plan, lets it go wrong, lets it settle, looks at the end."""

import asyncio
import logging
from dataclasses import dataclass, replace
from itertools import permutations
from random import Random
from typing import Final

from tests.scenarios.dead_paths import let_die
from tests.scenarios.ends import WRONG_WAY, problems
from tests.scenarios.hostile import Attacker, HostileServer
from tests.scenarios.peers import Peer
from tests.scenarios.plan import PeerPlan, Plan, Trouble, direct, draw, reachable
from tests.scenarios.properties import Violation, Watch
from tests.scenarios.villain import VILLAIN, Villain
from warren.ice.transport import Address
from warren.keys import PrivateKey
from warren.testing.clock import VirtualLoop, run
from warren.testing.host import StunServer
from warren.testing.link import Link
from warren.testing.nat import NatKind
from warren.testing.network import Packet, Realm, SimNetwork, SimRouter
from warren.testing.signaling import SimCarrier
from warren.testing.turn import TurnServer

__all__ = ["Outcome", "play"]

CLIMBING: Final = 100.0
"""How long a path that lost packets may be left to a relay: it is asked once a minute, and put on trial."""

HOLDING: Final = 6.0
"""How long that must hold then."""

DRAINING: Final = 70.0
"""How long what is on its way may still take to arrive when everything is closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a seed."""

    plan: Plan
    violation: Violation | None
    digest: str
    """Sums up every packet, envelope and event."""
    settled: float | None
    """Seconds from the end of trouble until all was well."""
    packets: int
    log: tuple[str, ...]


def play(seed: int, *, verbose: bool = False, plan: Plan | None = None) -> Outcome:
    """Run one seed to its end; nothing but the seed (or the plan) decides what happens."""
    loop = VirtualLoop()
    world = World(plan or draw(seed), loop, verbose)
    logger = logging.getLogger()
    logger.addHandler(world.watch)
    violation: Violation | None = None
    try:
        run(world.live(), loop=loop)
    except Violation as error:
        violation = error
    finally:
        logger.removeHandler(world.watch)
    return Outcome(
        plan=world.plan,
        violation=violation,
        digest=world.network.digest,
        settled=world.settled,
        packets=sum(world.network.fates.values()),
        log=tuple(world.watch.log),
    )


class World:
    """Everything of one run."""

    def __init__(self, plan: Plan, loop: VirtualLoop, verbose: bool) -> None:
        self.plan = plan
        self.loop = loop
        self.dice = dice = Random(f"world {plan.seed}")
        self.network = SimNetwork(loop, dice)
        self.server = HostileServer(loop, dice, plan.tricks)
        self.settled: float | None = None
        self.routers: dict[str, SimRouter] = {}
        self.stun: list[StunServer] = []
        self.watch = Watch(plan, loop, ("203.0.113.66", "203.0.113.67"))
        self.watch.verbose = verbose
        self.watch.note = self.network.note
        self.attacker: Attacker | None = None
        servers = [self._stun_server(number) for number in range(plan.servers)]
        self.peers = [self._peer(one, tuple(servers)) for one in plan.peers]
        self.turn = self._turn_server() if plan.turn else None
        for peer in self.peers:
            if self.turn is not None:
                peer.turn = (self.turn.url("ann", plan.turn),)
            peer.partners = [other for other in self.peers if other is not peer]
        self.villain = self._villain() if plan.wiles else None
        self._observe()

    def _stun_server(self, number: int) -> Address:
        address = f"203.0.113.{number + 3}"
        host = self.network.host(f"stun{number}", address, f"2001:db8::{number + 3}")
        self.stun.append(StunServer(host, address))
        return address, 3478

    def _turn_server(self) -> TurnServer:
        address, ipv6 = "203.0.113.10", "2001:db8::10"
        host = self.network.host("turn", address, ipv6)
        return TurnServer(host, address, ipv6=ipv6, users={"ann": "secret"}, dice=self.dice)

    def _peer(self, plan: PeerPlan, servers: tuple[Address, ...]) -> Peer:
        index = "abc".index(plan.name) + 1
        host = self.network.host(plan.name, link=Link(delay=plan.delay, udp=plan.udp))
        if plan.nat is NatKind.PUBLIC:
            address, realm = f"203.0.113.{100 + index}", self.network.internet
        else:
            address, realm = f"192.168.0.{10 + index}", self._router(plan).inside
        host.attach(address, realm)
        if plan.ipv6:
            host.attach(f"2001:db8::{100 + index}")
        key = PrivateKey(self.dice.randbytes(32))
        peer = Peer(plan, key, host, self.server, servers, self.dice, self.watch)
        peer.signaling = Link(delay=self.plan.signaling_delay / 2)
        peer.address = address
        return peer

    def _villain(self) -> Villain:
        dice = Random(f"villain of {self.plan.seed}")
        host = self.network.host("villain", VILLAIN)
        carrier = self.server.client("villain", Link(delay=self.plan.signaling_delay / 2))
        villain = Villain(host, carrier, PrivateKey(dice.randbytes(32)), self.plan.wiles, dice)
        villain.targets = [peer.public for peer in self.peers]
        self.watch.villain = villain.public
        for peer in self.peers:
            peer.villain = villain.public
        return villain

    def _router(self, plan: PeerPlan) -> SimRouter:
        if plan.lan not in self.routers:
            number = len(self.routers) + 1
            timeout, hairpin = self.plan.mapping_timeout, self.plan.hairpin
            outer: Realm | None = None
            address = f"198.51.100.{number}"
            if plan.chain:
                kind = self.dice.choice((NatKind.FULL_CONE, plan.nat))
                cgn = self.network.router(f"cgn {plan.lan}", kind, address, timeout=timeout, hairpin=hairpin)
                outer = cgn.inside
                address = f"100.64.0.{number}"
            self.routers[plan.lan] = self.network.router(
                f"router {plan.lan}", plan.nat, address, outer=outer,
                timeout=timeout, hairpin=hairpin,
                preserve_ports=self.plan.preserve_ports,
            )  # fmt: skip
        return self.routers[plan.lan]

    def _observe(self) -> None:
        self.network.watch = self.watch.packet
        self.server.published = self.watch.published
        self.server.delivered = self.watch.delivered
        self.server.subscribed = self._subscribed
        if self.plan.attacker:
            host = self.network.host("attacker", "203.0.113.66", "203.0.113.67")
            attacker = self.attacker = Attacker(self.network, host, "203.0.113.66", "203.0.113.67", self.dice)

            def watch(packet: Packet) -> None:
                attacker.packet_seen(packet)
                self.watch.packet(packet)

            self.network.watch = watch

    def _subscribed(self, client: SimCarrier) -> None:
        for peer in self.peers:
            if peer.name == client.name:
                self.watch.subscribed(peer)

    # Life

    async def live(self) -> None:
        """Run everything; raises the first violation."""
        self.loop.set_exception_handler(self.watch.loop_trouble)
        self.loop.before_jump = lambda: self.watch.step(self.peers)
        if self.turn is not None:
            await self.turn.listen()
        if self.villain is not None:
            await self.villain.begin()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._trouble())
                for peer in self.peers:
                    group.create_task(self._start(peer))
            self._calm_down()
            await self._settle()
            if self.villain is not None:
                self.villain.stop()
            await self._hold()
            if self.plan.quiet and self.turn is not None:
                await let_die(self.plan, self.peers, self.network, self.watch)
            self.watch.look_at_tables(self.peers)
        except* Violation as error:
            raise error.exceptions[0] from None
        finally:
            self.watch.closing = True
            self.server.stop()
            if self.attacker is not None:
                self.attacker.stop()
            if self.villain is not None:
                await self.villain.aclose()
            for peer in self.peers:
                await peer.down()
        await self._end()

    async def _start(self, peer: Peer) -> None:
        await asyncio.sleep(peer.plan.start)
        await peer.up()

    # Trouble

    async def _trouble(self) -> None:
        plan = self.plan
        for peer in self.peers:
            peer.host.link = replace(plan.link, delay=peer.plan.delay, udp=peer.plan.udp)
            peer.signaling = replace(plan.signaling, delay=plan.signaling_delay / 2)
        if not plan.calm_network:
            self.watch.excuse(*self.peers, until=plan.span)
            for peer in self.peers:
                self.watch.excuse(peer, until=plan.span)
        async with asyncio.TaskGroup() as group:
            for trouble in plan.troubles:
                group.create_task(self._suffer(trouble))
            group.create_task(asyncio.sleep(plan.span))

    async def _suffer(self, trouble: Trouble) -> None:
        await asyncio.sleep(trouble.at)
        who, other = self.peers[trouble.who], self.peers[trouble.other]
        self.watch.tell(f"trouble: {trouble.kind} {who.name} {other.name} for {trouble.duration:.2f} s")
        await getattr(self, f"_{trouble.kind.replace('-', '_')}")(who, other, trouble.duration)

    async def _cut(self, who: Peer, other: Peer, duration: float) -> None:
        self.network.cut(who.host, other.host)
        await asyncio.sleep(duration)
        self.network.mend(who.host, other.host)

    async def _rebind(self, who: Peer, other: Peer, duration: float) -> None:
        if (router := self.routers.get(who.plan.lan)) is not None:
            router.rebind()

    async def _readdress(self, who: Peer, other: Peer, duration: float) -> None:
        if (router := self.routers.get(who.plan.lan)) is not None and not who.plan.chain:
            router.rebind(self._free_address(router.nat.address, router.outer))

    async def _move(self, who: Peer, other: Peer, duration: float) -> None:
        """Get another address in the same network."""
        await self._change_address(who, None, duration)

    async def _uplink(self, who: Peer, other: Peer, duration: float) -> None:
        """Come to another network, with a NAT of the same kind."""
        alone = sum(peer.plan.lan == who.plan.lan for peer in self.peers) == 1
        if who.plan.nat is NatKind.PUBLIC or who.plan.chain or not alone:
            return
        number = 50 + len(self.network.internet.members)
        router = self.network.router(
            f"router {number}", who.plan.nat, f"198.51.100.{number}",
            timeout=self.plan.mapping_timeout, hairpin=self.plan.hairpin,
            preserve_ports=self.plan.preserve_ports,
        )  # fmt: skip
        self.routers[who.plan.lan] = router
        await self._change_address(who, router.inside, duration)

    async def _change_address(self, who: Peer, realm: Realm | None, duration: float) -> None:
        async with who.moving:
            realm = realm or who.host.realms[who.address]
            who.host.detach(who.address)
            await asyncio.sleep(duration)
            who.address = self._free_address(who.address, realm)
            who.host.attach(who.address, realm)

    def _free_address(self, before: str, realm: Realm) -> str:
        """Find another address than before: with the same one a socket would go on as if nothing had been."""
        prefix = before.rpartition(".")[0]
        taken = {before, *realm.members}
        return next(address for last in range(120, 250) if (address := f"{prefix}.{last}") not in taken)

    async def _stun_silent(self, who: Peer, other: Peer, duration: float) -> None:
        server = self.stun[int(self.dice.random() * len(self.stun))]
        server.silent = True
        await asyncio.sleep(duration)
        server.silent = False

    async def _turn_silent(self, who: Peer, other: Peer, duration: float) -> None:
        assert self.turn is not None
        self.turn.silent = True
        await asyncio.sleep(duration)
        self.turn.silent = False

    async def _turn_restart(self, who: Peer, other: Peer, duration: float) -> None:
        await self._turn_silent(who, other, duration)
        assert self.turn is not None
        self.turn.restart()

    async def _server_restart(self, who: Peer, other: Peer, duration: float) -> None:
        self.server.restart(duration)

    async def _client_cut(self, who: Peer, other: Peer, duration: float) -> None:
        if (carrier := who.carrier) is not None:
            carrier.cut = True
            await asyncio.sleep(duration)
            carrier.cut = False

    async def _deaf(self, who: Peer, other: Peer, duration: float) -> None:
        if who.carrier is not None:
            self.server.go_deaf(who.carrier)

    async def _gap(self, who: Peer, other: Peer, duration: float) -> None:
        if (carrier := who.carrier) is not None:
            self.server.go_lossy(carrier, lossy=True)
            await asyncio.sleep(duration)
            self.server.go_lossy(carrier, lossy=False)

    async def _memory_loss(self, who: Peer, other: Peer, duration: float) -> None:
        self.watch.excuse(who)
        await who.down()
        await who.up()

    async def _crash(self, who: Peer, other: Peer, duration: float) -> None:
        self.watch.excuse(who, until=self.loop.time() + duration)
        await who.down()
        await asyncio.sleep(duration)
        await who.up()

    async def _both_crash(self, who: Peer, other: Peer, duration: float) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._crash(who, other, duration))
            group.create_task(self._crash(other, who, duration * self.dice.random()))

    async def _session_restart(self, who: Peer, other: Peer, duration: float) -> None:
        if who.plan.cunicu or other.plan.cunicu:
            self.watch.excuse(who, other)  # A restarting cunīcu has no path until it is connected again.
        if not (who.connected_to(other) and other.connected_to(who)):
            self.watch.excuse(who, other)  # What was never connected goes at once, and its other end with it.
        self.watch.sessions.restarts[frozenset((who.public, other.public))] = self.loop.time()
        who.restart(other)

    async def _both_restart(self, who: Peer, other: Peer, duration: float) -> None:
        await self._session_restart(who, other, duration)
        await asyncio.sleep(duration * self.dice.random())
        await self._session_restart(other, who, duration)

    async def _reopen(self, who: Peer, other: Peer, duration: float) -> None:
        self.watch.excuse(who, other, until=self.loop.time() + duration)
        tasks = who.close(other)
        await asyncio.sleep(max(duration, 0.1))
        if not all(task.done() for task in tasks):
            self.watch.break_("nothing left", f"{who.name} still waits for what a closed session brings")
        if not who.plan.listens:
            who.open(other)

    async def _leap(self, who: Peer, other: Peer, duration: float) -> None:
        self.loop.leap(duration)
        for peer in self.peers:
            peer.host.wake(duration)

    # The end

    def _calm_down(self) -> None:
        self.watch.tell("the trouble is over")
        self.server.relent()
        for peer in self.peers:
            peer.host.link = Link(delay=peer.plan.delay, udp=peer.plan.udp)
            peer.signaling = Link(delay=self.plan.signaling_delay / 2)
            if peer.carrier is not None:
                peer.carrier.link = peer.signaling

    async def _settle(self) -> None:
        """Wait until all is as it should be, at most so long."""
        if any(peer.plan.cunicu for peer in self.peers):
            # cunīcu begins anew for every envelope that comes late; only then can anything settle.
            await asyncio.sleep(self.plan.signaling.hold)
        began = self.loop.time()
        while found := problems(self.plan, self.peers, self.watch, began):
            patience = self.plan.patience
            if not self.plan.calm_network and any(WRONG_WAY in text for text in found):
                patience = max(patience, CLIMBING)
            if self.loop.time() - began > patience:
                raise Violation("end", f"{patience:.0f} s after the trouble: {'; '.join(found)}")
            await asyncio.sleep(0.5)
        self.settled = self.loop.time() - began

    async def _hold(self) -> None:
        """What is well stays so, data flows both ways, and hardly anything else."""
        self.watch.tell("all is well")
        pairs = [
            pair for pair in permutations(self.peers, 2)
            if reachable(self.plan, pair[0].plan, pair[1].plan)
        ]  # fmt: skip
        self.watch.begin_holding(self.peers)
        await self._send_all(pairs, 3)
        await asyncio.sleep(1.0)
        self.watch.end_holding(pairs)
        self.watch.begin_listening()
        await self._send_all(pairs, 3)
        await asyncio.sleep(1.0)
        # What a relay passes on is wrapped, and who cannot be reached does not answer.
        if all(direct(one.plan, other.plan) for one, other in permutations(self.peers, 2)):
            self.watch.end_listening(self.peers)
        self.watch.look_back(self.peers)

    async def _send_all(self, pairs: list[tuple[Peer, Peer]], times: int) -> None:
        for _ in range(times):
            await asyncio.sleep(HOLDING / times)
            for one, other in pairs:
                if not one.send(other):
                    raise Violation("end", f"{one.name} cannot send to {other.name} any more")

    async def _end(self) -> None:
        """Nothing is left: no task, no timer, no socket, no subscription."""
        await asyncio.sleep(DRAINING)
        tasks = [task for task in self.loop.tasks() if task is not asyncio.current_task()]
        timers = self.loop.timers()
        sockets = [
            local
            for peer in self.peers
            for local in (*peer.host.sockets, *peer.host.listeners, *peer.host.streams)
        ]
        subscriptions = self.server.all_subscriptions()
        # What is lost on the way, the server keeps for ten minutes.
        allocations = [self.turn.live] if self.turn is not None and self.plan.quiet and self.turn.live else []
        for name, left in (
            ("tasks", tasks), ("timers", timers), ("sockets", sockets), ("subscriptions", subscriptions),
            ("allocations", allocations),
        ):  # fmt: skip
            if left:
                raise Violation("nothing left", f"{len(left)} {name} after closing: {left[:3]}")
        if self.watch.broken:
            raise self.watch.broken[0]
