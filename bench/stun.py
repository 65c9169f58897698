"""CPU time of one connectivity check, in both roles, beside aioice: `make bench-stun`.

A check is everything that both sides do for it: build the request; parse and verify it; build the response;
parse and verify that; and read from each what an agent has to know. The codecs take turns in short rounds, so
what disturbs the machine disturbs both. `agent_us` is a check through two whole agents, timers and all.

The times in the JSON line are the least of all rounds, because what a busy machine adds is never negative;
the ratio is the median of the rounds' ratios.
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable, Sequence

import aioice.stun

from bench.agents import AgentPair
from bench.report import report
from warren.ice import stun

USERNAME = "k3Rt:9sWe"
PASSWORD = "Zk2mTq8vYc4nXw7rLp9sHd3f"
PRIORITY = 1862270975
TIE_BREAKER = 0x932FF9B151263B36
SOURCE = ("203.0.113.5", 61000)

Check = Callable[[bytes], None]


def warren_check() -> Check:
    """One check by warren's codec, by transaction id."""
    key = stun.prepare_key(PASSWORD)
    # Made once for a pair, as by an agent.
    attributes = stun.check_attributes(
        username=USERNAME, priority=PRIORITY, controlling=True, tie_breaker=TIE_BREAKER, use_candidate=True
    )

    def check(transaction_id: bytes) -> None:
        data = stun.binding_request(transaction_id, attributes, key)
        request = stun.parse(data)
        assert stun.verify(request, key)
        assert request.username_parts == ("k3Rt", "9sWe")
        assert request.priority == PRIORITY
        assert request.controlling == TIE_BREAKER
        assert request.use_candidate
        response = stun.parse(stun.success(request, SOURCE, key))
        assert stun.verify(response, key)
        assert response.mapped_address == SOURCE

    return check


def aioice_check() -> Check:
    """The same by aioice's, as its agent calls it."""
    key = PASSWORD.encode()

    def check(transaction_id: bytes) -> None:
        message = aioice.stun.Message(
            message_method=aioice.stun.Method.BINDING,
            message_class=aioice.stun.Class.REQUEST,
            transaction_id=transaction_id,
        )
        message.attributes["USERNAME"] = USERNAME
        message.attributes["PRIORITY"] = PRIORITY
        message.attributes["ICE-CONTROLLING"] = TIE_BREAKER
        message.attributes["USE-CANDIDATE"] = None
        message.add_message_integrity(key)
        request = aioice.stun.parse_message(bytes(message))
        assert request.check_message_integrity(key)
        assert request.attributes["USERNAME"].partition(":")[::2] == ("k3Rt", "9sWe")
        assert request.attributes["PRIORITY"] == PRIORITY
        assert request.attributes["ICE-CONTROLLING"] == TIE_BREAKER
        assert "USE-CANDIDATE" in request.attributes
        answer = aioice.stun.Message(
            message_method=aioice.stun.Method.BINDING,
            message_class=aioice.stun.Class.RESPONSE,
            transaction_id=request.transaction_id,
        )
        answer.attributes["XOR-MAPPED-ADDRESS"] = SOURCE
        answer.add_message_integrity(key)
        response = aioice.stun.parse_message(bytes(answer))
        assert response.check_message_integrity(key)
        assert response.attributes["XOR-MAPPED-ADDRESS"] == SOURCE

    return check


def microseconds(check: Check, transaction_ids: Sequence[bytes]) -> float:
    """CPU time of one of these checks."""
    start = time.process_time()
    for transaction_id in transaction_ids:
        check(transaction_id)
    return (time.process_time() - start) / len(transaction_ids) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--checks", type=int, default=100, help="checks in a round")
    options = parser.parse_args()
    dice = random.Random(1)
    transaction_ids = [dice.randbytes(12) for _ in range(options.checks)]
    by_warren, by_aioice, agents = warren_check(), aioice_check(), AgentPair(dice)
    ours, theirs, through_agents = [], [], []
    for _ in range(options.rounds):
        ours.append(microseconds(by_warren, transaction_ids))
        theirs.append(microseconds(by_aioice, transaction_ids))
        through_agents.append(agents.microseconds(options.checks))
    ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
    report(
        "CPU time of a connectivity check, both roles",
        {
            "warren's codec (µs)": ours,
            "aioice's codec (µs)": theirs,
            "aioice / warren": ratios,
            "two whole agents (µs)": through_agents,
        },
        {
            "check_us": round(min(ours), 2),
            "vs_aioice": round(statistics.median(ratios), 2),
            "agent_us": round(min(through_agents), 2),
        },
    )


if __name__ == "__main__":
    main()
