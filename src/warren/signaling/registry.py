"""Registry: from URLs to backends; which scheme is which carrier, and whether what it needs is there."""

import importlib
import importlib.metadata
import importlib.util
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, cast

from warren.errors import ConfigurationError
from warren.messages import BackendType
from warren.sansio import Dice, RandomBytes
from warren.signaling.backend import Backend, CarrierBackend, Line
from warren.signaling.carrier import Carrier
from warren.signaling.multi import MultiBackend
from warren.signaling.subscription import Timing
from warren.signaling.url import BackendUrl

__all__ = ["ENTRY_POINTS", "SCHEMES", "BackendInfo", "Scheme", "backends", "connect", "open_carrier"]

ENTRY_POINTS: Final = "warren.carriers"
"""Entry points of other distributions: `scheme = "module:factory"`, `factory(BackendUrl) -> Carrier`."""

CarrierFactory = Callable[[BackendUrl], Carrier]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """A URL scheme of ours."""

    type: BackendType
    factory: str
    """`module:function`, imported on first use."""
    example: str
    summary: str
    needs: tuple[str, ...] = ()
    """Libraries that must be there to import it."""
    extra: str = ""
    """The extra of this distribution that brings them."""


SCHEMES: Final[Mapping[str, Scheme]] = MappingProxyType(
    {
        "grpc": Scheme(
            type=BackendType.GRPC,
            factory="warren.signaling.grpc:open_carrier",
            example="grpc://host:port",
            summary="a signaling server: `warren signal`, or cunīcu's",
            needs=("grpc", "cryptography"),
            extra="grpc",
        ),
        "k8s": Scheme(
            type=BackendType.KUBERNETES,
            factory="warren.signaling.kubernetes:open_carrier",
            example="k8s:",
            summary="a Kubernetes API server: the pod's own, or a kubeconfig's",
            # The first versions of the one did without the other, and had no asyncio side.
            needs=("kubernetes", "aiohttp"),
            extra="k8s",
        ),
        "inprocess": Scheme(
            type=BackendType.INPROCESS,
            factory="warren.signaling.inprocess:open_carrier",
            example="inprocess:name",
            summary="nodes within one process",
        ),
        "multicast": Scheme(
            type=BackendType.MCAST,
            factory="warren.signaling.multicast:open_carrier",
            example="multicast://239.1.2.3:9999",
            summary="a multicast group on the local network",
        ),
        "nats": Scheme(
            type=BackendType.NATS,
            factory="warren.signaling.nats:open_carrier",
            example="nats://host:port",
            summary="NATS servers; several as host:port,host:port",
            needs=("nats", "nkeys"),
            extra="nats",
        ),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendInfo:
    """What is known of a scheme: for `warren backends`."""

    scheme: str
    type: BackendType | None
    """None for those of other distributions: only their carriers know."""
    example: str
    summary: str
    missing: str
    """Empty where it can be used; otherwise what is missing and what to do, in words."""

    @property
    def available(self) -> bool:
        """Whether it can be used here and now."""
        return not self.missing


def connect(
    *urls: str, random_bytes: RandomBytes = os.urandom, dice: Dice | None = None, timing: Timing | None = None
) -> Backend:
    """Make a backend from one URL, or one that uses all of several at once; nothing is sent yet.

    Args:
        urls: backend URLs; the same one twice counts once.
        random_bytes: where nonces come from.
        dice: for jitter; the system's by default.
        timing: of the subscriptions.

    Raises:
        ConfigurationError: there is no URL, one is wrong, or what it needs is missing; the text says how.
    """
    parsed = [BackendUrl.parse(url) for url in dict.fromkeys(urls)]
    names = [str(url) for url in parsed]
    if not parsed:
        raise ConfigurationError("no signaling backend is given: name one, like grpc://host:port")
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigurationError(f"{twice[0]} is given twice, with different options")
    lines = [Line(open_carrier(url), name) for url, name in zip(parsed, names, strict=True)]
    if len(lines) > 1:
        return MultiBackend(lines, random_bytes=random_bytes, dice=dice, timing=timing)
    return CarrierBackend(
        lines[0].carrier, name=lines[0].name, random_bytes=random_bytes, dice=dice, timing=timing
    )


def backends() -> tuple[BackendInfo, ...]:
    """List all schemes, ours first, then those of other distributions by name."""
    ours = [
        BackendInfo(
            scheme=name,
            type=scheme.type,
            example=scheme.example,
            summary=scheme.summary,
            missing=_missing(scheme),
        )
        for name, scheme in SCHEMES.items()
    ]
    others = [
        BackendInfo(
            scheme=point.name,
            type=None,
            example=f"{point.name}:…",
            summary=f"of {point.dist.name if point.dist else point.module}",
            missing=_trouble(point),
        )
        for point in _entry_points().values()
    ]
    return (*ours, *others)


def open_carrier(url: BackendUrl) -> Carrier:
    """Make the carrier that a URL names.

    Raises:
        ConfigurationError: the scheme is unknown, a library is missing, or the carrier refuses the URL.
    """
    scheme = SCHEMES.get(url.scheme)
    if scheme is not None:
        if missing := _missing(scheme):
            raise ConfigurationError(f"{url} cannot be used: {missing}")
        module, _, name = scheme.factory.partition(":")
        return cast(CarrierFactory, getattr(importlib.import_module(module), name))(url)
    points = _entry_points()
    if (point := points.get(url.scheme)) is None:
        known = ", ".join([*SCHEMES, *points])
        raise ConfigurationError(
            f"unknown backend scheme {url.scheme!r}; known: {known} (`warren backends` shows them)"
        )
    if trouble := _trouble(point):
        raise ConfigurationError(f"{url} cannot be used: {trouble}")
    return cast(CarrierFactory, point.load())(url)


def _missing(scheme: Scheme) -> str:
    missing = [name for name in scheme.needs if importlib.util.find_spec(name) is None]
    return f"{', '.join(missing)} is not installed; pip install 'warren[{scheme.extra}]'" if missing else ""


def _entry_points() -> dict[str, importlib.metadata.EntryPoint]:
    points = importlib.metadata.entry_points(group=ENTRY_POINTS)
    return {point.name: point for point in sorted(points, key=lambda point: point.name)}


def _trouble(point: importlib.metadata.EntryPoint) -> str:
    """Say why the plug-in of another distribution cannot be loaded, or nothing."""
    try:
        point.load()
    except Exception as error:  # Whatever a stranger's module raises when it is imported.
        return f"{point.value} cannot be imported ({type(error).__name__}: {error})"
    return ""
