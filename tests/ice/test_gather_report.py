"""What a gatherer tells of its servers and of the NAT."""

from tests.ice.lab import CAFE, GIVES_UP_AFTER, HOME, ONE, ONE_IPV6, PUBLIC, PUBLIC_OTHER, TWO, Lab, lab


def test_report_tells_each_base_and_server() -> None:
    world = lab(HOME, CAFE)
    world.answer(HOME, ONE, PUBLIC)
    home, cafe = world.gatherer.report
    assert (home.server, home.address, home.base, home.mapped, home.error) == (
        "stun:one",
        ONE,
        HOME,
        PUBLIC,
        None,
    )
    assert (cafe.base, cafe.mapped, cafe.error) == (CAFE, None, None)


def test_report_has_an_entry_for_a_server_that_could_not_be_resolved() -> None:
    world = lab()
    world.gatherer.server_failed("stun:two", "cannot be resolved")
    entry = world.gatherer.report[1]
    assert (entry.server, entry.address, entry.error) == ("stun:two", None, "cannot be resolved")


def test_report_has_an_entry_for_a_server_of_a_family_that_we_lack() -> None:
    world = Lab(HOME, servers=[("stun:one", [ONE_IPV6])])
    assert world.gatherer.complete
    assert [entry.error for entry in world.gatherer.report] == ["has no address that can be asked from here"]


def test_report_has_an_empty_entry_for_a_server_that_is_being_resolved() -> None:
    world = lab(one=False)
    world.gatherer.expect_server("stun:one")
    assert [(entry.server, entry.error) for entry in world.gatherer.report] == [("stun:one", None)]


def test_mapping_is_the_same_where_two_servers_see_the_same() -> None:
    world = lab(two=True)
    world.answer(HOME, ONE, PUBLIC)
    world.answer(HOME, TWO, PUBLIC)
    assert world.gatherer.mapping == "same"


def test_mapping_is_different_where_two_servers_see_different_addresses() -> None:
    world = lab(two=True)
    world.answer(HOME, ONE, PUBLIC)
    world.answer(HOME, TWO, PUBLIC_OTHER)
    assert world.gatherer.mapping == "different"
    assert "203.0.113.5:61001" in world.gatherer.summary


def test_mapping_is_unknown_while_the_servers_may_still_answer() -> None:
    assert lab().gatherer.mapping == "unknown"


def test_nobody_answered_when_the_time_of_all_is_over() -> None:
    world = lab(two=True)
    world.until(GIVES_UP_AFTER)
    assert world.gatherer.mapping == "none-answered"


def test_without_servers_there_is_no_mapping_to_know() -> None:
    assert lab(one=False).gatherer.mapping == "no-servers"


def test_gatherer_belongs_to_no_session() -> None:
    assert lab().gatherer.session is None


def test_a_server_that_sees_us_elsewhere_than_before_tells_that_the_nat_has_forgotten_us() -> None:
    world = lab(HOME)
    world.answer(HOME, ONE, PUBLIC)
    assert world.moves == 0
    world.now = 5.0
    world.gatherer.refresh(world.now)
    world.drain()
    world.answer(HOME, ONE, PUBLIC)
    assert world.moves == 0
    world.now = 10.0
    world.gatherer.refresh(world.now)
    world.drain()
    world.answer(HOME, ONE, PUBLIC_OTHER)
    assert world.moves == 1
