from collections import Counter
from dataclasses import replace
from random import Random

from tests.ice.turn.rig import BASE, MAPPED, RELAYED, SERVER, URL, Server
from warren.ice import stun
from warren.ice.server_url import TurnUrl
from warren.ice.streams import Streams
from warren.ice.stun import Attribute, Class, Method, Stun
from warren.ice.transaction import Transactions
from warren.ice.transport import Address, Base, OpenStream, Transmit
from warren.ice.turn.relays import RelayClosed, RelayOpened, RelayOutput, Relays
from warren.messages import CandidateType, NetworkType, RelayProtocol

SECOND = Base("192.0.2.2", 4000)
SIX = Base("2001:db8::1", 4000)
SERVER6: Address = ("2001:db8::4", 3478)
TCP = TurnUrl(host="turn.example.org", port=3478, transport="tcp")
BOB = replace(URL, username="bob", password="w0rd")
OTHER = TurnUrl(host="other.example.org", port=3478, transport="udp")


class World:
    """The relays of a node, and a server."""

    def __init__(self) -> None:
        self.server = Server()
        self.drops: Counter[str] = Counter()
        self.transactions = Transactions(Random(1))
        self.relays = Relays(
            transactions=self.transactions, streams=Streams(), dice=Random(2), drops=self.drops
        )
        self.told: list[RelayOutput] = []
        """All that was put out but packets."""
        self.requests: dict[Base, Stun] = {}
        """The last request by the base that it came from."""

    def drain(self) -> None:
        for output in self.relays.outputs():
            if isinstance(output, Transmit):
                self.requests[output.base] = stun.parse(output.data)
            else:
                self.told.append(output)

    def grant(self, base: Base, *relayed: Address, lifetime: int = 600) -> None:
        """Answer what this base has asked last."""
        self.drain()
        request = self.requests[base]
        if request.method is Method.ALLOCATE:
            data = self.server.allocated(request, *relayed, lifetime=lifetime)
        else:
            data = self.server.refreshed(request, lifetime)
        self.answer(base, data)

    def answer(self, base: Base, data: bytes) -> None:
        """Let a packet come in answer to what this base has asked last."""
        response = stun.parse(data)
        transaction = self.transactions.get(response.transaction_id)
        assert transaction is not None
        transaction.owner.response_received(transaction, response, transaction.destination, base, 0.0)
        self.drain()

    def user(self, base: Base) -> bytes | None:
        """As whom this base asks once the server wants to know."""
        self.drain()
        self.answer(base, self.server.challenge(self.requests[base]))
        return self.requests[base].value(Attribute.USERNAME)


def world(*bases: Base) -> World:
    made = World()
    for base in bases or (BASE,):
        made.relays.add_base(base, 0.0)
    return made


def test_without_servers_everything_is_known() -> None:
    assert world().relays.complete
    assert world().relays.report == ()
    assert world().relays.deadline is None


def test_every_base_asks_a_server_of_its_family() -> None:
    made = world(BASE, SECOND, SIX)
    made.relays.add(URL, [SERVER], 0.0)
    made.drain()
    assert set(made.requests) == {BASE, SECOND}


def test_a_base_that_comes_later_asks_too() -> None:
    made = world(BASE)
    made.relays.add(URL, [SERVER, SERVER6], 0.0)
    made.relays.add_base(SIX, 1.0)
    made.drain()
    assert set(made.requests) == {BASE, SIX}


def test_a_server_that_is_added_again_is_asked_once() -> None:
    made = world()
    made.relays.add(URL, [SERVER], 0.0)
    made.drain()
    made.requests.clear()
    made.relays.add(URL, [SERVER], 1.0)
    made.drain()
    assert made.requests == {}


def test_nothing_is_complete_before_a_server_is_resolved_and_has_answered() -> None:
    made = world()
    made.relays.expect(URL)
    assert not made.relays.complete
    made.relays.add(URL, [SERVER], 0.0)
    assert not made.relays.complete
    made.grant(BASE)
    assert made.relays.complete


def test_server_that_cannot_be_resolved_is_told() -> None:
    made = world()
    made.relays.expect(URL)
    made.relays.fail(URL, "cannot be resolved: no such name")
    assert made.relays.complete
    assert [report.error for report in made.relays.report] == ["cannot be resolved: no such name"]


def test_server_that_nobody_can_ask_is_told() -> None:
    made = world(SIX)
    made.relays.add(URL, [SERVER], 0.0)
    assert [report.error for report in made.relays.report] == ["has no address that can be asked from here"]
    assert made.relays.complete


def test_server_that_is_being_resolved_has_said_nothing_yet() -> None:
    made = world()
    made.relays.expect(URL)
    assert "has not answered yet" in str(made.relays.report[0])


def test_granted_allocation_opens_a_relayed_base_with_a_candidate() -> None:
    made = world()
    made.relays.add(URL, [SERVER], 0.0)
    made.grant(BASE)
    (opened,) = made.told
    assert isinstance(opened, RelayOpened)
    assert made.relays.of(opened.base) is opened.allocation
    assert made.relays.relay_at(BASE, SERVER) is opened.allocation.relay
    (local,) = made.relays.candidates
    candidate = local.candidate
    assert local.base is opened.base
    assert (candidate.type, candidate.network) == (CandidateType.RELAY, NetworkType.UDP4)
    assert (candidate.transport, candidate.related) == (RELAYED, MAPPED)
    assert candidate.relay_protocol is RelayProtocol.UDP


