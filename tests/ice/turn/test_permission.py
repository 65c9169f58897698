from tests.ice.turn.rig import PEER
from warren.ice.turn.permission import MAX_PERMISSIONS, MAX_WAITING, Permission, Permissions

OTHER = ("198.51.100.2", 5001)


def test_a_grant_lasts_five_minutes_and_is_renewed_by_use_after_four() -> None:
    permission = Permission(PEER[0])
    permission.granted(100.0)
    assert (permission.until, permission.refresh_at) == (400.0, 340.0)


def test_what_waits_leaves_with_the_grant_the_newest_for_each_port() -> None:
    permission = Permission(PEER[0])
    for peer, data in ((PEER, b"old"), (OTHER, b"other"), (PEER, b"new")):
        permission.wait(peer, data)
    assert permission.granted(1.0) == [(PEER, b"new"), (OTHER, b"other")]


def test_what_has_left_does_not_wait_any_more() -> None:
    permission = Permission(PEER[0])
    permission.wait(PEER, b"x")
    permission.granted(1.0)
    assert permission.granted(2.0) == []


def test_only_so_many_ports_can_wait() -> None:
    permission = Permission(PEER[0])
    for port in range(1, MAX_WAITING + 2):
        permission.wait((PEER[0], port), b"x")
    assert len(permission.granted(1.0)) == MAX_WAITING


def test_a_refusal_is_believed_for_a_minute() -> None:
    permission = Permission(PEER[0])
    permission.wait(PEER, b"x")
    permission.refused(10.0)
    assert (permission.until, permission.refresh_at) == (0.0, 70.0)
    assert permission.granted(80.0) == []


def test_silence_lets_the_next_packet_ask_again() -> None:
    permission = Permission(PEER[0])
    permission.asking = True
    permission.unanswered()
    assert (permission.asking, permission.refresh_at) == (False, 0.0)


def test_an_address_has_one_permission() -> None:
    permissions = Permissions()
    assert permissions.of("192.0.2.1") is permissions.of("192.0.2.1")
    assert permissions.known("192.0.2.1")
    assert not permissions.known("192.0.2.2")


def test_the_oldest_goes_where_there_are_too_many() -> None:
    permissions = Permissions()
    for number in range(MAX_PERMISSIONS + 1):
        permissions.of(f"10.0.{number // 256}.{number % 256}")
    assert not permissions.known("10.0.0.0")
    assert permissions.known("10.0.0.1")
