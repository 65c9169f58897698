"""Lines of standard input, read beside the event loop, and lines of standard output."""

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

__all__ = ["MAX_LINE", "read_lines", "write_line"]

MAX_LINE: Final = 65_507
"""The most that fits into a UDP datagram over IPv4; a longer line comes in pieces that are just too long."""

CHUNK: Final = 65_536


async def read_lines(descriptor: int) -> AsyncIterator[bytes]:
    """Yield the lines of a file, a pipe or a terminal without their line ends, as they come.

    Not `connect_read_pipe`: it takes no files, and leaves a terminal non-blocking for the shell that follows.
    The thread is a daemon: waiting for a terminal must not keep the process from ending.
    """
    loop = asyncio.get_running_loop()
    chunks: asyncio.Queue[bytes] = asyncio.Queue()
    wanted = threading.Semaphore()

    def read() -> None:
        chunk = b"-"
        with suppress(RuntimeError):  # The loop is closed: nobody reads any more.
            while chunk:
                wanted.acquire()
                try:
                    chunk = os.read(descriptor, CHUNK)
                except OSError:  # A terminal that has gone away.
                    chunk = b""
                loop.call_soon_threadsafe(chunks.put_nowait, chunk)

    threading.Thread(target=read, name="warren-lines", daemon=True).start()
    rest = b""
    while chunk := await chunks.get():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.removesuffix(b"\r")
        if len(rest) > MAX_LINE:
            yield rest
            rest = b""
        wanted.release()
    if rest:
        yield rest


def write_line(data: bytes) -> None:
    """Write a datagram to standard output as one line, at once."""
    sys.stdout.buffer.write(data + b"\n")
    sys.stdout.buffer.flush()
