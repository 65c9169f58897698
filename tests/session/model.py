"""A small world in which the generation rules that ship are exhausted: a network that forgets nothing.

A state of the world is both sides' `Rules`, every message ever sent, and how many misfortunes have
happened. The network may deliver any of these messages, at any time, for ever. What makes the exploration
small enough:

- A message more in the network only gives it more to choose from. So what a side would say by timer, and
  answers that change nothing at the side that gives them, count as sent at once; and of two states that
  differ in their messages only, the one with fewer need not be looked at.
- Ids matter only by being equal or not: they are renumbered, and those of generations that are gone and can
  never be bound any more become one and the same.
- The sides are alike: of a state and its mirror image one is enough.
- Where the question is only whether an agreement can be broken, nobody falls silent: see the first point.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from warren.session.rules import Check, Rules, Verdict

GONE = -1
"""The id that all generations share of which only a name is left."""
DRAWN = 99
"""The id that is drawn next, on either side: what is drawn is renumbered before another one is."""


class Side(NamedTuple):
    """A `Rules` as a value."""

    bound: int = 0
    partner: int = 0
    open: int = 0
    wanted: bool = False
    heard: int = 0
    connected: bool = False
    shown: bool = False


Sides = tuple[Side, Side]
Received = tuple[Side, tuple[int, int] | None]


class Sent(NamedTuple):
    """A message: to which side, (f, t)."""

    to: int
    f: int
    t: int


class World(NamedTuple):
    """What the network plays with."""

    sides: Sides
    sent: frozenset[Sent]
    misfortunes: int = 0


def put(sides: Sides, at: int, side: Side) -> Sides:
    return (side, sides[1]) if at == 0 else (sides[0], side)


def agreed(sides: Sides) -> bool:
    """Both are bound to each other and want nothing else."""
    one, other = sides
    mutual = one.bound and one.partner == other.bound and other.partner == one.bound
    return bool(mutual) and not (one.wanted or other.wanted)


class Game:
    """The moves, by the rules of one class: that which ships, or one that a test has weakened."""

    def __init__(self, rules: type[Rules], *, silence: bool) -> None:
        self._rules = rules
        self._silence = silence
        """Whether sides that have no more to say fall silent."""
        # What a side does depends on nothing but itself and what it gets: ask the rules once.
        self.receive: Callable[[Side, int, int], Received] = lru_cache(maxsize=None)(self._receive)
        self.checked: Callable[[Side, int, int], tuple[Side, Check]] = lru_cache(maxsize=None)(self._checked)
        self.says: Callable[[Side], tuple[int, int] | None] = lru_cache(maxsize=None)(self._says)
        self.begun: Callable[[Side], Side] = lru_cache(maxsize=None)(self._begun)

    def _load(self, side: Side) -> Rules:
        rules = self._rules()
        for name, value in zip(Side._fields, side, strict=True):
            setattr(rules, name, value)
        return rules

    def _save(self, rules: Rules) -> Side:
        side = Side(*(getattr(rules, name) for name in Side._fields))
        return side if self._silence else side._replace(connected=False, shown=False)

    def _receive(self, side: Side, f: int, t: int) -> Received:
        rules = self._load(side)
        verdict = rules.message(f, t, DRAWN)
        if verdict is Verdict.CALL:
            rules.begin(DRAWN)
            verdict = rules.message(f, t, 0)
        if verdict is Verdict.OLD:
            return self._save(rules), None
        if verdict is Verdict.NEWS:
            rules.shown = True
        return self._save(rules), (
            rules.open if verdict in (Verdict.HEARD, Verdict.OFFER) else rules.bound,
            f,
        )

    def _checked(self, side: Side, own: int, f: int) -> tuple[Side, Check]:
        rules = self._load(side)
        verdict = rules.check(own, f)
        return self._save(rules), verdict

    def _says(self, side: Side) -> tuple[int, int] | None:
        return self._load(side).says()

    def _begun(self, side: Side) -> Side:
        rules = self._load(side)
        rules.begin(DRAWN)
        return self._save(rules)

    def _failed(self, side: Side) -> Side:
        rules = self._load(side)
        rules.clear()
        return self._save(rules)

    def start(self) -> Sides:
        """Both sides have begun."""
        return self.begun(Side()), self.begun(Side())

    def deliver(self, world: World, sent: Sent) -> World:
        """The network delivers a message."""
        side, answer = self.receive(world.sides[sent.to], sent.f, sent.t)
        more = world.sent | {Sent(1 - sent.to, *answer)} if answer else world.sent
        return World(put(world.sides, sent.to, side), more, world.misfortunes)

    def checks(self, world: World) -> Iterator[World]:
        """A generation checks that whose credentials it has: its partner's, or if none, the last heard."""
        for at in (0, 1):
            side = world.sides[at]
            own, theirs = (side.bound, side.partner) if side.bound else (side.open, side.heard)
            if not theirs:
                continue
            other, verdict = self.checked(world.sides[1 - at], theirs, own)
            if verdict is Check.SILENCE:
                continue
            sides = put(world.sides, 1 - at, other)
            if side.bound and self._silence:
                sides = put(sides, at, side._replace(connected=True))
            more = world.sent | {Sent(at, theirs, own)} if verdict is Check.BIND else world.sent
            yield World(sides, more, world.misfortunes)

    def misfortunes(self, world: World) -> Iterator[World]:
        """A side restarts, loses its memory, or gives up a bound generation that was never connected."""
        for at in (0, 1):
            side = world.sides[at]
            followers = [self.begun(side), self.begun(Side())]
            if side.bound and not side.connected:
                followers.append(self._failed(side))
            for follower in followers:
                yield World(put(world.sides, at, follower), world.sent, world.misfortunes + 1)

    def next_round(self, sides: Sides) -> World:
        """The timers run: who has failed begins again, then each says what it has to say."""
        for at in (0, 1):
            if not (sides[at].bound or sides[at].open):
                sides = put(sides, at, self.begun(sides[at]))
        return World(sides, self._spoken(sides))

    def _spoken(self, sides: Sides) -> frozenset[Sent]:
        said = [(1 - at, self.says(side)) for at, side in enumerate(sides)]
        return frozenset(Sent(to, *words) for to, words in said if words is not None)

    def settled(self, world: World) -> World:
        """Send what is sent sooner or later anyway, forget what makes no difference, and renumber."""
        sent = set(world.sent | self._spoken(world.sides))
        work = list(sent)
        while work:
            to, f, t = work.pop()
            side = world.sides[to]
            after, answer = self.receive(side, f, t)
            if answer is not None and after == side and (more := Sent(1 - to, *answer)) not in sent:
                sent.add(more)
                work.append(more)
        return renumbered(_without_the_gone(World(world.sides, frozenset(sent), world.misfortunes)))


