"""The table of commands: one module each, imported when it is used."""

import importlib
import importlib.metadata
import inspect
import sys
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from warren.errors import ConfigurationError, WarrenError

__all__ = ["COMMANDS", "run"]

COMMANDS: Final = {
    "genkey": "Make a private key.",
    "pubkey": "Print the public key of a private key.",
    "signal": "Run a signaling server.",
    "listen": "Wait for peers that connect to us.",
    "connect": "Connect to a peer: lines in become datagrams, datagrams become lines.",
    "ping": "Measure the round-trip time and show the path to a peer.",
    "backends": "Show which kinds of signaling can be used here.",
    "demo": "Show it all at work: two peers behind NATs find each other.",
}
"""The commands in the order of `--help`: the function of that name in the module of that name."""

EXTRAS: Final = {"grpc": "grpc", "cryptography": "grpc", "grpc_health": "grpc", "rich": "cli"}
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
    """Imports the module of a command when somebody asks for the command."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            if name not in COMMANDS:
                raise KeyError(name)
            self._made[name] = _make(name)
        return self._made[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        del self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class _Group(TyperGroup):
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _Commands()


def _command() -> Callable[..., Any]:
    app = typer.Typer(
        cls=_Group,
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


def _make(name: str) -> Any:
    module = importlib.import_module(f"warren.cli.{name}")
    app = typer.Typer(add_completion=False)
    function = getattr(module, name)
    declare = app.command(
        name, short_help=COMMANDS[name], help=_reflow(function), epilog=_epilog(module.EXAMPLES)
    )
    declare(function)
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
