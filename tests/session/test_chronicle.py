"""The queue of outputs and the history."""

from warren.session.chronicle import Chronicle
from warren.session.outputs import StateChanged, UfragAdded
from warren.session.state import State


def change(number: int) -> StateChanged:
    return StateChanged(
        old=State.IDLE, new=State.IDLE, reason=f"reason {number}", generation=1, time=float(number)
    )


def test_outputs_are_handed_over_once_and_in_order() -> None:
    chronicle = Chronicle()
    chronicle.put(UfragAdded("abcd"))
    chronicle.put(change(1))
    assert chronicle.take() == [UfragAdded("abcd"), change(1)]
    assert chronicle.take() == []


def test_state_changes_are_remembered_and_nothing_else_is() -> None:
    chronicle = Chronicle()
    chronicle.put(UfragAdded("abcd"))
    chronicle.put(change(1))
    chronicle.take()
    assert chronicle.history == (change(1),)


def test_history_holds_the_last_64_the_oldest_first() -> None:
    chronicle = Chronicle()
    for number in range(70):
        chronicle.put(change(number))
    assert chronicle.history == tuple(change(number) for number in range(6, 70))
