"""Two connected agents whose checks can be timed: no sockets, no loop, time by numbers."""

import random
import time

from warren.ice import stun
from warren.ice.agent import Agent
from warren.ice.candidate import LocalCandidate, foundation, local_preference, priority
from warren.ice.outputs import PairSelected
from warren.ice.timing import Pacer
from warren.ice.transaction import Transaction, Transactions
from warren.ice.transport import Address, Base, Transmit
from warren.messages import Candidate, CandidateType, Credentials, NetworkType

__all__ = ["AgentPair"]


class AgentPair:
    """Two agents that have selected a pair, and from then on check each other for consent."""

    def __init__(self, dice: random.Random) -> None:
        left = _Side("10.0.0.1", True, dice)
        right = _Side("10.0.0.2", False, dice)
        self._sides = {left.base: left, right.base: right}
        self._by_address = {(base.address, base.port): base for base in self._sides}
        self._now = 0.0
        self._answered = 0
        for side, other in ((left, right), (right, left)):
            side.agent.set_remote(other.credentials, 0.0)
            side.agent.add_remote(other.local.candidate, 0.0)
            side.agent.end_remote(0.0)
        self._deliver()
        while not all(side.selected for side in self._sides.values()):
            self._pass_time()

    def microseconds(self, checks: int) -> float:
        """CPU time of one check from the tick that sends it to the response that is taken."""
        answered = self._answered
        start = time.process_time()
        while self._answered - answered < checks:
            self._pass_time()
        return (time.process_time() - start) / (self._answered - answered) * 1e6

    def _pass_time(self) -> None:
        side = min(self._sides.values(), key=lambda side: side.agent.deadline or float("inf"))
        deadline = side.agent.deadline
        assert deadline is not None, "an agent with a selected pair checks it for ever"
        self._now = max(self._now, deadline)
        side.agent.tick(self._now)
        self._deliver()

    def _deliver(self) -> None:
        """Carry packets until nobody has one to send, each 10 ms after it was sent."""
        packets = [packet for side in self._sides.values() for packet in side.packets()]
        while packets:
            self._now += 0.010
            arriving, packets = packets, []
            for packet in arriving:
                side = self._sides[self._by_address[packet.destination]]
                source = (packet.base.address, packet.base.port)
                self._answered += side.datagram_received(packet.data, source, self._now)
                packets += side.packets()


class _Side:
    """One agent, and of its node just so much as finds the way of a packet."""

    def __init__(self, address: str, controlling: bool, dice: random.Random) -> None:
        self.base = Base(address, 5000)
        self.credentials = Credentials(f"{dice.getrandbits(32):08x}", f"{dice.getrandbits(96):024x}")
        self.local = LocalCandidate(
            Candidate(
                type=CandidateType.HOST,
                network=NetworkType.UDP4,
                address=address,
                port=5000,
                priority=priority(CandidateType.HOST, local_preference(0, is_ipv6=False)),
                foundation=foundation(CandidateType.HOST, self.base),
            ),
            self.base,
        )
        self.selected = False
        self._transactions = Transactions(dice)
        self.agent = Agent(
            controlling=controlling,
            local=self.credentials,
            tie_breaker=dice.getrandbits(64),
            transactions=self._transactions,
            pacer=Pacer(),
            dice=dice,
            owner=self,
            renomination=True,
        )
        self._by_ufrag = {self.credentials.ufrag: self.agent}
        self.agent.add_local(self.local, 0.0)
        self.agent.end_local(0.0)

    def packets(self) -> list[Transmit]:
        """What the agent wants to send; what it tells is taken note of."""
        outputs = self.agent.outputs()
        self.selected = self.selected or any(isinstance(output, PairSelected) for output in outputs)
        return [output for output in outputs if isinstance(output, Transmit)]

    def datagram_received(self, data: bytes, source: Address, now: float) -> bool:
        """Take a packet as a node does; true where it was the response to a check."""
        assert stun.is_stun(data)
        packet = stun.parse(data)
        if packet.cls is stun.Class.REQUEST:
            parts = packet.username_parts
            agent = self._by_ufrag[parts[0]] if parts else self.agent
            assert agent.verify(packet)
            agent.request_received(packet, self.base, source, now)
            return False
        transaction = self._transactions.get(packet.transaction_id)
        if transaction is None:
            return False  # An earlier check of the pair was answered first.
        transaction.owner.response_received(transaction, packet, source, self.base, now)
        return True

    def response_received(
        self, transaction: Transaction, response: stun.Stun, source: Address, base: Base, now: float
    ) -> None:
        """As the owner of the agent's transactions: pass it on."""
        self.agent.response_received(transaction, response, source, base, now)
