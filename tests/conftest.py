"""Rules for every test: what the machine lacks is skipped by name and counted; tables that tests print."""

from collections import Counter

import pytest

from tests.needs import PREFIX, missing, require_all


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker of `tests.needs` known."""
    config.addinivalue_line("markers", "needs(*names): skipped where one is missing; see tests/needs.py")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, or fail where nothing may be skipped, before any fixture is set up."""
    names = dict.fromkeys(name for mark in item.iter_markers("needs") for name in mark.args)
    lacking = {name: reason for name in names if (reason := missing(name)) is not None}
    if not lacking:
        return
    text = PREFIX + "; ".join(f"{name}: {reason}" for name, reason in lacking.items())
    if require_all():
        pytest.fail(f"{text} (WARREN_REQUIRE_ALL is set: nothing may be skipped)", pytrace=False)
    pytest.skip(text)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the tables that tests gave to `record_property("table", …)`, then count the skips by reason."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, value in getattr(report, "user_properties", ()):
                if name == "table" and report.when == "call":
                    terminalreporter.section(report.nodeid.rpartition("::")[2])
                    terminalreporter.write_line(str(value))
    skipped: Counter[str] = Counter()
    for report in terminalreporter.getreports("skipped"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        if PREFIX in reason:
            skipped[reason.partition(PREFIX)[2]] += 1
    if skipped:
        terminalreporter.section(f"skipped for what this machine lacks: {sum(skipped.values())}")
        for reason, count in skipped.most_common():
            terminalreporter.write_line(f"{count:4d}  {reason}")
