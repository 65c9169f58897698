"""What came of a matrix, as a table for the terminal and as a page."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Final

from tests.netns.networks import Network

__all__ = ["Matrix", "Outcome", "Pair", "page", "table"]

HEAD: Final = """\
# NAT matrix

Written by `make nat-matrix` from one run; do not edit. Two nodes, each in a network namespace behind NAT
boxes of a real kernel, with coturn and `warren signal` as processes, all on one machine: the times are those
of the software and of the rules of ICE, not of a network.

A time is from opening the session at the second peer until data could take a path of the kind that is named.
Rows are the peer that opens first. *UDP blocked* is a port-restricted NAT that lets no UDP pass; *double NAT*
is port-restricted behind port-restricted. A path goes over UDP where it says nothing else; whose UDP is
blocked reaches the relay by TLS.
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the session of one pair went, as the one who opened it last saw it."""

    what: str
    """`direct`, `relay` or `failed`."""
    seconds: float
    """From its opening until it had a path of that kind, or failed."""
    words: str
    """The ends of the path, or the reason."""
    first: float | None = None
    """From its opening until data could flow by any path."""

    @property
    def short(self) -> str:
        """For a cell."""
        over = " TCP" if self.what == "direct" and "tcp" in self.words else ""
        return f"{self.what}{over} {self.seconds:.2f} s"


Pair = tuple[str, str]
Matrix = Mapping[Pair, Outcome]


def table(outcomes: Matrix) -> str:
    """Draw what happened for people to read on a terminal."""
    lines = [
        f"{one:<22} {other:<19} {outcome.what:<7} {outcome.seconds:7.3f} s  {outcome.words}"
        for (one, other), outcome in outcomes.items()
    ]
    return "\n".join((*lines, *figures(outcomes)))


def figures(outcomes: Matrix) -> Iterator[str]:
    """Sum up the times by what came out."""
    for what in ("direct", "relay", "failed"):
        times = [outcome.seconds for outcome in outcomes.values() if outcome.what == what]
        yield from _figure(what, times)
    firsts = [outcome.first for outcome in outcomes.values() if outcome.first is not None]
    yield from _figure("until data flows by any path", firsts)


def page(results: Mapping[str, Matrix]) -> str:
    """Write the page."""
    parts = [HEAD]
    for title, outcomes in results.items():
        parts += [f"## {title}\n", *_grid(outcomes), "", *(f"- {line}" for line in figures(outcomes)), ""]
    return "\n".join(parts)


def _figure(what: str, times: Sequence[float]) -> Iterator[str]:
    if len(times) > 1:
        p95 = quantiles(times, n=20, method="inclusive")[-1]
        yield f"{len(times)} {what}: p50 {median(times):.3f} s, p95 {p95:.3f} s, most {max(times):.3f} s"


def _grid(outcomes: Matrix) -> Iterator[str]:
    columns = [network for network in Network if any(network == other for _, other in outcomes)]
    yield f"| | {' | '.join(columns)} |"
    yield "| --- |" + " --- |" * len(columns)
    for one in columns:
        cells = (outcomes[one, other].short if (one, other) in outcomes else "" for other in columns)
        yield f"| **{one}** | {' | '.join(cells)} |"
    others = {name: outcome for (name, other), outcome in outcomes.items() if not other}
    if others:
        yield from ("", "| beside these | |", "| --- | --- |")
        yield from (f"| {name} | {outcome.short}, {outcome.words} |" for name, outcome in others.items())
