"""Tests of reading lines beside the event loop."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from warren.cli.lines import MAX_LINE, read_lines, write_line


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)


async def all_lines(descriptor: int) -> list[bytes]:
    return [line async for line in read_lines(descriptor)]


async def test_lines_come_without_their_ends(pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"one\ntwo\r\n\nthree")
    os.close(pipe[1])
    assert await all_lines(pipe[0]) == [b"one", b"two", b"", b"three"]


async def test_a_line_comes_while_the_pipe_stays_open(pipe: tuple[int, int]) -> None:
    lines = read_lines(pipe[0])
    os.write(pipe[1], b"first\n")
    assert await anext(lines) == b"first"
    os.write(pipe[1], b"second\n")
    assert await anext(lines) == b"second"
    os.close(pipe[1])


async def test_a_file_is_read_like_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "lines").write_bytes(b"one\ntwo\n")
    with (tmp_path / "lines").open("rb") as file:
        assert await all_lines(file.fileno()) == [b"one", b"two"]


async def test_a_line_over_many_reads_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "lines").write_bytes(b"x" * 65_000 + b"\n" + b"y" * 65_000 + b"\n")
    with (tmp_path / "lines").open("rb") as file:
        assert [len(line) for line in await all_lines(file.fileno())] == [65_000, 65_000]


async def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    (tmp_path / "lines").write_bytes(b"x" * 1_000_000)
    with (tmp_path / "lines").open("rb") as file:
        pieces = [len(line) for line in await all_lines(file.fileno())]
    assert sum(pieces) == 1_000_000
    assert max(pieces) < 3 * MAX_LINE


def test_a_datagram_is_written_as_one_line(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    write_line(b"\xffhello")
    assert capfdbinary.readouterr().out == b"\xffhello\n"
