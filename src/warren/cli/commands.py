"""The table of commands: one module each, imported when it is used."""

import importlib
import importlib.metadata
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from warren.errors import ConfigurationError, WarrenError

__all__ = ["COMMANDS", "SUBCOMMANDS", "run"]

COMMANDS: Final = {
    "genkey": "Make a private key.",
    "pubkey": "Print the public key of a private key.",
    "signal": "Run a signaling server.",
    "listen": "Wait for peers that connect to us.",
    "connect": "Connect to a peer: lines in become datagrams, datagrams become lines.",
    "ping": "Measure the round-trip time and show the path to a peer.",
    "backends": "Show which kinds of signaling can be used here.",
    "k8s": "Prepare a Kubernetes API server for signaling, and sweep it.",
    "demo": "Show it all at work: two peers behind NATs find each other.",
}
"""The commands in the order of `--help`: the function of that name in the module of that name."""

SUBCOMMANDS: Final = {
    "k8s": {
        "manifests": "Print what an API server must be given: for kubectl apply.",
        "sweep": "Delete mailboxes that nobody has written for 10 minutes.",
    },
}
"""The commands of a command: `manifests` of `k8s` is the function of that name in `k8s_manifests`."""

EXTRAS: Final = {
    "grpc": "grpc",
    "cryptography": "grpc",
    "grpc_health": "grpc",
    "kubernetes": "k8s",
    "aiohttp": "k8s",
    "yaml": "k8s",
    "rich": "cli",
}
"""Which extra brings a library that may be missing."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line; every error that a user can make becomes one line on standard error."""
    try:
        code = _command()(list(arguments) or ["--help"], prog_name="warren", standalone_mode=False)
    except ConfigurationError as error:
        return _complain(str(error), 2)
    except WarrenError as error:
        return _complain(str(error), 1)
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except BrokenPipeError:  # Whoever read our output has gone: `warren … | head`.
        sys.stdout = None  # So that the interpreter does not flush it again.
        return 0
    except ModuleNotFoundError as error:
        if (extra := EXTRAS.get((error.name or "").partition(".")[0])) is None:
            raise
        return _complain(f"{error.name} is not installed: this needs pip install 'warren[{extra}]'", 2)
    except Exception as error:
        # typer brings a click of its own or uses the installed one: what its errors share is this method.
        if not hasattr(error, "format_message"):
            raise
        where = getattr(getattr(error, "ctx", None), "command_path", "warren")
        return _complain(f"{error.format_message()} (`{where} --help` tells more)", 2)
    if not arguments:
        return 2
    return code if isinstance(code, int) else 0


class _Commands(MutableMapping[str, Any]):
    """Imports the module of a command when somebody asks for the command.

    Args:
        table: the commands, each with what it does.
        within: the command that they belong to.
    """

    def __init__(self, table: Mapping[str, str], *within: str) -> None:
        self._table = table
        self._within = within
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            if name not in self._table:
                raise KeyError(name)
            self._made[name] = _make(*self._within, name, summary=self._table[name])
        return self._made[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        del self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)


def _group(commands: _Commands) -> type[TyperGroup]:
    class Group(TyperGroup):
        def __init__(self, **attributes: Any) -> None:
            super().__init__(**attributes)
            self.commands = commands

    return Group


def _command() -> Callable[..., Any]:
    app = typer.Typer(
        cls=_group(_Commands(COMMANDS)),
        name="warren",
        help="Find a path between two peers that know each other's public key, whatever lies between.",
        epilog="Begin with:  warren demo",
    )

    @app.callback()
    def options(
        version: Annotated[
            bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
        ] = False,
    ) -> None:
        pass

    return typer.main.get_command(app)


def _make(*path: str, summary: str) -> Any:
    module = importlib.import_module(f"warren.cli.{'_'.join(path)}")
    name = path[-1]
    function = getattr(module, name)
    words: dict[str, Any] = {
        "short_help": summary,
        "help": _reflow(function),
        "epilog": _epilog(module.EXAMPLES),
    }
    if table := SUBCOMMANDS.get(" ".join(path)):
        app = typer.Typer(cls=_group(_Commands(table, *path)), name=name, add_completion=False)
        app.callback(**words)(function)
    else:
        app = typer.Typer(add_completion=False)
        app.command(name, **words)(function)
    return typer.main.get_command(app)


def _reflow(function: Callable[..., Any]) -> str:
    """Make each paragraph of a docstring one line: typer keeps the line ends of all but the first."""
    paragraphs = (inspect.getdoc(function) or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _epilog(examples: Sequence[str]) -> str:
    # typer joins lines, and keeps what an empty line divides.
    return "\n\n".join(
        ("Example:" if len(examples) == 1 else "Examples:", *(f"  {line}" for line in examples))
    )


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"warren {importlib.metadata.version('warren')}")
        raise typer.Exit


def _complain(text: str, code: int) -> int:
    print(f"warren: {text}", file=sys.stderr)
    return code
