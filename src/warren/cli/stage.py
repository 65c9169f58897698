"""Where `warren demo` plays: behind two NATs in network namespaces, or on loopback where that may not be."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from warren.cli.lab import Kind, Lab, Site, why_no_lab

__all__ = ["Place", "Stage", "set_up"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one process runs."""

    prefix: tuple[str, ...] = ()
    """What its command begins with, to run there."""
    options: tuple[str, ...] = ()
    """What `warren` needs to be told there."""
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The places of the demonstration and the servers' addresses."""

    words: str
    internet: Place
    alice: Place
    bob: Place
    host: str
    stun: tuple[str, ...] = ()
    """`HOST:PORT` of each STUN server to be run."""


@contextmanager
def set_up(*, loopback: bool) -> Iterator[Stage]:
    """Set up the namespaces, or do with loopback where that is asked for or nothing else can be done."""
    reason = "as asked for" if loopback else why_no_lab()
    if reason is not None:
        place = Place(options=("--loopback", "--interface", "lo"), words="on loopback")
        yield Stage(
            words=f"Without network namespaces ({reason}): both peers are on loopback, without NATs.",
            internet=Place(),
            alice=place,
            bob=place,
            host="127.0.0.1",
        )
        return
    with Lab() as lab:
        one, two = lab.server_addresses
        yield Stage(
            words="Each peer is in a network namespace of its own, behind a NAT of its own.",
            internet=Place(prefix=tuple(lab.command(None))),
            alice=_behind_nat(lab, lab.add_site("alice", Kind.PORT_RESTRICTED)),
            bob=_behind_nat(lab, lab.add_site("bob", Kind.PORT_RESTRICTED)),
            host=one,
            stun=(f"{one}:3478", f"{two}:3478"),
        )


def _behind_nat(lab: Lab, site: Site) -> Place:
    return Place(
        prefix=tuple(lab.command(site)),
        words=f"at {site.address}, behind a {site.kind} NAT that the internet sees as {site.public_address}",
    )