def _without_the_gone(world: World) -> World:
    live = [{side.bound, side.open, 0} for side in world.sides]
    # A generation that is gone can still be bound to where it once named the open one.
    naming = {(sent.to, sent.f) for sent in world.sent if sent.t == world.sides[sent.to].open != 0}

    def known(at: int, id: int) -> int:
        kept = id in live[1 - at] or id == world.sides[at].partner or (at, id) in naming
        return id if kept else GONE

    sent = {Sent(to, known(to, f), t if t in live[to] else GONE) for to, f, t in world.sent}
    # Naming what is gone, a message does nothing that one that names nothing could not do.
    sent -= {one for one in sent if one.t == GONE and Sent(one.to, one.f, 0) in sent}
    first, second = (side._replace(heard=known(at, side.heard)) for at, side in enumerate(world.sides))
    return World((first, second), frozenset(sent), world.misfortunes)


def renumbered(world: World) -> World:
    """Number each side's ids from 1, and take a world's mirror image where that comes first."""
    maps = []
    for at in (0, 1):
        own, other = world.sides[at], world.sides[1 - at]
        ids = {own.bound, own.open, other.partner, other.heard}
        ids |= {sent.t if sent.to == at else sent.f for sent in world.sent}
        maps.append({0: 0, GONE: GONE} | {id: new for new, id in enumerate(sorted(ids - {0, GONE}), 1)})
    one, other = (
        Side(
            own[side.bound], others[side.partner], own[side.open], side.wanted, others[side.heard], *side[5:]
        )
        for side, own, others in zip(world.sides, maps, reversed(maps), strict=True)
    )
    mirror = one > other
    sent = frozenset(Sent(to ^ mirror, maps[1 - to][f], maps[to][t]) for to, f, t in world.sent)
    return World((other, one) if mirror else (one, other), sent, world.misfortunes)


