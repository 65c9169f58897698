"""Tests of the demo's STUN server."""

from warren.cli.stun_server import answer
from warren.ice import stun

SOURCE = ("203.0.113.7", 4242)


def test_a_binding_request_is_answered_with_its_source() -> None:
    reply = answer(stun.server_request(b"t" * 12), SOURCE)
    assert reply is not None
    parsed = stun.parse(reply)
    assert (parsed.transaction_id, parsed.mapped_address) == (b"t" * 12, SOURCE)


def test_what_is_no_binding_request_is_not_answered() -> None:
    indication = stun.build(stun.Method.BINDING, stun.Class.INDICATION, b"t" * 12, ())
    allocate = stun.build(stun.Method.ALLOCATE, stun.Class.REQUEST, b"t" * 12, ())
    broken = stun.server_request(b"t" * 12)[:-1]
    assert [answer(data, SOURCE) for data in (b"", b"hello", indication, allocate, broken)] == [None] * 5
