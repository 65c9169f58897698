"""`warren backends`: which kinds of signaling can be used here."""

import json
from typing import Annotated, Final

import typer

from warren.signaling.registry import backends as list_backends

__all__ = ["EXAMPLES", "backends"]

EXAMPLES: Final = ("warren backends", "warren backends --json")


def backends(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array instead of a table.")] = False,
) -> None:
    """Show which kinds of signaling can be used here, what is missing, and how to install it."""
    found = list_backends()
    if as_json:
        rows = [
            {
                "scheme": item.scheme,
                "available": item.available,
                "example": item.example,
                "summary": item.summary,
                "missing": item.missing or None,
            }
            for item in found
        ]
        print(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    scheme, example = (max(len(getattr(item, name)) for item in found) for name in ("scheme", "example"))
    for item in found:
        state = "ready" if item.available else "missing"
        print(f"{item.scheme:<{scheme}}  {state:<7}  {item.example:<{example}}  {item.summary}")
        if item.missing:
            print(f"{'':<{scheme}}           {item.missing}")
