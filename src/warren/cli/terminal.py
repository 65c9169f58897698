"""Terminal: where a command's events go, as text or as JSON, one line each on standard error."""

import json
import logging
import sys
from collections.abc import Mapping
from typing import Final, TextIO

__all__ = ["Terminal"]

COLOURS: Final = {
    "CONNECTED": "bold green",
    "COMPLETED": "bold green",
    "DISCONNECTED": "yellow",
    "FAILED": "bold red",
    "CLOSED": "dim",
    "IDLE": "dim",
    "path": "cyan",
    "warren:": "bold red",
}
"""How a line is coloured on a terminal, by a word of it."""


class Terminal:
    """Tells a person or a program what happens.

    Args:
        as_json: write JSON objects instead of text.
        verbose: 0 the events, 1 what helps to find faults, 2 everything that is logged.
    """

    def __init__(
        self,
        *,
        as_json: bool = False,
        verbose: int = 0,
        stream: TextIO | None = None,
    ) -> None:
        self.as_json = as_json
        self.verbose = verbose
        self._stream = stream or sys.stderr

    def event(self, text: str, **values: object) -> None:
        """Tell one event: the text for a person, the values for a program."""
        if self.as_json:
            self._write(json.dumps(values, ensure_ascii=False))
        else:
            self._write(text)

    def result(self, text: str, **values: object) -> None:
        """Tell what the command was run for: text goes to standard output."""
        if self.as_json:
            self.event(text, **values)
        else:
            print(text, flush=True)

    def error(self, text: str) -> None:
        """Tell why the command ends without success."""
        self.event(f"warren: {text}", event="error", reason=text)

    def detail(self, text: str, **values: object) -> None:
        """Tell what only someone who looks for a fault wants to know."""
        if self.verbose:
            self.event(text, **values)

    def drops(self, drops: Mapping[str, int], whose: str) -> None:
        """Tell what was dropped, where somebody wants to know and there is something."""
        if drops:
            counted = ", ".join(f"{reason} {count}" for reason, count in sorted(drops.items()))
            self.detail(f"dropped ({whose}): {counted}", event="drops", whose=whose, drops=dict(drops))

    def log_everything(self) -> None:
        """Let the library's log lines go the same way, as many as `verbose` says."""
        logger = logging.getLogger("warren")
        logger.setLevel((logging.WARNING, logging.INFO, logging.DEBUG)[min(self.verbose, 2)])
        logger.handlers = [_LogHandler(self)]
        logger.propagate = False

    def _write(self, line: str) -> None:
        if not self.as_json and self._stream.isatty():
            self._write_coloured(line)
        else:
            print(line, file=self._stream, flush=True)

    def _write_coloured(self, line: str) -> None:
        from rich.console import Console
        from rich.text import Text

        text = Text(line)
        for word, style in COLOURS.items():
            text.highlight_words([word], style)
        Console(file=self._stream).print(text, soft_wrap=True)


class _LogHandler(logging.Handler):
    def __init__(self, terminal: Terminal) -> None:
        super().__init__()
        self._terminal = terminal

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text += f": {record.exc_info[1]!r}"
        level = record.levelname.lower()
        self._terminal.event(f"{level}: {text}", event="log", level=level, message=text)
