"""Bytes written out by the rules of protobuf: tag = number << 3 | type, then the value."""

from tests.test_keys import ALICE, BOB
from warren.messages import Candidate, CandidateType, NetworkType, RelayProtocol, SessionDescription, TCPType

__all__ = ["CANDIDATE", "CANDIDATE_BYTES", "SESSION", "SESSION_BYTES", "A", "B", "blob", "integer", "text"]

A, B = ALICE.public, BOB.public


def text(number: int, value: str) -> bytes:
    return blob(number, value.encode())


def blob(number: int, value: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(value)) + value


def integer(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value % 2**64)


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


CANDIDATE = Candidate(
    type=CandidateType.SERVER_REFLEXIVE,
    network=NetworkType.UDP4,
    address="203.0.113.9",
    port=40000,
    priority=0x80000001,
    foundation="f1",
    related=("10.0.0.2", 5000),
    relay_protocol=RelayProtocol.TLS,
    tcp_type=TCPType.PASSIVE,
)
CANDIDATE_BYTES = (
    integer(1, 2)
    + integer(2, 1)
    + integer(3, 2)
    + text(4, "f1")
    + integer(5, 1)
    + integer(6, 0x80000001 - 2**32)
    + text(7, "203.0.113.9")
    + integer(8, 40000)
    + blob(9, text(1, "10.0.0.2") + integer(2, 5000))
    + integer(10, 3)
)
SESSION = SessionDescription(
    sender=A,
    recipient=B,
    session_id=0x1122334455667788,
    peer_session_id=5,
    candidates=(CANDIDATE,),
    end_of_candidates=True,
    revision=3,
    peer_revision=2,
    wants_answer=True,
)
SESSION_BYTES = (
    integer(1, 1)
    + blob(2, A.raw)
    + blob(3, B.raw)
    + b"\x21"
    + bytes.fromhex("8877665544332211")
    + b"\x29\x05"
    + bytes(7)
    + blob(6, CANDIDATE_BYTES)
    + integer(7, 1)
    + integer(8, 3)
    + integer(9, 2)
    + integer(10, 1)
)
