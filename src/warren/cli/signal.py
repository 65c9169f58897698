"""`warren signal`: run a signaling server."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Never

import typer

from warren.cli.loop import run
from warren.cli.terminal import Terminal
from warren.errors import ConfigurationError
from warren.keys import PrivateKey

if TYPE_CHECKING:
    from warren.server.grpc import Proofs, SignalServer
    from warren.server.tls import CertificateFiles
    from warren.server.turn import TurnRelays

__all__ = ["EXAMPLES", "signal"]

EXAMPLES = (
    "warren signal --listen 0.0.0.0:443 --tls-cert fullchain.pem --tls-key privkey.pem",
    "warren signal --listen 127.0.0.1:8080 --insecure",
    "warren signal --listen [::]:443 --tls-cert fullchain.pem --tls-key privkey.pem --auth require "
    "--relay turn:turn.example.org:3478 --relay-secret turn.secret",
)

REPORT_INTERVAL: Final = 60.0


class Auth(Enum):
    """The words of `--auth`: those of the server's `Policy`, whose module takes long to import."""

    OFF = "off"
    PREFER = "prefer"
    REQUIRE = "require"


def signal(
    listen: Annotated[
        str, typer.Option("--listen", metavar="HOST:PORT", help="Where to listen; port 0: any that is free.")
    ],
    tls_cert: Annotated[
        Path | None,
        typer.Option(
            "--tls-cert",
            metavar="FILE",
            help="The certificate and its chain, in PEM; followed when it changes.",
        ),
    ] = None,
    tls_key: Annotated[
        Path | None,
        typer.Option("--tls-key", metavar="FILE", help="The private key of the certificate, in PEM."),
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Do without TLS: everybody on the way sees who talks to whom.")
    ] = False,
    auth: Annotated[
        Auth,
        typer.Option(
            "--auth",
            help="Proofs that a subscriber holds its key: ask for none, serve who gives one first, "
            "or serve no one without.",
        ),
    ] = Auth.PREFER,
    auth_secret: Annotated[
        Path | None,
        typer.Option(
            "--auth-secret",
            metavar="FILE",
            help="What servers that stand for one another share, as genkey writes it; otherwise random.",
        ),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(
            "--name",
            metavar="HOST[:PORT]",
            help="What clients call it, where neither its certificate nor --listen says so. Repeatable.",
        ),
    ] = None,
    relay: Annotated[
        list[str] | None,
        typer.Option(
            "--relay",
            metavar="URL",
            help="A TURN server to give clients credentials for, such as turn:host:3478. Repeatable.",
        ),
    ] = None,
    relay_secret: Annotated[
        Path | None,
        typer.Option(
            "--relay-secret",
            metavar="FILE",
            help="The secret shared with the TURN servers (coturn: use-auth-secret, static-auth-secret).",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write events to standard error as JSON objects, one a line.")
    ] = False,
    verbose: Annotated[
        int,
        typer.Option(
            "--verbose", "-v", count=True, show_default=False, help="Tell more; twice: tell everything."
        ),
    ] = 0,
) -> int:
    """Run a signaling server: it carries sealed envelopes from key to key, and keeps none.

    It serves until it gets SIGTERM or Ctrl-C; then it sends its clients away and ends within seconds.
    """
    return _serve_until_stopped(
        listen,
        _certificate_files(tls_cert, tls_key, insecure=insecure),
        _proofs(auth, auth_secret, name or ()),
        _relays(auth, relay or (), relay_secret),
        Terminal(as_json=as_json, verbose=verbose),
    )


def _serve_until_stopped(
    listen: str,
    files: "CertificateFiles | None",
    proofs: "Proofs",
    relays: "TurnRelays | None",
    terminal: Terminal,
) -> int:
    terminal.log_everything()
    try:
        run(_serve(listen, files, proofs, relays, terminal))
    except KeyboardInterrupt:  # How serving ends, and ends well.
        terminal.event("stopped", event="stopped")
    return 0


async def _serve(
    listen: str,
    files: "CertificateFiles | None",
    proofs: "Proofs",
    relays: "TurnRelays | None",
    terminal: Terminal,
) -> Never:
    from warren.server.grpc import serve
    from warren.server.log import adopt_grpc_log

    _allow_many_connections()
    async with serve(listen, tls=files, proofs=proofs, relays=relays) as server:
        adopt_grpc_log()
        _tell_listening(server, terminal)
        try:
            while True:
                await asyncio.sleep(REPORT_INTERVAL)
                _report(server, terminal)
        finally:
            _report(server, terminal)
            count = server.relay.subscriptions
            terminal.event(f"sending {count} subscribers away", event="draining", subscriptions=count)


def _certificate_files(
    certificate: Path | None, key: Path | None, *, insecure: bool
) -> "CertificateFiles | None":
    if insecure and (certificate or key):
        raise ConfigurationError("--insecure means without TLS: give either it or --tls-cert and --tls-key")
    if insecure:
        return None
    if certificate is None or key is None:
        raise ConfigurationError(
            "a server needs --tls-cert FILE and --tls-key FILE; --insecure serves without TLS, "
            "which is for trying things out and for servers behind a proxy that does TLS"
        )
    from warren.server.tls import CertificateFiles

    return CertificateFiles(certificate, key)


def _proofs(auth: Auth, secret: Path | None, names: Sequence[str]) -> "Proofs":
    from warren.server.auth import Policy
    from warren.server.grpc import Proofs

    if auth is Auth.OFF and (secret or names):
        raise ConfigurationError("--auth off asks for no proofs: leave out --auth-secret and --name")
    shared = PrivateKey.load(secret).raw if secret else None
    return Proofs(policy=Policy(auth.value), secret=shared, names=names)


def _relays(auth: Auth, urls: Sequence[str], secret: Path | None) -> "TurnRelays | None":
    if not urls and not secret:
        return None
    if not urls or secret is None:
        raise ConfigurationError("--relay URL and --relay-secret FILE belong together: give both")
    if auth is Auth.OFF:
        raise ConfigurationError(
            "--relay gives credentials only to those who prove to hold a key: leave out --auth off"
        )
    from warren.server.turn import TurnRelays, read_relay_secret

    return TurnRelays(urls, read_relay_secret(secret))


def _tell_listening(server: "SignalServer", terminal: Terminal) -> None:
    values = {"url": server.url, "host": server.address.host, "port": server.address.port}
    terminal.event(f"listening: {server.url}", event="listening", **values)
    if (certificate := server.certificate) is not None:
        names = ", ".join(certificate.names) or "nobody (no subject alternative names)"
        terminal.detail(
            f"certificate {certificate.fingerprint} for {names}, "
            f"valid until {certificate.expires:%Y-%m-%d %H:%M} UTC",
            event="certificate",
            names=certificate.names,
            fingerprint=certificate.fingerprint,
        )


def _report(server: "SignalServer", terminal: Terminal) -> None:
    relay = server.relay
    live = {"subscriptions": relay.subscriptions, "keys": relay.keys, "connections": relay.connections}
    counts = dict(relay.counts + server.gate.authenticator.counts)
    words = ", ".join(f"{name} {count}" for name, count in (live | counts).items())
    terminal.detail(words, event="counts", **live, counts=counts)


def _allow_many_connections() -> None:
    try:
        import resource
    except ModuleNotFoundError:  # Not a Unix.
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # Some systems call unlimited what they do not grant.
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
