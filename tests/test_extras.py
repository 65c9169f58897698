"""Tests of the extras: what is installed without them, and with each, as `pip install 'warren[…]'` brings it.

Each test runs a Python of its own that sees nothing but warren, installed as a package, and those
distributions that the requirements ask for, down to the last; so what an extra forgets is not there.
"""

import json
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Callable, Iterable
from functools import cache
from importlib.metadata import distribution, packages_distributions
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.signaling.nats_server import free_port
from warren.cli.commands import EXTRAS as LIBRARIES
from warren.signaling.registry import SCHEMES

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
INSTALLED = Path(sysconfig.get_path("purelib"))

Done = subprocess.CompletedProcess[str]
Run = Callable[..., Done]

NEEDY = [name for name, scheme in SCHEMES.items() if scheme.needs]
COMMAND_LINE = "from warren.cli.main import main; main()"

TWO_PEERS = """
import asyncio, warren

async def main():
    ours, theirs = warren.PrivateKey.generate(), warren.PrivateKey.generate()
    config = warren.Config(loopback=True, include_interfaces=("lo",))
    async with warren.Node(ours, URL, config=config) as node, warren.Node(theirs, URL, config=config) as peer:
        async with node.open(peer.public) as there, peer.open(node.public) as here:
            await asyncio.gather(here.wait_connected(20), there.wait_connected(20))
            there.send(b"hello")
            print((await here.recv()).decode())

asyncio.run(main())
"""


def asked_for_by(*extras: str) -> set[str]:
    """Name the distributions that these extras ask for themselves."""
    return {canonicalize_name(Requirement(line).name) for extra in extras for line in EXTRAS[extra]}


def brought_by(*extras: str) -> set[str]:
    """Name the distributions that warren and these extras ask for, those that they ask for, and so on."""
    found: set[str] = set()
    wanted = [*PROJECT["dependencies"], *(f"warren[{extra}]" for extra in extras)]
    seen: set[str] = set()
    while wanted:
        text = wanted.pop()
        requirement = Requirement(text)
        if text in seen or not _applies(requirement, set()):
            continue
        seen.add(text)
        if requirement.name == "warren":
            wanted += [line for extra in requirement.extras for line in EXTRAS[extra]]
            continue
        found.add(canonicalize_name(requirement.name))
        for line in distribution(requirement.name).requires or ():
            inner = Requirement(line)
            if _applies(inner, requirement.extras):
                inner.marker = None
                wanted.append(str(inner))
    return found


