"""What a seed draws: who there is, behind which NATs, and what goes wrong when."""

from dataclasses import dataclass, replace
from itertools import combinations
from random import Random
from typing import Final, Literal

from tests.scenarios.hostile import TRICKS
from tests.scenarios.villain import WILES
from warren.testing.link import Link
from warren.testing.nat import NatKind, direct_path_possible

__all__ = [
    "NETWORK",
    "SIGNALING",
    "PeerPlan",
    "Plan",
    "Trouble",
    "TroubleKind",
    "direct",
    "draw",
    "reachable",
]

TroubleKind = Literal[
    "turn-restart", "turn-silent",
    "cut", "rebind", "readdress", "stun-silent", "move", "uplink",
    "server-restart", "client-cut", "deaf", "gap",
    "memory-loss", "crash", "both-crash", "session-restart", "both-restart", "reopen", "leap",
]  # fmt: skip

NETWORK: Final = ("cut", "rebind", "readdress", "stun-silent", "move", "uplink")
TURN: Final = ("turn-restart", "turn-silent")
SIGNALING: Final = ("server-restart", "client-cut", "deaf", "gap")
PEERS: Final = ("memory-loss", "crash", "both-crash", "session-restart", "both-restart", "reopen", "leap")
VILLAINS: Final = 0.05
"""How many of all worlds have one."""
CLEAN: Final = Link()
CONES: Final = (NatKind.PUBLIC, NatKind.FULL_CONE, NatKind.ADDRESS_RESTRICTED, NatKind.PORT_RESTRICTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerPlan:
    """One peer and where it stands."""

    name: str
    nat: NatKind
    lan: str
    """Peers of one `lan` share a router, or a wire where it is public."""
    chain: bool
    """Whether another NAT lies before the router."""
    ipv6: bool
    start: float
    listens: bool
    """Whether it waits for calls instead of opening sessions itself."""
    cunicu: bool
    delay: float
    """Seconds from it to the middle of the network."""
    udp: bool = True
    """Whether its network lets UDP pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Something that goes wrong at a time, and for how long."""

    at: float
    kind: TroubleKind
    who: int
    other: int
    duration: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that a seed decides before the world begins; during it, the same dice decide the rest."""

    seed: int
    peers: tuple[PeerPlan, ...]
    servers: int
    """How many STUN servers there are."""
    turn: Literal["", "udp", "tcp"] = ""
    """How the peers reach the TURN server, if there is one."""
    hairpin: bool
    preserve_ports: bool
    mapping_timeout: float
    link: Link
    """What happens to packets beside the delay, while trouble lasts."""
    signaling_delay: float
    signaling: Link
    """What happens to envelopes beside the delay, while trouble lasts."""
    tricks: tuple[str, ...]
    """What the signaling server does; nothing if it is honest."""
    attacker: bool
    wiles: tuple[str, ...] = ()
    """What a peer does that is allowed and means harm; nothing if there is none."""
    troubles: tuple[Trouble, ...]
    span: float
    """When trouble ends, seconds."""

    @property
    def calm_network(self) -> bool:
        """Whether packets are never in trouble: then no session may ever be lost while both peers live."""
        return self.link == CLEAN and not any(
            one.kind in (*NETWORK, *TURN) or one.kind == "leap" for one in self.troubles
        )

    @property
    def calm_signaling(self) -> bool:
        """Whether envelopes are never in trouble."""
        return (
            self.signaling == CLEAN and not self.tricks
            and not any(one.kind in SIGNALING for one in self.troubles)
        )  # fmt: skip

    @property
    def patience(self) -> float:
        """How long after the trouble it may take until everything is as it should be, seconds."""
        way_out = all(reachable(self, one, other) for one, other in combinations(self.peers, 2))
        if not self.calm_signaling or not way_out:
            return 160.0  # A deaf subscription shows after 70 s, a hopeless attempt ends after 40 s.
        if not self.calm_network:
            if any(peer.cunicu for peer in self.peers):
                return 160.0  # What was cut off is found anew by its next generation only.
            # Connections are tried ever later, and once a minute from the relay.
            return 30.0 if all(peer.udp for peer in self.peers) else 80.0
        if any(peer.listens for peer in self.peers):
            return 30.0  # It waits for the back-off of its caller.
        return 4.0 if len(self.troubles) < 3 else 12.0  # Who begins anew often is held back.

    @property
    def quiet(self) -> bool:
        """Whether nothing goes wrong at all."""
        return (
            self.link == CLEAN and self.signaling == CLEAN
            and not (self.tricks or self.attacker or self.troubles)
        )  # fmt: skip

    def describe(self) -> str:
        """Tell it in some lines."""
        lines = [f"seed {self.seed}: {self.servers} STUN servers, trouble for {self.span:.1f} s"]
        if self.turn:
            lines.append(f"  a TURN server, reached by {self.turn}")
        for peer in self.peers:
            marks = [word for word in ("chain", "ipv6", "listens", "cunicu") if getattr(peer, word)]
            marks += [] if peer.udp else ["no UDP"]
            lines.append(
                f"  {peer.name}: {peer.nat.value}, lan {peer.lan}, from {peer.start:.2f} s, "
                f"delay {peer.delay * 1000:.0f} ms {' '.join(marks)}"
            )
        if self.link != CLEAN:
            lines.append(f"  packets: {self.link}")
        lines.append(f"  signaling: {self.signaling_delay * 1000:.0f} ms, {self.signaling}")
        if self.tricks or self.attacker:
            lines.append(f"  hostile: {', '.join(self.tricks)} {'and an attacker' if self.attacker else ''}")
        if self.wiles:
            lines.append(f"  a villain: {', '.join(self.wiles)}")
        lines.extend(f"  {one}" for one in self.troubles)
        return "\n".join(lines)


def reachable(plan: Plan, one: PeerPlan, other: PeerPlan) -> bool:
    """Say whether a path between two peers is possible, by the relay where there is no other."""
    return bool(plan.turn) or direct(one, other)


def direct(one: PeerPlan, other: PeerPlan) -> bool:
    """Say whether a direct path between two peers is possible with what STUN can tell them."""
    if (one.ipv6 and other.ipv6) or one.lan == other.lan:
        return True
    if not (one.udp and other.udp):
        # Somebody must be there to be connected to.
        return NatKind.PUBLIC in (one.nat, other.nat)
    return direct_path_possible(one.nat, other.nat)


def draw(seed: int) -> Plan:
    """Draw a plan; the same seed gives the same."""
    return _with_a_villain(_with_a_relay(seed), Random(f"villain {seed}"))


def _with_a_villain(plan: Plan, dice: Random) -> Plan:
    if dice.random() >= VILLAINS or any(peer.cunicu for peer in plan.peers):
        return plan
    return replace(plan, wiles=tuple(dice.sample(WILES, 3)))


def _with_a_relay(seed: int) -> Plan:
    drawing = _Drawing(seed)
    plan = drawing.without_udp(drawing.plan())
    # Dice of its own: what a seed decided before there were relays, it decides still.
    dice = Random(f"turn {seed}")
    if dice.random() < 0.6 or any(peer.cunicu for peer in plan.peers):
        return plan
    troubles = list(plan.troubles)
    if any(one.kind in NETWORK for one in troubles):
        kind: TroubleKind = dice.choice(TURN)
        at, duration = dice.uniform(0.0, plan.span), dice.choice((0.5, 4.0, 12.0))
        troubles.append(Trouble(at=at, kind=kind, who=0, other=1, duration=duration))
    turn: Literal["udp", "tcp"] = (
        "tcp" if dice.random() < 0.3 or not all(peer.udp for peer in plan.peers) else "udp"
    )
    return replace(plan, turn=turn, troubles=tuple(sorted(troubles, key=lambda one: one.at)))


class _Drawing:
    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.dice = Random(f"plan {seed}")

    def plan(self) -> Plan:
        dice = self.dice
        cunicu = self.chance(0.15)
        troubled = not self.chance(0.12)
        span = dice.choice((3.0, 15.0, 30.0, 60.0)) if troubled else 0.0
        peers = self.peers(cunicu, troubled)
        network = troubled and self.chance(0.4)
        signaling = troubled and self.chance(0.6)
        kinds = [
            *(NETWORK if network else ()),
            *(SIGNALING if signaling else ()),
            *(PEERS if troubled and self.chance(0.5) else ()),
        ]
        return Plan(
            seed=self.seed,
            peers=peers,
            servers=1 + self.chance(0.7),
            hairpin=self.chance(0.5),
            preserve_ports=self.chance(0.7),
            mapping_timeout=dice.choice((30.0, 60.0, 120.0)),
            link=self.link() if network else CLEAN,
            signaling_delay=dice.choice((0.005, 0.05, 0.2)),
            signaling=self.signaling() if signaling else CLEAN,
            tricks=tuple(trick for trick in TRICKS if self.chance(0.3))
            # cunīcu believes whatever is repeated: no behaviour of ours keeps it connected then.
            if signaling and not cunicu and self.chance(0.6)
            else (),
            attacker=troubled and self.chance(0.3),
            troubles=self.troubles(kinds, len(peers), span),
            span=span,
        )

    def without_udp(self, plan: Plan) -> Plan:
        """Take UDP away from one of the peers, now and then."""
        index = self.dice.randrange(len(plan.peers))
        if any(peer.cunicu for peer in plan.peers) or not self.chance(0.1):
            return plan
        peers = [replace(peer, udp=place != index) for place, peer in enumerate(plan.peers)]
        return replace(plan, peers=tuple(peers))

    def chance(self, share: float) -> bool:
        return self.dice.random() < share

    def peers(self, cunicu: bool, troubled: bool) -> tuple[PeerPlan, ...]:
        dice = self.dice
        count = 2 if cunicu or self.chance(0.85) else 3
        # Behind what cunīcu's agent can get through: symmetric NATs are left to our own.
        kinds = CONES if cunicu else (*NatKind, *CONES)
        one_lan = not cunicu and self.chance(0.08)
        found: list[PeerPlan] = []
        for index in range(count):
            nat = dice.choice(kinds)
            found.append(
                PeerPlan(
                    name="abc"[index],
                    nat=found[0].nat if one_lan and found else nat,
                    lan="a" if one_lan else "abc"[index],
                    chain=nat is not NatKind.PUBLIC and not one_lan and self.chance(0.15),
                    ipv6=not cunicu and self.chance(0.2),
                    start=0.0 if index == 0 else dice.choice((0.0, 0.001, 1.0, 7.0)) * (0.5 + dice.random()),
                    listens=index == 1 and not cunicu and self.chance(0.2),
                    cunicu=cunicu and index == 1,
                    delay=dice.choice((0.001, 0.01, 0.05)),
                )
            )
        return tuple(found)

    def link(self) -> Link:
        dice = self.dice
        return Link(
            jitter=dice.choice((0.0, 0.005, 0.05)),
            # Two links make a path: at most 30 % together.
            loss=dice.choice((0.0, 0.03, 0.08, 0.16)),
            burst=dice.choice((1.0, 3.0, 8.0)),
            duplicate=dice.choice((0.0, 0.05)),
            reorder=dice.choice((0.0, 0.1)),
        )

    def signaling(self) -> Link:
        dice = self.dice
        return Link(
            jitter=dice.choice((0.0, 0.1)),
            loss=dice.choice((0.0, 0.05, 0.16)),
            burst=dice.choice((1.0, 4.0)),
            duplicate=dice.choice((0.0, 0.2)),
            reorder=dice.choice((0.0, 0.3)),
            hold=dice.choice((1.0, 10.0, 30.0)),
        )

    def troubles(self, kinds: list[TroubleKind], peers: int, span: float) -> tuple[Trouble, ...]:
        dice = self.dice
        found = []
        for _ in range(dice.randrange(7) if kinds else 0):
            who = dice.randrange(peers)
            found.append(
                Trouble(
                    at=dice.uniform(0.0, span),
                    kind=dice.choice(kinds),
                    who=who,
                    other=(who + 1 + dice.randrange(peers - 1)) % peers,
                    duration=dice.choice((0.0, 0.5, 4.0, 12.0)) * (0.5 + dice.random()),
                )
            )
        return tuple(sorted(found, key=lambda one: one.at))
