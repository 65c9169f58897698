import logging
from collections.abc import Iterator

import pytest

from warren.server.log import adopt_grpc_log


@pytest.fixture(autouse=True)
def grpc_logger() -> Iterator[logging.Logger]:
    logger = logging.getLogger("grpc")
    before = logger.level, logger.propagate, list(logger.handlers)
    yield logger
    logger.level, logger.propagate, logger.handlers = before


def test_what_grpc_warns_of_appears_in_our_log_once_a_minute(
    grpc_logger: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    adopt_grpc_log()
    for number in range(10):
        grpc_logger.getChild("core").error("call %d failed", number)
    assert [(record.name, record.getMessage()) for record in caplog.records] == [
        ("warren.server.log", "grpc: call 0 failed")
    ]


def test_what_is_no_trouble_is_not_logged(
    grpc_logger: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    adopt_grpc_log()
    grpc_logger.getChild("core").info("all is well")
    assert caplog.records == []


def test_an_exception_that_grpc_caught_comes_along(
    grpc_logger: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    adopt_grpc_log()
    error = ValueError("odd")
    grpc_logger.error("unexpected", exc_info=error)
    assert caplog.records[0].exc_info is not None
    assert caplog.records[0].exc_info[1] is error
