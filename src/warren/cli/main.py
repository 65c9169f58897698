"""`warren`: the console script."""

import os
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command that the arguments name and exit: 0 done, 1 not possible, 2 wrong use."""
    # gRPC's core, which reads this when imported, would write lines of its own between ours: one for every
    # handshake that fails.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        from warren.cli.commands import run
    except ModuleNotFoundError as error:
        if error.name != "typer":
            raise
        print(
            f"warren: {error.name} is not installed: the command line needs pip install 'warren[cli]'",
            file=sys.stderr,
        )
        sys.exit(2)
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
