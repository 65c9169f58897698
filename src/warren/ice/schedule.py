"""How long a pair without an answer waits for its next check."""

from itertools import pairwise
from typing import Final

from warren.ice.timing import DENSE

__all__ = ["gap"]

_DOUBLING: Final = (1.0, 2.0, 4.0, 8.0, 16.0)
_DENSE: Final = (*(later - earlier for earlier, later in pairwise(DENSE)), *_DOUBLING)
_SPARSE: Final = (0.5, *_DOUBLING)  # RFC 8445, 14.3 and RFC 8489, 6.2.1: 500 ms, doubling, 7 requests.


def gap(step: int, *, dense: bool, stride: int = 1) -> float | None:
    """Seconds between a pair's check number `step` (from 0) and the next one, or None where there is none.

    With a `stride` the pair leaves out steps for others that lead to the same address and share its budget.
    """
    gaps = _DENSE if dense else _SPARSE
    return sum(gaps[step : step + stride]) if step < len(gaps) else None
