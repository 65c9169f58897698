"""Tests of where a command's events go."""

import io
import json
import logging

import pytest

from warren.cli.terminal import Terminal


class Tty(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def test_text_is_for_people(stream: io.StringIO) -> None:
    Terminal(stream=stream).event("it rains", event="rain", drops=3)
    assert stream.getvalue() == "it rains\n"


def test_json_is_one_object_a_line(stream: io.StringIO) -> None:
    terminal = Terminal(as_json=True, stream=stream)
    terminal.event("it rains", event="rain", words="in\ntwo lines")
    terminal.event("it stops", event="dry")
    assert [json.loads(line) for line in stream.getvalue().splitlines()] == [
        {"event": "rain", "words": "in\ntwo lines"},
        {"event": "dry"},
    ]


def test_only_a_terminal_gets_colours(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    tty = Tty()
    Terminal(stream=tty).event("now CONNECTED")
    Terminal(stream=stream).event("now CONNECTED")
    assert "\x1b[" in tty.getvalue()
    assert stream.getvalue() == "now CONNECTED\n"


def test_a_long_line_stays_one_line_on_a_terminal() -> None:
    tty = Tty()
    Terminal(stream=tty).event("x" * 500)
    assert tty.getvalue().count("\n") == 1


def test_a_result_is_text_on_standard_output(stream: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    Terminal(stream=stream).result("42", event="answer")
    assert (capsys.readouterr().out, stream.getvalue()) == ("42\n", "")


def test_a_result_is_an_event_like_others_in_json(stream: io.StringIO) -> None:
    Terminal(as_json=True, stream=stream).result("42", event="answer", value=42)
    assert json.loads(stream.getvalue()) == {"event": "answer", "value": 42}


def test_an_error_is_one_line_that_names_the_program(stream: io.StringIO) -> None:
    Terminal(stream=stream).error("no way")
    assert stream.getvalue() == "warren: no way\n"


def test_details_are_for_those_who_ask(stream: io.StringIO) -> None:
    Terminal(stream=stream).detail("fine print")
    assert stream.getvalue() == ""
    Terminal(stream=stream, verbose=1).detail("fine print")
    assert stream.getvalue() == "fine print\n"


def test_drops_are_told_by_reason_and_only_if_there_are_any(stream: io.StringIO) -> None:
    terminal = Terminal(stream=stream, verbose=1)
    terminal.drops({}, "of nobody")
    terminal.drops({"seal": 2, "key": 1}, "of strangers")
    assert stream.getvalue() == "dropped (of strangers): key 1, seal 2\n"


@pytest.mark.parametrize(
    ("verbose", "told"),
    [(0, ["warning: a"]), (1, ["warning: a", "info: b"]), (2, ["warning: a", "info: b", "debug: c"])],
)
def test_log_lines_are_told_as_far_as_asked_for(verbose: int, told: list[str], stream: io.StringIO) -> None:
    Terminal(stream=stream, verbose=verbose).log_everything()
    logger = logging.getLogger("warren.test")
    logger.warning("a")
    logger.info("b")
    logger.debug("c")
    assert stream.getvalue().splitlines() == told
