"""The signaling server on gRPC: its settings, ports, health service, and how it starts and drains."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]  # it ships no types
from grpc_health.v1.health import aio as health  # type: ignore[import-untyped]  # it ships no types

from warren.errors import WarrenError
from warren.server.address import ListenAddress
from warren.server.auth import SECRET_SIZE, TOKEN_LIFETIME, Authenticator, Policy, key_pair
from warren.server.gate import Gate
from warren.server.names import ServerNames
from warren.server.relay import Limits, Relay
from warren.server.service import SERVICE, SignalingService
from warren.server.tls import Certificate, CertificateFiles, server_credentials
from warren.server.turn import TurnRelays

__all__ = ["Proofs", "Settings", "SignalServer", "serve"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proofs:
    """Whether and how clients prove that they hold their keys."""

    policy: Policy = Policy.PREFER
    secret: bytes | None = field(default=None, repr=False)
    """32 bytes that servers which stand for one another share; None: random ones."""
    names: Sequence[str] = ()
    """What clients call the server, beside the certificate's names and where it listens."""
    token_lifetime: float = TOKEN_LIFETIME
    """Seconds."""
    clock: Callable[[], float] = time.time
    """Seconds since 1970."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the server treats its clients; times in seconds."""

    limits: Limits = field(default_factory=Limits)
    write_timeout: float = 10.0
    """For how long a reader may let a write wait."""
    handshake_timeout: float = 5.0
    keepalive_time: float = 30.0
    """A connection that was silent for so long is asked whether it lives."""
    keepalive_timeout: float = 10.0
    grace: float = 3.0
    """How long a drain waits for streams to end before it cuts them off."""

    def options(self) -> list[tuple[str, int]]:
        """Spell them out for gRPC."""
        return [
            # With the defaults, a herd of 5,000 clients that come back sees a quarter of its calls CANCELLED.
            ("grpc.server.max_pending_requests", 200_000),
            ("grpc.server.max_pending_requests_hard_limit", 400_000),
            # All subscriptions of a connection, and some room to publish.
            ("grpc.max_concurrent_streams", self.limits.subscriptions_per_connection + 76),
            ("grpc.max_receive_message_length", 4 * self.limits.envelope),
            ("grpc.max_metadata_size", 8192),
            ("grpc.server_handshake_timeout_ms", _milliseconds(self.handshake_timeout)),
            ("grpc.keepalive_time_ms", _milliseconds(self.keepalive_time)),
            ("grpc.keepalive_timeout_ms", _milliseconds(self.keepalive_timeout)),
            # What really ends the connection: without it, any unanswered ping is waited for a minute.
            ("grpc.http2.ping_timeout_ms", _milliseconds(self.keepalive_timeout)),
            # Both ways: clients may ping without a call (they do, every 20 s), and so do we.
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
            ("grpc.http2.max_ping_strikes", 3),
            # What gRPC itself holds for a stream that is not read: one envelope, not the default of four.
            ("grpc.http2.write_buffer_size", self.limits.envelope),
            # Two servers on one port would each have half of the subscriptions: a port in use is an error.
            ("grpc.so_reuseport", 0),
        ]


class SignalServer:
    """A signaling server that listens; `serve` makes one.

    Attributes:
        relay: the core, whose `counts` say what happened.
        gate: who is let in, and by which proof; its authenticator has `counts` too.
        address: where it listens, with the real port.
        certificate: what it shows, or None for plaintext.
    """

    def __init__(
        self,
        engine: grpc.aio.Server,
        relay: Relay,
        gate: Gate,
        *,
        address: ListenAddress,
        certificate: Certificate | None,
        grace: float,
    ) -> None:
        self.relay: Final = relay
        self.gate: Final = gate
        self.address: Final = address
        self.certificate: Final = certificate
        self._engine = engine
        self._grace = grace
        self._health = health.HealthServicer()
        self._stopping: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """How clients that reach this address name the server; with a pin where nobody vouches for it."""
        if self.certificate is None:
            return f"grpc://{self.address}?insecure=true"
        pin = f"?pin={self.certificate.fingerprint}" if self.certificate.self_signed else ""
        return f"grpc://{self.address}{pin}"

    async def start(self) -> None:
        """Begin to serve."""
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._engine)
        await self._health.set(SERVICE, health_pb2.HealthCheckResponse.SERVING)
        await self._engine.start()

    async def drain(self) -> None:
        """Take nothing new, end every stream with UNAVAILABLE, and stop; later calls wait for the first."""
        if self._stopping is None:
            self._stopping = asyncio.get_running_loop().create_task(self._engine.stop(self._grace))
            self.relay.close()
            # A health watcher that does not read could hold this up for ever.
            with suppress(TimeoutError):
                async with asyncio.timeout(self._grace):
                    await self._health.enter_graceful_shutdown()
        await self._stopping


@asynccontextmanager
async def serve(
    listen: str,
    *,
    tls: CertificateFiles | None,
    settings: Settings | None = None,
    proofs: Proofs | None = None,
    relays: TurnRelays | None = None,
) -> AsyncIterator[SignalServer]:
    """Run a signaling server until the context is left, which drains it.

    Args:
        listen: `HOST:PORT`; port 0 takes one that is free.
        tls: the certificate and key; None means plaintext.
        relays: TURN servers whose credentials are given to those who have proved to hold a key.

    Raises:
        ConfigurationError: the address, the files or a name cannot be used.
        WarrenError: the address cannot be bound.
    """
    settings, proofs = settings or Settings(), proofs or Proofs()
    names = ServerNames(proofs.names)
    relay, gate = Relay(settings.limits), _gate(proofs, names)
    service = SignalingService(relay, gate, relays=relays, write_timeout=settings.write_timeout)
    wanted = ListenAddress.parse(listen)
    credentials, certificate = server_credentials(tls, names.certify) if tls else (None, None)
    if certificate is not None:
        names.certify(certificate)
    engine = grpc.aio.server(handlers=(service,), options=settings.options())
    address = _bind(engine, wanted, credentials, names)
    server = SignalServer(engine, relay, gate, address=address, certificate=certificate, grace=settings.grace)
    await server.start()
    try:
        yield server
    finally:
        await server.drain()


def _gate(proofs: Proofs, names: ServerNames) -> Gate:
    secret = proofs.secret or os.urandom(SECRET_SIZE)
    authenticator = Authenticator(
        secret, key_pair(secret), is_own_name=names.__contains__, token_lifetime=proofs.token_lifetime
    )
    return Gate(proofs.policy, authenticator, clock=proofs.clock)


def _bind(
    engine: grpc.aio.Server,
    wanted: ListenAddress,
    credentials: grpc.ServerCredentials | None,
    names: ServerNames,
) -> ListenAddress:
    port = wanted.port
    resolved = wanted.resolve()
    for address in resolved:
        where = str(ListenAddress(address.host, port))
        try:
            port = (
                engine.add_secure_port(where, credentials) if credentials else engine.add_insecure_port(where)
            )
        except RuntimeError:  # It was free a moment ago. gRPC gives no reason.
            raise WarrenError(f"cannot listen at {where}: gRPC could not bind it; try again") from None
    names.listening(wanted.host, [address.host for address in resolved], port)
    return ListenAddress(wanted.host, port)


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
