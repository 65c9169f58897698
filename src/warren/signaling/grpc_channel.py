"""Dialling a gRPC server: how the channel is set up, and whom it trusts."""

import ssl
from typing import Final

import grpc.aio

from warren.errors import SignalingError
from warren.signaling.grpc_target import GrpcTarget
from warren.signaling.grpc_words import route_words
from warren.signaling.trust import fetch_certificate, fingerprint, name_to_expect

__all__ = ["OPTIONS", "dial"]

Options = tuple[tuple[str, int | str], ...]

OPTIONS: Final[Options] = (
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # What really ends the connection: without it, any unanswered ping is waited for a minute.
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # Whoever subscribes tries again by himself; gRPC must not wait its two minutes beside that.
    ("grpc.initial_reconnect_backoff_ms", 500),
    ("grpc.min_reconnect_backoff_ms", 5_000),  # How long connecting may take, whatever its name says.
    ("grpc.max_reconnect_backoff_ms", 4_000),
    # A new channel is to be a new connection, not one that another channel found to be dead.
    ("grpc.use_local_subchannel_pool", 1),
    # cunīcu's server passes on what is larger than an envelope may be. A lower limit would let anyone who
    # knows our key end our stream; so such a thing is received, counted and dropped.
    ("grpc.max_receive_message_length", 5 * 1024 * 1024),
    ("grpc.max_metadata_size", 8_192),
    ("grpc.service_config_disable_resolution", 1),
)


async def dial(target: GrpcTarget) -> grpc.aio.Channel:
    """Make a channel; only a pinned server is spoken to before the first call.

    Raises:
        SignalingError: a pinned server cannot be reached or shows another certificate.
    """
    address = f"dns:///{target.address}"
    if target.insecure:
        return grpc.aio.insecure_channel(address, options=OPTIONS)
    roots, options = target.roots, OPTIONS
    if target.pin is not None:
        roots, options = await _pinned(target, target.pin)
    assert roots is not None, "TLS needs somebody to trust"
    # gRPC's cipher suites are all of TLS 1.2 or 1.3, which makes 1.2 its minimum.
    credentials = grpc.ssl_channel_credentials(roots)
    return grpc.aio.secure_channel(address, credentials, options=options)


async def _pinned(target: GrpcTarget, pin: bytes) -> tuple[bytes, Options]:
    """Fetch the certificate, compare, and return it as the only root, with the name to check it for."""
    try:
        certificate = await fetch_certificate(target.host, target.port)
    except OSError as error:
        raise SignalingError(route_words(target, error)) from None
    if (seen := fingerprint(certificate)) != pin:
        raise SignalingError(
            f"signaling server {target} shows another certificate than the pinned one: sha256:{seen.hex()}; "
            "if you know that it was renewed, pin this one"
        )
    try:
        name = name_to_expect(certificate, target.host)
    except SignalingError as error:
        raise SignalingError(f"signaling server {target} cannot be trusted: {error}") from None
    options = OPTIONS if name is None else (*OPTIONS, ("grpc.ssl_target_name_override", name))
    return ssl.DER_cert_to_PEM_cert(certificate).encode(), options
