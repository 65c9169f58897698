"""Roster: the generations of a session that live, which of them carries data, and how each ends."""

from typing import Final

from warren.ice.transport import Address, Base, CloseStream, Route
from warren.messages import Candidate
from warren.session.chronicle import Chronicle
from warren.session.generation import LIVE, Generation
from warren.session.outputs import (
    Path,
    PathChanged,
    SourceForgotten,
    SourceLearned,
    StateChanged,
    UfragAdded,
    UfragRemoved,
)
from warren.session.state import MOVES, State

__all__ = ["GRACE", "Roster"]

GRACE: Final = 5.0
"""How long a generation still takes data and answers its partner when another has taken over."""
MAX_RETIRED: Final = 2


class Roster:
    """Keeps the node informed of ufrags and sources, and the user of states and paths."""

    def __init__(self, chronicle: Chronicle) -> None:
        self.open: Generation | None = None
        self.bound: Generation | None = None
        self.older: Generation | None = None
        """The last connected one, kept until the bound one is connected too."""
        self.newest: Generation | None = None
        """The newest that is no offer; it may be over."""
        self._retired: list[Generation] = []
        self._living: tuple[Generation, ...] | None = ()
        self._chronicle = chronicle
        self._by_ufrag: dict[str, Generation] = {}
        self._sources: dict[tuple[Base, Address], list[Generation]] = {}
        self._numbers = 0
        self._told: tuple[int, Candidate, Candidate] | None = None

    # What can be read

    @property
    def living(self) -> tuple[Generation, ...]:
        """Those that have a working agent."""
        if self._living is None:
            slots = (*self._retired, self.older, self.bound, self.open)
            self._living = tuple(generation for generation in slots if generation is not None)
        return self._living

    @property
    def carrier(self) -> Generation | None:
        """That which carries data: the bound one once it is connected, until then the one before."""
        for generation in (self.bound, self.older):
            if generation is not None and generation.state in LIVE:
                return generation
        return None

    @property
    def state(self) -> State:
        """The state of the carrier, else of the newest."""
        generation = self.carrier or self.newest
        return State.UNKNOWN if generation is None else generation.state

    @property
    def route(self) -> Route | None:
        """Where data goes: before a pair is agreed upon, over the first one that answered."""
        for generation in (self.carrier, self.bound, self.older):
            if generation is not None and (route := generation.agent.route) is not None:
                return route
        return None

    @property
    def path(self) -> Path | None:
        """The carrier's pair."""
        carrier = self.carrier
        pair = None if carrier is None else carrier.agent.selected
        return None if pair is None else Path(local=pair.local, remote=pair.remote, rtt=pair.rtt)

    def find(self, ufrag: str) -> Generation | None:
        """The living generation with this ufrag of ours."""
        return self._by_ufrag.get(ufrag)

    # Beginning

    def enter(self, generation: Generation) -> None:
        """A generation lives: as an offer, until it is promoted."""
        self.open, self._living = generation, None
        self._by_ufrag[generation.credentials.ufrag] = generation
        self._chronicle.put(UfragAdded(generation.credentials.ufrag))

    def promote(self, generation: Generation, reason: str, now: float) -> None:
        """A generation is no mere offer: it gets a number, and the user hears of it."""
        self._numbers += 1
        generation.number = self._numbers
        if self.newest is not None and self.newest.state is State.CLOSED:
            generation.state = State.CLOSED
        self.newest = generation
        self.move(generation, State.IDLE, reason, now)

    def move(self, generation: Generation, new: State, reason: str, now: float) -> None:
        """Move a generation through the table."""
        old = generation.state
        assert new in MOVES[old], (old, new)
        generation.state, generation.entered_at = new, now
        if new in LIVE:
            generation.was_connected = True
        change = StateChanged(old=old, new=new, reason=reason, generation=generation.number, time=now)
        self._chronicle.put(change)

    def seat(self, reason: str, now: float) -> Generation:
        """The open generation is bound: the one before it stays if it was connected, else it goes at once."""
        generation, before = self.open, self.bound
        assert generation is not None
        self.open, self.bound, self._living = None, generation, None
        if before is not None:
            replaced = f"replaced by another generation: {reason}"
            if before.was_connected or (self.older is None and before.agent.valid):
                if self.older is not None:
                    self.close(self.older, replaced, now)
                self.older = before
            else:
                self.close(before, replaced, now)
        if generation.state is State.UNKNOWN:
            self.promote(generation, reason, now)
        return generation

    # Ending

    def retire_older(self, now: float) -> None:
        """The bound generation is connected: the one before it ends soon."""
        older, self.older, self._living = self.older, None, None
        if older is not None:
            older.retire_at = now + GRACE
            self._retired.append(older)
            if len(self._retired) > MAX_RETIRED:
                self.close(self._retired[0], "retired: a newer generation is connected", now)

    def close(self, generation: Generation, reason: str, now: float) -> None:
        """Close a generation for good; one that was a mere offer goes silently."""
        self.release(generation, now)
        if generation.state not in (State.UNKNOWN, State.CLOSED):
            self.move(generation, State.CLOSED, reason, now)

    def release(self, generation: Generation, now: float) -> None:
        """Close the agent and forget all that leads to the generation, but not its state."""
        generation.agent.close(now)
        for output in generation.agent.outputs():
            if isinstance(output, CloseStream):
                self._chronicle.put(output)  # Nothing else of a closed agent matters.
        ufrag = generation.credentials.ufrag
        if self._by_ufrag.get(ufrag) is generation:
            del self._by_ufrag[ufrag]
            self._chronicle.put(UfragRemoved(ufrag))
        self.forget_sources(generation)
        generation.retire_at, self._living = None, None
        if generation in self._retired:
            self._retired.remove(generation)
        if generation is self.open:
            self.open = None
        if generation is self.bound:
            self.bound = None
        if generation is self.older:
            self.older = None

    # Sources of data

    def learn_source(self, generation: Generation, base: Base, source: Address) -> None:
        """An authenticated packet for this generation came from there."""
        knowing = self._sources.setdefault((base, source), [])
        if not knowing:
            self._chronicle.put(SourceLearned(base, source))
        if generation not in knowing:
            knowing.append(generation)

    def lose_source(self, generation: Generation, base: Base, source: Address) -> None:
        """The connection is over by which this generation's packets came."""
        self._forget(generation, (base, source))

    def forget_sources(self, generation: Generation) -> None:
        """What this generation learned counts no more, unless another one has learned it too."""
        for key in list(self._sources):
            self._forget(generation, key)

    def _forget(self, generation: Generation, key: tuple[Base, Address]) -> None:
        knowing = self._sources.get(key, [])
        if generation in knowing:
            knowing.remove(generation)
            if not knowing:
                del self._sources[key]
                self._chronicle.put(SourceForgotten(*key))

    # The path

    def tell_path(self, reason: str, now: float) -> None:
        """Tell the user if data takes another way than it was told last."""
        carrier, before = self.carrier, self._told
        pair = None if carrier is None else carrier.agent.selected
        if carrier is not None and pair is not None:
            self._told = (carrier.number, pair.local, pair.remote)
        else:
            self._told = None
        told = self._told or before
        if self._told == before or told is None:
            return
        self._chronicle.put(PathChanged(path=self.path, generation=told[0], reason=reason, time=now))
