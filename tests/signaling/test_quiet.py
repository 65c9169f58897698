import logging

import pytest

from warren.signaling.quiet import QuietLog


@pytest.fixture
def log() -> QuietLog:
    return QuietLog(logging.getLogger("warren.signaling"))


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records]


def test_each_kind_of_trouble_is_logged_once_a_minute(
    log: QuietLog, caplog: pytest.LogCaptureFixture
) -> None:
    for second in range(120):
        log.log(logging.ERROR, "fire", "it burns", now=float(second))
    assert lines(caplog) == ["it burns", "it burns (and 59 more since)"]


def test_kinds_do_not_keep_each_other_back(log: QuietLog, caplog: pytest.LogCaptureFixture) -> None:
    log.log(logging.ERROR, "fire", "it burns", now=0.0)
    log.log(logging.ERROR, "flood", "it is wet", now=0.0)
    assert lines(caplog) == ["it burns", "it is wet"]


def test_trouble_that_comes_once_a_minute_is_not_called_repeated(
    log: QuietLog, caplog: pytest.LogCaptureFixture
) -> None:
    log.log(logging.ERROR, "fire", "it burns", now=0.0)
    log.log(logging.ERROR, "fire", "it burns", now=60.0)
    assert lines(caplog) == ["it burns", "it burns"]