class Broken(Exception):
    """The network alone has ended an agreement, or bound a generation a second time: before, after."""


class Endless(Exception):
    """The network can make the two sides open generations without end."""


class Exploration:
    """Every world that can come of two sides that begin, with at most so many misfortunes.

    Raises:
        Broken: a move of the network does what none must.
        Endless: there are more worlds than `most`.
    """

    def __init__(
        self, misfortunes: int, *, silence: bool = False, rules: type[Rules] = Rules, most: int = 10_000_000
    ) -> None:
        self.pairs: dict[Sides, None] = {}
        """What the two sides can be at the same time."""
        self.worlds = 0
        self._game = Game(rules, silence=silence)
        self._most: dict[Sides, list[World]] = {}
        self._todo: deque[World] = deque()
        self._add(World(self._game.start(), frozenset()))
        while self._todo:
            world = self._todo.popleft()
            if world in self._most[world.sides]:
                self._explore(world, misfortunes)
            if self.worlds > most:
                raise Endless

    def _explore(self, world: World, misfortunes: int) -> None:
        self.worlds += 1
        for sent in sorted(world.sent):
            self._by_network(world, self._game.deliver(world, sent))
        for after in self._game.checks(world):
            self._by_network(world, after)
        if world.misfortunes < misfortunes:
            for after in self._game.misfortunes(world):
                self._add(after)

    def _by_network(self, before: World, after: World) -> None:
        if after.sides == before.sides:
            return
        rebound = any(
            new.bound == old.bound != 0 and new.partner != old.partner
            for old, new in zip(before.sides, after.sides, strict=True)
        )
        if rebound or (agreed(before.sides) and not agreed(after.sides)):
            raise Broken(before, after)
        self._add(after)

    def _add(self, world: World) -> None:
        world = self._game.settled(world)
        self.pairs[world.sides] = None
        known = self._most.setdefault(world.sides, [])
        if any(_covers(other, world) for other in known):
            return
        known[:] = [other for other in known if not _covers(world, other)] + [world]
        self._todo.append(world)


def _covers(one: World, other: World) -> bool:
    return one.misfortunes <= other.misfortunes and one.sent >= other.sent


class Livelock(Exception):
    """The two sides can go on for ever without finding each other."""


class Convergence:
    """How many deliveries of fresh messages it takes at the most until both are bound, whatever the order."""

    def __init__(self, rules: type[Rules] = Rules) -> None:
        self._game = Game(rules, silence=True)
        self._known: dict[World, int] = {}

    def worst(self, reached: Iterable[Sides]) -> int:
        """The most that the network can draw it out to from any of these, if what was sent before is lost.

        Raises:
            Livelock: for ever.
        """
        return max(self._most(World(sides, frozenset()), []) for sides in reached)

    def _most(self, world: World, path: list[World]) -> int:
        if agreed(world.sides):
            return 0
        world = renumbered(world if world.sent else self._game.next_round(world.sides))
        if world in self._known:
            return self._known[world]
        if world in path or not world.sent:
            raise Livelock([*path, world])
        path.append(world)
        most = 0
        for after in self._game.checks(world):
            if after.sides != world.sides:
                most = max(most, self._most(after, path))
        for sent in world.sent:
            after = self._game.deliver(world, sent)
            most = max(most, 1 + self._most(after._replace(sent=after.sent - {sent}), path))
        path.pop()
        self._known[world] = most
        return most
