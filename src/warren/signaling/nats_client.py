"""The official client of NATS, held to what a carrier needs.

It does not connect again by itself, does not log, goes on where strangers publish odd things, and leaves
closing to its owner, who can bound it.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from nats.aio.client import Client
from nats.aio.transport import TcpTransport
from nats.errors import Error, ProtocolError
from nats.protocol.parser import AWAITING_MSG_PAYLOAD, Parser

from warren.errors import SignalingError
from warren.signaling.nats_target import NatsServer, NatsTarget

__all__ = ["NEVER", "QuietClient"]

MAX_LINE: Final = 64 * 1024
MAX_MESSAGE: Final = 64 * 1024 * 1024
"""More than this no server lets anybody publish."""

CLOSE_TIMEOUT: Final = 1.0
PING: Final = b"PING\r\n"
NEVER: Final = 365 * 86400
"""Seconds for what the library lets nobody switch off."""


class QuietClient(Client):
    """One connection to one server; what overrides the library says why.

    Args:
        heard: gets (subject, payload) of each message.
        refused: gets what the server says against something that we wrote.
        lost: told once or more when the connection is of no more use; closing it is the caller's.
    """

    def __init__(
        self,
        *,
        heard: Callable[[bytes, bytes], None],
        refused: Callable[[str], None],
        lost: Callable[[Exception], None],
    ) -> None:
        super().__init__()
        self._heard = heard
        self._refused = refused
        self._lost = lost
        self._ps = _Parser(self)
        self._target: NatsTarget | None = None
        self._server: NatsServer | None = None

    async def dial(self, server: NatsServer, target: NatsTarget, *, timeout: float) -> None:
        """Connect once; where that is done `shut` is due.

        Raises:
            Exception: of the system, OpenSSL or the library, for whatever reason it failed.
        """
        try:
            await self._dial(server, target, timeout)
        except BaseException:
            await self.shut(within=0)
            raise

    async def shut(self, within: float = CLOSE_TIMEOUT) -> None:
        """Close the connection, politely if that takes no longer, and let nothing of it go on."""
        try:
            async with asyncio.timeout(within):
                await self.close()
        except (TimeoutError, OSError, Error):
            pass
        finally:
            self._abort()

    async def _dial(self, server: NatsServer, target: NatsTarget, timeout: float) -> None:
        self._server, self._target = server, target
        async with asyncio.timeout(timeout):
            await self.connect(
                servers=[str(server)],
                name="warren",
                error_cb=self._failed,
                allow_reconnect=False,
                connect_timeout=int(timeout) + 1,  # Ours ends it.
                ping_interval=NEVER,  # Whoever waits for an answer pings; the library's own would not.
                # No buffer while there is no connection, and none whose end one waits for and cannot cancel.
                pending_size=0,
                flusher_queue_size=0,
                tls=target.context(),
                **target.credentials(),
            )
        if not self.is_connected:
            raise Error("nats: something else than PONG came first")

    def _abort(self) -> None:
        # Closing politely waits for ever where the other end has stopped reading; the library knows no other.
        if isinstance(self._transport, TcpTransport):
            for writer in (self._transport._io_writer, self._transport._bare_io_writer):
                if writer is not None:
                    writer.transport.abort()

    async def _failed(self, error: Exception) -> None:
        # The library tells each failed attempt and tries again, even where it was told not to; this ends it.
        if not (self.is_connected or self.is_closed):
            raise error

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        # The library uses TLS only where the server demands it: whoever stands between could take it away.
        if not initial_connection:
            return  # Servers of a cluster: we go only where we were sent.
        assert self._target is not None
        assert self._server is not None
        if self._target.insists and info.get("tls_available"):
            info["tls_required"] = True
        if not isinstance(info.get("max_payload", 0), int):
            raise Error("nats: expecting info")
        if info.get("tls_required"):
            if info.get("tls_verify") and self._target.cert is None:
                raise SignalingError("it wants a certificate of ours: ?cert=FILE and ?key=FILE")
            return
        if self._target.insists:
            raise SignalingError("it offers no TLS; without it, leave out ?tls=true, ?ca= and ?cert=")
        if self._target.tells_secrets and self._target.tls is None and not self._server.local:
            raise SignalingError(
                f"it offers no TLS: {self._target.shown} would go in plaintext; ?tls=false allows that"
            )

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        # The library decodes reply and headers, which strangers choose, and stops reading if that fails.
        self.stats["in_msgs"] += 1
        self.stats["in_bytes"] += len(data)
        self._heard(subject, data)

    async def _process_err(self, err_msg: str) -> None:
        # The library closes the connection over one refused subject. A server that means it closes by itself.
        self._refused(err_msg)

    async def _process_op_err(self, e: Exception) -> None:
        # The library would close itself, waiting for the other end as long as that likes.
        self._lost(e)

    async def _send_ping(self, future: "asyncio.Future[Any] | None" = None) -> None:
        # The library's PING overtakes what its flusher has not yet written: its PONG would prove nothing.
        self._pongs.append(future or asyncio.get_running_loop().create_future())
        await self._send_command(PING)
        await self._flush_pending()


class _Parser(Parser):
    """A parser that ends the connection over whatever it cannot read, and keeps no more than a message."""

    async def parse(self, data: bytes = b"") -> None:
        try:
            await super().parse(data)
        except ProtocolError:
            raise
        except Exception as error:
            raise ProtocolError from error
        waits_for = self.needed if self.state == AWAITING_MSG_PAYLOAD else len(self.buf)
        if waits_for > (MAX_MESSAGE if self.state == AWAITING_MSG_PAYLOAD else MAX_LINE):
            raise ProtocolError
