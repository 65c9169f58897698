"""The options that connect, listen and ping share, and what they make: a node and a terminal."""

import contextlib
import functools
import inspect
import typing
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import MISSING, asdict, dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Concatenate, Final, ParamSpec

import typer

from warren import signaling
from warren.aio.node import Node
from warren.cli import loop
from warren.cli.terminal import Terminal
from warren.errors import ConfigurationError, WarrenError
from warren.ice.policy import CandidatePolicy
from warren.keys import PrivateKey, PublicKey
from warren.session.config import OVERLAY_INTERFACES, Config
from warren.signaling.backend import SubscriptionChanged
from warren.signaling.stats import BackendStats

__all__ = ["INTERRUPTED", "Common", "Peer", "Timeout", "default_key_file", "parse_key", "with_common"]

INTERRUPTED: Final = 130
"""The exit code of a command that Ctrl-C ended before it was done: what shells say of SIGINT."""

P = ParamSpec("P")


def default_key_file() -> Path:
    """Where the private key is kept unless somebody says otherwise: in the user's configuration folder."""
    return Path(typer.get_app_dir("warren")) / "key"


def _default_key_words() -> str:
    path = default_key_file()
    return (
        f"default: ~/{path.relative_to(Path.home())}"
        if path.is_relative_to(Path.home())
        else f"default: {path}"
    )


def parse_key(text: str) -> PublicKey:
    """Read a public key of the command line.

    Raises:
        BadParameter: it is none; the text says what is wrong.
    """
    try:
        return PublicKey.parse(text)
    except ValueError as error:
        # Not quoted: it may be a private key.
        raise typer.BadParameter(f"{error}; `warren pubkey` prints it, at the peer") from None