def _applies(requirement: Requirement, extras: Iterable[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in (*extras, ""))


def modules_of(distributions: Iterable[str]) -> set[str]:
    """Name what is imported from these distributions."""
    names = set(distributions)
    return {
        module
        for module, owners in packages_distributions().items()
        if {canonicalize_name(owner) for owner in owners} <= names
    }


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which warren is installed, alone."""
    folder = tmp_path_factory.mktemp("warren")
    (folder / "source").mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        (folder / "source" / name).write_bytes((ROOT / name).read_bytes())
    copytree(ROOT / "src", folder / "source" / "src", ignore=ignore_patterns("*.egg-info", "__pycache__"))
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    options = ("--no-deps", "--no-build-isolation", f"--target={folder / 'site'}")
    subprocess.run([*pip, *options, str(folder / "source")], check=True, timeout=120)
    return folder / "site"


@pytest.fixture(scope="module")
def python(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs code, or the command line, where warren is installed with some extras and nothing else is."""

    @cache
    def site_with(*extras: str) -> Path:
        site = tmp_path_factory.mktemp("site")
        for name in brought_by(*extras):
            for file in distribution(name).files or ():
                top = site / file.parts[0]
                if file.parts[0] not in ("..", "__pycache__") and not top.exists():
                    top.symlink_to(INSTALLED / file.parts[0])
        return site

    def run(*extras: str, code: str = COMMAND_LINE, arguments: Iterable[str] = ()) -> Done:
        paths = [str(site_with(*extras)), str(package)]
        begin = f"import sys; sys.argv[0] = 'warren'; sys.path += {paths}\n"
        return subprocess.run(
            [sys.executable, "-I", "-S", "-c", begin + code, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run


@pytest.mark.parametrize("url", ["inprocess:", "multicast://239.77.1.5:PORT?interface=lo&ttl=0"])
def test_two_peers_connect_without_any_extra(python: Run, url: str) -> None:
    done = python(code=f"URL = {url.replace('PORT', str(free_port()))!r}{TWO_PEERS}")
    assert (done.stdout, done.stderr) == ("hello\n", "")


@pytest.mark.parametrize("scheme", NEEDY)
def test_without_its_extra_a_backend_says_which_to_install(python: Run, scheme: str) -> None:
    url = SCHEMES[scheme].example.replace("host:port", "127.0.0.1:9")
    code = f"""
import warren.signaling
try:
    warren.signaling.connect({url!r})
except warren.ConfigurationError as error:
    print(error)
"""
    libraries, extra = ", ".join(SCHEMES[scheme].needs), SCHEMES[scheme].extra
    assert python(code=code).stdout == (
        f"{url} cannot be used: {libraries} is not installed; pip install 'warren[{extra}]'\n"
    )


@pytest.mark.parametrize("extra", ["cli", *dict.fromkeys(SCHEMES[scheme].extra for scheme in NEEDY)])
def test_an_extra_makes_its_backends_ready_and_no_others(python: Run, extra: str) -> None:
    done = python("cli", extra, arguments=["backends", "--json"])
    ready = {row["scheme"] for row in json.loads(done.stdout) if row["available"]}
    assert ready == {name for name, scheme in SCHEMES.items() if scheme.extra in ("", extra)}


@pytest.mark.parametrize("scheme", NEEDY)
def test_with_its_extra_alone_a_backend_is_imported(python: Run, scheme: str) -> None:
    module = SCHEMES[scheme].factory.partition(":")[0]
    done = python(SCHEMES[scheme].extra, code=f"import {module}")
    assert (done.returncode, done.stderr) == (0, "")


def test_without_the_command_line_it_says_which_extra_to_install(python: Run) -> None:
    done = python(arguments=["backends"])
    assert done.returncode == 2
    assert done.stderr == (
        "warren: typer is not installed: the command line needs pip install 'warren[cli]'\n"
    )


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (["signal", "--listen=127.0.0.1:0", "--insecure"], "grpc"),
        (["k8s", "sweep"], "k8s"),
        (["k8s", "manifests", "--group=peers"], "k8s"),
    ],
    ids=" ".join,
)
def test_a_command_says_which_extra_it_needs_beside(python: Run, arguments: list[str], extra: str) -> None:
    done = python("cli", arguments=arguments)
    assert done.returncode == 2, done
    assert done.stderr.count("\n") == 1
    assert f"pip install 'warren[{extra}]'" in done.stderr


def test_all_is_every_extra() -> None:
    (requirement,) = map(Requirement, EXTRAS["all"])
    assert requirement.extras == EXTRAS.keys() - {"all"}


def test_with_all_every_module_is_imported(python: Run) -> None:
    code = """
import importlib, pkgutil, warren
for module in pkgutil.walk_packages(warren.__path__, "warren."):
    importlib.import_module(module.name)
"""
    done = python("all", code=code)
    assert (done.returncode, done.stderr) == (0, "")


IMPORTED = "print(*{name.partition('.')[0] for name in sys.modules})"


@pytest.mark.parametrize(
    "module", ["warren", "warren.signaling", "warren.testing.carrier", "warren.testing.backend"]
)
def test_importing_imports_nothing_of_any_extra(python: Run, module: str) -> None:
    done = python("all", code=f"import {module}\n{IMPORTED}")
    assert set(done.stdout.split()).isdisjoint(modules_of(brought_by("all") - brought_by()))
    assert "warren" in done.stdout.split()


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["backends"], ["connect", "--help"]],
    ids=" ".join,
)
def test_the_command_line_imports_nothing_of_a_backend(python: Run, arguments: list[str]) -> None:
    done = python(
        "all", code=f"import atexit\natexit.register(lambda: {IMPORTED})\n{COMMAND_LINE}", arguments=arguments
    )
    assert done.returncode == 0, done.stderr
    imported = set(done.stdout.splitlines()[-1].split())
    assert imported.isdisjoint(modules_of(asked_for_by(*EXTRAS.keys() - {"all", "cli"})))
    assert "typer" in imported


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_that_the_command_line_misses_comes_with_the_extra_that_it_names(library: str) -> None:
    assert library in modules_of(brought_by(LIBRARIES[library])) - modules_of(brought_by())


@pytest.mark.parametrize("scheme", NEEDY)
def test_what_a_backend_needs_comes_with_its_extra(scheme: str) -> None:
    assert set(SCHEMES[scheme].needs) <= modules_of(brought_by(SCHEMES[scheme].extra)) - modules_of(
        brought_by()
    )
