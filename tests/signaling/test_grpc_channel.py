import asyncio
import hashlib
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
import trustme

from tests.signaling.cunicu_server import CunicuServer
from tests.signaling.people import BOB
from warren.errors import SignalingError
from warren.signaling.carrier import Identity
from warren.signaling.grpc import GrpcCarrier, open_carrier
from warren.signaling.grpc_channel import OPTIONS, dial
from warren.signaling.grpc_target import GrpcTarget
from warren.signaling.url import BackendUrl

AUTHORITY = trustme.CA()


@asynccontextmanager
async def tls_server(*names: str) -> AsyncIterator[tuple[CunicuServer, str]]:
    """Run a server with a certificate for these names; yields it and the pin of its certificate."""
    leaf = AUTHORITY.issue_cert(*names)
    chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
    credentials = grpc.ssl_server_credentials([(leaf.private_key_pem.bytes(), chain)])
    der = ssl.PEM_cert_to_DER_cert(leaf.cert_chain_pems[0].bytes().decode())
    async with CunicuServer(credentials) as server:
        yield server, f"sha256:{hashlib.sha256(der).hexdigest()}"


async def enter(url: str) -> None:
    carrier: GrpcCarrier = open_carrier(BackendUrl.parse(url))
    try:
        async with carrier.subscribe(Identity(BOB)):
            pass
    finally:
        await carrier.aclose()


@pytest.fixture
def authority_file(tmp_path: Path) -> Path:
    file = tmp_path / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(str(file))
    return file


@pytest.fixture
def system_trusts_authority(authority_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority_file))
    monkeypatch.setenv("SSL_CERT_DIR", str(authority_file.parent / "none"))


# An authority's certificate


def test_the_options_of_grpc_are_those_that_keep_a_subscription_alive() -> None:
    options = dict(OPTIONS)
    assert options["grpc.keepalive_time_ms"] == 20_000
    assert options["grpc.keepalive_timeout_ms"] == 10_000
    assert options["grpc.keepalive_permit_without_calls"] == 1
    assert options["grpc.max_reconnect_backoff_ms"] == 4_000


async def test_server_is_trusted_by_its_authority(authority_file: Path) -> None:
    async with tls_server("localhost") as (server, _):
        await enter(f"grpc://localhost:{server.port}?ca={authority_file}")
        assert server.subscribed == 1


@pytest.mark.usefixtures("system_trusts_authority")
async def test_server_is_trusted_where_the_system_trusts_its_authority() -> None:
    async with tls_server("localhost") as (server, _):
        await enter(f"grpc://localhost:{server.port}")
        assert server.subscribed == 1


async def test_server_that_nobody_vouches_for_is_refused_with_hints() -> None:
    async with tls_server("localhost") as (server, _):
        with pytest.raises(SignalingError, match=r"is not trusted; .*\?pin=sha256:….*\?ca=FILE"):
            await enter(f"grpc://localhost:{server.port}")
        assert server.subscribed == 0


async def test_certificate_for_another_name_is_refused(authority_file: Path) -> None:
    async with tls_server("other.example") as (server, _):
        with pytest.raises(SignalingError, match="its certificate is for another name"):
            await enter(f"grpc://localhost:{server.port}?ca={authority_file}")
        assert server.subscribed == 0


# A pinned certificate


@pytest.mark.parametrize("name", ["localhost", "other.example", "*.example.org", "192.0.2.1"])
async def test_pinned_server_is_trusted_whatever_its_name(name: str) -> None:
    async with tls_server(name) as (server, pin):
        await enter(f"grpc://127.0.0.1:{server.port}?pin={pin}")
        assert server.subscribed == 1


async def test_other_certificate_than_the_pinned_one_is_refused_and_shown() -> None:
    async with tls_server("localhost") as (server, pin):
        with pytest.raises(SignalingError) as caught:
            await enter(f"grpc://localhost:{server.port}?pin=sha256:{'0' * 64}")
        assert str(caught.value) == (
            f"signaling server grpc://localhost:{server.port} shows another certificate than the pinned one: "
            f"{pin}; if you know that it was renewed, pin this one"
        )
        assert server.subscribed == 0


async def test_pinned_server_that_is_not_there_is_told_as_any() -> None:
    async with tls_server("localhost") as (server, pin):
        pass
    with pytest.raises(SignalingError, match='connection refused; is "warren signal" running there'):
        await enter(f"grpc://localhost:{server.port}?pin={pin}")


async def test_pinned_server_that_is_silent_is_given_up() -> None:
    silence = asyncio.Event()

    async def be_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await silence.wait()
        writer.close()

    async with await asyncio.start_server(be_silent, "127.0.0.1", 0) as server:
        target = GrpcTarget(host="127.0.0.1", port=server.sockets[0].getsockname()[1], pin=bytes(32))
        carrier = GrpcCarrier(target, enter_timeout=0.2)
        with pytest.raises(SignalingError, match="it does not answer"):
            async with carrier.subscribe(Identity(BOB)):
                pass
        silence.set()
        await carrier.aclose()


async def test_pinned_certificate_without_a_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fetch(host: str, port: int) -> bytes:
        return b"hello"

    monkeypatch.setattr("warren.signaling.grpc_channel.fetch_certificate", fetch)
    target = GrpcTarget(host="host", port=443, pin=hashlib.sha256(b"hello").digest())
    with pytest.raises(
        SignalingError, match="grpc://host:443 cannot be trusted: its certificate cannot be read"
    ):
        await dial(target)


# Plaintext and TLS mixed up


async def test_plaintext_to_a_tls_server_hints_at_tls() -> None:
    async with tls_server("localhost") as (server, _):
        with pytest.raises(SignalingError, match="does it want TLS"):
            await enter(f"grpc://localhost:{server.port}?insecure=true")


@pytest.mark.parametrize("options", ["", f"?pin=sha256:{'0' * 64}"])
async def test_tls_to_a_plaintext_server_hints_at_insecure(options: str) -> None:
    async with CunicuServer() as server:
        with pytest.raises(SignalingError, match=r"does not speak TLS; .*\?insecure=true"):
            await enter(f"grpc://localhost:{server.port}{options}")


async def test_server_below_tls_1_2_is_refused(authority_file: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("localhost").configure_cert(context)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.set_alpn_protocols(["h2"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Old versions are what is wanted here.
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    connected: list[object] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.append(writer.get_extra_info("peername"))
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(SignalingError, match=r"does it speak TLS 1\.2 or newer"):
            await enter(f"grpc://localhost:{port}?ca={authority_file}")
    assert connected == []
