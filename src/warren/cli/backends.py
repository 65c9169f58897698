"""`warren backends`: which kinds of signaling can be used here, and whether a given one works."""

import json
import os
from typing import Annotated, Final

import typer

from warren.cli.loop import run
from warren.errors import ConfigurationError
from warren.signaling.health import Health, check
from warren.signaling.registry import backends as list_backends

__all__ = ["EXAMPLES", "backends"]

EXAMPLES: Final = (
    "warren backends",
    "warren backends --json",
    "warren backends --check grpc://signal.example.org:443 nats://nats.example.org:4222",
)


def backends(
    urls: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[URL]...", help="What to check; otherwise $WARREN_SIGNALING.", show_default=False
        ),
    ] = None,
    checks: Annotated[
        bool,
        typer.Option(
            "--check", help="Send an envelope through each URL; the exit code is 1 where one does not work."
        ),
    ] = False,
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout",
            metavar="SECONDS",
            min=0.1,
            help="How long being subscribed, and an envelope, may take.",
        ),
    ] = 10.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array instead of a table.")] = False,
) -> int:
    """Show which kinds of signaling can be used here, what is missing, and how to install it.

    With --check: whether the backends of these URLs work, how long it takes, and if not, why.
    """
    if not checks:
        if urls:
            raise ConfigurationError("URLs are what --check checks: say --check as well")
        _show(as_json)
        return 0
    given = urls or os.environ.get("WARREN_SIGNALING", "").split()
    if not given:
        raise ConfigurationError(
            "nothing to check: name URLs, like grpc://host:port, or set WARREN_SIGNALING"
        )
    found = run(check(*dict.fromkeys(given), timeout=timeout))
    _tell(found, as_json)
    return 0 if all(health.works for health in found) else 1


def _tell(found: list[Health], as_json: bool) -> None:
    if as_json:
        rows = [
            {
                "url": health.url,
                "works": health.works,
                "live_after": health.live_after,
                "took": health.took,
                "trouble": health.trouble or None,
            }
            for health in found
        ]
        print(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    width = max(len(health.url) for health in found)
    for health in found:
        print(f"{health.url:<{width}}  {'works' if health.works else 'fails'}  {_words(health)}")


def _words(health: Health) -> str:
    if health.live_after is None or health.took is None:
        return health.trouble
    return (
        f"subscribed after {1000 * health.live_after:.0f} ms, an envelope takes {1000 * health.took:.1f} ms"
    )


def _show(as_json: bool) -> None:
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