def test_nothing_comes_from_servers_that_have_granted_nothing() -> None:
    made = world()
    made.relays.add(URL, [SERVER], 0.0)
    made.drain()
    assert made.relays.relay_at(BASE, SERVER) is None


def test_both_families_of_an_allocation_have_a_candidate() -> None:
    made = world()
    made.relays.add(URL, [SERVER], 0.0)
    made.grant(BASE, RELAYED, ("2001:db8::4", 50001))
    networks = [local.candidate.network for local in made.relays.candidates]
    assert networks == [NetworkType.UDP4, NetworkType.UDP6]


def test_candidates_stay_as_they_are_when_others_come() -> None:
    made = world(BASE, SECOND)
    made.relays.add(URL, [SERVER], 0.0)
    made.grant(BASE)
    (first,) = made.relays.candidates
    made.grant(SECOND, ("203.0.113.4", 50002))
    assert first in made.relays.candidates
    assert len(made.relays.candidates) == 2


def test_server_named_first_and_base_added_first_are_preferred() -> None:
    made = world(BASE, SECOND)
    made.relays.add(URL, [SERVER], 0.0)
    made.grant(BASE)
    made.grant(SECOND, ("203.0.113.4", 50002))
    made.relays.add(OTHER, [("203.0.113.9", 3478)], 0.0)
    made.grant(BASE, ("203.0.113.9", 50003))
    ports = sorted(made.relays.candidates, key=lambda local: -local.candidate.priority)
    assert [local.candidate.port for local in ports] == [50000, 50002, 50003]


def test_mapped_address_is_known_with_the_server_that_saw_it() -> None:
    made = world()
    made.relays.add(URL, [SERVER], 0.0)
    assert list(made.relays.mapped(BASE)) == []
    made.grant(BASE)
    assert list(made.relays.mapped(BASE)) == [(MAPPED, SERVER)]
    assert list(made.relays.mapped(SECOND)) == []


def test_lost_base_takes_its_allocations_with_it() -> None:
    made = world()
    made.relays.add(URL, [SERVER], 0.0)
    made.grant(BASE)
    made.relays.remove_base(BASE)
    made.relays.remove_base(SECOND)
    made.drain()
    (local,) = [output.base for output in made.told if isinstance(output, RelayClosed)]
    assert made.relays.of(local) is None
    assert made.relays.relay_at(BASE, SERVER) is None
    assert made.relays.candidates == ()


def test_lost_base_closes_its_streams() -> None:
    made = world()
    made.relays.add(TCP, [SERVER], 0.0)
    made.drain()
    (order,) = made.told
    assert isinstance(order, OpenStream)
    made.relays.remove_base(BASE)
    made.drain()
    assert len(made.told) == 2


def test_kept_while_needed() -> None:
    made = world()
    made.relays.add(URL, [SERVER], 0.0)
    made.grant(BASE)
    made.relays.needed(False)
    assert made.relays.deadline is None
    made.relays.needed(True)
    deadline = made.relays.deadline
    assert deadline is not None
    made.relays.tick(deadline)
    made.drain()
    assert made.requests[BASE].method is Method.REFRESH


def test_doubt_asks_every_server() -> None:
    made = world()
    made.relays.add(URL, [SERVER], 0.0)
    made.grant(BASE)
    made.relays.refresh(5.0)
    made.drain()
    assert made.requests[BASE].method is Method.REFRESH


def test_everything_is_given_back() -> None:
    made = world()
    made.relays.add(URL, [SERVER], 0.0)
    made.grant(BASE)
    assert made.relays.left
    made.relays.give_back(1.0)
    assert not made.relays.left
    made.grant(BASE, lifetime=0)
    assert made.relays.left
    assert isinstance(made.told[-1], RelayClosed)


def test_requests_are_requests() -> None:
    made = world()
    made.relays.add(URL, [SERVER], 0.0)
    made.drain()
    assert (made.requests[BASE].method, made.requests[BASE].cls) == (Method.ALLOCATE, Class.REQUEST)


def test_every_base_that_was_refused_asks_again_with_renewed_credentials() -> None:
    made = world(BASE, SECOND)
    made.relays.add(URL, [SERVER], 0.0)
    made.drain()
    for base in (BASE, SECOND):
        made.answer(base, made.server.error(made.requests[base], 403))
    made.requests.clear()
    made.relays.renew(BOB, 1.0)
    assert [made.user(base) for base in (BASE, SECOND)] == [b"bob", b"bob"]


def test_base_that_comes_after_credentials_were_renewed_asks_with_those() -> None:
    made = world(BASE)
    made.relays.add(URL, [SERVER], 0.0)
    made.relays.renew(BOB, 1.0)
    made.relays.add_base(SECOND, 2.0)
    assert made.user(SECOND) == b"bob"
