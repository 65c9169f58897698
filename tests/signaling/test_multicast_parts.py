from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.signaling.people import ALICE, BOB, sealed
from warren.signaling.multicast_parts import Assembly, recipient_of, split

ID = b"12345678"


def part(index: int, count: int, piece: bytes = b"x", *, message_id: bytes = ID, version: int = 1) -> bytes:
    return b"\x57" + bytes((version,)) + message_id + bytes((index, count)) + piece


class Hearer:
    """An assembly and what it counted."""

    def __init__(self) -> None:
        self.drops: Counter[str] = Counter()
        self.assembly = Assembly(self.drops)

    def hear(self, *datagrams: bytes, source: str = "192.0.2.1", now: float = 0.0) -> list[bytes]:
        """What becomes of datagrams: those that are complete."""
        found = [self.assembly.add(datagram, source, now=now) for datagram in datagrams]
        return [data for data in found if data is not None]


@pytest.fixture
def hearer() -> Hearer:
    return Hearer()


# Splitting


def test_what_fits_is_one_datagram_as_it_is() -> None:
    data = b"\x0a" + bytes(1199)
    assert split(data, ID) == [data]


def test_what_does_not_is_split_as_the_wire_format_says() -> None:
    data = bytes(range(256)) * 5
    assert split(data, ID) == [part(0, 2, data[:1188]), part(1, 2, data[1188:])]


def test_largest_envelope_takes_fourteen_parts_of_1200_bytes() -> None:
    sizes = [len(datagram) for datagram in split(bytes(16 * 1024), ID)]
    assert (len(sizes), max(sizes)) == (14, 1200)


def test_more_than_an_envelope_is_refused() -> None:
    with pytest.raises(ValueError, match="16385 bytes"):
        split(bytes(16 * 1024 + 1), ID)


# Joining


@given(st.binary(min_size=1201, max_size=16 * 1024), st.randoms(use_true_random=False))
def test_parts_in_any_order_and_doubled_make_the_whole(data: bytes, random: Random) -> None:
    datagrams = split(data, ID)
    last = datagrams.pop(random.randrange(len(datagrams)))
    datagrams += datagrams
    random.shuffle(datagrams)
    hearer = Hearer()
    assert hearer.hear(*datagrams) == []
    assert hearer.hear(last) == [data]
    assert hearer.drops == {}
    assert len(hearer.assembly) == 0


def test_what_is_no_part_is_passed_on(hearer: Hearer) -> None:
    assert hearer.hear(b"\x0aenvelope", b"") == [b"\x0aenvelope", b""]


@pytest.mark.parametrize(
    "datagram",
    [
        b"\x57",
        part(0, 2, b""),
        part(0, 2, version=0),
        part(0, 2, version=2),
        part(0, 0),
        part(2, 2),
        part(0, 17),
        part(255, 255),
    ],
)
def test_malformed_part_is_counted(hearer: Hearer, datagram: bytes) -> None:
    assert hearer.hear(datagram) == []
    assert hearer.drops == {"part-malformed": 1}
    assert len(hearer.assembly) == 0


def test_sixteen_parts_are_allowed(hearer: Hearer) -> None:
    assert hearer.hear(*(part(index, 16, b"%x" % index) for index in range(16))) == [b"0123456789abcdef"]


def test_parts_of_two_messages_do_not_mix(hearer: Hearer) -> None:
    other = b"abcdefgh"
    heard = hearer.hear(
        part(0, 2, b"a"),
        part(0, 2, b"c", message_id=other),
        part(1, 2, b"b"),
        part(1, 2, b"d", message_id=other),
    )
    assert heard == [b"ab", b"cd"]


def test_parts_of_two_hosts_do_not_mix(hearer: Hearer) -> None:
    assert hearer.hear(part(0, 2, b"a"), source="192.0.2.1") == []
    assert hearer.hear(part(1, 2, b"evil"), source="192.0.2.66") == []
    assert hearer.hear(part(1, 2, b"b"), source="192.0.2.1") == [b"ab"]


def test_first_of_two_parts_with_one_index_holds(hearer: Hearer) -> None:
    assert hearer.hear(part(0, 2, b"a"), part(0, 2, b"evil"), part(1, 2, b"b")) == [b"ab"]


def test_parts_that_disagree_on_their_count_are_dropped_together(hearer: Hearer) -> None:
    assert hearer.hear(part(0, 2), part(1, 3)) == []
    assert hearer.drops == {"part-inconsistent": 1}
    assert len(hearer.assembly) == 0


def test_message_of_more_than_an_envelope_is_dropped_before_it_is_whole(hearer: Hearer) -> None:
    assert hearer.hear(*(part(index, 16, bytes(4084)) for index in range(5))) == []
    assert hearer.drops == {"part-inconsistent": 1}
    assert len(hearer.assembly) == 0


def test_parts_are_kept_for_two_seconds(hearer: Hearer) -> None:
    assert hearer.hear(part(0, 2, b"a"), now=10.0) == []
    assert hearer.hear(part(1, 2, b"b"), now=11.99) == [b"ab"]


def test_parts_are_forgotten_after_two_seconds(hearer: Hearer) -> None:
    assert hearer.hear(part(0, 2, b"a"), now=10.0) == []
    assert hearer.hear(part(1, 2, b"b"), now=12.0) == []
    assert hearer.drops == {"message-incomplete": 1}
    assert len(hearer.assembly) == 1


def test_only_those_that_are_old_are_forgotten(hearer: Hearer) -> None:
    hearer.hear(part(0, 2, message_id=b"old....."), now=10.0)
    hearer.hear(part(0, 2, b"a"), now=11.0)
    assert hearer.hear(part(1, 2, b"b"), now=12.5) == [b"ab"]
    assert hearer.drops == {"message-incomplete": 1}


def test_at_most_64_messages_are_in_assembly(hearer: Hearer) -> None:
    hearer.hear(*(part(0, 2, message_id=number.to_bytes(8, "big")) for number in range(100)))
    assert len(hearer.assembly) == 64
    assert hearer.drops == {"message-crowded-out": 36}


def test_host_that_floods_crowds_out_its_own_messages(hearer: Hearer) -> None:
    assert hearer.hear(part(0, 2, b"a"), source="192.0.2.1") == []
    flood = (part(0, 2, message_id=number.to_bytes(8, "big")) for number in range(1000))
    hearer.hear(*flood, source="192.0.2.66")
    assert hearer.hear(part(1, 2, b"b"), source="192.0.2.1") == [b"ab"]


# Recipients


def test_recipient_is_read_where_it_stands() -> None:
    assert recipient_of(sealed(ALICE, BOB.public).serialize()) == BOB.public.raw


@pytest.mark.parametrize("first", [0x0A, 0x12, 0x1A, 0xA2])
def test_other_order_of_fields_takes_a_parser(first: int) -> None:
    assert recipient_of(bytes((first,)) + bytes(100)) is None


def test_envelope_that_is_cut_off_takes_a_parser() -> None:
    assert recipient_of(sealed(ALICE, BOB.public).serialize()[:67]) is None


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x57", b"GET / HTTP/1.1", b"\xff" * 68])
def test_what_begins_as_no_envelope_does_is_none(data: bytes) -> None:
    with pytest.raises(ValueError, match="no envelope begins so"):
        recipient_of(data)
