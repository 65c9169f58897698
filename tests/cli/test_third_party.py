"""A carrier of another distribution: the documentation's example, installed and used as its readers would.

Installing needs pip and setuptools; nothing is fetched.
"""

import re
import subprocess
import sys
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

from tests.processes import make_keys, warren

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "warren-carrier-dir"
PAGE = (ROOT / "docs" / "write-a-backend.md").read_text()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the example is installed, as a package of its own."""
    folder = tmp_path_factory.mktemp("example")
    copytree(EXAMPLE, folder / "source", ignore=ignore_patterns("build", "*.egg-info", "__pycache__"))
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    options = ("--no-deps", "--no-build-isolation", f"--target={folder / 'site'}")
    subprocess.run([*pip, *options, str(folder / "source")], check=True, timeout=120)
    return folder / "site"


@pytest.mark.parametrize("name", sorted(file.name for file in EXAMPLE.iterdir() if file.is_file()))
def test_the_page_shows_the_example_as_it_is(name: str) -> None:
    shown = re.findall(r"^```\w+\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert (EXAMPLE / name).read_text() in shown


def test_it_keeps_the_contract_by_its_own_test(installed: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            f"--rootdir={EXAMPLE}",
            str(EXAMPLE),
        ],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=installed,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_warren_lists_it(installed: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "warren.cli.main", "backends"],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(installed)},
        timeout=60,
        check=True,
    )
    assert ["dir", "ready", "dir:…"] in [line.split()[:3] for line in done.stdout.splitlines()]


async def test_two_peers_connect_through_it(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    (bob_file, bob), (alice_file, alice) = make_keys(tmp_path, "key", True)
    options = (f"--signaling=dir://{tmp_path / 'spool'}", "--loopback", "--interface=lo")
    prefix = ("env", f"PYTHONPATH={installed}")
    async with warren(
        "listen", f"--key={bob_file}", *options, f"--allow={alice}", "--echo", prefix=prefix
    ) as listener:
        await listener.until(lambda event: event["event"] == "listening")
        async with warren("connect", str(bob), f"--key={alice_file}", *options, prefix=prefix) as caller:
            caller.say("through a directory\n")
            await caller.until_output(1)
            caller.say(None)
            assert await caller.wait() == 0
    assert caller.output == ["through a directory"]
