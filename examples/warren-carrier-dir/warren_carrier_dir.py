"""Signaling through a directory that all peers can write to: `dir:///mnt/share/warren`."""

import asyncio
import os
import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from warren.envelope import Envelope, EnvelopeError
from warren.errors import ConfigurationError, SignalingError
from warren.messages import BackendType
from warren.signaling import BackendUrl, Gap, Identity
from warren.signaling.carrier import Received

POLL, ROOM = 0.05, 64  # seconds between two looks; envelopes that may wait


class DirectoryCarrier:
    """A subscription is a directory of its own in that of its key; an envelope is a file in each of them."""

    type, max_envelope = BackendType.OTHER, 16 * 1024

    def __init__(self, root: Path) -> None:
        self.root, self.closed = root, False

    async def publish(self, envelope: Envelope) -> None:
        data = envelope.serialize()
        if self.closed or len(data) > self.max_envelope:
            raise SignalingError("closed" if self.closed else f"{len(data)} bytes are too many")
        try:
            await asyncio.to_thread(_write, self.root / envelope.recipient.raw.hex(), data)
        except OSError as error:
            raise SignalingError(f"{self.root} cannot be written to: {error}") from error

    @asynccontextmanager
    async def subscribe(self, identity: Identity) -> AsyncIterator[AsyncIterator[Received]]:
        box = self.root / identity.public.raw.hex() / secrets.token_hex(8)
        try:
            if self.closed or not self.root.is_dir():
                raise SignalingError("closed" if self.closed else f"{self.root} is no directory: mount it")
            await asyncio.to_thread(box.mkdir, parents=True)
            yield self._read(box)
        except OSError as error:
            raise SignalingError(f"{box} cannot be used: {error}") from error
        finally:
            shutil.rmtree(box, ignore_errors=True)

    async def _read(self, box: Path) -> AsyncIterator[Received]:
        while not self.closed:
            for data in await asyncio.to_thread(_take, box):
                with suppress(EnvelopeError):  # What others put there says nothing.
                    yield Envelope.parse(data) if data else Gap()
            await asyncio.sleep(POLL)

    async def aclose(self) -> None:
        self.closed = True


def _write(boxes: Path, data: bytes) -> None:
    for box in boxes.glob("*"):
        with suppress(FileNotFoundError):  # Left in this moment.
            full = len(os.listdir(box)) >= ROOM
            name = "gap" if full else secrets.token_hex(8)
            (box / f".{name}").write_bytes(b"" if full else data)
            (box / f".{name}").replace(box / name)  # Nobody reads half an envelope.


def _take(box: Path) -> list[bytes]:
    found = [file for file in box.iterdir() if not file.name.startswith(".")]
    taken = [file.read_bytes() for file in found]
    for file in found:
        file.unlink()
    return taken


def open_carrier(url: BackendUrl) -> DirectoryCarrier:
    url.refuse_options_but()
    if url.authority or not url.path.startswith("/"):
        raise ConfigurationError(f"{url}: write dir:///path/of/a/directory")
    return DirectoryCarrier(Path(url.path))
