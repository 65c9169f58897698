"""When a session looks at its traffic, and when silence is a reason to ask."""

from warren.session.flow import Traffic, Watch


class Flow:
    """A watched session whose datagrams the test counts, as the data path does."""

    def __init__(self) -> None:
        self.traffic = Traffic()
        self.watch = Watch(self.traffic)
        self.begun = 0

    def comes(self, now: float, number: int = 1) -> None:
        self.traffic.received += number
        self.traffic.heard_at = now
        self._begin(now)

    def goes(self, now: float) -> None:
        self.traffic.sent += 1
        self._begin(now)

    def _begin(self, now: float) -> None:
        if self.traffic.resting:
            self.begun += 1
            self.watch.begin(now)

    def asks(self, until: float) -> list[float]:
        """Look whenever that is due; returns when the path was to be asked."""
        found = []
        while (due := self.watch.due) is not None and due <= until:
            if self.watch.look(due):
                found.append(round(due, 3))
        return found

    def runs(self, until: float, *, start: float = 0.0, comes: float = 0.0, goes: float = 0.0) -> list[float]:
        """Let datagrams come and go each so many seconds, if any; returns when the path was to be asked."""
        found = []
        for step in range(round(start * 100), round(until * 100)):
            now = step / 100
            found += self.asks(now)
            if comes and step % round(comes * 100) == 0:
                self.comes(now)
            if goes and step % round(goes * 100) == 0:
                self.goes(now)
        return found + self.asks(until)


def test_without_data_nobody_looks() -> None:
    assert Flow().watch.due is None


def test_the_first_datagram_after_a_rest_begins_and_the_next_ones_do_not() -> None:
    flow = Flow()
    flow.runs(1.0, comes=0.02)
    assert flow.begun == 1


def test_a_flow_that_goes_on_is_never_asked_about() -> None:
    assert Flow().runs(60.0, comes=0.1) == []


def test_a_flow_is_looked_at_five_times_a_second() -> None:
    flow, looks = Flow(), 0
    for step in range(1000):
        while flow.watch.due is not None and flow.watch.due <= step / 100:
            looks += 1
            flow.watch.look(step / 100)
        flow.comes(step / 100)
        flow.goes(step / 100)
    assert looks <= 55


def test_a_flow_that_ceases_is_asked_about_after_a_fifth_of_a_second_and_once() -> None:
    flow = Flow()
    flow.runs(1.0, comes=0.02)
    assert flow.asks(60.0) == [1.18]


def test_a_flow_that_ceases_right_after_a_look_is_asked_about_all_the_same() -> None:
    flow = Flow()
    for now in (0.0, 0.05, 0.1, 0.15, 0.2):
        flow.asks(now)
        flow.comes(now)
    assert flow.asks(60.0) == [0.4]


def test_when_nothing_comes_or_goes_any_more_it_rests() -> None:
    flow = Flow()
    flow.runs(1.0, comes=0.02, goes=0.02)
    flow.asks(3.0)
    assert (flow.watch.due, flow.traffic.resting) == (None, True)


def test_a_single_datagram_that_comes_is_no_flow() -> None:
    flow = Flow()
    assert flow.runs(60.0, comes=1.0) == []


def test_who_sends_and_hears_nothing_asks_a_fifth_of_a_second_later() -> None:
    flow = Flow()
    flow.goes(5.0)
    assert flow.asks(60.0) == [5.2]


def test_who_goes_on_sending_and_hears_nothing_asks_once_a_second() -> None:
    asked = Flow().runs(60.0, goes=0.02)
    assert 59 <= len(asked) <= 61


def test_a_flow_that_stops_and_goes_is_asked_about_once_a_second_at_the_most() -> None:
    flow, asked = Flow(), []
    for second in range(60):
        for part in (0.0, 0.5):
            flow.comes(second + part, 5)
            asked += flow.asks(second + part + 0.5)
    assert 50 <= len(asked) <= 61


def test_a_flow_that_ceases_right_after_a_pause_is_asked_about_within_half_a_second() -> None:
    flow = Flow()
    flow.runs(1.0, comes=0.02)
    flow.runs(1.3, start=1.2, comes=0.02)
    assert flow.asks(60.0) == [1.68]


def test_what_was_sent_before_a_rest_is_no_reason_to_ask_after_it() -> None:
    flow = Flow()
    flow.runs(1.0, goes=0.02)
    flow.asks(10.0)
    flow.comes(10.0)
    assert flow.asks(20.0) == []


def test_at_rest_nothing_is_due() -> None:
    flow = Flow()
    flow.goes(1.0)
    flow.watch.rest()
    assert (flow.watch.due, flow.traffic.resting) == (None, True)
