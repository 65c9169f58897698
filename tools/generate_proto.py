"""Generate src/warren/_pb from proto/: `make proto`. With a folder as argument, write there instead."""

import re
import sys
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).parents[1]
PROTO = ROOT / "proto"
TARGET = ROOT / "src" / "warren" / "_pb"


def generate(target: Path) -> list[Path]:
    """Write the generated modules below `target`; returns their paths relative to it, sorted."""
    sources = sorted(str(path.relative_to(PROTO)) for path in PROTO.rglob("*.proto"))
    target.mkdir(parents=True, exist_ok=True)
    arguments = ["protoc", f"--proto_path={PROTO}", f"--python_out={target}", f"--pyi_out={target}", *sources]
    if protoc.main(arguments) != 0:
        raise SystemExit("protoc failed: its messages are above")
    written = sorted(path for path in target.rglob("*_pb2.py*") if path.suffix in (".py", ".pyi"))
    packages = "|".join(sorted({Path(source).parts[0] for source in sources}))
    for path in written:
        # protoc writes imports from the root of proto/; here that root is the package warren._pb.
        text = path.read_text()
        path.write_text(re.sub(rf"^from ({packages})(\.\w+)* import", _inside, text, flags=re.MULTILINE))
    for folder in sorted({path.parent for path in written} | {target, target / "warren"}):
        (folder / "__init__.py").touch()
    return [path.relative_to(target) for path in written]


def _inside(match: re.Match[str]) -> str:
    return match[0].replace("from ", "from warren._pb.", 1)


if __name__ == "__main__":
    for name in generate(Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET):
        print(name)
