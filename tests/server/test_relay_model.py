"""The relay does what a model of it does, whatever comes in which order."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.server.keys import envelope, key
from warren.server.relay import GAP, Limits, Refused, Relay, Subscription


class ModelReader:
    """What a subscription should do, written another way."""

    def __init__(self, to: int, connection: int) -> None:
        self.to, self.connection = to, connection
        self.waiting: list[tuple[bool, bytes]] = []
        """What strangers sent comes after what the proven did; each in its order."""
        self.gap = False
        self.woken = False

    def wake(self) -> None:
        self.woken = True

    def put(self, data: bytes, proven: bool, limits: Limits) -> bool:
        kept = sorted([*self.waiting, (not proven, data)], key=lambda item: item[0])
        newest = kept[-1] if not proven else None
        while len(kept) > 1 and (
            len(kept) > limits.queue_length or sum(len(item) for _, item in kept) > limits.queue_bytes
        ):
            # The oldest of the strangers', or where there are none the oldest.
            worst = next((item for item in kept if item[0]), kept[0])
            kept = [item for item in kept if item is not worst]
            self.gap = True
        self.waiting = kept
        return newest is None or any(item is newest for item in kept)

    def take(self) -> bytes | None:
        if self.gap:
            self.gap = False
            return GAP
        self.woken = self.woken and bool(self.waiting)
        return self.waiting.pop(0)[1] if self.waiting else None


class RelayMachine(RuleBasedStateMachine):
    """Any sequence of subscribing, leaving, publishing and taking does what the model does."""

    @initialize(
        limits=st.builds(
            Limits,
            queue_length=st.integers(1, 5),
            queue_bytes=st.integers(200, 600),
            subscriptions_per_key=st.integers(1, 4),
            subscriptions_per_connection=st.integers(1, 4),
        )
    )
    def begin(self, limits: Limits) -> None:
        self.relay = Relay(limits)
        self.live: list[tuple[Subscription, ModelReader]] = []

    @rule(to=st.integers(0, 1), connection=st.integers(0, 2))
    def subscribe(self, to: int, connection: int) -> None:
        limits, model = self.relay.limits, ModelReader(to, connection)
        refused = (
            sum(other.to == to for _, other in self.live) >= limits.subscriptions_per_key
            or sum(other.connection == connection for _, other in self.live)
            >= limits.subscriptions_per_connection
        )
        try:
            made = self.relay.subscribe(key(to), connection=connection, wake=model.wake)
        except Refused:
            assert refused
        else:
            assert not refused
            self.live.append((made, model))

    @precondition(lambda self: self.live)
    @rule(which=st.integers(0, 100))
    def leave(self, which: int) -> None:
        reader, _ = self.live.pop(which % len(self.live))
        self.relay.unsubscribe(reader)

    @precondition(lambda self: self.live)
    @rule(
        which=st.integers(0, 100),
        sizes=st.lists(st.integers(0, 150), min_size=1, max_size=4),
        proven=st.booleans(),
    )
    def publish(self, which: int, sizes: list[int], proven: bool) -> None:
        to = self.live[which % len(self.live)][1].to
        wanted = [model for _, model in self.live if model.to == to]
        for size in sizes:
            data = envelope(key(to), bytes(size))
            took = [model.put(data, proven, self.relay.limits) for model in wanted]
            assert self.relay.publish(data, proven=proven) == sum(took)

    @precondition(lambda self: self.live)
    @rule(which=st.integers(0, 100), times=st.integers(1, 6))
    def take(self, which: int, times: int) -> None:
        reader, model = self.live[which % len(self.live)]
        for _ in range(times):
            assert reader.take() == model.take()

    @invariant()
    def who_has_something_to_take_was_woken(self) -> None:
        assert all(model.woken for _, model in self.live if model.waiting)

    @invariant()
    def the_counts_of_live_things_are_right(self) -> None:
        models = [model for _, model in self.live]
        assert self.relay.subscriptions == len(models)
        assert self.relay.keys == len({model.to for model in models})
        assert self.relay.connections == len({model.connection for model in models})

    def teardown(self) -> None:
        for reader, model in getattr(self, "live", ()):
            assert list(iter(reader.take, None)) == list(iter(model.take, None))


TestRelayMachine = RelayMachine.TestCase
TestRelayMachine.settings = settings(max_examples=50, deadline=None)
