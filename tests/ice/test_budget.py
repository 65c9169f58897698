"""How many checks an address gets that never answered."""

from warren.ice.budget import Budget

VICTIM = ("192.0.2.66", 53)


def spent(number: int, *, at: float = 0.0) -> Budget:
    budget = Budget()
    for _ in range(number):
        budget.spend(VICTIM, at)
    return budget


def test_the_first_check_goes_at_once() -> None:
    assert Budget().earliest(VICTIM, 5.0, selected=False) == 5.0


def test_the_thirteenth_check_goes_within_the_first_two_seconds() -> None:
    assert spent(12).earliest(VICTIM, 1.9, selected=False) == 1.9


def test_the_fourteenth_check_waits_until_two_seconds_after_the_first() -> None:
    assert spent(13, at=3.0).earliest(VICTIM, 3.5, selected=False) == 5.0


def test_after_two_seconds_checks_go_on() -> None:
    assert spent(13).earliest(VICTIM, 2.5, selected=False) == 2.5


def test_the_twenty_first_check_is_never_sent() -> None:
    assert spent(20).earliest(VICTIM, 30.0, selected=False) is None


def test_once_a_path_is_selected_a_silent_address_gets_one_a_minute() -> None:
    assert spent(1, at=7.0).earliest(VICTIM, 8.0, selected=True) == 67.0


def test_a_minute_later_it_gets_another() -> None:
    assert spent(20).earliest(VICTIM, 61.0, selected=True) == 61.0


def test_a_new_address_is_checked_at_once_though_a_path_is_selected() -> None:
    assert Budget().earliest(VICTIM, 8.0, selected=True) == 8.0


def test_an_address_that_was_heard_is_not_limited() -> None:
    budget = spent(20)
    budget.heard(VICTIM)
    assert budget.earliest(VICTIM, 1.0, selected=False) == 1.0


def test_addresses_do_not_share_their_budgets() -> None:
    assert spent(20).earliest(("192.0.2.66", 54), 1.0, selected=False) == 1.0


def full() -> Budget:
    budget = Budget()
    for port in range(1000, 1256):
        budget.spend(("192.0.2.1", port), 0.0)
    return budget


def test_the_257th_address_is_never_checked() -> None:
    assert full().earliest(VICTIM, 1.0, selected=False) is None


def test_a_full_table_stays_as_it_is() -> None:
    budget = full()
    budget.spend(VICTIM, 1.0)
    budget.heard(VICTIM)
    assert budget.earliest(VICTIM, 1.0, selected=False) is None
