import errno
import os
import socket
import ssl

import pytest

from warren.signaling.system_words import SYSTEM, harmless, system_text


def test_number_of_an_error_is_said_in_the_words_of_the_system() -> None:
    error = ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 9)")
    assert system_text(error) == os.strerror(errno.ECONNREFUSED)


def test_of_several_attempts_in_one_text_the_first_is_said() -> None:
    error = OSError(f"Multiple exceptions: [Errno {errno.ENETUNREACH}] a, [Errno {errno.ECONNREFUSED}] b")
    assert system_text(error) == os.strerror(errno.ENETUNREACH)


@pytest.mark.parametrize("kind", [ssl.SSLError, socket.gaierror])
def test_number_that_is_none_of_the_system_is_not_looked_up(kind: type[OSError]) -> None:
    assert "own words" in system_text(kind(1, "own words"))


def test_error_without_a_number_is_its_text_or_nothing() -> None:
    assert (system_text(OSError("gone")), system_text(OSError())) == ("gone", "")


@pytest.mark.parametrize("number", [errno.ENETUNREACH, errno.EHOSTUNREACH])
def test_what_the_system_says_has_a_meaning(number: int) -> None:
    said = system_text(OSError(number, "")).lower()
    assert [words for sign, words in SYSTEM if sign in said] != []


def test_text_from_outside_becomes_one_short_line_without_control_characters() -> None:
    assert harmless("\x1b[31mred\n" + "x" * 500) == "[31mred " + "x" * 191


def test_text_of_nothing_is_no_reason() -> None:
    assert harmless("\n\t") == "no reason given"