Peer = Annotated[
    PublicKey,
    typer.Argument(
        parser=parse_key, metavar="PEER", help="The other's public key, in base64 (44 characters)."
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option("--timeout", metavar="SECONDS", min=0.0, help="How long to wait until connected."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """The shared options, each with the words of its help."""

    key: Annotated[
        Path | None,
        typer.Option(
            "--key",
            envvar="WARREN_KEY_FILE",
            metavar="FILE",
            help=f"Our private key; only we may be able to read it ({_default_key_words()}).",
        ),
    ] = None
    signaling: Annotated[
        list[str],
        typer.Option(
            "--signaling",
            envvar="WARREN_SIGNALING",
            metavar="URL",
            help="Where both sides meet, such as grpc://host:port. Several are used at once.",
        ),
    ] = field(default_factory=list)
    stun: Annotated[
        list[str],
        typer.Option(
            "--stun",
            envvar="WARREN_STUN",
            metavar="URL",
            help="A server that says how the internet sees us, such as stun:host:3478. Give two.",
        ),
    ] = field(default_factory=list)
    turn: Annotated[
        list[str],
        typer.Option(
            "--turn",
            envvar="WARREN_TURN",
            metavar="URL",
            help="A server that passes on what NATs let through nowhere else, such as "
            "turn:user:password@host:3478?transport=udp, or turns: for TLS. Others can see the options of "
            "a command, but not its environment.",
        ),
    ] = field(default_factory=list, repr=False)
    interface: Annotated[
        list[str],
        typer.Option(
            "--interface",
            metavar="PATTERN",
            help="Only interfaces of such names: 'eth*' (default: all but tunnels and bridges).",
        ),
    ] = field(default_factory=list)
    exclude_network: Annotated[
        list[str],
        typer.Option(
            "--exclude-network",
            metavar="NETWORK",
            help="Offer no address of ours in it, and speak to none of a peer's: 10.0.0.0/8.",
        ),
    ] = field(default_factory=list)
    candidates: Annotated[
        CandidatePolicy,
        typer.Option(
            "--candidates",
            help="What the peer learns of our addresses: all, no private ones, or a relay's only.",
        ),
    ] = CandidatePolicy.ALL
    port: Annotated[
        str,
        typer.Option(
            "--port", metavar="PORT[-PORT]", help="Our port, UDP and TCP, or a range; 0: any that is free."
        ),
    ] = "0"
    loopback: Annotated[
        bool, typer.Option("--loopback", help="Use loopback addresses too, for a peer on this machine.")
    ] = False
    as_json: Annotated[
        bool, typer.Option("--json", help="Write events to standard error as JSON objects, one a line.")
    ] = False
    verbose: Annotated[
        int,
        typer.Option(
            "--verbose", "-v", count=True, show_default=False, help="Tell more; twice: tell everything."
        ),
    ] = 0

    def run(self, work: "Callable[[Node, Terminal], Awaitable[int]]") -> int:
        """Do the work with a node until it is done, fails, or is interrupted; returns the exit code.

        Raises:
            KeyboardInterrupt: Ctrl-C; the node has been closed.
        """
        terminal = Terminal(as_json=self.as_json, verbose=self.verbose)
        terminal.log_everything()
        try:
            return loop.run(self._run(work, terminal), precise=True)
        except ConfigurationError as error:
            terminal.error(str(error))
            return 2
        except WarrenError as error:
            terminal.error(str(error))
            return 1

    async def _run(self, work: "Callable[[Node, Terminal], Awaitable[int]]", terminal: Terminal) -> int:
        async with self._node(terminal) as node:
            code = await work(node, terminal)
            terminal.drops(node.drops, "of strangers")
            for backend in node.stats.backends:
                _tell_stats(terminal, backend)
            return code

    @contextlib.asynccontextmanager
    async def _node(self, terminal: Terminal) -> AsyncIterator[Node]:
        key = PrivateKey.load(self.key or default_key_file())
        if not self.signaling:
            raise ConfigurationError(
                "no signaling server given: say --signaling grpc://host:port, or set WARREN_SIGNALING"
            )
        config = Config(
            stun=self.stun,
            turn=self.turn,
            port=_ports(self.port),
            candidates=self.candidates,
            exclude_networks=self.exclude_network,
            include_interfaces=self.interface or ("*",),
            exclude_interfaces=() if self.interface else OVERLAY_INTERFACES,
            loopback=self.loopback,
        )
        backend = signaling.connect(*self.signaling)
        try:
            unwatch = backend.watch(partial(_tell_signaling, terminal))
            async with Node(key, backend, config=config) as node:
                for item, why in node.left_out:
                    terminal.detail(
                        f"not used: {item.address} on {item.interface} ({why})",
                        event="address",
                        address=item.address,
                        interface=item.interface,
                        reason=why,
                    )
                yield node
            unwatch()
        finally:
            await backend.aclose()


def _ports(text: str) -> int | tuple[int, int]:
    first, dash, last = text.partition("-")
    try:
        return (int(first), int(last)) if dash else int(first)
    except ValueError:
        raise ConfigurationError(f"--port {text} is neither a port nor a range such as 40000-40100") from None


def _tell_signaling(terminal: Terminal, change: SubscriptionChanged) -> None:
    words = "signaling is live" if change.live else f"signaling: {change.reason}; trying again"
    tell = terminal.detail if change.live else terminal.event
    tell(
        f"{words} ({change.backend})",
        event="signaling",
        live=change.live,
        backend=change.backend,
        reason=change.reason,
    )


def _tell_stats(terminal: Terminal, stats: BackendStats) -> None:
    trouble = "" if stats.live else f"; not live: {stats.reason}"
    terminal.detail(
        f"{stats.name}: published {stats.published}, refused {stats.refused}, received {stats.received}, "
        f"lost {stats.losses} times, gaps {stats.gaps}{trouble}",
        event="backend",
        **asdict(stats),
    )


def with_common(command: "Callable[Concatenate[Common, P], int]") -> Callable[..., int]:
    """Give a command, whose first parameter is the `Common`, the options of `Common` in its place."""
    signature = inspect.signature(command, eval_str=True)
    own = list(signature.parameters.values())[1:]
    hints = typing.get_type_hints(Common, include_extras=True)
    shared = [
        inspect.Parameter(
            item.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=[] if item.default is MISSING else item.default,
            annotation=hints[item.name],
        )
        for item in fields(Common)
    ]

    @functools.wraps(command)
    def with_options(**values: Any) -> int:
        common = Common(**{item.name: values.pop(item.name) for item in fields(Common)})
        return command(common, **values)  # type: ignore[call-arg]  # the names come from the signature just read

    parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    with_options.__signature__ = signature.replace(parameters=parameters + shared)  # type: ignore[attr-defined]  # what inspect reads
    return with_options
