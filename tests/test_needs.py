"""Tests of the rule that skips what a machine cannot do: it is said, counted, and can be forbidden."""

from pathlib import Path

import pytest

from tests.needs import CHECKS, needs

pytest_plugins = ["pytester"]

CONFTEST = """
from tests import needs
needs.CHECKS["moon"] = lambda: "a moon (package lunar)"
from tests.conftest import *
"""
TEST = """
from tests.needs import needs
@needs("moon")
def test_tide(): raise AssertionError
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A suite of one test that needs what no machine has."""
    monkeypatch.delenv("WARREN_REQUIRE_ALL", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(TEST)
    return pytester


def test_what_is_missing_is_skipped_and_counted_by_name(suite: pytest.Pytester) -> None:
    result = suite.runpytest_subprocess("-p", "no:asyncio")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(
        ["*skipped for what this machine lacks: 1*", "*1  moon: a moon (package lunar)"]
    )


def test_with_require_all_a_skip_is_a_failure(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WARREN_REQUIRE_ALL", "1")
    result = suite.runpytest_subprocess("-p", "no:asyncio")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*lacks moon: a moon (package lunar) (WARREN_REQUIRE_ALL is set*"])


def test_a_need_that_nobody_can_check_is_refused() -> None:
    with pytest.raises(ValueError, match="nobody knows how to check for sun"):
        needs("sun")


def test_a_go_that_is_too_old_is_as_good_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\necho go1.19.8\n")
    go.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert CHECKS["go"]() == f"Go 1.24 or newer (https://go.dev/dl); {go} is go1.19.8"
