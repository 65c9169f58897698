"""How every benchmark tells its result: a table for people, and as the last line one JSON object."""

import json
import statistics
from collections.abc import Mapping, Sequence

__all__ = ["report", "table"]

_COLUMNS = ("median", "least", "most", "spread")


def report(
    title: str, series: Mapping[str, Sequence[float]], figures: Mapping[str, float | int | str | None]
) -> None:
    """Print a table of the series, then the figures as JSON in a line of their own.

    A series is what one thing measured in all rounds; its spread is half the distance of the quartiles, in
    per cent of the median. An absolute time alone means little on a shared machine: the ratios count.
    """
    print(title)
    print(table(series))
    print(json.dumps(dict(figures)), flush=True)


def table(series: Mapping[str, Sequence[float]]) -> str:
    """Lay out one line for each series; an empty one is shown as not measured."""
    rows = [(name, *_summary(values)) for name, values in series.items()]
    width = max((len(name) for name in series), default=0)
    lines = [f"{'':{width}}" + "".join(f"{column:>12}" for column in _COLUMNS)]
    lines += [f"{name:{width}}" + "".join(f"{cell:>12}" for cell in cells) for name, *cells in rows]
    return "\n".join(lines)


def _summary(values: Sequence[float]) -> tuple[str, ...]:
    if not values:
        return ("-",) * len(_COLUMNS)
    median = statistics.median(values)
    low, high = _quartiles(values)
    spread = f"±{50 * (high - low) / abs(median):.1f} %" if median else "-"
    return (_number(median), _number(min(values)), _number(max(values)), spread)


def _quartiles(values: Sequence[float]) -> tuple[float, float]:
    if len(values) == 1:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


def _number(value: float) -> str:
    """Three digits that say something, and no more."""
    if value == 0 or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 else f"{value:.1e}"
