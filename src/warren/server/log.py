"""What gRPC itself logs in Python, brought into our log and limited as all trouble is."""

import logging
import time
from typing import Final

from warren.signaling.quiet import QuietLog

__all__ = ["adopt_grpc_log"]

_log: Final = logging.getLogger(__name__)


def adopt_grpc_log() -> None:
    """Let this process log what gRPC says as warnings of ours; for programs that own their process."""
    logger = logging.getLogger("grpc")
    logger.addHandler(_Adopting())
    logger.setLevel(logging.WARNING)
    logger.propagate = False


class _Adopting(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self._quiet = QuietLog(_log)

    def emit(self, record: logging.LogRecord) -> None:
        # The module and line it comes from: a stranger cannot make more kinds than the library has.
        kind = f"{record.module}:{record.lineno}"
        error = record.exc_info[1] if record.exc_info else None
        self._quiet.log(
            logging.WARNING, kind, f"grpc: {record.getMessage()}", now=time.monotonic(), error=error
        )
