"""How all must be when trouble is over: what is not so yet, in words."""

from collections.abc import Iterator
from itertools import combinations
from typing import Final

from tests.scenarios.peers import Peer
from tests.scenarios.plan import PeerPlan, Plan, direct, reachable
from tests.scenarios.properties import Watch
from warren.messages import CandidateType
from warren.session.outputs import Path
from warren.testing.nat import NatKind

__all__ = ["WRONG_WAY", "problems"]

WRONG_WAY: Final = "the wrong way"
"""What is said of a relayed path where there is a direct one, or the other way round."""


def problems(plan: Plan, peers: list[Peer], watch: Watch, began: float) -> list[str]:
    """Say what is not yet as it should be since trouble ended; asks every peer to send something."""
    found: list[str] = []
    for one, other in combinations(peers, 2):
        if not one.is_up or not other.is_up:
            found.append(f"{one.name} or {other.name} is down")
        elif reachable(plan, one.plan, other.plan):
            found += _not_connected(watch, one, other)
            found += _not_agreed(plan, one, other)
        else:
            found += _not_failed(watch, one, other, began)
    return found


def _not_connected(watch: Watch, one: Peer, other: Peer) -> Iterator[str]:
    for peer, partner in ((one, other), (other, one)):
        if not peer.connected_to(partner):
            session = peer.sessions.get(partner.public)
            state = session.state.name if session else "no session"
            yield f"{peer.name} is not connected to {partner.name}: {state}"
        elif not watch.data_came(peer, partner):
            yield f"nothing of {peer.name} comes to {partner.name}"
        elif (path := peer.path_to(partner)) and path.relayed is direct(peer.plan, partner.plan):
            yield f"{peer.name} goes to {partner.name} {WRONG_WAY}: {_words(path)}"
        peer.send(partner)


def _not_agreed(plan: Plan, one: Peer, other: Peer) -> Iterator[str]:
    """Both must use the same pair of addresses, and where nothing disturbed them the best that there is."""
    path, back = one.path_to(other), other.path_to(one)
    if path is None or back is None:
        return
    ends = (path.local.transport, path.remote.transport)
    if ends != (back.remote.transport, back.local.transport):
        yield f"{one.name} uses {_words(path)}, but {other.name} {_words(back)}"
    kinds = {path.local.type, path.remote.type, back.local.type, back.remote.type}
    if plan.calm_network and _needs_no_nat(one.plan, other.plan) and kinds != {CandidateType.HOST}:
        yield f"{one.name} and {other.name} need no NAT between them, but use {_words(path)}"


def _needs_no_nat(one: PeerPlan, other: PeerPlan) -> bool:
    if not (one.udp and other.udp):
        return False  # TCP connects in one direction, so one end is seen from where it comes.
    public = one.nat is NatKind.PUBLIC and other.nat is NatKind.PUBLIC
    return public or one.lan == other.lan or (one.ipv6 and other.ipv6)


def _words(path: Path) -> str:
    return " -> ".join(f"{end.type.name} {end.address}:{end.port}" for end in (path.local, path.remote))


def _not_failed(watch: Watch, one: Peer, other: Peer, began: float) -> Iterator[str]:
    for peer, partner in ((one, other), (other, one)):
        failed, reason = watch.sessions.failures.get((peer.public, partner.public), (-1.0, ""))
        if failed < began:
            yield f"{peer.name} has not told why there is no way to {partner.name}"
        elif "NAT" not in reason and "none was answered" not in reason:
            yield f"{peer.name} failed with a reason that does not help: {reason}"
