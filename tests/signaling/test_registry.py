import subprocess
import sys
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Any

import pytest

from tests.signaling.people import ScriptedCarrier
from warren import signaling
from warren.errors import ConfigurationError
from warren.messages import BackendType
from warren.signaling import registry
from warren.signaling.backend import CarrierBackend
from warren.signaling.multi import MultiBackend
from warren.signaling.registry import BackendInfo, backends, connect
from warren.signaling.url import BackendUrl

SECRET = "hunter2"


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two carriers of other distributions: one that works, one that cannot be imported."""
    module = ModuleType("smoke_signals")
    module.open_carrier = lambda url: ScriptedCarrier()  # type: ignore[attr-defined]  # made here
    monkeypatch.setitem(sys.modules, "smoke_signals", module)
    points = [
        EntryPoint("smoke", "smoke_signals:open_carrier", registry.ENTRY_POINTS),
        EntryPoint("pigeon", "no_such_pigeons:open_carrier", registry.ENTRY_POINTS),
    ]

    def entry_points(**params: Any) -> list[EntryPoint]:
        assert params == {"group": "warren.carriers"}
        return points

    monkeypatch.setattr("importlib.metadata.entry_points", entry_points)


@pytest.fixture
def no_grpc(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without the gRPC library."""
    monkeypatch.setitem(sys.modules, "grpc", None)


async def test_one_url_makes_a_backend_over_its_carrier() -> None:
    backend = connect("inprocess:here")
    assert type(backend) is CarrierBackend
    assert backend.type is BackendType.INPROCESS
    await backend.aclose()


async def test_several_urls_make_a_multi_backend() -> None:
    backend = connect("inprocess:here", "grpc://127.0.0.1:1?insecure=true")
    assert type(backend) is MultiBackend
    await backend.aclose()


async def test_same_url_twice_counts_once() -> None:
    backend = connect("inprocess:here", "inprocess:here")
    assert type(backend) is CarrierBackend
    await backend.aclose()


def test_same_place_with_different_options_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="grpc://h:1 is given twice, with different options"):
        connect("grpc://h:1?insecure=true", "grpc://h:1?insecure=false")


def test_no_url_is_refused_with_an_example() -> None:
    with pytest.raises(ConfigurationError, match="name one, like grpc://host:port"):
        connect()


def test_unknown_scheme_lists_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"unknown backend scheme 'smtp'; known: grpc, .*inprocess"):
        connect("smtp://host:25")


@pytest.mark.usefixtures("plugins")
def test_unknown_scheme_lists_those_of_plugins_too() -> None:
    known = ", ".join((*registry.SCHEMES, "pigeon", "smoke"))
    with pytest.raises(ConfigurationError, match=f"known: {known}"):
        connect("smtp://host:25")


@pytest.mark.usefixtures("no_grpc")
def test_missing_library_says_what_to_install() -> None:
    with pytest.raises(ConfigurationError) as caught:
        connect(f"grpc://user:{SECRET}@h:1?pin={SECRET}")
    assert str(caught.value) == (
        "grpc://h:1 cannot be used: grpc is not installed; pip install 'warren[grpc]'"
    )


@pytest.mark.usefixtures("plugins")
async def test_carrier_of_another_distribution_is_found_by_its_scheme() -> None:
    backend = connect("smoke://hill")
    assert isinstance(backend, CarrierBackend)
    await backend.aclose()


@pytest.mark.usefixtures("plugins")
def test_plugin_that_cannot_be_imported_says_why() -> None:
    with pytest.raises(
        ConfigurationError, match=r"pigeon:x cannot be used: no_such_pigeons:open_carrier cannot"
    ):
        connect("pigeon:x")


def test_all_of_ours_are_listed_and_available_here() -> None:
    assert [(info.scheme, info.type, info.available) for info in backends()] == [
        ("grpc", BackendType.GRPC, True),
        ("k8s", BackendType.KUBERNETES, True),
        ("inprocess", BackendType.INPROCESS, True),
        ("multicast", BackendType.MCAST, True),
        ("nats", BackendType.NATS, True),
    ]


@pytest.mark.usefixtures("no_grpc")
def test_listing_says_what_is_missing_and_how_to_install_it() -> None:
    info = backends()[0]
    assert (info.available, info.missing) == (False, "grpc is not installed; pip install 'warren[grpc]'")


@pytest.mark.usefixtures("plugins")
def test_plugins_are_listed_after_ours() -> None:
    pigeon, smoke = backends()[len(registry.SCHEMES) :]
    assert smoke == BackendInfo(
        scheme="smoke", type=None, example="smoke:…", summary="of smoke_signals", missing=""
    )
    assert not pigeon.available
    assert "No module named 'no_such_pigeons'" in pigeon.missing


@pytest.mark.parametrize("scheme", registry.SCHEMES)
def test_example_of_a_scheme_is_a_url_of_it(scheme: str) -> None:
    assert BackendUrl.parse(registry.SCHEMES[scheme].example).scheme == scheme


def test_package_shows_its_names_and_imports_no_library_of_a_carrier() -> None:
    libraries = {name for scheme in registry.SCHEMES.values() for name in scheme.needs}
    code = f"import sys, warren.signaling; sys.exit(not {libraries}.isdisjoint(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert all(hasattr(signaling, name) for name in signaling.__all__)
