"""Sockets inside network namespaces, for a test that runs outside of them."""

import ctypes
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["inside", "udp"]


@contextmanager
def inside(namespace: str) -> Iterator[None]:
    """Run in a namespace: sockets made here stay there."""
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    away = os.open(Path("/run/netns", namespace), os.O_RDONLY)
    try:
        assert libc.setns(away, 0) == 0
        yield
    finally:
        assert libc.setns(home, 0) == 0
        os.close(home)
        os.close(away)


def udp(namespace: str, address: str, port: int = 0) -> socket.socket:
    """Make a UDP socket in a namespace."""
    with inside(namespace):
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind((address, port))
        made.settimeout(5)
    return made
